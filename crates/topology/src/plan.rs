//! A plan: small steps in a graph, each with its reason and what it waits for; for people and as JSON.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use slotwright_cluster::{Endpoint, Epoch, NodeId};
use slotwright_slots::SlotSet;

use crate::EmptyNode;

/// The number of a step within its plan, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StepId(pub usize);

/// A node a step speaks to or of, as it was when the plan was made. Who executes the step checks that the node at the
/// endpoint still has this id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NodeRef {
    /// The member's name.
    pub name: String,
    /// Its place among the members.
    pub index: usize,
    /// Where it is dialled.
    pub endpoint: Endpoint,
    /// The id it had.
    pub id: NodeId,
}

impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// What a step does. Every action may be repeated: done twice it has the effect of once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// `CONFIG SET`.
    SetSetting {
        /// Where.
        node: NodeRef,
        /// The directive.
        setting: String,
        /// Its value until now.
        from: String,
        /// Its value then.
        to: String,
    },
    /// `CLUSTER SET-CONFIG-EPOCH`: the node knows nobody yet and its epoch is 0.
    SetEpoch {
        /// Where.
        node: NodeRef,
        /// The epoch, one to each node.
        epoch: Epoch,
    },
    /// `CLUSTER ADDSLOTSRANGE`: slots that nobody owns and that hold no keys anywhere.
    AssignSlots {
        /// Who shall own them.
        node: NodeRef,
        /// The slots.
        slots: SlotSet,
    },
    /// `CLUSTER MEET`, to several peers in one go.
    Meet {
        /// Who is told.
        node: NodeRef,
        /// Whom it shall meet.
        peers: Vec<NodeRef>,
    },
    /// `CLUSTER REPLICATE`, by a node that is proven to be empty.
    Replicate {
        /// The new replica.
        node: NodeRef,
        /// Proof that it had nothing to lose.
        proof: EmptyNode,
        /// Whom it shall copy.
        primary: NodeRef,
    },
    /// `CLUSTER REPLICATE` of the very primary that the node copies already, so that it looks for it where it is now.
    Refollow {
        /// The replica.
        node: NodeRef,
        /// Its primary.
        primary: NodeRef,
    },
    /// Nothing is sent but questions, until all nodes agree, are linked, serve, and replicas are in step.
    AwaitAgreement,
}

impl Action {
    /// The node the action speaks to; none for waiting.
    pub fn node(&self) -> Option<&NodeRef> {
        match self {
            Self::SetSetting { node, .. }
            | Self::SetEpoch { node, .. }
            | Self::AssignSlots { node, .. }
            | Self::Meet { node, .. }
            | Self::Replicate { node, .. }
            | Self::Refollow { node, .. } => Some(node),
            Self::AwaitAgreement => None,
        }
    }

    /// A heading that steps of one kind share.
    fn heading(&self) -> String {
        match self {
            Self::SetSetting { setting, to, .. } if to.is_empty() => format!("set {setting} to \"\""),
            Self::SetSetting { setting, to, .. } => format!("set {setting} to {to}"),
            Self::SetEpoch { .. } => "give each node a config epoch of its own".to_owned(),
            Self::AssignSlots { .. } => "assign slots".to_owned(),
            Self::Meet { .. } => "introduce the nodes to each other".to_owned(),
            Self::Replicate { .. } => "attach replicas".to_owned(),
            Self::Refollow { .. } => "lead replicas to where their primaries are now".to_owned(),
            Self::AwaitAgreement => "wait until all nodes agree, serve, and replicas are in step".to_owned(),
        }
    }

    /// What this step adds to the heading.
    fn detail(&self) -> String {
        match self {
            Self::SetSetting { node, from, .. } if from.is_empty() => format!("{node} (now \"\")"),
            Self::SetSetting { node, from, .. } => format!("{node} (now {from})"),
            Self::SetEpoch { node, epoch } => format!("{node} = {epoch}"),
            Self::AssignSlots { node, slots } => format!("{node} gets {slots}"),
            Self::Meet { node, peers } => match peers.as_slice() {
                [] => format!("{node} meets nobody"),
                [only] => format!("{node} meets {only}"),
                [first, .., last] => format!("{node} meets {} nodes, {first} to {last}", peers.len()),
            },
            Self::Replicate { node, primary, .. } | Self::Refollow { node, primary } => {
                format!("{node} copies {primary}")
            }
            Self::AwaitAgreement => String::new(),
        }
    }
}

impl fmt::Display for Action {
    /// One line: what, and to whom.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.heading(), self.detail()) {
            (heading, detail) if detail.is_empty() => f.write_str(&heading),
            (heading, detail) => write!(f, "{heading}: {detail}"),
        }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// What it does.
    #[serde(flatten)]
    pub action: Action,
    /// Why it is there.
    pub reason: String,
    /// What must be true when it is executed; the executor asks the node again where the server does not.
    pub precondition: String,
    /// The messages it sends, as a measure of its cost; waiting costs none that change anything.
    pub messages: usize,
    /// The steps that must be done before.
    pub after: Vec<StepId>,
}

/// A graph of steps. Steps that do not wait for each other may be executed at the same time; every step stands behind
/// those it waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Plan {
    steps: Vec<Step>,
}

