//! The way to an API server: from a kubeconfig, or from the pod we run in.

use std::env;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use slotwright_machine::Machine;

use super::{Applier, Error, error};

/// How long a server may take to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

impl Applier {
    /// The cluster of a context of the kubeconfig (the current one when none is named), or the one we run in: when
    /// `KUBECONFIG` is not set, there is no `~/.kube/config` and no context is named.
    /// `manager` is the name our fields are known by; every request passes `machine`.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`]. Whether the server answers is not tried.
    pub async fn connect(context: Option<&str>, manager: &str, machine: Machine) -> Result<Self, Error> {
        let (mut config, in_cluster) =
            find(context, &Places::look()).await.map_err(|why| Error::Kubeconfig { why })?;
        config.connect_timeout = Some(CONNECT_PATIENCE);
        let client = Client::try_from(config);
        let client = client.map_err(|error| Error::Kubeconfig { why: error::of_library(&error) })?;
        Ok(Self { in_cluster, ..Self::new(client, manager, machine) })
    }
}

/// Where kubeconfigs may be.
struct Places {
    /// Those that `KUBECONFIG` names.
    named: Vec<PathBuf>,
    /// `~/.kube/config`, which is read where none is named.
    usual: Option<PathBuf>,
    /// We run in a pod of a cluster.
    in_pod: bool,
}

impl Places {
    fn look() -> Self {
        let named = env::var_os("KUBECONFIG").unwrap_or_default();
        let named = env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).collect();
        let usual = env::home_dir().map(|home| home.join(".kube").join("config"));
        Self { named, usual, in_pod: env::var_os("KUBERNETES_SERVICE_HOST").is_some() }
    }

    /// What they say together; nothing where there is none and none is named. Of several that are named, some may not be
    /// there, as for `kubectl`.
    fn read(&self) -> Result<Option<Kubeconfig>, KubeconfigError> {
        let mut read: Option<Kubeconfig> = None;
        let mut missing = None;
        let usual = self.usual.iter().filter(|_| self.named.is_empty());
        for path in self.named.iter().chain(usual) {
            match Kubeconfig::read_from(path) {
                Ok(next) => {
                    read = Some(match read {
                        Some(before) => before.merge(next)?,
                        None => next,
                    });
                }
                Err(KubeconfigError::ReadConfig(error, path)) if error.kind() == io::ErrorKind::NotFound => {
                    missing.get_or_insert(KubeconfigError::ReadConfig(error, path));
                }
                Err(error) => return Err(error),
            }
        }
        match missing.filter(|_| read.is_none() && !self.named.is_empty()) {
            Some(error) => Err(error),
            None => Ok(read),
        }
    }
}

/// A configuration, and whether it came from the pod we run in.
async fn find(context: Option<&str>, places: &Places) -> Result<(Config, bool), String> {
    let kubeconfig = match places.read() {
        Ok(Some(kubeconfig)) => kubeconfig,
        Ok(None) => match context {
            None => return in_cluster(places.in_pod),
            Some(context) => {
                return Err(format!(
                    "there is no kubeconfig, so no context {context}: KUBECONFIG is not set, and ~/.kube/config is not \
                     there; set KUBECONFIG"
                ));
            }
        },
        Err(error) => return Err(told(&error, context, &[])),
    };
    let contexts: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    match Config::from_custom_kubeconfig(kubeconfig, &options).await {
        Ok(config) => Ok((config, false)),
        Err(error) => Err(told(&error, context, &contexts)),
    }
}

fn in_cluster(in_pod: bool) -> Result<(Config, bool), String> {
    if !in_pod {
        return Err(
            "KUBECONFIG is not set, there is no ~/.kube/config, and this is not a pod of a cluster; set \
                    KUBECONFIG to a file that names a cluster"
                .to_owned(),
        );
    }
    let config = Config::incluster().map_err(|error| {
        let why = error::chain(&error);
        format!("this pod cannot use the cluster it runs in: {why}; give it a service account whose token is mounted")
    })?;
    Ok((config, true))
}

