//! What can be wrong with a setting.

use thiserror::Error;

/// A setting that cannot be used as it stands. Values of secret and of unknown settings are never repeated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingError {
    /// A line or value that does not split into arguments.
    #[error("{place}: {reason}")]
    Syntax {
        /// The line (counted from 1) and the directive, or the directive alone.
        place: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A name that no engine is known to have.
    #[error("there is no setting {name:?}{}", hint(*.nearest))]
    Unknown {
        /// The name as given.
        name: String,
        /// The known name that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A setting that the deployment decides.
    #[error("{name} cannot be set here: {reason}")]
    Owned {
        /// The setting.
        name: &'static str,
        /// Where its value comes from.
        reason: &'static str,
    },
    /// A value that the setting does not take.
    #[error("{name}: expected {allowed}, found {found}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What it takes.
        allowed: String,
        /// The value in quotes, or a placeholder for a secret.
        found: String,
    },
}

impl SettingError {
    /// The name of the setting, where the error has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Syntax { .. } => None,
            Self::Unknown { name, .. } => Some(name),
            Self::Owned { name, .. } | Self::Value { name, .. } => Some(name),
        }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
