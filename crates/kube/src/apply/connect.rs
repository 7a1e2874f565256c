//! The way to an API server: from a kubeconfig, or from the pod we run in.

use std::env;
use std::io;
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
        let (mut config, in_cluster) = find(context).await.map_err(|why| Error::Kubeconfig { why })?;
        config.connect_timeout = Some(CONNECT_PATIENCE);
        let client = Client::try_from(config);
        let client = client.map_err(|error| Error::Kubeconfig { why: error::of_library(&error) })?;
        Ok(Self { in_cluster, ..Self::new(client, manager, machine) })
    }
}

/// A configuration, and whether it came from the pod we run in.
async fn find(context: Option<&str>) -> Result<(Config, bool), String> {
    let kubeconfig = match Kubeconfig::read() {
        Ok(kubeconfig) => kubeconfig,
        Err(error) if is_absent(&error) && context.is_none() => return in_cluster(),
        Err(error) => return Err(told(&error, context, &[])),
    };
    let contexts: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    match Config::from_custom_kubeconfig(kubeconfig, &options).await {
        Ok(config) => Ok((config, false)),
        Err(error) => Err(told(&error, context, &contexts)),
    }
}

/// True when there is no kubeconfig, and nobody named one.
fn is_absent(error: &KubeconfigError) -> bool {
    let is_named = env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty());
    let is_missing = match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(error, _) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    };
    is_missing && !is_named
}

fn in_cluster() -> Result<(Config, bool), String> {
    if env::var_os("KUBERNETES_SERVICE_HOST").is_none() {
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
            "the kubeconfig {} cannot be read: {why}; correct KUBECONFIG, or unset it for ~/.kube/config",
            path.display()
        ),
        KubeconfigError::FindPath => "KUBECONFIG is not set, and there is no home folder; set it".to_owned(),
        // The words quote the file, and the file may hold a token.
        KubeconfigError::Parse(_) => {
            "the kubeconfig is not one; see what `kubectl config view` says of it, and set KUBECONFIG"
                .to_owned()
        }
        other => format!("{}; correct the kubeconfig, or name another context", error::chain(other)),
    }
}
