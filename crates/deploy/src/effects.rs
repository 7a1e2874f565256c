//! Everything that changes something outside this process: messages through a connector, the rest through the machine.
//!
//! Whoever supplies both can stop a run between any two effects.

use std::sync::Arc;

use slotwright_client::{Connector, TcpConnector};
use slotwright_machine::{Machine, Witness};

/// The way out of this process.
#[derive(Clone)]
pub struct Effects {
    connector: Arc<dyn Connector>,
    machine: Machine,
}

impl Default for Effects {
    fn default() -> Self {
        Self::new(Arc::new(TcpConnector), Arc::new(()))
    }
}

impl Effects {
    /// Messages through `connector`, everything else under the eyes of `witness`.
    pub fn new(connector: Arc<dyn Connector>, witness: Arc<dyn Witness>) -> Self {
        Self { connector, machine: Machine::new(witness) }
    }

    pub(crate) fn connector(&self) -> &dyn Connector {
        &*self.connector
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }
}
