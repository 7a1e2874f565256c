//! Why there is no plan: every reason at once, each with what would help.

use std::fmt;

use serde::Serialize;

/// One reason why nothing is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusalReason {
    /// What stands in the way.
    pub reason: String,
    /// What the user can do.
    pub remedy: String,
}

/// There is no safe way from the view to the desired state; nothing may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// All reasons, in a fixed order; never empty.
    pub reasons: Vec<RefusalReason>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, RefusalReason { reason, remedy }) in self.reasons.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{reason} {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
