//! A deployment of pods: objects are applied, pods come up, the cluster in them is formed, healed, shown, ended.
//!
//! This module owns the order of things. What the objects are is the business of `slotwright-kube`, which steps form a
//! cluster that of `slotwright-topology`. A pod's name is its identity: whatever addresses the pods come back with, nodes
//! are introduced to each other anew by the ids they answer with.
//!
//! One deployer at a time works on a deployment: it holds a Lease.

mod dial;
mod down;
mod inventory;
mod judge;
mod render;
mod secrets;
mod timing;
mod wanted;

use std::{sync::Arc, time::Duration};

use kube_apply::{Applier, Change, Force, Stage, Unwanted, Volumes, What};
use slotwright_client::{
    ConnectOptions, Connection, Connector, Credentials, TcpConnector,
    admin::{commands, decode},
    tls::{TlsConnector, TlsOptions},
};
use slotwright_kube::{
    Blueprint, MANAGER, SecretValue, Style,
    apply::{self as kube_apply, DynamicObject},
    lease::{Lease, LeaseError, LeaseOptions},
    objects::{self, Object},
};
use slotwright_topology::{ClusterView, Desired, Refusal, RefusalReason};
use tokio::time::sleep;

pub use self::render::{Disclosure, Manifests, Written};
pub use self::wanted::{Contents, TlsContents, advice, blueprint};
use self::{
    dial::{Dialer, Way},
    inventory::Inventory,
    secrets::Secrets,
    timing::Phases,
};
use crate::{
    ClusterSpec, DeploymentId, Dial, Effects, Error, Event, Fleet, KubernetesSpec, Outlook, Reporter,
    SpecError, Up, UpOptions, converge,
};

/// Formings that may be begun anew because pods were replaced meanwhile.
const FORMINGS: usize = 3;

/// How long a pod that has moved may be known by its old address.
const MOVING: Duration = Duration::from_secs(2);

/// An id where none is needed: to learn names, counts and settings from a blueprint.
const NO_ID: &str = "00000000000000000000000000000000";

/// A deployment of pods.
pub struct KubernetesDeployment {
    spec: ClusterSpec,
    section: KubernetesSpec,
    contents: Contents,
    /// The blueprint with another id than the deployment's: everything but that can be read from it.
    outline: Blueprint,
    applier: Applier,
    effects: Effects,
}

/// What there is, and what would be done about the objects.
struct Look {
    blueprint: Blueprint,
    is_new: bool,
    changes: Vec<Change>,
    removals: Vec<Unwanted>,
    inventory: Inventory,
    login: Login,
}

/// How the deployer gets into a node.
#[derive(Clone)]
struct Login {
    credentials: Option<Credentials>,
    tls: Option<TlsOptions>,
}

impl KubernetesDeployment {
    /// The deployment `spec` describes, on the cluster its context names; reads passwords and keys, asks nothing yet.
    ///
    /// # Errors
    /// When the spec cannot be used, what it names cannot be read, or no cluster can be found.
    pub async fn new(spec: ClusterSpec, effects: Effects) -> Result<Self, Error> {
        let contents = Contents::read(&spec)?;
        Self::build(spec, contents, effects).await
    }

