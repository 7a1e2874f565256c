//! The deployment of the tutorial: its names, labels, counts, paths and settings, and what is corrected in it.
//!
//! [`wanted`] is the input that renders it. [`CORRECTIONS`] says where the objects differ from those the tutorial prints, and why;
//! a test walks through both and accepts no other difference.
//!
#![doc = include_str!("../../TUTORIAL.md")]

mod corrections;

pub use corrections::{CORRECTIONS, Correction, table};

use crate::{Bytes, Cpu, Image, Names, NfsVolume, Resources, SecretValue, Storage, Wanted};

/// The NFS server of the tutorial.
pub const NFS_SERVER: &str = "10.198.1.155";

/// The folder of the tutorial's exports; the volume of ordinal 0 is `pv1` in it.
pub const NFS_FOLDER: &str = "/data/nfs/redis";

/// What the tutorial deploys: six nodes in the StatefulSet `redis-app` of the namespace `default`, each on an NFS volume of
/// its own. The image and the secrets are the caller's, because the tutorial has no fit ones.
///
/// ```
/// use slotwright_kube::{SecretValue, objects, tutorial};
/// let wanted = tutorial::wanted(
///     "docker.io/library/redis:7.2.5".parse()?,
///     SecretValue::existing("redis-login", "password"),
///     SecretValue::existing("redis-login", "deployment-id"),
/// );
/// let set = objects::stateful_set(&wanted.check()?);
/// assert_eq!(set.metadata.name.as_deref(), Some("redis-app"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wanted(image: Image, password: SecretValue, deployment_id: SecretValue) -> Wanted {
    let mut wanted = Wanted::new("redis-cluster", "default", image, deployment_id);
    wanted.names = names();
    wanted.access = password.into();
    let volume = |number| NfsVolume {
        server: NFS_SERVER.to_owned(),
        path: format!("{NFS_FOLDER}/pv{number}"),
        mount_options: ["nfsvers=4.1", "hard", "noatime"].map(str::to_owned).into(),
        size: Bytes::gibibytes(20),
    };
    wanted.storage = Storage::Nfs { volumes: (1..=wanted.node_count()).map(volume).collect() };
    wanted.resources = Resources {
        cpu_request: Cpu::millis(100),
        cpu_limit: None,
        memory_request: Bytes::mebibytes(100),
        memory_limit: Bytes::mebibytes(256),
    };
    wanted
}

/// The tutorial's names; objects it does not have are named alike.
///
/// ```
/// let names = slotwright_kube::tutorial::names();
/// assert_eq!((names.set_claim(0).as_str(), names.volume(0).as_str()), ("redis-data-redis-app-0", "nfs-pv1"));
/// ```
pub fn names() -> Names {
    let mut names = Names::of("default", "redis");
    for (name, value) in [
        (&mut names.workload, "redis-app"),
        (&mut names.headless, "redis-service"),
        (&mut names.clients, "redis-client"),
        (&mut names.config, "redis-conf"),
        (&mut names.claim, "redis-data"),
        (&mut names.volumes, "nfs-pv"),
        (&mut names.account, "redis-app"),
        (&mut names.budget, "redis-app"),
        (&mut names.policy, "redis-app"),
    ] {
        value.clone_into(name);
    }
    names
}

#[cfg(test)]
mod tests;
