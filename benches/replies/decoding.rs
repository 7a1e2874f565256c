//! Bytes to replies, beside `redis-protocol` alone: both take bytes as a connection reads them, keep what is
//! incomplete in a buffer, and give out replies whose strings are views of it.
//!
//! Ids: `decoding/<reads>/<implementation>/<reply>`, where the reads are `whole` or `4KiB`. The two do not give quite
//! the same: ours keeps the order of maps and bounds depth and size, `redis-protocol` puts maps into hash tables.

use std::hint::black_box;
use std::time::Duration;

use bytes::BytesMut;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use redis_protocol::resp3::decode::complete::decode_bytes_mut;
use redis_protocol::resp3::types::BytesFrame;
use slotwright_benches::replies;
use slotwright_client::Value;
use slotwright_client::resp::{Decoder, Limits};

/// How much one read of a connection brings where it does not bring everything.
const READ: usize = 4 << 10;
const VALUE: &str =
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

fn shapes() -> [(&'static str, Vec<u8>); 5] {
    let pairs: Vec<Vec<u8>> = (0..100)
        .flat_map(|number| [replies::bulk(&format!("field:{number}")), replies::bulk(VALUE)])
        .collect();
    [
        ("status", replies::status("OK")),
        ("bulk-100B", replies::bulk(VALUE)),
        ("array-1000", replies::array(&vec![replies::bulk(VALUE); 1000])),
        ("slots-100-nodes", replies::cluster_slots(100)),
        ("map-100", replies::map(&pairs)),
    ]
}

/// Ours: one decoder for all replies, as a connection has it.
fn ours(decoder: &mut Decoder, wire: &[u8], read: usize) -> Option<Value> {
    let mut reply = None;
    for bytes in wire.chunks(read) {
        decoder.feed(bytes);
        if let Ok(Some(value)) = decoder.next_value() {
            reply = Some(value);
        }
    }
    reply
}

/// The peer: one buffer for all replies, and an attempt after each read.
fn peer(buffer: &mut BytesMut, wire: &[u8], read: usize) -> Option<BytesFrame> {
    let mut reply = None;
    for bytes in wire.chunks(read) {
        buffer.extend_from_slice(bytes);
        if let Ok(Some((frame, _, _))) = decode_bytes_mut(buffer) {
            reply = Some(frame);
        }
    }
    reply
}

fn side_by_side(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, wire: &[u8], read: usize) {
    group
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20)
        .throughput(Throughput::Bytes(wire.len() as u64));
    let mut decoder = Decoder::new(Limits::default());
    group.bench_function(BenchmarkId::new("slotwright", name), |bencher| {
        bencher.iter(|| ours(&mut decoder, black_box(wire), read));
    });
    let mut buffer = BytesMut::new();
    group.bench_function(BenchmarkId::new("redis-protocol", name), |bencher| {
        bencher.iter(|| peer(&mut buffer, black_box(wire), read));
    });
}

fn decoding(criterion: &mut Criterion) {
    let shapes = shapes();
    let mut group = criterion.benchmark_group("decoding/whole");
    for (name, wire) in &shapes {
        side_by_side(&mut group, name, wire, wire.len());
    }
    group.finish();
    let mut group = criterion.benchmark_group("decoding/4KiB");
    for (name, wire) in shapes.iter().filter(|(_, wire)| wire.len() > READ) {
        side_by_side(&mut group, name, wire, READ);
    }
    group.finish();
}

criterion_group!(benches, decoding);
criterion_main!(benches);
