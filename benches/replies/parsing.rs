//! What servers say of their cluster, from the bytes on the wire to types: `CLUSTER NODES`, `SLOTS` and `SHARDS` of 6,
//! 100 and 1,000 nodes.
//!
//! Ids: `parsing/<command>/typed/<nodes>`; and `parsing/<command>/wire/<nodes>`, which stops where the bytes have
//! become a reply, so that the difference is the parser's own share.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use slotwright_benches::replies;
use slotwright_client::admin::decode;
use slotwright_client::error::DecodeError;
use slotwright_client::{Value, resp};

const SIZES: [usize; 3] = [6, 100, 1000];

/// One command: its reply on the wire by the number of nodes, and its parser.
fn command<T>(
    criterion: &mut Criterion,
    name: &str,
    wire: fn(usize) -> Vec<u8>,
    parse: fn(Value) -> Result<T, DecodeError>,
) {
    let mut group = criterion.benchmark_group(format!("parsing/{name}"));
    group
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20);
    for nodes in SIZES {
        let frame = Bytes::from(wire(nodes));
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(BenchmarkId::new("wire", nodes), |bencher| {
            bencher.iter(|| resp::decode(black_box(&frame)));
        });
        group.bench_function(BenchmarkId::new("typed", nodes), |bencher| {
            bencher.iter(|| resp::decode(black_box(&frame)).map(parse));
        });
    }
    group.finish();
}

fn parsing(criterion: &mut Criterion) {
    command(criterion, "nodes", replies::cluster_nodes, decode::cluster_nodes);
    command(criterion, "slots", replies::cluster_slots, decode::cluster_slots);
    command(criterion, "shards", replies::cluster_shards, decode::cluster_shards);
}

criterion_group!(benches, parsing);
criterion_main!(benches);
