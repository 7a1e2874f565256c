//! The programs that hold the tests against real servers, as cargo knows them.

use serde_json::Value;

use crate::failure::Failure;
use crate::run;

/// The names of all integration tests of the workspace.
pub(crate) fn integration_tests() -> Result<Vec<String>, Failure> {
    let metadata =
        run::output(run::cargo().args(["metadata", "--no-deps", "--locked", "--format-version", "1"]))?;
    let metadata = serde_json::from_str(&metadata)
        .map_err(|error| Failure::said(format!("`cargo metadata` is not understood: {error}")))?;
    Ok(named(&metadata))
}

fn named(metadata: &Value) -> Vec<String> {
    let list =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let packages = list(metadata, "packages").into_iter();
    let targets = packages.flat_map(|package| list(&package, "targets"));
    targets
        .filter(|target| list(target, "kind").iter().any(|kind| kind == "test"))
        .filter_map(|target| Some(target.get("name")?.as_str()?.to_owned()))
        .collect()
}

/// Arguments for `cargo test` that choose these.
pub(crate) fn chosen(tests: &[String]) -> impl Iterator<Item = &str> {
    tests.iter().flat_map(|test| ["--test", test.as_str()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_tests_is_named() {
        let tests = integration_tests().unwrap();
        for entry in std::fs::read_dir(run::workspace().join("tests/tests")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let program = path.extension().is_some() || path.join("main.rs").is_file();
            assert!(!program || tests.contains(&name), "{name} is not among {tests:?}");
        }
        assert_eq!(
            chosen(&["a".to_owned(), "b".to_owned()]).collect::<Vec<_>>(),
            ["--test", "a", "--test", "b"]
        );
    }
}
