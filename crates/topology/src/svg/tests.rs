//! The picture as a whole: well formed, complete, and proof against hostile names.

use proptest::prelude::*;
use slotwright_cluster::{Endpoint, Host, NodeId, Role};
use slotwright_slots::{Slot, SlotRange, SlotSet};

use super::*;
use crate::{Finding, FindingKind, NodeState, Severity, ShardStatus};

fn slots(text: &str) -> SlotSet {
    text.parse().unwrap()
}

fn node(name: &str, role: Role, site: (&str, &str)) -> NodeStatus {
    NodeStatus {
        name: name.to_owned(),
        id: Some(NodeId::from_bytes([7; 20])),
        endpoint: Endpoint::new(Host::parse("10.0.0.7"), 7000),
        host: site.0.to_owned(),
        zone: site.1.to_owned(),
        role: Some(role),
        state: NodeState::Ok,
        trouble: None,
        engine: Some("redis 7.0.15".to_owned()),
        keys: 1234,
        used_memory: 3 << 20,
        max_memory: 1 << 30,
        uptime_s: 4000,
        lag_bytes: (role == Role::Replica).then_some(2048),
    }
}

fn status(name: &str, shards: Vec<ShardStatus>) -> ClusterStatus {
    let mut covered = SlotSet::new();
    shards.iter().for_each(|shard| covered |= &shard.slots);
    ClusterStatus {
        name: name.to_owned(),
        healthy: covered.is_full(),
        keys: 1234 * shards.len() as u64,
        used_memory: 0,
        uncovered: covered.complement(),
        shards,
        unplaced: Vec::new(),
        findings: Vec::new(),
    }
}

/// Shards of equal size, each with `replicas` replicas, spread over `hosts` hosts in three zones.
fn even(shards: usize, replicas: usize, hosts: usize) -> ClusterStatus {
    let zones = ["zone-a", "zone-b", "zone-c"];
    let slot = |number: usize| Slot::new(u16::try_from(number).unwrap()).unwrap();
    let shard = |index: usize| {
        let copy = |number: usize, role| {
            let host = (index + number) % hosts;
            let name = format!("n{index}-{number}");
            node(&name, role, (&format!("host-{host}"), if hosts > 1 { zones[host % 3] } else { "" }))
        };
        let (first, next) = (16384 * index / shards, 16384 * (index + 1) / shards);
        ShardStatus {
            slots: SlotRange::new(slot(first), slot(next - 1)).unwrap().into(),
            primary: copy(0, Role::Primary),
            replicas: (1..=replicas).map(|number| copy(number, Role::Replica)).collect(),
        }
    };
    status("even", (0..shards).map(shard).collect())
}

/// Checks that tags balance, attributes are quoted and only the five entities are used; returns the texts' content.
fn well_formed(svg: &str) -> Result<String, String> {
    let mut open: Vec<&str> = Vec::new();
    let mut content = String::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        content.push_str(text);
        let end = tag.find('>').ok_or("a tag without an end")?;
        let inner = &tag[1..end];
        rest = &tag[end + 1..];
        if let Some(name) = inner.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let (inner, empty) = inner.strip_suffix('/').map_or((inner, false), |inner| (inner, true));
        let (name, attributes) = inner.split_once(' ').unwrap_or((inner, ""));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphabetic()) {
            return Err(format!("<{inner}> is not a tag"));
        }
        let mut seen = Vec::new();
        let mut left = attributes.trim();
        while !left.is_empty() {
            let (key, after) = left.split_once("=\"").ok_or_else(|| format!("<{inner}>: {left}"))?;
            let (_, after) = after.split_once('"').ok_or_else(|| format!("<{inner}>: {left}"))?;
            if key.contains(' ') || seen.contains(&key) {
                return Err(format!("<{inner}>: attribute {key}"));
            }
            seen.push(key);
            left = after.trim_start();
        }
        if !empty {
            open.push(name);
        }
    }
    if !open.is_empty() || !rest.trim().is_empty() {
        return Err(format!("left open: {open:?} {rest:?}"));
    }
    for after in svg.split('&').skip(1) {
        if !["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|entity| after.starts_with(entity)) {
            return Err(format!("a bare & before {:?}", after.chars().take(9).collect::<String>()));
        }
    }
    if svg.chars().any(|c| c.is_control() && c != '\n') {
        return Err("a control character".to_owned());
    }
    Ok(content)
}

#[test]
fn every_size_is_well_formed_and_names_every_node() {
    for (shards, replicas, hosts) in
        [(1, 0, 1), (2, 2, 3), (3, 1, 1), (6, 2, 9), (13, 1, 4), (60, 1, 24), (130, 1, 5)]
    {
        let status = even(shards, replicas, hosts);
        let svg = draw_svg(&status);
        let content = well_formed(&svg).unwrap();
        for node in all_nodes(&status) {
            assert!(svg.contains(&format!(">{}</text>", node.name)), "{}", node.name);
        }
        for index in 0..shards {
            assert!(svg.contains(&format!("shard {}, ", index + 1)), "{index}");
            assert!(svg.contains(&format!("fill=\"{}\"", crate::palette::shard(index))), "{index}");
        }
        assert_eq!(content.contains("Zones and hosts"), hosts > 1);
        assert_eq!(svg, draw_svg(&status.clone()), "the same status, the same picture");
    }
}

