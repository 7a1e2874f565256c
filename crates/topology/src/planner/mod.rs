//! From a view to the desired state: creation, resuming a creation, and re-joining returned nodes.
//!
//! The planner first looks for reasons not to act ([`Refusal`]), then decides who shall hold what (`layout`), then
//! writes the steps (`steps`). A change it cannot make yet is a refusal, never ignored.

mod layout;
mod steps;
#[cfg(test)]
mod tests;

use slotwright_cluster::{NodeAnswer, Role, Setting, settings};

use self::{
    layout::Layout,
    steps::{Steps, introductions},
};
use crate::{
    ClusterView, Desired, FindingKind, NODE_TIMEOUT, NodeView, Plan, Refusal, RefusalReason, diagnose,
    diagnosis::list,
};

/// `cluster-node-timeout` while an empty cluster is formed, in milliseconds. A primary that got its slots waits for
/// this time (at least 500 ms, at most 5 s) before it serves (`clusterUpdateState` in the servers' source); a failover
/// it might cause has nothing to lose.
pub const FORMING_NODE_TIMEOUT_MS: u64 = 500;

/// A wait of the servers that protects data, and protects nothing while there is none.
struct Shortened {
    setting: &'static str,
    value: u64,
    reason: &'static str,
}

/// What is shortened while an empty cluster is formed. Only a setting with a wanted value is touched, so that a later
/// run can restore it after a kill.
const SHORTENED_WHILE_FORMING: [Shortened; 2] = [
    Shortened {
        setting: NODE_TIMEOUT,
        value: FORMING_NODE_TIMEOUT_MS,
        reason: "no node holds a key yet, and a primary waits this long before it serves; it is restored at the end",
    },
    Shortened {
        setting: "repl-diskless-sync-delay",
        value: 0,
        reason: "no node holds a key yet, and a primary waits this long for more replicas before it copies to the \
                 first; it is restored at the end",
    },
];

/// The steps from `view` to `desired`. An empty plan means that the state is reached and settled.
///
/// The plan depends on nothing but its arguments: the same view and wish give the same plan.
///
/// # Errors
/// When there is no safe way, or none yet: every reason, each with what would help.
pub fn plan(view: &ClusterView, desired: &Desired) -> Result<Plan, Refusal> {
    let mut reasons = Reasons::default();
    look_for_danger(view, &mut reasons);
    look_for_fixed_settings(view, desired, &mut reasons);
    reasons.none_or_refuse()?;

    let unsettled = diagnose(view, Some(desired)).iter().any(|finding| finding.kind.may_settle());
    let mut steps = Steps::new(view, desired);

    // A node that returns with an outdated claim must first learn who won, and slots that somebody else is said to own
    // must first be given up by all: until then nobody's place is certain.
    if !view.contested().is_empty() || !view.hearsay().is_empty() {
        let met = steps.introduce(introductions(view, steps.refs()), &[]);
        let agreed = steps.await_agreement(&met);
        steps.set_settings(&[agreed]);
        return Ok(steps.into_plan());
    }

    let layout = Layout::of(view, desired)?;
    let seats = layout.seats(view, desired)?;

    let prepared = steps.prepare(&layout, &seats);
    let met = steps.introduce(introductions(view, steps.refs()), &prepared);
    // A replica of a primary that has no slots yet would be stuck there if the run ended in between.
    let attached = steps.attach_replicas(&layout, &seats, if met.is_empty() { &prepared } else { &met });
    let led = steps.lead_replicas(&met);
    let last = [prepared, met, attached, led].concat();
    let agreed = if last.is_empty() && !unsettled { Vec::new() } else { vec![steps.await_agreement(&last)] };
    steps.set_settings(&agreed);
    Ok(steps.into_plan())
}

#[derive(Default)]
struct Reasons(Vec<RefusalReason>);

impl Reasons {
    fn add(&mut self, reason: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(RefusalReason { reason: reason.into(), remedy: remedy.into() });
    }

    fn none_or_refuse(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal { reasons: self.0 }) }
    }
}

/// What makes every change unsafe, whatever is wanted.
fn look_for_danger(view: &ClusterView, reasons: &mut Reasons) {
    use FindingKind::{DuplicateId, ForeignMember, StrayKeys, Unreachable};
    for finding in diagnose(view, None) {
        if matches!(finding.kind, Unreachable | DuplicateId | ForeignMember | StrayKeys) {
            reasons.add(finding.evidence, finding.remedy);
        }
    }
    look_for_rival_strangers(view, reasons);
    for (index, node) in view.nodes().iter().enumerate() {
        let Some(answer) = node.answer() else { continue };
        if answer.server.loading {
            reasons.add(format!("{} is still loading its data.", node.member.name), "Try again when it has.");
        }
        let lost = node.role() == Some(Role::Replica)
            && view.primary_of(index).and_then(|primary| view.node(primary)).is_none();
        if lost {
            let reason = format!(
                "{} copies a node that is not a member; its data may be the only copy.",
                node.member.name
            );
            let remedy =
                "Bring the primary back, or promote the replica by name (CLUSTER FAILOVER TAKEOVER).";
            reasons.add(reason, remedy);
        }
    }
}

/// Settings that only a restart changes.
fn look_for_fixed_settings(view: &ClusterView, desired: &Desired, reasons: &mut Reasons) {
    for (setting, wanted) in &desired.settings {
        if Setting::find(setting).is_none_or(|known| known.live) {
            continue;
        }
        let differs = |node: &&NodeView| {
            let running = node.answer().and_then(|answer| answer.settings.get(setting));
            running.is_some_and(|running| !settings::same_value(setting, wanted, running))
        };
        let differing: Vec<String> =
            view.nodes().iter().filter(differs).map(|node| node.member.name.clone()).collect();
        if !differing.is_empty() {
            reasons.add(
                format!("{setting} is to be \"{wanted}\", and {} run with another value.", list(differing)),
                "A running server cannot change it: stop the cluster and start it again \
                 (`slotwright down --keep-data`, then `up`).",
            );
        }
    }
}

/// Two nodes that never met and claim one slot: once they are linked, the server deletes the loser's keys in it. (A
/// primary that returns after a failover is known to who took over, and has lost already.)
fn look_for_rival_strangers(view: &ClusterView, reasons: &mut Reasons) {
    for node in view.nodes() {
        let (Some(answer), Some(claim)) = (node.answer(), node.claim()) else { continue };
        let rivals = view.nodes().iter().filter(|rival| {
            let claims = rival.claim().is_some_and(|theirs| !theirs.is_disjoint(claim));
            let stranger = |rivals: &NodeAnswer| {
                rivals.id != answer.id
                    && node.says_of(rivals.id).is_none()
                    && rival.says_of(answer.id).is_none()
            };
            claims && rival.answer().is_some_and(stranger)
        });
        let rivals: Vec<String> = rivals.map(|rival| rival.member.name.clone()).collect();
        if answer.server.keys > 0 && !rivals.is_empty() {
            let rivals = list(rivals);
            let node = &node.member.name;
            reasons.add(
                format!("{node} holds keys, claims slots that {rivals} claims too, and the two have never met."),
                "Once they meet, one of them loses its keys in these slots: decide which to keep, and empty the other \
                 node by hand.",
            );
        }
    }
}
