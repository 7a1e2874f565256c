//! What differs from what is wanted: settings, the number of shards and replicas, nodes without a place.

use std::{cmp::Ordering, collections::BTreeMap};

use slotwright_cluster::{NodeId, Role, settings};

use super::{counted, list, name, verb};
use crate::{
    ClusterView, Desired, Finding, FindingKind as Kind, NODE_TIMEOUT,
    Severity::{Critical, Info, Warning},
    planner::FORMING_NODE_TIMEOUT_MS,
};

/// Deviations from the desired state.
pub(super) fn against(view: &ClusterView, desired: &Desired, found: &mut Vec<Finding>) {
    for (setting, wanted) in &desired.settings {
        let mut drifted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for node in view.nodes() {
            let Some(answer) = node.answer() else { continue };
            let running = answer.settings.get(setting).map_or("", String::as_str);
            if !settings::same_value(setting, wanted, running) && !is_shortened(setting, running, wanted) {
                drifted.entry(running).or_default().push(name(node));
            }
        }
        for (running, names) in drifted {
            found.push(Finding::new(
                Warning,
                Kind::SettingDrift,
                format!(
                    "{} {} with {setting} \"{running}\"; \"{wanted}\" is wanted.",
                    list(names.clone()),
                    verb(names.len(), "runs", "run")
                ),
                "`slotwright up` sets it.",
            ));
        }
    }
    let owners: Vec<NodeId> = view.owners().owners().copied().collect();
    if owners.len() != desired.shards && view.uncovered().is_empty() {
        found.push(Finding::new(
            Warning,
            Kind::ShardCount,
            format!(
                "There {} {}; {} {} wanted.",
                verb(owners.len(), "is", "are"),
                counted(owners.len() as u64, "shard"),
                desired.shards,
                verb(desired.shards, "is", "are")
            ),
            "Changing the number of shards means moving slots, which is not possible yet.",
        ));
    }
    let mut complete = owners.len() >= desired.shards;
    for owner in owners {
        let replicas = (0..view.nodes().len()).filter(|index| view.primary_of(*index) == Some(owner)).count();
        let (kind, remedy) = match replicas.cmp(&desired.replicas) {
            Ordering::Less => {
                complete = false;
                let remedy =
                    "`slotwright up` attaches nodes that are free; a replica of another shard is not moved.";
                (Kind::MissingReplica, remedy)
            }
            Ordering::Greater => {
                (Kind::SurplusReplica, "A replica that is not needed is freed by CLUSTER RESET on that node.")
            }
            Ordering::Equal => continue,
        };
        found.push(Finding::new(
            Warning,
            kind,
            format!(
                "The shard of {} has {}; {} {} wanted.",
                view.name_of(owner),
                counted(replicas as u64, "replica"),
                desired.replicas,
                verb(desired.replicas, "is", "are")
            ),
            remedy,
        ));
    }
    for (index, node) in view.nodes().iter().enumerate() {
        if node.role() == Some(Role::Primary)
            && view.id_of(index).is_some_and(|id| view.owners().slots_of(&id).is_empty())
        {
            let (severity, remedy) = match complete {
                true => (Info, "It is a spare: every shard has its replicas."),
                false => (Warning, "`slotwright up` gives it a place."),
            };
            let evidence = format!("{} owns no slots and copies nobody.", name(node));
            found.push(Finding::new(severity, Kind::Unplaced, evidence, remedy));
        }
    }
}

/// A node time-out that a creation shortened and nobody restored.
pub(super) fn timeouts(view: &ClusterView, desired: Option<&Desired>, found: &mut Vec<Finding>) {
    let wanted: Option<u64> =
        desired.and_then(|desired| desired.settings.get(NODE_TIMEOUT)).and_then(|text| text.parse().ok());
    // Without a spec, only a time-out nobody would choose for a cluster in use counts.
    let floor = wanted.unwrap_or(FORMING_NODE_TIMEOUT_MS + 1);
    let mut short: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for node in view.nodes() {
        let running = node.answer().and_then(|answer| answer.settings.get(NODE_TIMEOUT)?.parse::<u64>().ok());
        if let Some(running) = running.filter(|running| *running < floor) {
            short.entry(running).or_default().push(name(node));
        }
    }
    for (running, names) in short {
        let wanted =
            wanted.map_or_else(|| "the default is 15000".to_owned(), |wanted| format!("{wanted} is wanted"));
        found.push(Finding::new(
            Critical,
            Kind::ShortenedTimeout,
            format!(
                "{} {} with {NODE_TIMEOUT} {running} (milliseconds); {wanted}.",
                list(names.clone()),
                verb(names.len(), "runs", "run")
            ),
            "An interrupted creation left it short, and any short pause now causes a failover: `slotwright up` restores it.",
        ));
    }
}

/// True for a value that [`timeouts`] tells of.
fn is_shortened(setting: &str, running: &str, wanted: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    setting == NODE_TIMEOUT
        && number(running).zip(number(wanted)).is_some_and(|(running, wanted)| running < wanted)
}

/// Without a wish, at least all nodes should run with the same values.
pub(super) fn setting_differences(view: &ClusterView, found: &mut Vec<Finding>) {
    let mut by_setting: BTreeMap<&str, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
    for node in view.nodes() {
        for (setting, value) in node.answer().iter().flat_map(|answer| &answer.settings) {
            by_setting.entry(setting).or_default().entry(value).or_default().push(name(node));
        }
    }
    for (setting, values) in by_setting.into_iter().filter(|(_, values)| values.len() > 1) {
        let each = values.into_iter().map(|(value, names)| format!("\"{value}\" on {}", list(names)));
        found.push(Finding::new(
            Warning,
            Kind::SettingDrift,
            format!("{setting} differs between nodes: {}.", list(each)),
            "Give all nodes one value (CONFIG SET, and the configuration file).",
        ));
    }
}
