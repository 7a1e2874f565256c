//! How many new primaries each host should hold.
//!
//! Owns the choice of primary loads for shards that have no copy yet. Those shards are alike, so a choice is a number per
//! host. [`super::deal`] then places the replicas. Choosing the primaries first gives nothing away:
//!
//! **Any loads `k`, no larger than the hosts' free nodes, are attainable with the fewest pairs.** Take a placement of all
//! copies with the fewest pairs on hosts, then in zones. Let `Y` count the new shards' copies on each host.
//!
//! 1. *If `k ≤ Y` everywhere, the copies can be regrouped so that `k` is attained.* An optimal placement may deal the
//!    copies `Y` evenly to the new shards. The sets of copies that one shard may get in an even deal are the bases of
//!    a gammoid (a laminar family with lower and upper bounds). Mark `k` copies on each host; the sets with at most
//!    one mark are independent in a partition matroid. Both matroids are strongly base-orderable and either covers the
//!    copies with as many sets as there are new shards, so (Davies and McDiarmid, 1976) that many sets independent in
//!    both do: an even deal that gives each shard one mark, its primary.
//! 2. *Otherwise a host B lacks copies, and one can be moved there for nothing.* Mark `min(k, Y)` copies on each host, and
//!    more wherever `Y > k` until there is one mark for each new shard, and regroup as in 1. Some shard x then has its
//!    mark where `Y > k`. Its other copies are unmarked, so they too lie where `Y > k`; on B every copy of a new shard
//!    is marked, so x has none there. A free node on B that holds no new shard is either
//!    - given to a shard y that had copies before. All shards have equally many copies in the end. So x outnumbers y on
//!      some host h of B's zone; or else y outnumbers x in that zone, x outnumbers y in another one, and h lies there.
//!      Let x have the node on B and y have x's on h: that adds pairs neither on hosts nor in zones. Or
//!    - not used. Moving a copy of x there, one from B's zone if x has any in it, adds no pairs either.
//!
//!    B now lacks one copy fewer, and no other host lacks more than before. Repeat.
//!
//! Hence the primaries' spread may be minimised on its own. It is a laminar convex function of the loads, for which it is
//! optimal to add each next primary where it costs least.

use super::deal::Ground;

/// New primaries for each host: the least spread over hosts, then over zones. Ties go to the node named first.
pub(super) fn least_spread(ground: &Ground, wanted: usize) -> Vec<usize> {
    let mut in_zones = ground.primaries_of_zones();
    let mut loads = vec![0; ground.hosts.len()];
    for _ in 0..wanted {
        // One more primary beside n others adds 2n + 1 to a sum of squares, so comparing n is enough.
        let candidates = ground.hosts.iter().zip(&loads).enumerate().filter_map(|(at, (host, &load))| {
            let node = *host.free.get(load)?;
            let in_zone = in_zones.get(host.zone).copied().unwrap_or_default();
            Some((host.primaries + load, in_zone, node, at))
        });
        let Some((.., at)) = candidates.min() else { break };
        if let Some(load) = loads.get_mut(at) {
            *load += 1;
        }
        if let Some(in_zone) = in_zones.get_mut(ground.zone(at)) {
            *in_zone += 1;
        }
    }
    loads
}
