//! Tables, brute force over small cases, and large cases.

use proptest::prelude::*;

use super::*;

fn free(sites: &[(&str, &str)]) -> Vec<PlacementNode> {
    sites.iter().map(|&(host, zone)| PlacementNode::free(Site::new(host, zone))).collect()
}

fn on_hosts(hosts: &[&str]) -> Vec<PlacementNode> {
    free(&hosts.iter().map(|&host| (host, "z")).collect::<Vec<_>>())
}

/// Checks what must hold of any answer, then returns it.
fn placed(nodes: &[PlacementNode], shards: usize, copies: usize) -> Placement {
    let placement = place(nodes, shards, copies).unwrap();
    check_complete(nodes, &placement.seats, shards, copies);
    assert_eq!(placement.score, score_of(nodes, &placement.seats));
    placement
}

fn score_of(nodes: &[PlacementNode], seats: &[Seat]) -> Score {
    Score::of_seats(nodes.iter().map(|node| &node.site).zip(seats.iter().copied()))
}

fn check_complete(nodes: &[PlacementNode], seats: &[Seat], shards: usize, copies: usize) {
    assert_eq!(nodes.len(), seats.len());
    for (node, seat) in nodes.iter().zip(seats) {
        assert!(node.seat == Seat::Free || node.seat == *seat, "a held seat was changed");
    }
    for shard in 0..shards {
        assert_eq!(seats.iter().filter(|seat| seat.shard() == Some(shard)).count(), copies, "shard {shard}");
        assert_eq!(seats.iter().filter(|&&seat| seat == Seat::Primary(shard)).count(), 1, "shard {shard}");
    }
}

use Seat::{Free as F, Primary as P, Replica as R};

#[test]
fn one_host_is_filled_in_input_order() {
    let placement = placed(&on_hosts(&["a"; 6]), 3, 2);
    assert_eq!(placement.seats, [P(0), P(1), P(2), R(0), R(1), R(2)]);
    let placement = placed(&on_hosts(&["a"; 9]), 3, 3);
    assert_eq!(placement.seats, [P(0), P(1), P(2), R(0), R(1), R(2), R(0), R(1), R(2)]);
}

#[test]
fn six_nodes_on_three_hosts_keep_every_shard_apart() {
    for hosts in
        [["a", "b", "c", "a", "b", "c"], ["a", "a", "b", "b", "c", "c"], ["c", "a", "a", "b", "c", "b"]]
    {
        let placement = placed(&on_hosts(&hosts), 3, 2);
        assert_eq!(placement.score, Score { host_pairs: 0, zone_pairs: 3, host_spread: 3, zone_spread: 9 });
    }
    // Round the hosts in input order, as a person would.
    assert_eq!(
        placed(&on_hosts(&["a", "b", "c", "a", "b", "c"]), 3, 2).seats,
        [P(0), P(1), P(2), R(1), R(2), R(0)]
    );
}

#[test]
fn nodes_on_hosts_of_their_own_become_primaries_first() {
    let placement = placed(&on_hosts(&["a", "b", "c", "d", "e", "f"]), 3, 2);
    assert_eq!(placement.seats, [P(0), P(1), P(2), R(0), R(1), R(2)]);
}

#[test]
fn three_shards_of_three_copies_on_hosts_of_five_and_four() {
    // Each shard has three copies on two hosts, so at least one pair: 3 in all.
    let placement = placed(&on_hosts(&["a", "a", "a", "a", "a", "b", "b", "b", "b"]), 3, 3);
    assert_eq!(placement.score, Score { host_pairs: 3, zone_pairs: 9, host_spread: 5, zone_spread: 9 });
}

#[test]
fn nine_pods_in_three_zones_have_every_shard_in_every_zone() {
    let zones = [
        ("a", "x"),
        ("b", "y"),
        ("c", "z"),
        ("d", "x"),
        ("e", "y"),
        ("f", "z"),
        ("a", "x"),
        ("b", "y"),
        ("c", "z"),
    ];
    let placement = placed(&free(&zones), 3, 3);
    assert_eq!(placement.score, Score { host_pairs: 0, zone_pairs: 0, host_spread: 3, zone_spread: 3 });
}

#[test]
fn copies_apart_count_more_than_primaries_apart() {
    // Two hosts: each shard has one copy on each, and three primaries split two to one.
    let placement = placed(&on_hosts(&["a", "a", "a", "b", "b", "b"]), 3, 2);
    assert_eq!((placement.score.host_pairs, placement.score.host_spread), (0, 5));
}

