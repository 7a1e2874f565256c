//! Redis Cluster and Valkey Cluster on Kubernetes.
//!
//! One typed input, [`Wanted`], is checked and becomes a [`Blueprint`]; every Kubernetes object of the deployment is a
//! pure function of it in [`objects`], and [`render`] writes them as YAML. The crate knows the settings of a node; it
//! knows no protocol, and opens a connection only with the feature `client`.
//!
//! ```
//! use slotwright_kube::{Image, SecretValue, Wanted, objects, render};
//!
//! let image: Image = "docker.io/library/redis:7.2.5".parse()?;
//! let id = SecretValue::new("0123456789abcdef0123456789abcdef");
//! let mut wanted = Wanted::new("sessions", "shop", image, id);
//! wanted.access = SecretValue::existing("sessions-login", "password").into();
//! let blueprint = wanted.check()?;
//! assert_eq!(blueprint.nodes().len(), 6);
//!
//! let set = objects::stateful_set(&blueprint);
//! assert_eq!(set.metadata.name.as_deref(), Some("sessions"));
//! let yaml = render::documents(&objects::all(&blueprint), render::Secrets::LeftOut)?;
//! assert!(yaml.contains("kind: StatefulSet"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what it owns |
//! |---|---|
//! | [`objects`] | one function for each kind of object |
//! | [`render`] | YAML documents, and a folder with a `kustomization.yaml` |
//! | `apply` | with the feature `client`: brings objects to an API server, waits for their pods, and forwards connections |
//! | `lease` | with the feature `client`: one deployer at a time |
//! | [`tutorial`] | the deployment of the tutorial, with each of its corrections and the reason |
//!
#![doc = include_str!("../IMAGE.md")]

#[cfg(feature = "client")]
pub mod apply;
mod check;
mod image;
#[cfg(feature = "client")]
pub mod lease;
mod names;
pub mod objects;
mod quantity;
pub mod render;
mod secret;
pub mod tutorial;
mod wanted;

pub use check::{Blueprint, Problem, Rejected};
pub use image::{Engine, IMAGE_PROGRAMS, IMAGE_SHELL, Image, ImageError, image_check};
pub use names::{LABEL_NODE, MANAGER, Names};
pub use quantity::{Bytes, Cpu, QuantityError};
pub use secret::{Access, SecretValue, Tls};
pub use wanted::{
    AccessMode, Clients, Metrics, NfsVolume, Peer, Resources, ServiceMonitorWish, Spread, Storage, Style,
    Wanted,
};
