//! Executes a plan: steps that do not wait for each other at the same time, each safe to repeat.
//!
//! A step that fails ends the plan: those under way are finished, none is begun. What was reached is seen by looking
//! again, never by remembering.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use futures::stream::{FuturesUnordered, StreamExt};
use slotwright_client::{Command, ServerError, Value, admin::commands};
use slotwright_cluster::{Endpoint, Host};
use slotwright_topology::{
    Action, Desired, Finding, FindingKind, NodeRef, Plan, Step, StepId, diagnose, plan,
};
use tokio::time::sleep;

use crate::{ConvergeOptions, Error, Event, Fleet, Reporter};

/// Between two attempts of a replica to find its primary. The handshake it waits for is done by a timer of the server
/// that runs ten times a second (`clusterCron`).
const HANDSHAKE_POLL: Duration = Duration::from_millis(10);

/// Between two looks at whether all nodes agree, at first and at most.
const AGREEMENT_POLL: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// How long an agreement is waited for before it is asked who has to be introduced (again): a handshake takes less.
const SECOND_LOOK: Duration = Duration::from_secs(3);

/// What one run of a plan did.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    /// When each kind of step began and ended, from the start of the plan.
    pub(crate) spans: BTreeMap<&'static str, (Duration, Duration)>,
    /// Steps that are done and changed something.
    pub(crate) changes: usize,
}

/// What executing a plan needs besides the plan.
pub(crate) struct Executor<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) desired: &'a Desired,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) options: &'a ConvergeOptions,
}

