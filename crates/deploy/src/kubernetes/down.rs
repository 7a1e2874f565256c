//! Ending a deployment of pods: the pods first, then what served them; what holds data only when told.

use std::time::Duration;

use slotwright_kube::{
    Storage,
    apply::{self, DynamicObject, PodState, TypeMeta, Unwanted},
};

use super::KubernetesDeployment;
use crate::{Down, Error, Event, Reporter};

/// Kinds that can be made again from the spec.
pub(super) const KINDS: [(&str, &str); 8] = [
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "Deployment"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
];

/// Likewise, and there only where an operator brought it.
pub(super) const MONITORS: [(&str, &str); 1] = [("monitoring.coreos.com/v1", "ServiceMonitor")];

/// Beyond the pods' own grace time.
const MARGIN: Duration = Duration::from_secs(30);

/// An empty object of each kind.
pub(super) fn examples(kinds: &[(&str, &str)]) -> Vec<DynamicObject> {
    let example = |(version, kind): &(&str, &str)| DynamicObject {
        types: Some(TypeMeta { api_version: (*version).to_owned(), kind: (*kind).to_owned() }),
        metadata: Default::default(),
        data: serde_json::Value::Null,
    };
    kinds.iter().map(example).collect()
}

/// Who may not look at a kind has made none of it.
pub(super) fn none_where_forbidden(found: Result<Vec<Unwanted>, Error>) -> Result<Vec<Unwanted>, Error> {
    match found {
        Err(Error::Kubernetes(apply::Error::Forbidden { .. })) => Ok(Vec::new()),
        found => found,
    }
}

impl KubernetesDeployment {
    /// Ends all pods, and waits until they have ended; then removes what served them. Claims, volumes and the Secret
    /// with the deployment's id stay for the next `up`, unless `delete_data` is said. The namespace stays.
    ///
    /// # Errors
    /// When the API server cannot be asked, another deployer is at work, or a pod does not end in time.
    pub async fn down(&self, delete_data: bool, reporter: &dyn Reporter) -> Result<Down, Error> {
        if self.is_gone().await? {
            return Ok(Down::default());
        }
        let lease = self.lease().await?;
        let result = tokio::select! {
            result = self.down_alone(delete_data, reporter) => result,
            () = lease.lost() => Err(Error::LeaseLost { name: self.spec.name.clone() }),
        };
        match result {
            Ok(down) => {
                lease.remove().await?;
                Ok(down)
            }
            Err(error) => {
                // That it failed says more than that the lease stays until it has run out.
                let _ = lease.release().await;
                Err(error)
            }
        }
    }

    async fn is_gone(&self) -> Result<bool, Error> {
        Ok(self.of_kinds(&KINDS).await?.is_empty()
            && none_where_forbidden(self.of_kinds(&MONITORS).await)?.is_empty()
            && self.of_kinds(&[("coordination.k8s.io/v1", "Lease")]).await?.is_empty()
            && self.volumes().await?.is_empty()
            && self.applier.pods(self.namespace(), &self.outline.selector()).await?.is_empty())
    }

    /// Claims, and the volumes that were made for them. Only on NFS are volumes ours: who may not look at any, since the
    /// right to do so is not one of a namespace, has made none.
    async fn volumes(&self) -> Result<Vec<Unwanted>, Error> {
        let mut found = self.of_kinds(&[("v1", "PersistentVolumeClaim")]).await?;
        let volumes = self.of_kinds(&[("v1", "PersistentVolume")]).await;
        found.extend(if self.is_on_nfs() { volumes? } else { none_where_forbidden(volumes)? });
        Ok(found)
    }

    fn is_on_nfs(&self) -> bool {
        matches!(self.outline.wanted().storage, Storage::Nfs { .. })
    }

    async fn down_alone(&self, delete_data: bool, reporter: &dyn Reporter) -> Result<Down, Error> {
        let selector = self.outline.selector();
        let pods = self.applier.pods(self.namespace(), &selector).await?;
        for pod in &pods {
            reporter.report(Event::Stopping { node: &pod.name });
        }
        let (workloads, others) = KINDS.split_at(2);
        self.applier.delete(&self.of_kinds(workloads).await?).await?;
        let patience = Duration::from_secs(self.outline.wanted().grace_seconds.into()) + MARGIN;
        let mut progress = |left: &[PodState]| {
            let lagging: Vec<(&str, &str)> = left.iter().map(|pod| (pod.name.as_str(), pod.doing)).collect();
            reporter.report(Event::PodsEnding { left: &lagging });
        };
        self.applier.await_gone(self.namespace(), &selector, patience, &mut progress).await?;

        if delete_data {
            self.applier.delete(&self.volumes().await?).await?;
        }
        // The Secret goes last, and only with the data: it has the id that opens the volumes.
        let mut others = self.of_kinds(others).await?;
        others.extend(none_where_forbidden(self.of_kinds(&MONITORS).await)?);
        let (secret, others): (Vec<Unwanted>, Vec<Unwanted>) =
            others.into_iter().partition(|one| self.holds_id(one));
        self.applier.delete(&others).await?;
        if delete_data {
            self.applier.delete(&secret).await?;
        }
        let kept = match (delete_data, self.is_on_nfs()) {
            (true, false) => {
                "the claims are deleted, and their volumes go as the storage class says".to_owned()
            }
            (true, true) => {
                "the volumes are deleted, and the files on the NFS server are kept: remove them there"
                    .to_owned()
            }
            (false, _) => match self.data().await? {
                Some(claims) => {
                    format!("the data is kept in {claims}, and its id in the Secret {}", self.id_secret())
                }
                None => String::new(),
            },
        };
        Ok(Down { stopped: pods.len(), kept })
    }
}
