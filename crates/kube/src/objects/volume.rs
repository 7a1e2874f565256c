//! Volumes and claims: which data belongs to which node.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        NFSVolumeSource, ObjectReference, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec,
        PersistentVolumeSpec, VolumeResourceRequirements,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

use super::node_metadata;
use crate::{AccessMode, Blueprint, Bytes, NfsVolume, Storage, Style, names};

/// The PersistentVolumes on NFS, one a node; none for another storage.
///
/// Each names the claim it is for, so that ordinal 3 always gets volume 4 and no claim of somebody else's gets any; each
/// is of no storage class, so that a default class does not make a new volume beside it; and what a claim leaves
/// behind is kept.
///
/// ```
/// # use slotwright_kube::{Bytes, NfsVolume, SecretValue, Storage, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// let mut wanted = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id);
/// let volume = |number| NfsVolume {
///     server: "10.198.1.155".into(),
///     path: format!("/data/nfs/redis/pv{number}"),
///     mount_options: ["nfsvers=4.1", "hard", "noatime"].map(String::from).into(),
///     size: Bytes::gibibytes(20),
/// };
/// wanted.storage = Storage::Nfs { volumes: (1..=6).map(volume).collect() };
/// let volumes = objects::persistent_volumes(&wanted.check()?);
/// let claim = volumes[0].spec.as_ref().unwrap().claim_ref.as_ref().unwrap();
/// assert_eq!(claim.name.as_deref(), Some("data-sessions-0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn persistent_volumes(blueprint: &Blueprint) -> Vec<PersistentVolume> {
    let Storage::Nfs { volumes } = &blueprint.wanted().storage else { return Vec::new() };
    (0..).zip(volumes).map(|(ordinal, volume)| persistent_volume(blueprint, ordinal, volume)).collect()
}

fn persistent_volume(blueprint: &Blueprint, ordinal: u32, volume: &NfsVolume) -> PersistentVolume {
    let wanted = blueprint.wanted();
    let claim = match wanted.style {
        Style::StatefulSet => wanted.names.set_claim(ordinal),
        Style::Deployment => wanted.names.node_claim(ordinal),
    };
    PersistentVolume {
        metadata: ObjectMeta {
            name: Some(wanted.names.volume(ordinal)),
            labels: Some(names::node_labels(blueprint, &wanted.names.node(ordinal))),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeSpec {
            access_modes: Some(vec![AccessMode::ReadWriteMany.name().to_owned()]),
            capacity: Some(BTreeMap::from([("storage".to_owned(), volume.size.quantity())])),
            claim_ref: Some(ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("PersistentVolumeClaim".to_owned()),
                name: Some(claim),
                namespace: Some(wanted.namespace.clone()),
                ..ObjectReference::default()
            }),
            mount_options: Some(volume.mount_options.clone()).filter(|options| !options.is_empty()),
            nfs: Some(NFSVolumeSource {
                path: volume.path.clone(),
                server: volume.server.clone(),
                ..NFSVolumeSource::default()
            }),
            persistent_volume_reclaim_policy: Some("Retain".to_owned()),
            storage_class_name: Some(String::new()),
            volume_mode: Some("Filesystem".to_owned()),
            ..PersistentVolumeSpec::default()
        }),
        ..PersistentVolume::default()
    }
}

/// The claim template of the StatefulSet. It asks for the whole volume: one that asks for less than there is tells nobody
/// when it is full. On NFS that is the size of the smallest, as there is one template for all.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// let spec = objects::claim_template(&blueprint).spec.unwrap();
/// assert_eq!(spec.access_modes.unwrap(), ["ReadWriteOnce"]);
/// // The default class of the Kubernetes cluster.
/// assert_eq!(spec.storage_class_name, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn claim_template(blueprint: &Blueprint) -> PersistentVolumeClaim {
    let wanted = blueprint.wanted();
    let size = match &wanted.storage {
        Storage::Class { size, .. } => *size,
        Storage::Nfs { volumes } => volumes.iter().map(|volume| volume.size).min().unwrap_or(Bytes::new(0)),
    };
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(wanted.names.claim.clone()),
            labels: Some(names::labels(blueprint)),
            ..ObjectMeta::default()
        },
        spec: Some(claim_spec(blueprint, size.quantity())),
        ..PersistentVolumeClaim::default()
    }
}

/// The claim of one node in the Deployment variant; on NFS it names its volume, as the volume names it.
///
/// ```
/// # use slotwright_kube::{SecretValue, Style, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// let mut wanted = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id);
/// wanted.style = Style::Deployment;
/// let claim = objects::node_claim(&wanted.check()?, 0);
/// assert_eq!(claim.metadata.name.as_deref(), Some("sessions-0-data"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn node_claim(blueprint: &Blueprint, ordinal: u32) -> PersistentVolumeClaim {
    let wanted = blueprint.wanted();
    let own = match &wanted.storage {
        Storage::Nfs { volumes } => usize::try_from(ordinal).ok().and_then(|index| volumes.get(index)),
        Storage::Class { .. } => None,
    };
    let mut claim = claim_template(blueprint);
    claim.metadata = node_metadata(blueprint, &wanted.names.node(ordinal), &wanted.names.node_claim(ordinal));
    if let Some(volume) = own {
        claim.spec = Some(PersistentVolumeClaimSpec {
            volume_name: Some(wanted.names.volume(ordinal)),
            ..claim_spec(blueprint, volume.size.quantity())
        });
    }
    claim
}

fn claim_spec(blueprint: &Blueprint, size: Quantity) -> PersistentVolumeClaimSpec {
    let (class, access) = match &blueprint.wanted().storage {
        Storage::Class { class, access, .. } => (class.clone(), *access),
        // The empty class, which is not the same as none: none means the default.
        Storage::Nfs { .. } => (Some(String::new()), AccessMode::ReadWriteMany),
    };
    PersistentVolumeClaimSpec {
        access_modes: Some(vec![access.name().to_owned()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
            ..VolumeResourceRequirements::default()
        }),
        storage_class_name: class,
        volume_mode: Some("Filesystem".to_owned()),
        ..PersistentVolumeClaimSpec::default()
    }
}
