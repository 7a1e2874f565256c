//! Clusters that something else made (`redis-cli --cluster create`), whole and broken in real ways: what is discovered
//! through a seed, what is found, and what is planned or refused.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, net::Ipv4Addr};

use slotwright_client::Credentials;
use slotwright_cluster::Role;
use slotwright_deploy::{Class, ConvergeOptions, Effects, Error, Fleet, Silent, converge, discover};
use slotwright_slots::{SlotSet, tag_for_slot};
use slotwright_tests::{
    cluster::{Cluster, worse_than_info},
    ports::Ports,
    server::{Options, Server, ask, soon},
    wait::until,
};
use slotwright_topology::{
    Action, ClusterStatus, ClusterView, Desired, Finding, FindingKind as Kind, Member, NodeState, Severity,
    diagnose, plan,
};

fn kinds(findings: &[Finding]) -> Vec<(Severity, Kind)> {
    let mut kinds: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.kind)).collect();
    kinds.sort_unstable();
    kinds
}

/// The only finding of this kind.
fn one(findings: &[Finding], kind: Kind) -> &Finding {
    let of_kind: Vec<&Finding> = findings.iter().filter(|finding| finding.kind == kind).collect();
    let [only] = of_kind.as_slice() else { panic!("{kind:?} expected once in {findings:#?}") };
    only
}

/// Every finding as a person reads it, with `--nocapture`.
fn show(what: &str, view: &ClusterView, desired: &Desired) -> Vec<Finding> {
    let findings = diagnose(view, None);
    println!("== {what}");
    for finding in &findings {
        println!("{finding}");
    }
    match plan(view, desired) {
        Ok(plan) => println!("-- plan: {plan}"),
        Err(refusal) => println!("-- refused: {refusal}"),
    }
    findings
}

