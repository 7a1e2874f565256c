//! Ending a deployment of pods: the pods first, then what served them; what holds data only when told.

use std::time::Duration;

use slotwright_kube::{
    Storage,
    apply::{self, DynamicObject, PodState, TypeMeta, Unwanted, Volumes},
};

use super::KubernetesDeployment;
use crate::{Down, Error, Event, Reporter};

/// Kinds that can be made again from the spec. The last is there only where an operator brought it.
pub(super) const KINDS: [(&str, &str); 9] = [
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "Deployment"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
];

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
        let released = lease.release().await;
        let down = result?;
        released?;
        self.delete_lease().await?;
        Ok(down)
    }

    async fn is_gone(&self) -> Result<bool, Error> {
        Ok(self.of_kinds(&KINDS, Volumes::Keep).await?.is_empty()
            && self.volumes().await?.is_empty()
            && self.applier.pods(self.namespace(), &self.outline.selector()).await?.is_empty())
    }

    /// Claims, and the volumes that were made for them. Only on NFS are volumes ours: who may not look at any, since the
    /// right to do so is not one of a namespace, has made none.
    async fn volumes(&self) -> Result<Vec<Unwanted>, Error> {
        let mut found = self.of_kinds(&[("v1", "PersistentVolumeClaim")], Volumes::Delete).await?;
        match self.of_kinds(&[("v1", "PersistentVolume")], Volumes::Delete).await {
            Ok(volumes) => found.extend(volumes),
            Err(Error::Kubernetes(apply::Error::Forbidden { .. })) if !self.is_on_nfs() => {}
            Err(error) => return Err(error),
        }
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
        self.applier.delete(&self.of_kinds(workloads, Volumes::Keep).await?).await?;
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
        let own = &self.outline.wanted().names.secret;
        let others = self.of_kinds(others, Volumes::Keep).await?;
        let (secret, others): (Vec<Unwanted>, Vec<Unwanted>) =
            others.into_iter().partition(|one| one.kind() == "Secret" && one.name() == own);
        self.applier.delete(&others).await?;
        if delete_data {
            self.applier.delete(&secret).await?;
        }
        let kept = match (delete_data, self.is_on_nfs()) {
            (true, false) => String::new(),
            (true, true) => {
                "the volumes are deleted, and the files on the NFS server are kept: remove them there"
                    .to_owned()
            }
            (false, _) => match self.data().await? {
                Some(claims) => format!("the data is kept in {claims}, and its id in the Secret {own}"),
                None => String::new(),
            },
        };
        Ok(Down { stopped: pods.len(), kept })
    }

    async fn delete_lease(&self) -> Result<(), Error> {
        let leases = self.of_kinds(&[("coordination.k8s.io/v1", "Lease")], Volumes::Keep).await?;
        Ok(self.applier.delete(&leases).await?)
    }
}