/// What is wrong with a kubeconfig, and what to do.
fn told(error: &KubeconfigError, context: Option<&str>, contexts: &[String]) -> String {
    let there_are = if contexts.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", contexts.join(", "))
    };
    match error {
        KubeconfigError::CurrentContextNotSet => {
            format!("the kubeconfig has no current context, and none is named; name one ({there_are})")
        }
        KubeconfigError::LoadContext(name) => {
            let named = if context.is_some() { "" } else { "current " };
            format!("the kubeconfig has no {named}context {name}; name one that it has ({there_are})")
        }
        KubeconfigError::LoadClusterOfContext(name) => format!(
            "the kubeconfig has no cluster {name}, which the context names; correct it, or name another context \
             ({there_are})"
        ),
        KubeconfigError::ReadConfig(why, path) => format!(
            "the kubeconfig {} cannot be read: {why}; set KUBECONFIG to one that can, or unset it for ~/.kube/config",
            path.display()
        ),
        // The words quote the file, and the file may hold a token.
        KubeconfigError::Parse(_) => {
            "the kubeconfig is not one; see what `kubectl config view` says of it, and set KUBECONFIG"
                .to_owned()
        }
        other => format!("{}; correct the kubeconfig, or name another context", error::chain(other)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GOOD: &str = "
        kind: Config
        clusters: [{name: c, cluster: {server: 'https://127.0.0.1:6443'}}]
        users: [{name: u, user: {token: hunter2}}]
        contexts: [{name: one, context: {cluster: c, user: u}}, {name: two, context: {cluster: d, user: u}}]
    ";

    /// What is said of files with these contents.
    async fn said(context: Option<&str>, texts: &[&str]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = |number: usize| folder.path().join(number.to_string());
        for (number, text) in texts.iter().enumerate() {
            fs::write(path(number), text).unwrap();
        }
        // One more, which is not there.
        let places = Places { named: (0..=texts.len()).map(path).collect(), usual: None, in_pod: false };
        let (config, in_cluster) = find(context, &places).await?;
        assert!(!in_cluster);
        Ok(config.cluster_url.to_string())
    }

    #[tokio::test]
    async fn a_context_that_is_there_is_used() {
        assert_eq!(said(Some("one"), &[GOOD]).await.unwrap(), "https://127.0.0.1:6443/");
        assert_eq!(said(None, &["current-context: one", GOOD]).await.unwrap(), "https://127.0.0.1:6443/");
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_with_the_contexts_there_are() {
        let wrong = async |context, texts: &[&str], words: &str| {
            let error = said(context, texts).await.unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        };
        wrong(None, &[GOOD], "no current context, and none is named; name one (it has one, two)").await;
        wrong(Some("three"), &[GOOD], "no context three; name one that it has (it has one, two)").await;
        wrong(None, &["current-context: x", GOOD], "no current context x;").await;
        wrong(Some("two"), &[GOOD], "no cluster d, which the context names").await;
        wrong(None, &[], "cannot be read: No such file or directory").await;
        wrong(None, &["users: [{name: u, user: {token: 'hunter2}}]"], "the kubeconfig is not one").await;
        wrong(None, &["users: {token: hunter2}"], "the kubeconfig is not one; see").await;
        wrong(None, &["hunter2"], "the kubeconfig is not one").await;
        wrong(None, &[""], "no current context, and none is named; name one (it has none)").await;
        let server = GOOD.replace("https://127.0.0.1:6443", "https://a b");
        wrong(Some("one"), &[&server], "failed to parse cluster url").await;
        let certificate = GOOD.replace("server:", "certificate-authority-data: '?', server:");
        wrong(Some("one"), &[&certificate], "failed to load certificate authority").await;
    }

    #[tokio::test]
    async fn without_a_kubeconfig_it_is_said_what_is_missing() {
        let nowhere = Places { named: Vec::new(), usual: Some("/nowhere/config".into()), in_pod: false };
        let error = find(None, &nowhere).await.unwrap_err();
        assert!(error.contains("this is not a pod of a cluster; set KUBECONFIG"), "{error}");
        let error = find(Some("one"), &nowhere).await.unwrap_err();
        assert!(error.starts_with("there is no kubeconfig, so no context one"), "{error}");
    }
}