impl Executor<'_> {
    /// Executes `plan`; the result tells what was done also when a step failed.
    pub(crate) async fn run(&self, plan: &Plan) -> (Executed, Result<(), Error>) {
        let started = Instant::now();
        let mut done = Executed::default();
        let mut failure = None;
        let mut waiting: BTreeMap<StepId, usize> =
            plan.steps().iter().map(|step| (step.id, step.after.len())).collect();
        let mut followers: BTreeMap<StepId, Vec<&Step>> = BTreeMap::new();
        for step in plan.steps() {
            for before in &step.after {
                followers.entry(*before).or_default().push(step);
            }
        }
        let mut running = FuturesUnordered::new();
        let mut ready: Vec<&Step> = plan.steps().iter().filter(|step| step.after.is_empty()).collect();
        loop {
            if failure.is_none() {
                for step in ready.drain(..) {
                    self.reporter.report(Event::StepStarted(step));
                    let begun = started.elapsed();
                    running.push(async move { (step, begun, self.perform(&step.action).await) });
                }
            }
            let Some((step, begun, result)) = running.next().await else { break };
            let ended = started.elapsed();
            match result {
                Ok(()) => {
                    tracing::debug!(step = %step.action, "done after {:?}", ended - begun);
                    let span = done.spans.entry(phase(step)).or_insert((begun, ended));
                    *span = (span.0.min(begun), span.1.max(ended));
                    done.changes += usize::from(step.action != Action::AwaitAgreement);
                    self.reporter.report(Event::StepDone(step, ended - begun));
                    for follower in followers.get(&step.id).into_iter().flatten() {
                        let left = waiting.entry(follower.id).or_default();
                        *left = left.saturating_sub(1);
                        if *left == 0 {
                            ready.push(follower);
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(step = %step.action, %error, "failed");
                    self.reporter.report(Event::StepFailed(step, &error.to_string()));
                    failure.get_or_insert(error);
                }
            }
        }
        (done, failure.map_or(Ok(()), Err))
    }

    async fn perform(&self, action: &Action) -> Result<(), Error> {
        match action {
            Action::SetSetting { node, setting, to, .. } => {
                self.tell(node, vec![commands::config_set([(setting.as_str(), to.as_str())])]).await
            }
            Action::SetEpoch { node, epoch } => {
                self.tell(node, vec![commands::cluster_set_config_epoch(*epoch)]).await
            }
            Action::AssignSlots { node, slots } => {
                self.tell(node, commands::cluster_add_slots_range(slots).into_iter().collect()).await
            }
            Action::Meet { node, peers } => {
                let mut introductions = Vec::with_capacity(peers.len());
                for peer in peers {
                    let endpoint = &peer.endpoint;
                    introductions.push(commands::cluster_meet(
                        address(peer).await?,
                        endpoint.port,
                        bus_port(endpoint),
                    ));
                }
                self.tell(node, introductions).await
            }
            Action::Replicate { node, proof, primary } => {
                debug_assert_eq!(proof.id(), node.id, "a proof is about its own node");
                self.replicate(node, primary).await
            }
            Action::Refollow { node, primary } => self.replicate(node, primary).await,
            Action::AwaitAgreement => self.await_agreement().await,
            // Action is open for later kinds; none of them can come from the planner of this version.
            other => {
                Err(Error::NotConverged { reason: format!("unknown step: {other}"), findings: Vec::new() })
            }
        }
    }

    /// Sends `commands` to the node the step was planned for; all must be answered with OK.
    async fn tell(&self, node: &NodeRef, commands: Vec<Command>) -> Result<(), Error> {
        let names: Vec<String> = commands.iter().map(Command::label).collect();
        let replies = self.fleet.ask(node.index, Some(node.id), &commands).await?;
        for (name, reply) in names.into_iter().zip(replies) {
            expect_ok(node, name, reply)?;
        }
        Ok(())
    }

    /// The primary may still be in handshake: asked again until the replica knows it.
    async fn replicate(&self, node: &NodeRef, primary: &NodeRef) -> Result<(), Error> {
        let give_up = Instant::now() + self.options.handshake_patience;
        let command = [commands::cluster_replicate(primary.id)];
        let name = command.iter().map(Command::label).collect();
        loop {
            let reply = self.fleet.ask(node.index, Some(node.id), &command).await?.into_iter().next();
            match reply {
                Some(Err(refusal)) if unknown_node(&refusal) && Instant::now() < give_up => {
                    sleep(HANDSHAKE_POLL).await;
                }
                Some(reply) => return expect_ok(node, name, reply),
                None => return Err(Error::Changed { node: node.name.clone() }),
            }
        }
    }

    /// Polls until nothing is found that may still settle, or nodes have to be led to each other again.
    async fn await_agreement(&self) -> Result<(), Error> {
        let begun = Instant::now();
        let give_up = begun + self.options.agreement_patience;
        let mut pause = AGREEMENT_POLL.0;
        loop {
            let view = self.fleet.observe().await;
            // While a slot has no owner nobody serves, however long one waits: the next plan gives it one.
            let hopeless = |kind| kind == FindingKind::NotServing && !view.uncovered().is_empty();
            let unsettled: Vec<Finding> = diagnose(&view, Some(self.desired))
                .into_iter()
                .filter(|finding| finding.kind.may_settle() && !hopeless(finding.kind))
                .collect();
            // A node that fell silent does not settle by waiting: the next plan tells why.
            if unsettled.is_empty() || !view.is_complete() {
                return Ok(());
            }
            // Introductions had time to work: what they did not bring about is in the next plan.
            let leads = |step: &Step| matches!(step.action, Action::Meet { .. } | Action::Refollow { .. });
            let lost = || plan(&view, self.desired).is_ok_and(|plan| plan.steps().iter().any(leads));
            if begun.elapsed() > SECOND_LOOK && lost() {
                return Ok(());
            }
            if Instant::now() > give_up {
                let seconds = self.options.agreement_patience.as_secs();
                let reason = format!("the nodes did not agree within {seconds} s");
                return Err(Error::NotConverged { reason, findings: unsettled });
            }
            self.reporter.report(Event::Waiting(&unsettled));
            sleep(pause).await;
            pause = (pause * 3 / 2).min(AGREEMENT_POLL.1);
        }
    }
}

fn expect_ok(node: &NodeRef, command: String, reply: Result<Value, ServerError>) -> Result<(), Error> {
    let reason = match reply {
        Ok(value) => match value.into_ok() {
            Ok(()) => return Ok(()),
            Err(error) => error.to_string(),
        },
        Err(refusal) => format!("refused by the server: {refusal}"),
    };
    Err(Error::Step { node: node.name.clone(), command, reason })
}

/// `-ERR Unknown node …`: the handshake with that node is not finished.
fn unknown_node(refusal: &ServerError) -> bool {
    refusal.message().starts_with("Unknown node")
}

/// The kind of a step, for the account of where the time goes.
fn phase(step: &Step) -> &'static str {
    match step.action {
        Action::SetSetting { .. } if step.after.is_empty() => "settings",
        Action::SetSetting { .. } => "restored settings",
        Action::SetEpoch { .. } => "epochs",
        Action::AssignSlots { .. } => "slots",
        Action::Meet { .. } => "introductions",
        Action::Replicate { .. } | Action::Refollow { .. } => "replicas",
        _ => "agreement",
    }
}

/// `CLUSTER MEET` takes a numeric address.
async fn address(peer: &NodeRef) -> Result<IpAddr, Error> {
    if let Host::Ip(ip) = peer.endpoint.host {
        return Ok(ip);
    }
    let unresolved =
        |reason: String| Error::Step { node: peer.name.clone(), command: "CLUSTER MEET".to_owned(), reason };
    let Some(target) = peer.endpoint.dial() else {
        return Err(unresolved("its address is not known".to_owned()));
    };
    let mut found = tokio::net::lookup_host(target).await.map_err(|error| unresolved(error.to_string()))?;
    found.next().map(|address| address.ip()).ok_or_else(|| unresolved("its name has no address".to_owned()))
}

/// The bus port, where it is not at its usual distance.
fn bus_port(endpoint: &Endpoint) -> Option<u16> {
    let usual = endpoint.port.checked_add(slotwright_cluster::BUS_PORT_OFFSET);
    (usual != Some(endpoint.bus_port)).then_some(endpoint.bus_port)
}
