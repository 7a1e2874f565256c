//! All members at once: one connection to each, everything asked at the same time.

use std::time::Duration;

use futures::future::join_all;
use slotwright_client::{
    Command, ConnectOptions, Connection, Credentials, Deadline, Error as ClientError, ServerError, Value,
    admin::{commands, decode},
    error::DecodeError,
};
use slotwright_cluster::{Host, NodeAnswer, NodeId, StrayKeys};
use slotwright_slots::{Slot, SlotRange, SlotSet};
use slotwright_topology::{ClusterView, Member, NODE_TIMEOUT, Observation};
use tokio::sync::Mutex;

use crate::{Effects, Error};

/// Settings that are always observed, because a run may have left them changed.
pub const OBSERVED_SETTINGS: [&str; 1] = [NODE_TIMEOUT];

/// Longest time one node may take to answer one question.
const PATIENCE: Duration = Duration::from_secs(5);

/// `CLUSTER COUNTKEYSINSLOT` per batch.
const BATCH: usize = 1024;

/// A connection, and who is known to be at its other end. A connection never changes its end.
struct Link {
    connection: Connection,
    id: Option<NodeId>,
}

/// The members of a cluster, each with a connection that is made when it is needed and kept.
pub struct Fleet {
    members: Vec<Member>,
    links: Vec<Mutex<Option<Link>>>,
    effects: Effects,
    options: ConnectOptions,
    settings: Vec<String>,
    /// Members are where they announce that they are.
    announced: bool,
}

impl Fleet {
    /// A fleet of `members`. `settings` are observed besides [`OBSERVED_SETTINGS`].
    pub fn new(
        members: Vec<Member>,
        effects: Effects,
        credentials: Option<Credentials>,
        settings: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut observed: Vec<String> = OBSERVED_SETTINGS.map(str::to_owned).into();
        observed.extend(settings);
        observed.sort();
        observed.dedup();
        Self {
            links: members.iter().map(|_| Mutex::new(None)).collect(),
            members,
            effects,
            options: ConnectOptions::default().credentials(credentials),
            settings: observed,
            announced: false,
        }
    }

    /// The same fleet, whose members' addresses are those that they announce. One that announces another has moved since,
    /// and [`converge`](crate::converge) ends with [`Error::Changed`] before it leads others to where it was: somebody else
    /// may be there by now.
    #[must_use]
    pub fn announced(self) -> Self {
        Self { announced: true, ..self }
    }

    /// An error when a member is elsewhere by now.
    pub(crate) fn refuse_moved(&self, view: &ClusterView) -> Result<(), Error> {
        let moved = view.nodes().iter().find(|node| {
            let own = node.myself().map(|myself| &myself.endpoint.host);
            matches!((own, &node.member.endpoint.host), (Some(Host::Ip(own)), Host::Ip(known)) if own != known)
        });
        match moved.filter(|_| self.announced) {
            Some(node) => Err(Error::Changed { node: node.member.name.clone() }),
            None => Ok(()),
        }
    }

    /// The members, in their order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Sends `commands` to the member at `index` in one go; every reply may be a refusal of the server. With `id`, only
    /// to the node of that id.
    ///
    /// # Errors
    /// When the node cannot be reached, is another one, or the answer is lost. The connection is then made anew the
    /// next time.
    pub(crate) async fn ask(
        &self,
        index: usize,
        id: Option<NodeId>,
        commands: &[Command],
    ) -> Result<Vec<Result<Value, ServerError>>, Error> {
        let changed = |node: &str| Error::Changed { node: node.to_owned() };
        let (Some(place), Some(member)) = (self.links.get(index), self.members.get(index)) else {
            return Err(changed("a node"));
        };
        let wrap = |source| Error::Node {
            node: member.name.clone(),
            endpoint: member.endpoint.to_string(),
            source: Box::new(source),
        };
        let deadline = Deadline::within(PATIENCE);
        let mut place = place.lock().await;
        let mut link = match place.take().filter(|link| link.connection.is_usable()) {
            Some(link) => link,
            None => {
                let connector = self.effects.connector();
                let opened = Connection::open(connector, &member.endpoint, &self.options, deadline).await;
                Link { connection: opened.map_err(wrap)?, id: None }
            }
        };
        if id.is_some() && link.id.is_none() {
            let reply = link.connection.call(&commands::cluster_myid(), deadline).await.map_err(wrap)?;
            link.id = decode::cluster_myid(reply).ok();
        }
        if id.is_some() && link.id != id {
            return Err(changed(&member.name));
        }
        // A connection that is not in order any more is found out the next time.
        place.insert(link).connection.pipeline(commands, deadline).await.map_err(wrap)
    }

