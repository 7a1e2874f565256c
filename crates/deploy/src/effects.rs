//! Everything that changes something outside this process: messages through a connector, the rest through the machine.
//!
//! Whoever supplies what stands before both can stop a run between any two effects.

use std::sync::Arc;

use slotwright_client::{Connector, TcpConnector};
use slotwright_machine::{Machine, Witness};

type Layer = dyn Fn(Arc<dyn Connector>) -> Arc<dyn Connector> + Send + Sync;

/// The way out of this process.
#[derive(Clone)]
pub struct Effects {
    layer: Arc<Layer>,
    connector: Arc<dyn Connector>,
    machine: Machine,
}

impl Default for Effects {
    /// Nobody watches; nodes are reached over TCP.
    fn default() -> Self {
        Self::new(|connector| connector, Arc::new(()))
    }
}

impl Effects {
    /// Messages over TCP through what `layer` makes of it, everything else under the eyes of `witness`.
    pub fn new(
        layer: impl Fn(Arc<dyn Connector>) -> Arc<dyn Connector> + Send + Sync + 'static,
        witness: Arc<dyn Witness>,
    ) -> Self {
        let connector = layer(Arc::new(TcpConnector));
        Self { layer: Arc::new(layer), connector, machine: Machine::new(witness) }
    }

    /// The same, but nodes are reached through `connector`; the layer stands before it as it did before TCP.
    #[must_use]
    pub fn through(&self, connector: Arc<dyn Connector>) -> Self {
        Self { connector: (self.layer)(connector), ..self.clone() }
    }

    pub(crate) fn connector(&self) -> &dyn Connector {
        &*self.connector
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }
}