#[test]
fn nothing_is_loaded_and_the_picture_says_what_it_is() {
    let svg = draw_svg(&even(3, 1, 3));
    assert!(
        svg.contains("role=\"img\"")
            && svg.contains("<title id=\"title\">")
            && svg.contains("<desc id=\"desc\">")
    );
    for outside in ["href", "<script", "@import", "<image", "url(http", "<foreignObject"] {
        assert!(!svg.contains(outside), "{outside}");
    }
    assert_eq!(svg.matches("http").count(), 1, "the namespace alone");
}

#[test]
fn hostile_names_stay_text() {
    let hostile = "<script>alert(\"x\")</script>&]]>'\u{1b}[31m\0\u{202e}";
    let mut status = even(3, 1, 3);
    status.name = hostile.to_owned();
    for shard in &mut status.shards {
        for node in std::iter::once(&mut shard.primary).chain(&mut shard.replicas) {
            node.name = hostile.to_owned();
            node.host += hostile;
            node.zone += hostile;
            node.trouble = Some(hostile.to_owned());
            node.engine = Some(hostile.to_owned());
            node.endpoint = Endpoint::new(Host::Name(hostile.into()), 1);
        }
    }
    status.unplaced.push(node(hostile, Role::Primary, (hostile, hostile)));
    let (evidence, remedy) = (hostile.to_owned(), hostile.to_owned());
    status.findings.push(Finding {
        severity: Severity::Critical,
        kind: FindingKind::NotServing,
        evidence,
        remedy,
    });
    let svg = draw_svg(&status);
    let content = well_formed(&svg).unwrap();
    assert!(!svg.contains("<script") && content.contains("&lt;script&gt;"));
}

#[test]
fn what_is_wrong_is_shown() {
    let mut broken = even(3, 1, 3);
    broken.shards[1].slots = &broken.shards[1].slots - &slots("6000-6099 7000");
    let mut broken = status("broken", broken.shards);
    broken.shards[2].primary.state = NodeState::Down;
    broken.shards[2].primary.trouble = Some("connection refused".to_owned());
    broken.shards[0].replicas[0].state = NodeState::NotServing;
    broken.unplaced.push(node("lost-and-found", Role::Primary, ("host-9", "zone-z")));
    for number in 0..10 {
        broken.findings.push(Finding {
            severity: if number < 2 { Severity::Critical } else { Severity::Info },
            kind: FindingKind::UncoveredSlots,
            evidence: format!("evidence number {number}"),
            remedy: "a remedy".to_owned(),
        });
    }
    let svg = draw_svg(&broken);
    let content = well_formed(&svg).unwrap();
    for text in [
        "not healthy",
        "101 slots without an owner",
        "6000-6099 uncovered",
        "connection refused",
        "not serving",
        "down",
        "Without a place in a shard",
        "lost-and-found",
        "zone-z",
        "2 critical",
        "8 info",
        "evidence number 7",
        "and 2 more",
    ] {
        assert!(content.contains(text), "{text}");
    }
    assert!(svg.contains("fill=\"url(#hatch)\""));
    assert!(!draw_svg(&even(3, 1, 3)).contains("fill=\"url(#hatch)\""));
}

#[test]
fn a_map_in_shreds_stays_small() {
    let mut shards = even(2, 0, 1).shards;
    for shard in &mut shards {
        shard.slots.clear();
    }
    for slot in Slot::all() {
        match usize::from(slot) % 3 {
            2 => {}
            shard => _ = shards[shard].slots.insert(slot),
        }
    }
    let svg = draw_svg(&status("shreds", shards));
    well_formed(&svg).unwrap();
    assert!(svg.len() < 200_000, "{}", svg.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_texts_and_any_slots_make_a_well_formed_picture(
        texts in proptest::collection::vec(".{0,60}", 4),
        sets in proptest::collection::vec(proptest::collection::vec((0_u16..16384, 1_u16..3000), 0..5), 0..9),
        numbers in any::<(u64, u64, u64, u64)>(),
    ) {
        let shards = sets.into_iter().map(|ranges| {
            let mut set = SlotSet::new();
            for (start, length) in ranges {
                let end = start.saturating_add(length).min(16383);
                set.insert_range(SlotRange::new(Slot::new(start).unwrap(), Slot::new(end).unwrap()).unwrap());
            }
            let mut primary = node(&texts[0], Role::Primary, (&texts[1], &texts[2]));
            (primary.keys, primary.used_memory, primary.max_memory, primary.uptime_s) = numbers;
            ShardStatus { slots: set, primary, replicas: vec![node(&texts[3], Role::Replica, (&texts[2], ""))] }
        });
        let status = status(&texts[3], shards.collect());
        let svg = draw_svg(&status);
        prop_assert!(well_formed(&svg).is_ok(), "{:?}", well_formed(&svg));
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf\""));
    }
}
