//! What plans promise, on model clusters: creation, and what is true of every plan. The other promises have files of
//! their own: runs that are interrupted, nodes that return, wishes that are refused, answers that make no sense.

mod garbage;
mod interrupted;
mod refused;
mod returned;

use std::collections::BTreeSet;

use proptest::{prelude::*, test_runner::RngSeed};
use slotwright_cluster::Epoch;
use slotwright_slots::SlotSet;

use super::plan;
use crate::{
    Action, Desired, Finding, FindingKind, Plan, Severity, diagnose,
    model::{Dialled, Model, desired},
    placement::{PlacementNode, Score, Seat, Site, place},
};

/// Enough cases to find what is wrong, few enough to be run at every change, and the same ones each time. A longer run
/// says how many it wants (`PROPTEST_CASES`), and gets new ones.
fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig { cases, rng_seed: RngSeed::Fixed(16384), ..config },
    }
}

/// A wish, and nodes for it on some hosts in some zones.
#[derive(Debug, Clone)]
struct Task {
    wish: Desired,
    sites: Vec<Site>,
    dialled: Dialled,
}

impl Task {
    fn model(&self) -> Model {
        Model::new(&self.sites, self.dialled)
    }

    /// The best score there is for this task.
    fn best(&self) -> Score {
        let free: Vec<PlacementNode> = self.sites.iter().cloned().map(PlacementNode::free).collect();
        place(&free, self.wish.shards, 1 + self.wish.replicas).unwrap().score
    }
}

fn tasks() -> impl Strategy<Value = Task> {
    let dialled = prop_oneof![Just(Dialled::V4), Just(Dialled::V6), Just(Dialled::Name)];
    (1..=4_usize, 0..=3_usize, 0..=1_usize, 1..=5_usize, 1..=3_usize, dialled)
        .prop_flat_map(|(shards, replicas, spare, hosts, zones, dialled)| {
            let nodes = (shards * (1 + replicas) + spare).min(16);
            let hosts = proptest::collection::vec(0..hosts, nodes);
            (Just((shards, replicas, zones, dialled)), hosts)
        })
        .prop_map(|((shards, replicas, zones, dialled), hosts)| {
            let site = |host: usize| Site::new(format!("host-{host}"), format!("zone-{}", host % zones));
            Task { wish: desired(shards, replicas), sites: hosts.into_iter().map(site).collect(), dialled }
        })
}

/// A plan is a graph in which every step stands behind those it waits for; the steps that must be done before each.
fn steps_before(plan: &Plan) -> Vec<BTreeSet<usize>> {
    let mut ancestors: Vec<BTreeSet<usize>> = Vec::new();
    for (number, step) in plan.steps().iter().enumerate() {
        assert_eq!(step.id.0, number);
        let mut all = BTreeSet::new();
        for before in &step.after {
            assert!(before.0 < number, "step {number} waits for {}, which stands behind it", before.0);
            all.insert(before.0);
            all.extend(&ancestors[before.0]);
        }
        ancestors.push(all);
    }
    ancestors
}

/// What must be true of every plan for the settings tests want.
fn assert_well_formed(plan: &Plan) {
    let ancestors = steps_before(plan);
    let all_before = |number: usize, kind: fn(&Action) -> bool| {
        let mut wanted = plan.steps().iter().filter(|step| kind(&step.action));
        wanted.all(|step| ancestors[number].contains(&step.id.0))
    };
    let shortens =
        |action: &Action| matches!(action, Action::SetSetting { to, .. } if to == "500" || to == "0");
    for (number, step) in plan.steps().iter().enumerate() {
        match &step.action {
            Action::Meet { .. } => {
                assert!(all_before(number, |action| matches!(action, Action::SetEpoch { .. })));
                assert!(all_before(number, |action| matches!(action, Action::AssignSlots { .. })));
                assert!(all_before(number, shortens));
            }
            Action::Replicate { .. } => {
                assert!(all_before(number, |action| matches!(action, Action::Meet { .. })));
                assert!(all_before(number, |action| matches!(action, Action::AssignSlots { .. })));
            }
            Action::Refollow { .. } => {
                assert!(all_before(number, |action| matches!(action, Action::Meet { .. })));
            }
            Action::AwaitAgreement => {
                let changes =
                    |action: &Action| !matches!(action, Action::AwaitAgreement | Action::SetSetting { .. });
                assert!(all_before(number, changes));
            }
            Action::SetSetting { node, setting, .. } => {
                let shortened = plan.steps().iter().find(|other| {
                    matches!(&other.action, Action::SetSetting { node: n, setting: s, .. } if n == node && s == setting)
                });
                if shortened.is_some_and(|other| other.id.0 < number) {
                    assert!(
                        all_before(number, |action| *action == Action::AwaitAgreement),
                        "restored too early"
                    );
                }
            }
            Action::AssignSlots { .. } | Action::SetEpoch { .. } => {}
        }
    }
}