#[test]
fn primaries_are_spread_over_zones_among_equal_spreads_over_hosts() {
    let sites = [("a", "x"), ("b", "x"), ("c", "x"), ("d", "y"), ("e", "y"), ("f", "y")];
    let placement = placed(&free(&sites), 3, 2);
    assert_eq!(placement.score, Score { host_pairs: 0, zone_pairs: 0, host_spread: 3, zone_spread: 5 });
}

#[test]
fn held_seats_stay_and_the_gaps_are_filled() {
    let mut nodes = on_hosts(&["a", "b", "c", "a", "b", "c", "a", "b"]);
    for (node, seat) in nodes.iter_mut().zip([P(0), P(1), P(2), R(2), F, R(1), F, F]) {
        node.seat = seat;
    }
    // Shard 0 lacks a replica, which host a must not get; shard 3 is new.
    let placement = placed(&nodes, 4, 2);
    assert_eq!(placement.score.host_pairs, 0);
    assert_eq!(placement.seats[..4], [P(0), P(1), P(2), R(2)]);
    assert_eq!(placement.seats[4].shard().min(placement.seats[7].shard()), Some(0));
}

#[test]
fn nodes_to_spare_are_left_where_that_helps_most() {
    let placement = placed(&on_hosts(&["a", "a", "a", "b"]), 1, 2);
    assert_eq!(placement.seats, [P(0), F, F, R(0)]);
    let placement = placed(&on_hosts(&["a"; 4]), 1, 2);
    assert_eq!(placement.seats, [P(0), R(0), F, F]);
}

#[test]
fn nothing_to_do_changes_nothing() {
    let mut nodes = on_hosts(&["a", "a"]);
    nodes[0].seat = R(0);
    nodes[1].seat = P(0);
    assert_eq!(placed(&nodes, 1, 2).seats, [R(0), P(0)]);
}

#[test]
fn contradictions_are_refused_with_the_numbers() {
    let with = |seats: &[Seat]| {
        let mut nodes = on_hosts(&vec!["a"; seats.len()]);
        nodes.iter_mut().zip(seats).for_each(|(node, &seat)| node.seat = seat);
        nodes
    };
    let error = |seats: &[Seat], shards, copies| place(&with(seats), shards, copies).unwrap_err();
    assert_eq!(error(&[F], 0, 1), PlacementError::NothingWanted { shards: 0, copies: 1 });
    assert_eq!(error(&[F], 1, 0), PlacementError::NothingWanted { shards: 1, copies: 0 });
    let few = error(&[P(0), F, F], 3, 2);
    assert_eq!(few, PlacementError::TooFewNodes { shards: 3, copies: 2, missing: 5, free: 2 });
    assert_eq!(
        few.to_string(),
        "3 shards of 2 copies need 5 more nodes, but only 2 nodes are free: add 3 nodes, or ask for fewer shards or copies"
    );
    assert!(matches!(error(&[F], usize::MAX, usize::MAX), PlacementError::TooFewNodes { .. }));
    assert_eq!(error(&[F, R(3)], 3, 1), PlacementError::UnknownShard { node: 1, shard: 3, shards: 3 });
    assert_eq!(error(&[P(0), F, P(0)], 1, 3), PlacementError::TwoPrimaries { shard: 0, first: 0, second: 2 });
    assert_eq!(error(&[R(0), R(0)], 1, 2), PlacementError::NoPrimary { shard: 0, replicas: 2 });
    assert_eq!(error(&[P(0), R(0)], 1, 1), PlacementError::TooManyCopies { shard: 0, held: 2, copies: 1 });
    assert_eq!(error(&[F; MAX_NODES + 1], 1, 1), PlacementError::TooManyNodes { nodes: MAX_NODES + 1 });
    assert_eq!(
        place(&free(&[("a", "x"), ("b", "x"), ("a", "y")]), 1, 1).unwrap_err(),
        PlacementError::HostInTwoZones { host: "a".into(), first: "x".into(), second: "y".into(), node: 2 }
    );
}