fn set(text: &str) -> SlotSet {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_whole_cluster_is_seen_as_it_is() {
    let password = "correct-horse-battery";
    let cluster = Cluster::create(Options::cluster().password(password), 3, 1).await;
    for server in &cluster.servers {
        let found = discover(&server.endpoint(), &Effects::default(), server.credentials()).await.unwrap();
        assert_eq!(found, cluster.members, "the same members through every seed");
    }
    let ports: Vec<u16> = cluster.members.iter().map(|member| member.endpoint.port).collect();
    assert_eq!(ports, cluster.servers.iter().map(Server::port).collect::<Vec<_>>());

    let mut keys = 0;
    for server in &cluster.servers {
        let mut connection = server.connect().await;
        for number in 0..300 {
            keys += u64::from(ask(&mut connection, &format!("SET k{number} v")).await.is_ok());
        }
    }
    assert_eq!(keys, 300);
    let view = cluster
        .until("the replicas are in step", |view| {
            view.total_keys() == 600 && {
                let status = ClusterStatus::new("seed", view, None);
                status.shards.iter().flat_map(|shard| &shard.replicas).all(|node| node.lag_bytes == Some(0))
            }
        })
        .await;
    let status = ClusterStatus::new("seed", &view, Some(&cluster.desired()));
    assert!(status.healthy && worse_than_info(&status.findings).is_empty(), "{:#?}", status.findings);
    assert!(view.is_complete() && view.contested().is_empty() && status.unplaced.is_empty());
    assert_eq!((status.keys, status.uncovered.len(), status.shards.len()), (300, 0, 3));
    let slots: Vec<String> = status.shards.iter().map(|shard| shard.slots.to_string()).collect();
    assert_eq!(slots, ["0-5460", "5461-10922", "10923-16383"]);
    for shard in &status.shards {
        assert_eq!((shard.primary.role, shard.primary.state), (Some(Role::Primary), NodeState::Ok));
        let [replica] = shard.replicas.as_slice() else { panic!("{shard:?}") };
        assert_eq!((replica.role, replica.keys), (Some(Role::Replica), shard.primary.keys));
        assert!(replica.used_memory > 0 && replica.engine.is_some());
    }
    assert!(plan(&view, &cluster.desired()).unwrap().is_empty());

    // Other wishes are refused, with the reason.
    for (shards, replicas) in [(2, 1), (6, 0), (3, 0), (3, 2)] {
        let wish = Desired { shards, replicas, settings: BTreeMap::new() };
        let refusal = plan(&view, &wish).unwrap_err();
        println!("{shards} shards with {replicas} replicas: {refusal}");
    }

    // Wrong doors.
    let seed = cluster.servers[0].endpoint();
    let wrong = Some(Credentials::password("wrong-horse-battery"));
    let stranger = Options::standalone().start();
    for (endpoint, credentials) in [(&seed, None), (&seed, wrong), (&stranger.endpoint(), None)] {
        let error = discover(endpoint, &Effects::default(), credentials).await.unwrap_err();
        println!("{error}");
        assert!(error.to_string().contains(&endpoint.to_string()), "{error}");
        assert!(!error.to_string().contains("horse"), "{error}");
    }
}

#[tokio::test]
async fn slots_without_an_owner() {
    let cluster = Cluster::create(Options::cluster(), 3, 0).await;
    let primary = &cluster.servers[0];
    let slots = set("100-110 5000");
    for server in &cluster.servers {
        let admin = &mut server.connect().await;
        admin.admin(soon()).cluster_del_slots_range(&slots).await.unwrap();
    }
    let view = cluster.until("the state is fail", |view| !view.all_ok()).await;
    let findings = show("uncovered, empty", &view, &cluster.desired());
    let uncovered = one(&findings, Kind::UncoveredSlots);
    assert_eq!(uncovered.severity, Severity::Critical);
    assert!(uncovered.evidence.contains("12 of 16384") && uncovered.evidence.contains("100-110 5000"));
    assert!(findings.iter().all(|finding| matches!(finding.kind, Kind::UncoveredSlots | Kind::NotServing)));
    let status = ClusterStatus::new("seed", &view, None);
    assert!(!status.healthy && status.uncovered == slots);

    // They are empty, so the plan gives them to whoever has the fewest.
    let steps = plan(&view, &cluster.desired()).unwrap();
    let mut assigned = SlotSet::new();
    for step in steps.steps() {
        match &step.action {
            Action::AssignSlots { slots, .. } => assigned |= slots,
            Action::AwaitAgreement => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(assigned, slots);

    // With keys in them, nobody touches them.
    primary.ask("CLUSTER ADDSLOTSRANGE 100 110 5000 5000").await;
    cluster.until("the slots are served again", |view| view.all_ok() && view.uncovered().is_empty()).await;
    let mut connection = primary.connect().await;
    for number in [100, 101, 5000] {
        let tag = tag_for_slot(slotwright_slots::Slot::new(number).unwrap());
        ask(&mut connection, &format!("SET {{{tag}}} v")).await.unwrap();
    }
    // Only in its own view this time: the others still take it for the owner.
    connection.admin(soon()).cluster_del_slots_range(&slots).await.unwrap();
    let view = cluster.view().await;
    let findings = show("uncovered, with keys", &view, &cluster.desired());
    let stray = one(&findings, Kind::StrayKeys);
    assert_eq!(stray.severity, Severity::Critical);
    assert!(stray.evidence.contains(&cluster.name(0)) && stray.evidence.contains("3 keys"), "{stray}");
    assert!(stray.evidence.contains("100-101 and 5000"), "{stray}");
    let refusal = plan(&view, &cluster.desired()).unwrap_err();
    assert!(refusal.to_string().contains("3 keys"), "{refusal}");
    let fleet = cluster.fleet(&[]);
    let refused =
        converge(&fleet, &cluster.desired(), &Silent, &ConvergeOptions::default()).await.unwrap_err();
    assert_eq!(refused.class(), Class::Refused, "{refused}");

    // What the remedy says helps.
    connection.admin(soon()).cluster_add_slots_range(&slots).await.unwrap();
    let healed = converge(&fleet, &cluster.desired(), &Silent, &ConvergeOptions::default()).await.unwrap();
    assert_eq!((healed.changes, healed.view.total_keys()), (0, 3));
    assert!(worse_than_info(&diagnose(&healed.view, None)).is_empty());
}

#[tokio::test]
async fn uncovered_slots_are_assigned_and_strangers_are_not_touched() {
    let cluster = Cluster::create(Options::cluster(), 3, 0).await;
    let slots = set("0-99");
    for server in &cluster.servers {
        let admin = &mut server.connect().await;
        admin.admin(soon()).cluster_del_slots_range(&slots).await.unwrap();
    }
    let fleet = cluster.fleet(&[]);
    let healed = converge(&fleet, &cluster.desired(), &Silent, &ConvergeOptions::default()).await.unwrap();
    assert!(healed.changes > 0 && worse_than_info(&diagnose(&healed.view, None)).is_empty());

    let stranger = Options::cluster().start();
    let known = stranger.ask("CLUSTER MYID").await.into_string().unwrap();
    let mut connection = cluster.servers[0].connect().await;
    connection.admin(soon()).cluster_meet(Ipv4Addr::LOCALHOST.into(), stranger.port(), None).await.unwrap();
    let view = cluster
        .until("everyone knows the stranger", |view| {
            let knows = |node: &slotwright_topology::NodeView| node.says_of(known.parse().unwrap()).is_some();
            view.nodes().iter().all(knows)
        })
        .await;
    let findings = show("a stranger", &view, &cluster.desired());
    let foreign = one(&findings, Kind::ForeignMember);
    assert_eq!(foreign.severity, Severity::Critical);
    assert!(foreign.evidence.contains(&stranger.port().to_string()), "{foreign}");
    let refusal = plan(&view, &cluster.desired()).unwrap_err();
    assert_eq!(refusal.reasons.len(), 1, "{refusal}");
    // Seen through a seed, it is a member like any other: one without slots.
    let found = discover(&stranger.endpoint(), &Effects::default(), None).await.unwrap();
    assert_eq!(found.len(), 4);
    let all = Fleet::new(found, Effects::default(), None, []).observe().await;
    let status = ClusterStatus::new("seed", &all, None);
    assert_eq!((status.shards.len(), status.unplaced.len()), (3, 1));
}

#[tokio::test]
async fn open_slots() {
    let cluster = Cluster::create(Options::cluster(), 3, 0).await;
    let (source, target) = (cluster.id(0).await, cluster.id(1).await);
    cluster.servers[1].ask(&format!("CLUSTER SETSLOT 42 IMPORTING {source}")).await;
    cluster.servers[0].ask(&format!("CLUSTER SETSLOT 42 MIGRATING {target}")).await;
    cluster.servers[0].ask(&format!("CLUSTER SETSLOT 43 MIGRATING {target}")).await;
    let view = cluster.view().await;
    let findings = show("open slots", &view, &cluster.desired());
    assert_eq!(kinds(&findings), [(Severity::Warning, Kind::OpenSlots); 2]);
    let both = &findings.iter().find(|finding| finding.evidence.contains("42")).unwrap().evidence;
    assert!(both.contains(&cluster.name(0)) && both.contains(&cluster.name(1)), "{both}");
    assert!(!ClusterStatus::new("seed", &view, None).healthy);
    cluster.on_all("CLUSTER SETSLOT 42 STABLE").await;
    cluster.on_all("CLUSTER SETSLOT 43 STABLE").await;
    assert_eq!(diagnose(&cluster.view().await, None), []);
}

#[tokio::test]
async fn a_primary_is_killed() {
    let mut cluster = Cluster::create(Options::cluster().directive("appendonly yes"), 3, 1).await;
    let view = cluster.view().await;
    let primary = cluster.first(&view, Role::Primary, None);
    let id = cluster.id(primary).await;
    let replica = cluster.first(&view, Role::Replica, Some(id));
    let slots = view.owners().slots_of(&id);
    cluster.servers[primary].kill9();

    // The time-out is long: nobody has noticed yet.
    let view = cluster.view().await;
    let findings = show("a primary killed", &view, &cluster.desired());
    let down = one(&findings, Kind::Unreachable);
    assert_eq!(down.severity, Severity::Critical);
    assert!(
        down.evidence.contains(&slots.to_string()) && down.evidence.contains(&cluster.name(primary)),
        "{down}"
    );
    let orphan = one(&findings, Kind::OrphanReplica);
    assert!(orphan.evidence.contains(&cluster.name(replica)), "{orphan}");
    let status = ClusterStatus::new("seed", &view, None);
    assert!(!status.healthy && status.uncovered.is_empty());
    assert_eq!(status.shards.iter().filter(|shard| shard.primary.state == NodeState::Down).count(), 1);
    let refusal = plan(&view, &cluster.desired()).unwrap_err();
    assert!(refusal.to_string().contains(&cluster.name(primary)), "{refusal}");

    // With a short one, its replica takes over.
    for index in (0..6).filter(|index| *index != primary) {
        cluster.servers[index].ask("CONFIG SET cluster-node-timeout 1000").await;
    }
    let name = cluster.name(replica);
    let view = cluster
        .until("the replica has taken over", |view| {
            let owner = view.owners().get(slots.first().unwrap()).map(|id| view.name_of(*id));
            let settled = |node: &slotwright_topology::NodeView| {
                node.answer().is_none_or(|answer| {
                    answer.nodes.entries.iter().filter(|entry| entry.flags.failed).count() == 1
                })
            };
            owner.as_ref() == Some(&name) && view.all_ok() && view.nodes().iter().all(settled)
        })
        .await;
    let findings = show("after the failover", &view, &cluster.desired());
    let down = one(&findings, Kind::Unreachable);
    assert_eq!(down.severity, Severity::Warning, "{down}");
    assert!(findings.iter().all(|finding| matches!(finding.kind, Kind::Unreachable | Kind::HeldForFailed)));
    assert!(!ClusterStatus::new("seed", &view, None).healthy);
    // A seed that lost a peer still names it.
    let found = discover(&cluster.servers[replica].endpoint(), &Effects::default(), None).await.unwrap();
    assert_eq!(found, cluster.members);

    // It returns, and is a replica.
    cluster.servers[primary].start();
    cluster.servers[primary].ask("CONFIG SET cluster-node-timeout 1000").await;
    let fleet = cluster.fleet(&[]);
    let healed = converge(&fleet, &cluster.desired(), &Silent, &ConvergeOptions::default()).await.unwrap();
    assert_eq!(worse_than_info(&diagnose(&healed.view, Some(&cluster.desired()))), Vec::<&Finding>::new());
}

#[tokio::test]
async fn settings_that_differ_and_a_time_out_left_short() {
    let cluster = Cluster::create(Options::cluster(), 3, 0).await;
    cluster.servers[0].ask("CONFIG SET maxmemory-policy allkeys-lru").await;
    cluster.servers[1].ask("CONFIG SET cluster-node-timeout 500").await;
    let observed = ["maxmemory-policy", "maxmemory"];
    let view = cluster.fleet(&observed).observe().await;
    let findings = show("settings", &view, &cluster.desired());
    let short = one(&findings, Kind::ShortenedTimeout);
    assert_eq!(short.severity, Severity::Critical);
    assert!(short.evidence.contains(&cluster.name(1)) && short.evidence.contains("500"), "{short}");
    let drift: Vec<&Finding> = findings.iter().filter(|finding| finding.kind == Kind::SettingDrift).collect();
    assert!(drift.iter().any(|finding| finding.evidence.contains("maxmemory-policy")), "{drift:#?}");
    // Status is critical: a pause shorter than a second would cause a failover.
    assert!(!ClusterStatus::new("seed", &view, None).healthy);

    // Who names the values gets them.
    let mut desired = cluster.desired();
    for (name, value) in [("cluster-node-timeout", "5000"), ("maxmemory-policy", "noeviction")] {
        desired.settings.insert(name.to_owned(), value.to_owned());
    }
    let against = diagnose(&view, Some(&desired));
    let drift = |what: &str| {
        let about =
            |finding: &&Finding| finding.kind == Kind::SettingDrift && finding.evidence.contains(what);
        against.iter().filter(about).count()
    };
    assert_eq!((drift("allkeys-lru"), drift("15000")), (1, 1), "{against:#?}");
    assert!(one(&against, Kind::ShortenedTimeout).evidence.contains("5000"));
    let options = ConvergeOptions::default();
    let healed = converge(&cluster.fleet(&observed), &desired, &Silent, &options).await.unwrap();
    assert_eq!(diagnose(&healed.view, Some(&desired)), []);
    assert_eq!(diagnose(&healed.view, None), []);
}

/// The same text with every line of another node changed.
fn others(text: &str, change: impl Fn(&str) -> String) -> String {
    let line = |line: &str| match line.contains("myself") || line.starts_with("vars") || line.is_empty() {
        true => line.to_owned(),
        false => change(line),
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

/// With no bus port to dial, the nodes know each other and have no link: what they disagree on stays as it is.
fn without_bus(line: &str) -> String {
    let (start, rest) = line.split_once('@').unwrap();
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{start}@1{rest}")
}

fn with_bus(line: &str) -> String {
    let (start, rest) = line.split_once("@1").unwrap();
    let port: u16 = start.rsplit_once(':').unwrap().1.parse().unwrap();
    format!("{start}@{}{rest}", port + 10_000)
}

#[tokio::test]
async fn doubly_claimed_slots_and_an_epoch_collision() {
    let mut cluster = Cluster::create(Options::cluster(), 3, 0).await;
    for (index, owned) in ["0-5460", "5461-10922"].into_iter().enumerate() {
        let slots = cluster.view().await.owners().slots_of(&cluster.id(index).await);
        assert_eq!(slots.to_string(), owned);
    }
    // The second node also claims slots of the first, and has the config epoch of the third (its own was 2).
    cluster.edit_nodes_conf(|index, text| {
        let text = others(&text, without_bus);
        match index {
            1 => text
                .replace(" connected 0-5460\n", " connected 51-5460\n")
                .replace(" 2 connected 5461-10922", " 3 connected 0-50 5461-10922"),
            _ => text,
        }
    });
    let view = cluster.view().await;
    let findings = show("doubly claimed", &view, &cluster.desired());
    let double = one(&findings, Kind::DoublyClaimedSlots);
    assert_eq!(double.severity, Severity::Critical);
    assert!(double.evidence.contains("0-50"), "{double}");
    assert!(
        double.evidence.contains(&cluster.name(0)) && double.evidence.contains(&cluster.name(1)),
        "{double}"
    );
    let collision = one(&findings, Kind::EpochCollision);
    assert!(collision.evidence.contains(&cluster.name(1)) && collision.evidence.contains(&cluster.name(2)));
    assert_eq!(view.contested(), &set("0-50"));
    assert_eq!(view.owners().slots_of(&cluster.id(1).await), set("0-50 5461-10922"), "the higher epoch wins");
    // Until it is settled, nothing is assigned to anyone.
    let steps = plan(&view, &cluster.desired()).unwrap();
    let harmless = |action: &Action| matches!(action, Action::Meet { .. } | Action::AwaitAgreement);
    assert!(!steps.is_empty() && steps.steps().iter().all(|step| harmless(&step.action)), "{steps}");

    // Linked again, the nodes settle it as the view foresaw.
    cluster.edit_nodes_conf(|_, text| others(&text, with_bus));
    let view = cluster.until("the nodes agree", |view| diagnose(view, None).is_empty()).await;
    assert_eq!(view.owners().slots_of(&cluster.id(0).await), set("51-5460"));
    assert!(plan(&view, &cluster.desired()).unwrap().is_empty());
}

#[tokio::test]
async fn nodes_that_never_met() {
    let servers = Options::cluster().start_many(2);
    let mut members = Vec::new();
    for (server, range) in servers.iter().zip(["0 100", "100 200"]) {
        server.ask(&format!("CLUSTER ADDSLOTSRANGE {range}")).await;
        members.extend(discover(&server.endpoint(), &Effects::default(), None).await.unwrap());
    }
    assert_eq!(members.len(), 2);
    let view = Fleet::new(members.clone(), Effects::default(), None, []).observe().await;
    let desired = Desired { shards: 2, replicas: 0, settings: BTreeMap::new() };
    let findings = show("never met", &view, &desired);
    one(&findings, Kind::DoublyClaimedSlots);
    one(&findings, Kind::EpochCollision);
    one(&findings, Kind::UncoveredSlots);
    assert_eq!(findings.iter().filter(|finding| finding.kind == Kind::IncompleteMesh).count(), 2);

    // One server under two names, and an address nobody listens at.
    let free = Ports::reserve(1);
    let mut twice = members.clone();
    twice.push(Member { name: "again".to_owned(), ..members[0].clone() });
    let nobody = slotwright_cluster::Endpoint::new(members[0].endpoint.host.clone(), free.first());
    twice.push(Member { name: "nobody".to_owned(), endpoint: nobody, ..members[0].clone() });
    let view = Fleet::new(twice, Effects::default(), None, []).observe().await;
    let findings = show("listed twice", &view, &desired);
    assert!(one(&findings, Kind::DuplicateId).evidence.contains("again"));
    assert!(one(&findings, Kind::Unreachable).evidence.contains("nobody"));
    let refusal = plan(&view, &desired).unwrap_err();
    assert_eq!(refusal.reasons.len(), 2, "{refusal}");

    // With keys that one of them would lose, they are kept apart; without, they meet and share what nobody had.
    let fleet = Fleet::new(members.clone(), Effects::default(), None, []);
    let mut connection = servers[1].connect().await;
    ask(&mut connection, "CONFIG SET cluster-require-full-coverage no").await.unwrap();
    let tag = tag_for_slot(slotwright_slots::Slot::new(100).unwrap());
    until("the node serves what it has", async || ask(&mut connection, &format!("SET {{{tag}}} v")).await)
        .await;
    let refusal = plan(&fleet.observe().await, &desired).unwrap_err();
    println!("-- refused: {refusal}");
    assert!(refusal.to_string().contains(&servers[1].port().to_string()), "{refusal}");
    ask(&mut connection, "FLUSHALL").await.unwrap();

    // Where the second is said to be somebody else may be, if it says itself that it is elsewhere: nobody is led there.
    servers[1].ask("CONFIG SET cluster-announce-ip 127.0.0.2").await;
    let announced = Fleet::new(members, Effects::default(), None, []).announced();
    let error = converge(&announced, &desired, &Silent, &ConvergeOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let known = ask(&mut connection, "CLUSTER INFO").await.unwrap();
    assert!(known.as_str().unwrap().contains("cluster_known_nodes:1\r\n"), "{known:?}");
    servers[1].ask("CONFIG SET cluster-announce-ip 127.0.0.1").await;

    let formed = converge(&fleet, &desired, &Silent, &ConvergeOptions::default()).await;
    let view = formed.unwrap_or_else(|error| panic!("{error}")).view;
    assert!(view.uncovered().is_empty() && view.contested().is_empty() && view.all_ok());
}