/// The state that was wished for, judged by the model itself.
fn assert_reached(task: &Task, model: &Model) {
    let Desired { shards, replicas, settings } = &task.wish;
    let owners: Vec<usize> =
        (0..model.servers.len()).filter(|index| !model.servers[*index].slots.is_empty()).collect();
    assert_eq!(owners.len(), *shards);
    let all = owners.iter().fold(SlotSet::new(), |all, index| {
        let slots = &model.servers[*index].slots;
        assert!(all.is_disjoint(slots), "two nodes own {}", &all & slots);
        &all | slots
    });
    assert!(all.is_full());
    let sizes: BTreeSet<usize> = owners.iter().map(|index| model.servers[*index].slots.len()).collect();
    assert!(sizes.last().unwrap() - sizes.first().unwrap() <= 1, "{sizes:?}");

    let mut epochs: Vec<Epoch> = owners.iter().map(|index| model.servers[*index].epoch).collect();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), *shards, "two shards have one epoch");

    let mut seats = vec![Seat::Free; model.servers.len()];
    for (shard, owner) in owners.iter().enumerate() {
        seats[*owner] = Seat::Primary(shard);
        let id = model.servers[*owner].id;
        let copies = (0..model.servers.len()).filter(|index| model.servers[*index].primary == Some(id));
        let copies: Vec<usize> = copies.collect();
        assert_eq!(copies.len(), *replicas);
        copies.into_iter().for_each(|index| seats[index] = Seat::Replica(shard));
    }
    let sites = model.servers.iter().map(|server| &server.member.site);
    assert_eq!(Score::of_seats(sites.zip(seats)), task.best(), "a better placement exists");
    for server in &model.servers {
        assert_eq!(&server.settings, settings, "{}", server.member.name);
    }

    let view = model.view();
    // Few hosts or zones leave no better placement than one that shares a fate; nothing else may be left to tell.
    let findings = diagnose(&view, Some(&task.wish));
    let serious =
        |finding: &&Finding| finding.severity >= Severity::Warning && finding.kind != FindingKind::SharedFate;
    assert_eq!(findings.iter().find(serious), None);
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn one_plan_makes_a_cluster_of_empty_nodes(task in tasks()) {
        let mut model = task.model();
        let first = plan(&model.view(), &task.wish).unwrap();
        assert_well_formed(&first);
        model.apply_all(&first);
        assert_reached(&task, &model);
        prop_assert_eq!(plan(&model.view(), &task.wish).unwrap().to_string(), "Nothing to do.");
    }

    #[test]
    fn the_same_view_gives_the_same_plan_in_every_order_of_lines(
        task in tasks(),
        done in 0.0..1.0_f64,
        turns in proptest::collection::vec(0..16_usize, 2),
    ) {
        let mut model = task.model();
        let first = plan(&model.view(), &task.wish).unwrap();
        model.apply_some(&first, (first.steps().len() as f64 * done) as usize, |_| 0);
        let shown: Vec<(String, String, String)> = turns
            .iter()
            .map(|turn| {
                let view = model.view_with(model.observations(*turn));
                let plan = plan(&view, &task.wish).unwrap();
                let findings = serde_json::to_string(&diagnose(&view, Some(&task.wish))).unwrap();
                (serde_json::to_string(&plan).unwrap(), plan.to_string(), findings)
            })
            .collect();
        prop_assert_eq!(&shown[0], &shown[1]);
    }
}

#[test]
fn a_first_plan_reads_as_people_would_say_it() {
    let model = Model::on_hosts_of_their_own(3);
    let text = plan(&model.view(), &desired(3, 0)).unwrap().to_string();
    let headings: Vec<&str> = text.lines().filter(|line| line.contains(". ")).map(str::trim).collect();
    assert_eq!(
        headings,
        [
            "1. set cluster-node-timeout to 500 (3 nodes)",
            "2. set repl-diskless-sync-delay to 0 (3 nodes)",
            "3. give each node a config epoch of its own (3 nodes)",
            "4. assign slots (3 nodes)",
            "5. introduce the nodes to each other (2 nodes)",
            "6. wait until all nodes agree, serve, and replicas are in step",
            "7. set cluster-node-timeout to 5000 (3 nodes)",
            "8. set repl-diskless-sync-delay to 5 (3 nodes)",
        ]
    );
    assert!(text.contains("node-1 gets 5461-10922"), "{text}");
}
