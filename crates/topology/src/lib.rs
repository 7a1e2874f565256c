//! From every node's own answer to one view of the cluster, its diagnosis, and a plan to the desired state.
//!
//! Data flows one way: [`Member`]s and the [`Observation`] of each make a [`ClusterView`]; [`diagnose`] turns it into
//! [`Finding`]s, [`plan`] into a [`Plan`] towards a [`Desired`] state, [`ClusterStatus`] into something to show.
//! [`placement`] decides which node copies which shard.
//!
//! Everything here is a pure function: no I/O, no clock, and the same input gives the same output, always.

mod diagnosis;
mod finding;
pub mod human;
mod member;
#[cfg(test)]
mod model;
pub mod palette;
pub mod placement;
mod plan;
mod planner;
mod refusal;
mod status;
mod svg;
mod view;

pub use diagnosis::diagnose;
pub use finding::{Finding, FindingKind, Severity};
pub use member::{Desired, Member, NODE_TIMEOUT, Observation};
pub use plan::{Action, NodeRef, Plan, Step, StepId};
pub use planner::{FORMING_NODE_TIMEOUT_MS, plan};
pub use refusal::{Refusal, RefusalReason};
pub use status::{ClusterStatus, NodeState, NodeStatus, ShardStatus};
pub use svg::draw_svg;
pub use view::{ClusterView, EmptyNode, NodeView};
