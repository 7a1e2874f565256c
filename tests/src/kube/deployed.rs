//! A deployment of pods for a test: a spec in a namespace of its own, the deployer to act on it, and a look from outside.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{IMAGE, Kubernetes, output, succeed};
use crate::{
    deployment::{PASSWORD_VARIABLE, Run, command_with, run, slotwright},
    outside::{self, Expected, Place, Walker},
    server::folder,
};

/// A deployment of pods that may not exist yet; its spec is written.
pub struct Deployed<'a> {
    kubernetes: &'a Kubernetes,
    folder: TempDir,
    /// Its namespace, which the spec has made.
    pub namespace: String,
    /// Shards in the spec.
    pub shards: usize,
    /// Replicas per shard in the spec.
    pub replicas: usize,
    /// The password, which the deployer is given in the environment.
    pub password: Option<String>,
}

impl<'a> Deployed<'a> {
    /// Three shards with a replica each in `namespace`; `lines` are more lines of the section `kubernetes`.
    pub fn new(kubernetes: &'a Kubernetes, namespace: &str, lines: &str) -> Self {
        Self::with(kubernetes, namespace, lines, 3, 1, None)
    }

    /// With other counts, and a password.
    pub fn with(
        kubernetes: &'a Kubernetes,
        namespace: &str,
        lines: &str,
        shards: usize,
        replicas: usize,
        password: Option<&str>,
    ) -> Self {
        let deployed = Self {
            kubernetes,
            folder: folder(),
            namespace: namespace.to_owned(),
            shards,
            replicas,
            password: password.map(str::to_owned),
        };
        deployed.write(lines);
        deployed
    }

    /// Writes the spec anew, with these lines in the section `kubernetes`.
    pub fn write(&self, lines: &str) {
        self.write_spec(&self.spec_text(lines));
    }

    /// The text of the spec with these lines in the section `kubernetes`.
    pub fn spec_text(&self, lines: &str) -> String {
        let password = match self.password {
            Some(_) => format!("password: {{ env: {PASSWORD_VARIABLE} }}\n"),
            None => String::new(),
        };
        let (namespace, shards, replicas) = (&self.namespace, self.shards, self.replicas);
        let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
        format!(
            "name: test\nshards: {shards}\nreplicas-per-shard: {replicas}\nsettings:\n  cluster-node-timeout: 2000\n{password}\
             kubernetes:\n  namespace: {namespace}\n  create-namespace: true\n  image: {IMAGE}\n  clients: anyone\n  \
             resources: {{ cpu-request: 10m, memory-request: 32Mi, memory-limit: 64Mi }}\n{lines}"
        )
    }

    /// Writes another spec.
    pub fn write_spec(&self, text: &str) {
        fs::write(self.spec(), text).unwrap();
    }

    /// The spec file.
    pub fn spec(&self) -> PathBuf {
        self.folder().join("spec.yaml")
    }

    /// The folder of the spec.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command that runs `program` with the way to this cluster and the password in its environment.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = command_with(program, self.password.as_deref());
        command.env("KUBECONFIG", self.kubernetes.kubeconfig());
        command
    }

    /// Runs the deployer: `words`, then the spec.
    pub fn run(&self, words: &[&str]) -> Run {
        run(self.command(slotwright()).args(words).arg("--spec").arg(self.spec()))
    }

    /// `up`, which must succeed; what it said in JSON.
    #[track_caller]
    pub fn up(&self) -> Value {
        let run = self.run(&["up", "--json"]);
        assert_eq!(run.code(), 0, "{run:#?}\n{}", self.state());
        run.json()
    }

    /// Pods, their events and the ends of their logs, for a failure that nobody can repeat.
    pub fn state(&self) -> String {
        let mut text = String::new();
        for words in [
            &["get", "pods,pvc", "-o", "wide"][..],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", "--selector=appCluster=test", "--tail=8", "--prefix"],
        ] {
            let said = self.kubectl(words).output().unwrap();
            text += &String::from_utf8_lossy(&said.stdout);
        }
        text
    }

    /// `kubectl` in the deployment's namespace.
    pub fn kubectl(&self, words: &[&str]) -> Command {
        self.kubernetes.kubectl(["-n", &self.namespace].iter().chain(words))
    }

    /// Objects of the kinds (`pods,services`), as the server has them.
    #[track_caller]
    pub fn get(&self, kinds: &str) -> Vec<Value> {
        let text = output(&mut self.kubectl(&["get", kinds, "-o", "json"]));
        let list: Value = serde_json::from_str(&text).unwrap();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Each object that the deployer applies, with its version.
    pub fn versions(&self) -> BTreeMap<String, String> {
        let kinds = "serviceaccounts,secrets,configmaps,services,persistentvolumeclaims,networkpolicies,\
                     poddisruptionbudgets,statefulsets,deployments";
        let ours = self
            .get(kinds)
            .into_iter()
            .filter(|object| object["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "slotwright");
        // What a controller writes into the status counts as a version too: the generation tells wishes apart.
        let version = |object: &Value| match &object["metadata"]["generation"] {
            Value::Null => object["metadata"]["resourceVersion"].to_string(),
            generation => generation.to_string(),
        };
        ours.map(|object| (format!("{} {}", object["kind"], object["metadata"]["name"]), version(&object)))
            .collect()
    }

    /// Where the nodes announce that they are, by pod: their own addresses, or those of their Services.
    pub fn places(&self) -> BTreeMap<String, Place> {
        let by_service: BTreeMap<String, String> = self
            .get("services")
            .iter()
            .filter(|service| service["spec"]["clusterIP"] != "None")
            .map(|service| {
                (
                    service["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                    service["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned(),
                )
            })
            .collect();
        let mut places = BTreeMap::new();
        for pod in self.get("pods") {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let node = pod["metadata"]["labels"]["slotwright/node"].as_str();
            let address = match node.and_then(|node| by_service.get(node)) {
                Some(address) => address.clone(),
                None => pod["status"]["podIP"].as_str().unwrap_or_default().to_owned(),
            };
            if let Ok(address) = address.parse::<IpAddr>() {
                places.insert(name, Place::from(SocketAddr::new(address, 6379)));
            }
        }
        places
    }

    /// Judges the cluster from outside.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn judge(&self) -> Result<(), String> {
        let places: Vec<Place> = self.places().into_values().collect();
        if places.len() != self.shards * (self.replicas + 1) {
            return Err(format!("the pods are {places:?}"));
        }
        outside::judge(&Expected {
            places: &places,
            password: self.password.as_deref(),
            shards: self.shards,
            replicas: self.replicas,
            settings: &[("cluster-node-timeout", "2000"), ("repl-diskless-sync-delay", "5")],
        })
    }

    /// A client that starts at one of the nodes.
    pub fn walker(&self) -> Walker {
        let place = self.places().into_values().next().unwrap();
        Walker::new(place, self.password.as_deref())
    }

    /// Deletes pods; with `force` they get no time to end.
    pub fn delete_pods(&self, names: &[&str], force: bool) {
        let force: &[&str] = if force { &["--force", "--grace-period=0"] } else { &["--wait=true"] };
        succeed(&mut self.kubectl(&[&["delete", "pod"], names, force].concat()));
    }
}
