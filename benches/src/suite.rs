//! What all criterion suites on slots have in common: short samples, so that a whole suite ends within a minute.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};

/// A group of benchmarks in which one iteration handles `elements` keys or slots.
pub fn group<'a>(
    criterion: &'a mut Criterion,
    name: impl Into<String>,
    elements: usize,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(250))
        .sample_size(20)
        .nresamples(10_000)
        .throughput(Throughput::Elements(elements as u64));
    group
}
