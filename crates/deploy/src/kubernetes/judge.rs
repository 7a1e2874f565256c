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
        if let What::Change(differences) = &change.what {
            reasons.extend(of_change(&change.place, change.kind(), differences, running));
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

/// Claims of nodes that the spec does not have, as it is now: the nodes would begin anew, empty, beside what they held.
pub(super) fn left_over(claims: &[Unwanted], names: &[String]) -> Result<(), Refusal> {
    let others = claims.iter().filter(|claim| !names.iter().any(|name| name == claim.name()));
    let reasons: Vec<RefusalReason> = others
        .map(|claim| RefusalReason {
            reason: format!("{} is of this deployment, and no node of the spec has it.", claim.place),
            remedy:
                "Its volume may hold slots and keys: set shards, replicas-per-shard, kubernetes.style and \
                     kubernetes.names to what they were, or delete the claim if its data is not needed."
                    .to_owned(),
        })
        .collect();
    if reasons.is_empty() { Ok(()) } else { Err(Refusal { reasons }) }
}

/// A namespace that others have made is left as it is: its labels decide which pods may run in it.
pub(super) fn leave_namespace_of_others(change: &mut Change) {
    let What::Change(differences) = &change.what else { return };
    // All labels are one difference where there were none.
    let says_whose = |difference: &Difference| {
        difference.field == ".metadata.labels" || difference.field.contains("app.kubernetes.io/managed-by")
    };
    if change.kind() == "Namespace" && differences.iter().any(says_whose) {
        change.what = What::Keep;
        change.note = Some(format!(
            "{} is there already and left as it is: the pod security standard `restricted`, which the pods keep, is not \
             enforced by us there; say create-namespace: false",
            change.place
        ));
    }
}

fn of_change(place: &str, kind: &str, differences: &[Difference], running: bool) -> Option<RefusalReason> {
    let refused = |difference: &&Difference| match kind {
        "StatefulSet" | "Deployment" => {
            (running && difference.field.starts_with(".spec.template"))
                || (difference.field == ".spec.replicas" && shrinks(difference))
        }
        // Read by a server when it starts.
        "Secret" => running && difference.field.starts_with(".data") && difference.was.is_some(),
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
             replicas-per-shard to what they were. If those nodes never were of the cluster: `slotwright down \
             --keep-data`, delete their claims, and `up` again."
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
        let of_change =
            |place: &str, kind: &str, differences: &[Difference]| of_change(place, kind, differences, true);
        let told = of_change("StatefulSet shop/a", "StatefulSet", std::slice::from_ref(&image)).unwrap();
        assert!(told.reason.contains("image") && told.remedy.contains("one after the other"));
        let fewer = difference(".spec.replicas", Some("6"), Some("4"));
        assert!(
            of_change("s", "StatefulSet", std::slice::from_ref(&fewer))
                .unwrap()
                .remedy
                .contains("removing nodes")
        );
        // A set without pods may have had some.
        assert!(super::of_change("s", "StatefulSet", &[fewer], false).is_some());
        assert_eq!(super::of_change("s", "StatefulSet", &[image], false), None);
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