    /// Asks every member for everything decisions rest on, all at the same time.
    ///
    /// When slots turn out to have no owner, the nodes that hold keys are asked a second time: for keys in those slots.
    pub async fn observe(&self) -> ClusterView {
        let mut observations: Vec<Observation> =
            join_all((0..self.members.len()).map(|index| self.observe_one(index))).await;
        let view = ClusterView::new(self.members.clone(), observations.clone());
        let uncovered = view.uncovered();
        if uncovered.is_empty() || view.total_keys() == 0 {
            return view;
        }
        let stray = join_all(observations.iter().enumerate().map(|(index, observation)| {
            let uncovered = &uncovered;
            async move {
                match observation {
                    Ok(answer) if answer.server.keys > 0 => self.count_keys(index, uncovered).await.map(Some),
                    _ => Ok(None),
                }
            }
        }))
        .await;
        for (observation, stray) in observations.iter_mut().zip(stray) {
            match (stray, observation.as_mut()) {
                (Ok(Some(keys)), Ok(answer)) => answer.stray_keys = keys,
                // Not knowing whether there are keys is as good as silence.
                (Err(error), _) => *observation = Err(error.to_string()),
                _ => {}
            }
        }
        ClusterView::new(self.members.clone(), observations)
    }

    async fn observe_one(&self, index: usize) -> Observation {
        self.question(index).await.map_err(|error| match error {
            // The finding names the node already, and what was asked does not matter to its reader.
            Error::Node { source, .. } => match *source {
                ClientError::NotSent { cause, .. } => cause.to_string(),
                ClientError::MaybeExecuted { cause, .. } => cause.to_string(),
                ClientError::Authentication { cause, .. } => cause.to_string(),
                other => other.to_string(),
            },
            Error::Answer { command, reason, .. } => format!("{command}: {reason}"),
            other => other.to_string(),
        })
    }

    /// One member's answer.
    pub(crate) async fn question(&self, index: usize) -> Result<NodeAnswer, Error> {
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        let questions = [
            commands::cluster_myid(),
            commands::cluster_nodes(),
            commands::cluster_info(),
            commands::server_info(),
            commands::config_get(&settings),
        ];
        let replies = self.ask(index, None, &questions).await?;
        let mut answers = Answers { fleet: self, index, replies: replies.into_iter() };
        Ok(NodeAnswer {
            id: answers.next("CLUSTER MYID", decode::cluster_myid)?,
            nodes: answers.next("CLUSTER NODES", decode::cluster_nodes)?,
            cluster: answers.next("CLUSTER INFO", decode::cluster_info)?,
            server: answers.next("INFO", decode::server_info)?,
            // A user without the right to CONFIG can still look.
            settings: answers.next("CONFIG GET", decode::config_get).unwrap_or_default(),
            stray_keys: Vec::new(),
        })
    }

    /// An error when the member at `index` refuses the login; silence is none.
    pub(crate) async fn refuse_bad_login(&self, index: usize) -> Result<(), Error> {
        match self.question(index).await {
            Err(error) if error.is_bad_login() => Err(error),
            _ => Ok(()),
        }
    }

    async fn count_keys(&self, index: usize, slots: &SlotSet) -> Result<Vec<StrayKeys>, Error> {
        let mut found: Vec<StrayKeys> = Vec::new();
        let slots: Vec<Slot> = slots.iter().collect();
        for batch in slots.chunks(BATCH) {
            let questions: Vec<Command> =
                batch.iter().map(|slot| commands::cluster_count_keys_in_slot(*slot)).collect();
            let replies = self.ask(index, None, &questions).await?;
            let mut answers = Answers { fleet: self, index, replies: replies.into_iter() };
            for slot in batch {
                let keys = answers.next("CLUSTER COUNTKEYSINSLOT", decode::cluster_count_keys_in_slot)?;
                if keys == 0 {
                    continue;
                }
                match found.last_mut().filter(|last| last.slots.end().get() + 1 == slot.get()) {
                    Some(last) => {
                        last.slots = SlotRange::new(last.slots.start(), *slot).unwrap_or(last.slots);
                        last.keys += keys;
                    }
                    None => found.push(StrayKeys { slots: SlotRange::from(*slot), keys }),
                }
            }
        }
        Ok(found)
    }
}

/// The replies of one member to a batch of questions, read one after the other.
struct Answers<'a, I> {
    fleet: &'a Fleet,
    index: usize,
    replies: I,
}

impl<I: Iterator<Item = Result<Value, ServerError>>> Answers<'_, I> {
    fn next<T>(
        &mut self,
        command: &'static str,
        read: impl FnOnce(Value) -> Result<T, DecodeError>,
    ) -> Result<T, Error> {
        let reason = match self.replies.next() {
            Some(Ok(value)) => match read(value) {
                Ok(answer) => return Ok(answer),
                Err(error) => error.to_string(),
            },
            Some(Err(refusal)) => format!("refused by the server: {refusal}"),
            None => "no reply".to_owned(),
        };
        let member = self.fleet.members.get(self.index);
        let node = member.map(|member| member.name.clone()).unwrap_or_default();
        Err(Error::Answer { node, command, reason })
    }
}