impl Plan {
    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// True when the plan sends nothing but questions.
    pub fn only_waits(&self) -> bool {
        self.steps.iter().all(|step| step.action == Action::AwaitAgreement)
    }

    /// The steps, each behind those it waits for.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The number of steps between the beginning and each step: steps with the same depth can run together.
    pub fn depths(&self) -> Vec<usize> {
        let mut depths: Vec<usize> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let before = step.after.iter().filter_map(|id| depths.get(id.0)).max();
            depths.push(before.map_or(0, |depth| depth + 1));
        }
        depths
    }

    pub(crate) fn add(
        &mut self,
        action: Action,
        reason: &str,
        precondition: &str,
        messages: usize,
        after: &[StepId],
    ) -> StepId {
        let id = StepId(self.steps.len());
        self.steps.push(Step {
            id,
            action,
            reason: reason.to_owned(),
            precondition: precondition.to_owned(),
            messages,
            after: after.to_vec(),
        });
        id
    }
}

/// Nodes named one by one under a heading, before the rest is only counted.
const SHOWN_PER_HEADING: usize = 12;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("Nothing to do.");
        }
        let mut groups: BTreeMap<(usize, usize), (&Step, Vec<&Step>)> = BTreeMap::new();
        let mut first_of: BTreeMap<(usize, String), usize> = BTreeMap::new();
        for (step, depth) in self.steps.iter().zip(self.depths()) {
            let first = *first_of.entry((depth, step.action.heading())).or_insert(step.id.0);
            groups.entry((depth, first)).or_insert((step, Vec::new())).1.push(step);
        }
        let messages: usize = self.steps.iter().map(|step| step.messages).sum();
        let count =
            |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        write!(f, "{}, {}:", count(self.steps.len(), "step"), count(messages, "message"))?;
        for (number, (first, steps)) in groups.into_values().enumerate() {
            write!(f, "\n{:>3}. {}", number + 1, first.action.heading())?;
            if !first.action.detail().is_empty() {
                write!(f, " ({})", count(steps.len(), "node"))?;
            }
            write!(f, "\n     because {}", first.reason)?;
            for step in steps.iter().take(SHOWN_PER_HEADING).filter(|step| !step.action.detail().is_empty()) {
                write!(f, "\n       {}", step.action.detail())?;
            }
            if steps.len() > SHOWN_PER_HEADING {
                write!(f, "\n       and {} more", steps.len() - SHOWN_PER_HEADING)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, desired};

    fn creation() -> Plan {
        crate::plan(&Model::on_hosts_of_their_own(4).view(), &desired(2, 1)).unwrap()
    }

    #[test]
    fn steps_of_one_depth_can_run_together() {
        let plan = creation();
        for (step, depth) in plan.steps().iter().zip(plan.depths()) {
            let before = step.after.iter().map(|id| plan.depths()[id.0]);
            assert!(before.clone().all(|before| before < depth));
            assert_eq!(before.max().map_or(0, |before| before + 1), depth);
        }
        assert!(!plan.is_empty() && !plan.only_waits());
        assert!(Plan::default().is_empty() && Plan::default().only_waits());
    }

    #[test]
    fn what_people_read_is_the_whole_plan() {
        let mut plan = creation();
        let text = plan.to_string();
        let messages: usize = plan.steps().iter().map(|step| step.messages).sum();
        let first = format!("{} steps, {messages} messages:", plan.steps().len());
        assert_eq!(text.lines().next(), Some(first.as_str()));
        for step in plan.steps().iter().filter(|step| step.action != Action::AwaitAgreement) {
            assert!(text.contains(&step.action.detail()), "{}", step.action);
            assert!(text.contains(&step.reason), "{}", step.reason);
        }
        assert_eq!(Plan::default().to_string(), "Nothing to do.");

        // Many nodes are counted, not listed.
        let node = plan.steps()[0].action.node().unwrap().clone();
        for epoch in 0..30 {
            plan.add(Action::SetEpoch { node: node.clone(), epoch: Epoch(epoch) }, "so", "", 1, &[]);
        }
        assert!(
            plan.to_string().contains("(34 nodes)") && plan.to_string().contains("and 22 more"),
            "{plan}"
        );
    }

    #[test]
    fn machines_read_the_same() {
        let plan = creation();
        let json = serde_json::to_value(&plan).unwrap();
        let steps = json.as_array().unwrap();
        assert_eq!(steps.len(), plan.steps().len());
        let assign = steps.iter().find(|step| step["action"] == "assign-slots").unwrap();
        assert_eq!(assign["slots"], "0-8191");
        assert_eq!(assign["node"]["endpoint"], "10.0.0.1:7000");
        let replicate = steps.iter().find(|step| step["action"] == "replicate").unwrap();
        assert_eq!(replicate["proof"], replicate["node"]["id"]);
    }

    #[test]
    fn empty_values_can_be_seen() {
        let node = creation().steps()[0].action.node().unwrap().clone();
        let set = |from: &str, to: &str| {
            let (setting, from, to) = ("save".to_owned(), from.to_owned(), to.to_owned());
            Action::SetSetting { node: node.clone(), setting, from, to }.to_string()
        };
        assert_eq!(set("3600 1", ""), "set save to \"\": node-0 (now 3600 1)");
        assert_eq!(set("", "60 1"), "set save to 60 1: node-0 (now \"\")");
    }
}
