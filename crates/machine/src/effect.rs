//! What an effect is, who is told of it, and the door itself.

use std::{fmt, path::Path, sync::Arc};

/// One effect on the machine, as a [`Witness`] sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect<'a> {
    /// A folder is made.
    MakeFolder(&'a Path),
    /// A file or folder is given its owner, group and mode.
    SetOwner(&'a Path),
    /// The new content of a file is written beside it.
    WriteBeside(&'a Path),
    /// The new content takes the place of the old.
    Replace(&'a Path),
    /// A server is started in this folder.
    Start(&'a Path),
    /// The server of this folder is asked to stop.
    Stop(&'a Path),
    /// A file or folder is removed, with all that is in it.
    Remove(&'a Path),
    /// Another program or service is asked to change something; the words say what.
    Ask(&'a str),
}

/// Told of each effect; the default does nothing.
pub trait Witness: Send + Sync {
    /// Called when everything is ready and the effect comes next.
    fn before(&self, effect: Effect<'_>) {
        let _ = effect;
    }

    /// Called when the effect is done.
    fn after(&self, effect: Effect<'_>) {
        let _ = effect;
    }
}

impl Witness for () {}

/// The way to change this machine.
#[derive(Clone)]
pub struct Machine {
    witness: Arc<dyn Witness>,
}

impl Default for Machine {
    /// Nobody watches.
    fn default() -> Self {
        Self::new(Arc::new(()))
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine")
    }
}

impl Machine {
    /// Everything under the eyes of `witness`.
    pub fn new(witness: Arc<dyn Witness>) -> Self {
        Self { witness }
    }

    /// Does `act` as the effect it is. The witness is not told of an end that was a failure.
    ///
    /// # Errors
    /// Those of `act`.
    pub fn seen<T, E>(&self, effect: Effect<'_>, act: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.witness.before(effect);
        let done = act()?;
        self.witness.after(effect);
        Ok(done)
    }

    /// The same for an act that waits, for instance for the answer of a service.
    ///
    /// # Errors
    /// Those of `act`.
    pub async fn seen_async<T, E>(
        &self,
        effect: Effect<'_>,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.witness.before(effect);
        let done = act.await?;
        self.witness.after(effect);
        Ok(done)
    }
}
