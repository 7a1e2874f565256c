//! The exit status (listed in `--help`).

use std::process::ExitCode;

use slotwright_deploy::{Class, Error};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Input = 2,
    Refused = 3,
    Found = 4,
    Busy = 5,
}

impl Exit {
    /// The word for machines.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Input => "input",
            Self::Refused => "refused",
            Self::Found => "found",
            Self::Busy => "busy",
        }
    }
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        match error.class() {
            Class::Failed => Self::Failed,
            Class::Input => Self::Input,
            Class::Refused => Self::Refused,
            Class::Busy => Self::Busy,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
