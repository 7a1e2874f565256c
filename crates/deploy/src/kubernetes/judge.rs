//! Which changes of objects are refused: those that need slots moved, pods replaced one after the other, or data left
//! behind. The planner of the cluster does not see them, and Kubernetes would do them without asking.

use slotwright_kube::apply::{Change, Difference, Unwanted, What};
use slotwright_topology::{Refusal, RefusalReason};

const NO_ROLL: &str = "Running pods would have to be replaced one after the other, replicas first, which is not possible \
                       yet: put it back, or stop the cluster and start it again (`slotwright down --keep-data`, then \
                       `up`).";

/// An error when a change must not be made. `running` tells whether there are pods that it would touch.
pub(super) fn judge(changes: &[Change], removals: &[Unwanted], running: bool) -> Result<(), Refusal> {
    let mut reasons = Vec::new();
    for change in changes {
        if let (What::Change(differences), true) = (&change.what, running) {
            reasons.extend(of_change(&change.place, change.kind(), differences));
        }
    }
    for removal in removals.iter().filter(|removal| holds_nodes(removal.kind())) {
        reasons.push(RefusalReason {
            reason: format!("{} is of this deployment, and the spec does not have it.", removal.place),
            remedy: "Its nodes may hold slots and keys, and removing nodes is not possible yet: set shards, \
                     replicas-per-shard and kubernetes.style to what they were."
                .to_owned(),
        });
    }
    if reasons.is_empty() { Ok(()) } else { Err(Refusal { reasons }) }
}

/// Kinds whose pods are nodes.
pub(super) fn holds_nodes(kind: &str) -> bool {
    matches!(kind, "StatefulSet" | "Deployment")
}

fn of_change(place: &str, kind: &str, differences: &[Difference]) -> Option<RefusalReason> {
    let refused = |difference: &&Difference| match kind {
        "StatefulSet" | "Deployment" => {
            difference.field.starts_with(".spec.template")
                || (difference.field == ".spec.replicas" && shrinks(difference))
        }
        // Read by a server when it starts.
        "Secret" => difference.field.starts_with(".data") && difference.was.is_some(),
        _ => false,
    };
    let fields: Vec<&Difference> = differences.iter().filter(refused).collect();
    let first = fields.first()?;
    let more = match fields.len() {
        1 => String::new(),
        more => format!(" (and {} more)", more - 1),
    };
    let remedy = match first.field.as_str() {
        ".spec.replicas" => {
            "Nodes that go may hold slots and keys, and removing nodes is not possible yet: set shards and \
             replicas-per-shard to what they were."
        }
        _ => NO_ROLL,
    };
    Some(RefusalReason { reason: format!("{place} would change: {first}{more}."), remedy: remedy.to_owned() })
}

fn shrinks(difference: &Difference) -> bool {
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok());
    number(&difference.was) > number(&difference.becomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(field: &str, was: Option<&str>, becomes: Option<&str>) -> Difference {
        Difference {
            field: field.to_owned(),
            was: was.map(str::to_owned),
            becomes: becomes.map(str::to_owned),
        }
    }

    #[test]
    fn what_would_roll_pods_or_take_nodes_away_is_refused() {
        let image = difference(".spec.template.spec.containers[0].image", Some("\"a\""), Some("\"b\""));
        let told = of_change("StatefulSet shop/a", "StatefulSet", &[image]).unwrap();
        assert!(told.reason.contains("image") && told.remedy.contains("one after the other"));
        let fewer = difference(".spec.replicas", Some("6"), Some("4"));
        assert!(of_change("s", "StatefulSet", &[fewer]).unwrap().remedy.contains("removing nodes"));
        let more = difference(".spec.replicas", Some("6"), Some("9"));
        assert_eq!(of_change("s", "StatefulSet", &[more]), None);
        let budget = difference(".spec.maxUnavailable", Some("1"), Some("2"));
        assert_eq!(of_change("p", "PodDisruptionBudget", &[budget]), None);
        let password = difference(".data.password", Some("(secret)"), Some("(secret)"));
        assert!(of_change("Secret shop/s", "Secret", &[password]).is_some());
        let label = difference(".metadata.labels.app", None, Some("\"redis\""));
        assert_eq!(of_change("Secret shop/s", "Secret", &[label]), None);
    }
}