    /// As [`Self::new`], but nothing secret is read: good for [`Self::down`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub async fn without_login(spec: ClusterSpec, effects: Effects) -> Result<Self, Error> {
        let contents = Contents::placeholders(&spec);
        Self::build(spec, contents, effects).await
    }

    async fn build(spec: ClusterSpec, contents: Contents, effects: Effects) -> Result<Self, Error> {
        let Some(section) = spec.kubernetes.clone() else {
            return Err(SpecError::new("kubernetes: there is no such section").into());
        };
        let outline = blueprint(&spec, &contents, SecretValue::new(NO_ID))?;
        let machine = effects.machine().clone();
        let applier = Applier::connect(section.context.as_deref(), MANAGER, machine).await?;
        Ok(Self { spec, section, contents, outline, applier, effects })
    }

    /// The deployment's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What works but is worth a second thought.
    pub fn advice(&self) -> Vec<String> {
        advice(&self.spec, &self.outline)
    }

    /// What is wanted of the cluster.
    pub fn desired(&self) -> Desired {
        self.spec.desired(self.outline.settings())
    }

    /// The command of a client, to try.
    pub fn how_to_connect(&self) -> String {
        let wanted = self.outline.wanted();
        let pod = match wanted.style {
            Style::StatefulSet => wanted.names.node(0),
            Style::Deployment => format!("deploy/{}", wanted.names.node(0)),
        };
        let mut line =
            format!("kubectl -n {} exec -it {pod} -- {} -c", wanted.namespace, wanted.engine.cli());
        if wanted.tls.is_some() {
            let folder = objects::TLS_FOLDER;
            line +=
                &format!(" --tls --cacert {folder}/ca.crt --cert {folder}/tls.crt --key {folder}/tls.key");
        }
        line
    }

    /// Where the nodes' data lies; `None` when there is none yet.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub async fn data(&self) -> Result<Option<String>, Error> {
        let claims = self.claims().await?;
        let namespace = self.namespace();
        Ok(match claims.len() {
            0 => None,
            1 => Some(format!("1 claim of namespace {namespace}")),
            many => Some(format!("{many} claims of namespace {namespace}")),
        })
    }

    /// Makes the objects what the spec says, waits for the pods, and brings the cluster in them to the wanted state. Can be
    /// stopped at any instant and run again.
    ///
    /// # Errors
    /// Errors of [`Class`](crate::Class) `Input`, `Refused` and `Busy` come before anything was changed, but for those that
    /// only running pods can tell.
    pub async fn up(&self, options: &UpOptions, reporter: &dyn Reporter) -> Result<Up, Error> {
        // First without the lease, as taking it makes an object; then under it, as the world may have moved.
        match self.namespace_for_lease(options).await {
            Ok(namespace) => self.applier.apply(&namespace, force(options)).await?,
            // What another deployer is in the midst of looks wrong in many ways. Whether it is, is told under the lease.
            Err(_) if self.is_leased().await => {}
            Err(error) => return Err(error),
        }
        let lease = self.lease().await?;
        let result = tokio::select! {
            result = self.up_alone(options, reporter) => result,
            () = lease.lost() => Err(Error::LeaseLost { name: self.spec.name.clone() }),
        };
        let released = lease.release().await;
        let up = result?;
        released?;
        Ok(up)
    }

    /// The namespace, where it is to be made, of a deployment that nothing speaks against.
    async fn namespace_for_lease(&self, options: &UpOptions) -> Result<Vec<Change>, Error> {
        let look = self.look(options).await?;
        self.refuse_impossible(&look).await?;
        Ok(look.changes.into_iter().filter(|change| change.kind() == "Namespace").collect())
    }

    /// False as well where it cannot be known.
    async fn is_leased(&self) -> bool {
        Lease::is_held(&self.applier, self.namespace(), &self.lease_name()).await.unwrap_or(false)
    }

    async fn up_alone(&self, options: &UpOptions, reporter: &dyn Reporter) -> Result<Up, Error> {
        let mut phases = Phases::begin();
        let look = self.look(options).await?;
        self.refuse_impossible(&look).await?;
        if look.is_new {
            reporter.report(Event::Founded { name: &self.spec.name });
        }
        let changing = look.changes.iter().filter(|change| change.what != What::Keep).count();
        let objects = changing + look.removals.len();
        let stopped = look.inventory.nodes.iter().filter(|node| !node.is_started()).count();
        if objects > 0 {
            reporter.report(Event::Applying { objects });
        }
        self.applier.apply(&look.changes, force(options)).await?;
        self.applier.delete(&look.removals).await?;
        phases.end("objects");

        if stopped > 0 {
            reporter.report(Event::Starting { nodes: stopped });
        }
        let mut formings = 0;
        let convergence = loop {
            formings += 1;
            self.await_pods(Stage::Started, options, &mut phases, reporter).await?;
            let inventory = self.inventory(&look.blueprint).await?;
            if !inventory.is_started() && formings < FORMINGS {
                continue;
            }
            let fleet = self.fleet(&inventory, &look.login).await?;
            let begun = phases.now();
            let formed = converge(&fleet, &self.desired(), reporter, &options.converge).await;
            if let Ok(convergence) = &formed {
                phases.extend(begun, &convergence.phases);
                self.await_pods(Stage::Ready, options, &mut phases, reporter).await?;
            }
            // Pods that were replaced meanwhile have other addresses than the ones their peers were told.
            let same = self.inventory(&look.blueprint).await?.is_like(&inventory);
            match formed {
                Ok(convergence) if same => break convergence,
                // The node says so, and the API server does not know it yet.
                Err(Error::Changed { .. }) if same && formings < FORMINGS => sleep(MOVING).await,
                Err(error) if same || formings >= FORMINGS => return Err(error),
                Ok(_) if formings >= FORMINGS => {
                    let reason = "pods are replaced again and again while the cluster is formed".to_owned();
                    return Err(Error::NotConverged { reason, findings: Vec::new() });
                }
                _ => {}
            }
        };
        let notes = look.changes.iter().filter_map(|change| change.note.clone());
        let mut notes: Vec<String> = notes.collect();
        notes.dedup();
        Ok(Up { started: stopped, objects, notes, phases: phases.all(), convergence })
    }

    /// What [`Self::up`] would do; changes nothing.
    ///
    /// # Errors
    /// As [`Self::up`], as far as it can be known.
    pub async fn plan(&self, options: &UpOptions) -> Result<Outlook, Error> {
        let look = self.look(options).await?;
        self.refuse_impossible(&look).await?;
        let changed = look.changes.iter().filter(|change| change.what != What::Keep).map(ToString::to_string);
        let removed = look.removals.iter().map(|removal| format!("{} is removed", removal.place));
        let objects = changed.chain(removed).collect();
        let stopped: Vec<String> = look
            .inventory
            .nodes
            .iter()
            .filter(|node| !node.is_started())
            .map(|node| node.member.name.clone())
            .collect();
        if !stopped.is_empty() {
            let creation = look.is_new;
            return Ok(Outlook { objects, start: stopped, creation, plan: None });
        }
        let view = self.fleet(&look.inventory, &look.login).await?.observe().await;
        let plan = slotwright_topology::plan(&view, &self.desired())?;
        Ok(Outlook { objects, plan: Some(plan), ..Outlook::default() })
    }

    /// Looks at all nodes; changes nothing and takes no lease. A node without a running pod is one that does not answer,
    /// and says why.
    ///
    /// # Errors
    /// When the API server cannot be asked, or a node refuses the password.
    pub async fn view(&self) -> Result<ClusterView, Error> {
        let secrets = Secrets::read(&self.applier, &self.outline).await?;
        let login = self.login(&secrets)?;
        let inventory = self.inventory(&self.outline).await?;
        let fleet = self.fleet(&inventory, &login).await?;
        let view = fleet.observe().await;
        for (index, (node, seen)) in inventory.nodes.iter().zip(view.nodes()).enumerate() {
            if node.is_started() && seen.answer().is_none() {
                fleet.refuse_bad_login(index).await?;
            }
        }
        Ok(view)
    }

    fn namespace(&self) -> &str {
        &self.outline.wanted().namespace
    }

    async fn lease(&self) -> Result<Lease, Error> {
        let options = LeaseOptions { labels: self.outline.labels(), ..LeaseOptions::default() };
        let name = self.lease_name();
        Lease::take(&self.applier, self.namespace(), &name, &options).await.map_err(|error| match error {
            LeaseError::Held { holder, .. } => Error::Leased { name: self.spec.name.clone(), holder },
            LeaseError::Other(error) => error.into(),
            other => Error::Leased { name: self.spec.name.clone(), holder: other.to_string() },
        })
    }

    fn lease_name(&self) -> String {
        format!("{}-deployer", self.spec.name)
    }

    fn login(&self, secrets: &Secrets) -> Result<Login, Error> {
        let tls = secrets.tls(&self.outline, &self.contents)?;
        if let Some(options) = &tls {
            // What is wrong with it is told before there are pods to connect to.
            self.encrypted(TcpConnector, options)?;
        }
        Ok(Login { credentials: secrets.credentials(&self.outline, &self.contents), tls })
    }

    async fn look(&self, options: &UpOptions) -> Result<Look, Error> {
        let secrets = Secrets::read(&self.applier, &self.outline).await?;
        let known = secrets.id(&self.outline)?;
        let inventory = self.inventory(&self.outline).await?;
        let id = match known {
            Some(id) => id,
            None => self.new_id(&inventory).await?,
        };
        let blueprint = blueprint(&self.spec, &self.contents, SecretValue::new(id.to_string()))?;
        let objects = dynamic(&objects::all(&blueprint))?;
        let mut changes = self.applier.plan(&objects, force(options)).await?;
        changes.iter_mut().for_each(judge::leave_namespace_of_others);
        let removals: Vec<Unwanted> = self.removals(&objects).await?;
        judge::judge(&changes, &removals, !inventory.is_bare())?;
        judge::left_over(&self.claims().await?, &self.claim_names())?;
        Ok(Look {
            login: self.login(&secrets)?,
            is_new: known.is_none(),
            blueprint,
            changes,
            removals,
            inventory,
        })
    }

    /// An id for a deployment that has none. Where volumes of an earlier one wait, or pods run, it had one, and only that
    /// opens the volumes. (Pods that never started wait for the Secret: others applied the rest.)
    async fn new_id(&self, inventory: &Inventory) -> Result<DeploymentId, Error> {
        let had_one = inventory.is_bare() || inventory.nodes.iter().any(inventory::Node::is_started);
        if had_one && let Some(claims) = self.data().await? {
            let wanted = self.outline.wanted();
            return Err(Error::Refused(Refusal {
                reasons: vec![RefusalReason {
                    reason: format!(
                        "There are {claims} of this deployment, but not the Secret {} with its id.",
                        wanted.names.secret
                    ),
                    remedy: format!(
                        "The volumes carry that id (slotwright.json beside the data), and open to no other: put it back \
                         (kubectl -n {} create secret generic {} --from-literal=deployment-id=ID), or delete the claims if \
                         their data is not needed.",
                        wanted.namespace, wanted.names.secret
                    ),
                }],
            }));
        }
        DeploymentId::random().map_err(|error| {
            SpecError::new(format!("the system gives no random numbers for an id: {error}")).into()
        })
    }

    /// The names of the claims that the spec's nodes have.
    fn claim_names(&self) -> Vec<String> {
        let (wanted, nodes) = (self.outline.wanted(), 0..self.outline.nodes().len());
        let ordinals = nodes.filter_map(|ordinal| u32::try_from(ordinal).ok());
        let name = |ordinal| match wanted.style {
            Style::StatefulSet => wanted.names.set_claim(ordinal),
            Style::Deployment => wanted.names.node_claim(ordinal),
        };
        ordinals.map(name).collect()
    }

    /// The Secret with the deployment's id.
    fn id_secret(&self) -> &str {
        match &self.outline.wanted().deployment_id {
            SecretValue::Existing { secret, .. } => secret,
            SecretValue::Content(_) => &self.outline.wanted().names.secret,
        }
    }

    /// Whether it is a Secret with a deployment's id, which opens volumes: under whatever name, as the spec may have another
    /// by now.
    fn holds_id(&self, object: &Unwanted) -> bool {
        object.kind() == "Secret"
            && (object.name() == self.id_secret() || object.has_data(secrets::DEPLOYMENT_ID))
    }

    /// Objects of ours that the spec no longer has; never what holds data.
    async fn removals(&self, objects: &[DynamicObject]) -> Result<Vec<Unwanted>, Error> {
        let mut found = self.unwanted(&down::KINDS, objects, Volumes::Keep).await?;
        found.extend(down::none_where_forbidden(
            self.unwanted(&down::MONITORS, objects, Volumes::Keep).await,
        )?);
        Ok(found.into_iter().filter(|removal| !self.holds_id(removal)).collect())
    }

    /// Claims, of this spec and of earlier ones.
    async fn claims(&self) -> Result<Vec<Unwanted>, Error> {
        self.of_kinds(&[("v1", "PersistentVolumeClaim")]).await
    }

    /// Ours, of these kinds; those that hold data are named where they are meant.
    async fn of_kinds(&self, kinds: &[(&str, &str)]) -> Result<Vec<Unwanted>, Error> {
        self.unwanted(kinds, &[], Volumes::Delete).await
    }

    /// Ours, of these kinds, but for those that are wanted.
    async fn unwanted(
        &self,
        kinds: &[(&str, &str)],
        wanted: &[DynamicObject],
        volumes: Volumes,
    ) -> Result<Vec<Unwanted>, Error> {
        let like = down::examples(kinds);
        let labels = self.outline.own_selector();
        Ok(self.applier.unwanted(self.namespace(), &labels, &like, wanted, volumes).await?)
    }

    async fn inventory(&self, blueprint: &Blueprint) -> Result<Inventory, Error> {
        let pods = self.applier.pods(self.namespace(), &blueprint.selector()).await?;
        Ok(Inventory::of(&self.applier, blueprint, pods).await?)
    }

    async fn await_pods(
        &self,
        stage: Stage,
        options: &UpOptions,
        phases: &mut Phases,
        reporter: &dyn Reporter,
    ) -> Result<(), Error> {
        let wanted = self.spec.node_count();
        let selector = self.outline.selector();
        let mut progress = |pods: &[kube_apply::PodState]| {
            phases.see(stage, wanted, pods);
            let done = pods.iter().filter(|pod| pod.is_at(stage)).count();
            let lagging: Vec<(&str, &str)> = pods
                .iter()
                .filter(|pod| !pod.is_at(stage))
                .map(|pod| (pod.name.as_str(), pod.doing))
                .collect();
            reporter.report(Event::Pods { done, wanted, lagging: &lagging });
        };
        self.applier
            .await_pods(self.namespace(), &selector, wanted, stage, options.patience, &mut progress)
            .await?;
        phases.end(match stage {
            Stage::Started => "pod start",
            Stage::Ready => "readiness",
        });
        Ok(())
    }

    /// What the cluster itself does not allow is known before an object is touched, as far as its pods answer.
    async fn refuse_impossible(&self, look: &Look) -> Result<(), Error> {
        if !look.inventory.nodes.iter().any(inventory::Node::is_started) {
            return Ok(());
        }
        let fleet = self.fleet(&look.inventory, &look.login).await?;
        for (index, node) in look.inventory.nodes.iter().enumerate() {
            if node.is_started() {
                fleet.refuse_bad_login(index).await?;
            }
        }
        let view = fleet.observe().await;
        if look.inventory.is_started() {
            slotwright_topology::plan(&view, &self.desired())?;
            return Ok(());
        }
        let (have, wanted) = (view.owners().owners().len(), self.spec.shards);
        if view.uncovered().is_empty() && have != wanted {
            return Err(Refusal {
                reasons: vec![RefusalReason {
                    reason: format!("There are {have} shards and {wanted} are wanted."),
                    remedy: "Changing the number of shards means moving slots, which is not possible yet: set shards to \
                             the present number."
                        .to_owned(),
                }],
            }
            .into());
        }
        Ok(())
    }

    /// Connections to the nodes of an inventory.
    async fn fleet(&self, inventory: &Inventory, login: &Login) -> Result<Fleet, Error> {
        let way = self.way(inventory, login).await?;
        let connector = self.connector(inventory, login, way)?;
        let settings = self.desired().settings.into_keys();
        let effects = self.effects.through(connector);
        Ok(Fleet::new(inventory.members(), effects, login.credentials.clone(), settings).announced())
    }

    fn connector(&self, inventory: &Inventory, login: &Login, way: Way) -> Result<Arc<dyn Connector>, Error> {
        let dialer = Dialer::new(&self.applier, self.namespace(), way, inventory);
        match &login.tls {
            Some(options) => Ok(Arc::new(self.encrypted(dialer, options)?)),
            None => Ok(dialer),
        }
    }

    /// Connections of `connector` with TLS, as the spec has it.
    fn encrypted<C: Connector>(
        &self,
        connector: C,
        options: &TlsOptions,
    ) -> Result<TlsConnector<C>, SpecError> {
        let encrypted = TlsConnector::new(connector, options.clone());
        match self.section.tls.as_ref().and_then(|tls| tls.server_name.as_deref()) {
            None => Ok(encrypted),
            Some(name) => encrypted
                .server_name(name)
                .map_err(|error| SpecError::new(format!("kubernetes.tls.server-name: {error}"))),
        }
    }

    /// Directly, where the very node that the API server leads to answers at its address; else through the API server. A
    /// password is not tried on an address that another may have: without TLS, that way is the API server's. In a pod of
    /// the cluster the addresses are the cluster's own, and need only answer: a network policy may stand in the way.
    async fn way(&self, inventory: &Inventory, login: &Login) -> Result<Way, Error> {
        match self.section.dial {
            Dial::Forward => return Ok(Way::Forward),
            Dial::Direct => return Ok(Way::Direct),
            Dial::Auto => {}
        }
        let Some(node) = inventory.nodes.iter().find(|node| node.is_started()) else {
            return Ok(Way::Forward);
        };
        let endpoint = &node.member.endpoint;
        let is_plain = login.credentials.is_some() && login.tls.is_none();
        if is_plain || !dial::answers(endpoint).await {
            return Ok(Way::Forward);
        }
        if self.applier.in_cluster() {
            return Ok(Way::Direct);
        }
        let mut ids = Vec::new();
        for way in [Way::Forward, Way::Direct] {
            let connector = self.connector(inventory, login, way)?;
            let options = ConnectOptions::default().credentials(login.credentials.clone());
            let asked = async {
                let deadline = dial::deadline();
                let mut connection = Connection::open(&connector, endpoint, &options, deadline).await?;
                connection.call(&commands::cluster_myid(), deadline).await
            };
            ids.push(asked.await.ok().and_then(|reply| decode::cluster_myid(reply).ok()));
        }
        let same = matches!(ids.as_slice(), [Some(forwarded), Some(direct)] if forwarded == direct);
        tracing::debug!(direct = same, "the way to the pods");
        Ok(if same { Way::Direct } else { Way::Forward })
    }
}

fn force(options: &UpOptions) -> Force {
    if options.take_over { Force::TakeOver } else { Force::No }
}

fn dynamic(objects: &[Object]) -> Result<Vec<DynamicObject>, Error> {
    let objects = objects.iter().map(|object| serde_json::from_value(object.json().clone()));
    objects
        .collect::<Result<_, _>>()
        .map_err(|error| SpecError::new(format!("an object cannot be said in JSON: {error}")).into())
}
