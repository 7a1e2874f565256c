//! Manifests against the schemas that Kubernetes publishes, of many versions at once.
//!
//! The schemas are those of the PyPI package `kubernetes-validate`, installed at a pinned version into a folder of the
//! user's cache by the first test that needs it. Two versions of it, because no one carries both old and new schemas.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Versions of the package, each with the versions of Kubernetes it is asked for.
const PACKAGES: [(&str, &[&str]); 2] = [
    ("1.28.3", &["1.20", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27", "1.28"]),
    ("1.37.0", &["1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]),
];

/// Reads `{"1.20": [{"name", "yaml", "json"}, …]}`, checks each document strictly, and that the YAML says what the
/// JSON says to a reader of YAML 1.1, as kubectl's is.
const PROGRAM: &str = r#"
import functools, json, sys, yaml
import kubernetes_validate as kv

# Otherwise the definitions, several megabytes, are parsed again for each document.
json.loads = functools.lru_cache(None)(json.loads)
yaml_reader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

checked = 0
for version, documents in json.load(sys.stdin).items():
    for document in documents:
        try:
            read = list(yaml.load_all(document["yaml"], yaml_reader))
            if read != [document["json"]]:
                print(f"{document['name']}: the YAML reads as {read}")
                continue
            used = kv.validate(read[0], version, strict=True)
            if used != version:
                print(f"{version}: there are no schemas, those of {used} were used")
            checked += 1
        except kv.ValidationError as error:
            print(f"{version} {document['name']}: {list(error.path)}: {error.message[:300]}")
        except kv.SchemaNotFoundError as error:
            print(f"{version} {document['name']}: {error.message}")
print(f"checked {checked}")
"#;

/// One document to be checked.
pub struct Document {
    /// Its name in reports.
    pub name: String,
    /// Its text.
    pub yaml: String,
    /// What the text must say.
    pub json: serde_json::Value,
}

/// The versions of Kubernetes that there are schemas of: their minor numbers.
pub fn minors() -> impl Iterator<Item = u32> {
    PACKAGES.iter().flat_map(|(_, versions)| *versions).map(|version| version[2..].parse().unwrap())
}

/// Checks the documents that `of` gives for each version against its schemas.
///
/// # Panics
/// When one does not pass, or the package cannot be installed.
pub fn validate(of: impl Fn(u32) -> Vec<Document>) {
    for (package, versions) in PACKAGES {
        let mut request = serde_json::Map::new();
        let mut expected = 0;
        for version in versions {
            let documents = of(version[2..].parse().unwrap());
            expected += documents.len();
            let documents = documents.into_iter().map(|document| {
                serde_json::json!({ "name": document.name, "yaml": document.yaml, "json": document.json })
            });
            request.insert((*version).to_owned(), documents.collect());
        }
        let mut child = Command::new(python(package))
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let text = serde_json::to_string(&request).unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && told == format!("checked {expected}\n"), "{told}");
    }
}

/// The interpreter of an environment that has this version of the package.
fn python(version: &str) -> PathBuf {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let cache = cache.expect("neither HOME nor XDG_CACHE_HOME says where the cache is").join("slotwright");
    fs::create_dir_all(&cache).unwrap();
    let environment = cache.join(format!("kubernetes-validate-{version}"));
    // One at a time, and either whole or not there: an environment cannot be moved, so its last file is the mark.
    let lock = fs::File::create(cache.join("kubernetes-validate.lock")).unwrap();
    lock.lock().unwrap();
    let (python, mark) = (environment.join("bin/python"), environment.join("complete"));
    if !mark.exists() {
        let _ = fs::remove_dir_all(&environment);
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        install(&python, version);
        fs::write(mark, "").unwrap();
    }
    python
}

fn install(python: &Path, version: &str) {
    let package = format!("kubernetes-validate=={version}");
    run(Command::new(python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        &package,
    ]));
}

fn run(command: &mut Command) {
    let status =
        command.status().unwrap_or_else(|error| panic!("{command:?}: {error}; install python3-venv"));
    assert!(status.success(), "{command:?}: {status}; python3-venv and access to PyPI are needed");
}
