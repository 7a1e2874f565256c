//! The results of the criterion suites `routing` and `grouping`, read from the files criterion writes.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use slotwright_benches::single::OURS;

use crate::failure::Failure;

/// The suites the report shows; the others are measured here in turns.
const SHOWN: [&str; 2] = ["routing", "grouping"];

/// One benchmark of a criterion suite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SuiteResult {
    /// The suite.
    pub(crate) suite: String,
    /// What is done, without the implementation.
    pub(crate) work: String,
    /// Who does it.
    pub(crate) implementation: String,
    /// How the table calls the work.
    #[serde(skip)]
    pub(crate) label: String,
    /// Elements in one iteration (look-ups, keys); 1 when the benchmark does not say.
    pub(crate) elements: u64,
    /// Median nanoseconds per element.
    pub(crate) median: f64,
}

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
    #[serde(default)]
    throughput: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// All results under criterion's folder, sorted by suite and work, numbers by their size; ours before the others.
pub(crate) fn read(folder: &Path) -> Result<Vec<SuiteResult>, Failure> {
    let mut results = Vec::new();
    for place in newest(folder)? {
        let benchmark: Benchmark = parse(&place.join("benchmark.json"))?;
        let estimates: Estimates = parse(&place.join("estimates.json"))?;
        results.extend(result(&benchmark, estimates.median.point_estimate));
    }
    results.sort_by_cached_key(|result| {
        let peer = !result.implementation.starts_with(OURS);
        (result.suite.clone(), natural(&result.work), peer, result.implementation.clone())
    });
    Ok(results)
}

/// Every folder `new` that holds a result.
fn newest(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let failed = Failure::io("reading", folder);
    for entry in std::fs::read_dir(folder).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        if path.is_dir() {
            if path.ends_with("new") && path.join("estimates.json").is_file() {
                found.push(path);
            } else {
                found.extend(newest(&path)?);
            }
        }
    }
    Ok(found)
}

fn parse<T: for<'de> Deserialize<'de>>(file: &Path) -> Result<T, Failure> {
    let text = std::fs::read_to_string(file).map_err(Failure::io("reading", file))?;
    serde_json::from_str(&text).map_err(|source| Failure::Criterion { path: file.to_owned(), source })
}

/// The result, if its suite is shown. Ids: `routing/<work>/<implementation>/<nodes>` and
/// `grouping/<keys>x<owners>/<implementation>`.
fn result(benchmark: &Benchmark, median: f64) -> Option<SuiteResult> {
    let mut parts: Vec<&str> = benchmark.full_id.split('/').collect();
    let suite = *parts.first()?;
    if !SHOWN.contains(&suite) || parts.len() < 3 {
        return None;
    }
    let implementation = parts.remove(if parts.len() > 3 { parts.len() - 2 } else { 2 });
    let throughput = benchmark.throughput.as_ref().and_then(|throughput| throughput.get("Elements"));
    let elements = throughput.and_then(serde_json::Value::as_u64).unwrap_or(1).max(1);
    let work = parts.get(1..)?;
    Some(SuiteResult {
        suite: suite.to_owned(),
        label: label(work),
        work: work.join("/"),
        implementation: implementation.to_owned(),
        elements,
        median: median / elements as f64,
    })
}

/// `random, 100 nodes` from the work and the nodes, `16 keys, 3 owners` from `16x3`.
fn label(work: &[&str]) -> String {
    match work {
        [work, nodes] => format!("{work}, {nodes} nodes"),
        [only] => only
            .split_once('x')
            .map_or_else(|| (*only).to_owned(), |(keys, owners)| format!("{keys} keys, {owners} owners")),
        _ => work.join(", "),
    }
}

/// A key that sorts `100` behind `6`.
fn natural(text: &str) -> Vec<(u64, String)> {
    let chunks = text.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    chunks
        .map(|chunk| {
            let chunk = String::from_utf8_lossy(chunk);
            chunk.parse().map_or_else(|_| (0, chunk.to_string()), |number| (number, String::new()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn benchmark(id: &str, elements: Option<u64>) -> Benchmark {
        let throughput = elements.map(|elements| serde_json::json!({ "Elements": elements }));
        Benchmark { full_id: id.into(), throughput }
    }

    #[test]
    fn ids_say_what_and_who() {
        let found = result(&benchmark("routing/random/btreemap-ranges/100", Some(1000)), 5000.0).unwrap();
        assert_eq!((found.suite.as_str(), found.work.as_str()), ("routing", "random/100"));
        assert_eq!(found.label, "random, 100 nodes");
        assert_eq!((found.implementation.as_str(), found.median), ("btreemap-ranges", 5.0));
        let found = result(&benchmark("grouping/1000x100/slotwright", None), 70.0).unwrap();
        assert_eq!((found.work.as_str(), found.implementation.as_str()), ("1000x100", "slotwright"));
        assert_eq!(found.label, "1000 keys, 100 owners");
        assert_eq!(result(&benchmark("key_slot/slotwright/16", None), 1.0), None);
        assert_eq!(result(&benchmark("routing/warm", None), 1.0), None);
    }

    #[test]
    fn numbers_sort_by_size() {
        let mut works = ["warm/1000", "warm/6", "cold/100", "100x6", "10x60", "10x6"];
        works.sort_by_cached_key(|work| natural(work));
        assert_eq!(works, ["cold/100", "warm/6", "warm/1000", "10x6", "10x60", "100x6"]);
    }

    #[test]
    fn reads_the_files_of_criterion() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("routing_warm/array/6/new");
        std::fs::create_dir_all(&place).unwrap();
        let id = r#"{"full_id": "routing/warm/array/6", "throughput": {"Elements": 10}, "title": "x"}"#;
        std::fs::write(place.join("benchmark.json"), id).unwrap();
        std::fs::write(place.join("estimates.json"), r#"{"median": {"point_estimate": 25.0}}"#).unwrap();
        let results = read(folder.path()).unwrap();
        assert_eq!((results.len(), results[0].median), (1, 2.5));
        std::fs::write(place.join("estimates.json"), "{").unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("estimates.json"));
    }
}
