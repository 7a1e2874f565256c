//! What runs the pods: one StatefulSet, or a Deployment for each node.

use k8s_openapi::{
    api::{
        apps::v1::{
            Deployment, DeploymentSpec, DeploymentStrategy, StatefulSet, StatefulSetSpec,
            StatefulSetUpdateStrategy,
        },
        core::v1::{PodSpec, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use std::collections::BTreeMap;

use super::{guard, metadata, node_metadata, pod_spec, volume::claim_template};
use crate::{Blueprint, names};

/// The StatefulSet of all nodes.
///
/// All pods start at the same time, because none is ready before the cluster is formed. Pods are replaced when they are
/// deleted and not when the template changes (`OnDelete`), because the order in which nodes may go depends on
/// who is primary, which Kubernetes does not know.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// let spec = objects::stateful_set(&blueprint).spec.unwrap();
/// assert_eq!((spec.replicas, spec.pod_management_policy.as_deref()), (Some(6), Some("Parallel")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn stateful_set(blueprint: &Blueprint) -> StatefulSet {
    let wanted = blueprint.wanted();
    StatefulSet {
        metadata: metadata(blueprint, &wanted.names.workload),
        spec: Some(StatefulSetSpec {
            pod_management_policy: Some("Parallel".to_owned()),
            replicas: Some(i32::try_from(wanted.node_count()).unwrap_or(i32::MAX)),
            selector: guard::selector(names::selector(blueprint)),
            service_name: Some(wanted.names.headless.clone()),
            template: template(names::labels(blueprint), pod_spec(blueprint, 0)),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            volume_claim_templates: Some(vec![claim_template(blueprint)]),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

/// The Deployment of one node. `Recreate`: when the template changes, the old pod ends before the new one starts, or two
/// servers would run on one folder. A pod that is deleted is replaced while it ends; the new server does not start as long
/// as the old one holds the lock on nodes.conf.
///
/// Unlike a StatefulSet's, a Deployment's pod is replaced as soon as its template changes: whoever applies a changed one does
/// it node by node.
///
/// ```
/// # use slotwright_kube::{SecretValue, Style, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// let mut wanted = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id);
/// wanted.style = Style::Deployment;
/// let spec = objects::node_deployment(&wanted.check()?, 4).spec.unwrap();
/// assert_eq!(spec.strategy.unwrap().type_.as_deref(), Some("Recreate"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn node_deployment(blueprint: &Blueprint, ordinal: u32) -> Deployment {
    let node = blueprint.wanted().names.node(ordinal);
    Deployment {
        metadata: node_metadata(blueprint, &node, &node),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            selector: guard::selector(names::node_selector(blueprint, &node)),
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
            template: template(names::node_labels(blueprint, &node), pod_spec(blueprint, ordinal)),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn template(labels: BTreeMap<String, String>, spec: PodSpec) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
        spec: Some(spec),
    }
}