#[test]
fn the_answer_can_be_written_down() {
    let placement = placed(&on_hosts(&["a", "b"]), 1, 2);
    let json = serde_json::to_string(&placement).unwrap();
    assert!(json.contains(r#"{"primary":0}"#), "{json}");
    assert_eq!(serde_json::from_str::<Placement>(&json).unwrap(), placement);
}

/// The least score over every possible answer.
struct BruteForce<'a> {
    nodes: &'a [PlacementNode],
    shards: usize,
    copies: usize,
    best: Score,
}

impl BruteForce<'_> {
    fn best(nodes: &[PlacementNode], shards: usize, copies: usize) -> Score {
        let worst = Score { host_pairs: u64::MAX, ..Score::default() };
        let mut all = BruteForce { nodes, shards, copies, best: worst };
        let mut seats: Vec<Seat> = nodes.iter().map(|node| node.seat).collect();
        all.copies_from(0, &mut seats);
        all.best
    }

    /// Gives each free node every shard that lacks copies, or none. Shards without any copy are alike, so only the
    /// first of them is tried.
    fn copies_from(&mut self, at: usize, seats: &mut Vec<Seat>) {
        if at == seats.len() {
            if (0..self.shards).all(|shard| self.held(seats, shard) == self.copies) {
                self.primaries_from(0, seats);
            }
            return;
        }
        if seats[at] != F {
            return self.copies_from(at + 1, seats);
        }
        let mut new_tried = false;
        for shard in 0..self.shards {
            let held = self.held(seats, shard);
            if held < self.copies && !(held == 0 && new_tried) {
                seats[at] = R(shard);
                self.copies_from(at + 1, seats);
                seats[at] = F;
            }
            new_tried |= held == 0;
        }
        self.copies_from(at + 1, seats);
    }

    fn held(&self, seats: &[Seat], shard: usize) -> usize {
        seats.iter().filter(|seat| seat.shard() == Some(shard)).count()
    }

    fn primaries_from(&mut self, shard: usize, seats: &mut Vec<Seat>) {
        if shard == self.shards {
            self.best = self.best.min(score_of(self.nodes, seats));
        } else if seats.contains(&P(shard)) {
            self.primaries_from(shard + 1, seats);
        } else {
            for at in 0..seats.len() {
                if seats[at] == R(shard) {
                    seats[at] = P(shard);
                    self.primaries_from(shard + 1, seats);
                    seats[at] = R(shard);
                }
            }
        }
    }
}

/// Shards, copies, and nodes of which some hold seats already.
fn case(max_shards: usize, max_nodes: usize) -> impl Strategy<Value = (usize, usize, Vec<PlacementNode>)> {
    let shape = (1..=max_shards, 1usize..=3, 1..=max_nodes, 1usize..=3, 0usize..=2);
    let shape = shape.prop_filter("few nodes", move |(shards, copies, ..)| shards * copies <= max_nodes);
    shape.prop_flat_map(move |(shards, copies, hosts, zones, spare)| {
        let count = (shards * copies + spare).min(max_nodes);
        let hosts_of = prop::collection::vec(0..hosts, count);
        let zones_of = prop::collection::vec(0..zones, hosts);
        // Copies held per shard, and which nodes hold them.
        let held = prop::collection::vec(prop_oneof![2 => Just(0), 3 => 0..=copies], shards);
        let order = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
        (hosts_of, zones_of, held, order).prop_map(move |(hosts_of, zones_of, held, order)| {
            let site = |host: usize| Site::new(format!("h{host}"), format!("z{}", zones_of[host]));
            let mut nodes: Vec<_> = hosts_of.iter().map(|&host| PlacementNode::free(site(host))).collect();
            let mut next = order.into_iter();
            for (shard, held) in held.into_iter().enumerate() {
                for copy in 0..held {
                    nodes[next.next().unwrap()].seat = if copy == 0 { P(shard) } else { R(shard) };
                }
            }
            (shards, copies, nodes)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_other_answer_is_better((shards, copies, nodes) in case(4, 8)) {
        let placement = placed(&nodes, shards, copies);
        prop_assert_eq!(placement.score, BruteForce::best(&nodes, shards, copies));
        prop_assert_eq!(&placement, &place(&nodes, shards, copies).unwrap());
    }

    /// What makes it right to choose primaries first: no choice of them costs a pair.
    #[test]
    fn any_primaries_can_be_completed_with_the_fewest_pairs(
        (shards, copies, nodes, chosen) in case(9, 24).prop_flat_map(|(shards, copies, nodes)| {
            let order = Just((0..nodes.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(shards), Just(copies), Just(nodes), order)
        }),
    ) {
        let task = Task::new(&nodes, shards, copies).unwrap();
        let mut loads = vec![0; task.ground.hosts.len()];
        let free = chosen.into_iter().filter(|&node| nodes[node].seat == F);
        for node in free.take(task.new_shards.len()) {
            loads[task.sites.host_of_node[node]] += 1;
        }
        let (seats, pairs) = task.settle(&loads);
        check_complete(&nodes, &seats, shards, copies);
        prop_assert_eq!(pairs, deal(&task.ground, copies).added_pairs);
    }
}
