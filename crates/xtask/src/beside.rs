//! A command that runs beside others. What it prints is kept from theirs: it is shown when its turn comes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use crate::failure::Failure;
use crate::run;

/// How often it is looked for more of what the command prints.
const LOOK: Duration = Duration::from_millis(200);

/// A command that runs.
#[derive(Debug)]
pub(crate) struct Beside {
    child: Child,
    /// For people.
    line: String,
    /// What it has printed and nobody has seen.
    printed: File,
}

impl Beside {
    /// Starts it, with a file for what it prints. A file and not a pipe: that has no end as long as any process that the
    /// command has started lives.
    pub(crate) fn start(command: &mut Command, printed: &Path) -> Result<Beside, Failure> {
        let line = run::line(command);
        let failed = |error: std::io::Error| Failure::said(format!("{}: {error}", printed.display()));
        let output = File::create(printed).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let printed = File::open(printed).map_err(failed)?;
        let child = command
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| Failure::said(format!("`{line}` cannot be run: {error}")))?;
        Ok(Beside { child, line, printed })
    }

    /// Shows what it has printed and what it goes on to print, until it ends.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let line = self.line.clone();
        match self.show(&mut std::io::stdout()) {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::Program { line, status }),
            Err(error) => Err(Failure::said(format!("what `{line}` prints cannot be shown: {error}"))),
        }
    }

    /// Waits for the end of the command even where nothing can be shown.
    fn show(mut self, terminal: &mut impl Write) -> std::io::Result<ExitStatus> {
        let mut shown = Ok(());
        let status = loop {
            let ended = self.child.try_wait()?;
            if shown.is_ok() {
                shown = copy(&mut self.printed, terminal);
            }
            match ended {
                Some(status) => break status,
                None => std::thread::sleep(LOOK),
            }
        };
        shown.map(|()| status)
    }
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    std::io::copy(from, to)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(script: &str, name: &str) -> Beside {
        let printed = std::env::temp_dir().join(format!("xtask-beside-{name}-{}", std::process::id()));
        let beside = Beside::start(Command::new("sh").args(["-c", script]), &printed).unwrap();
        std::fs::remove_file(&printed).unwrap();
        beside
    }

    #[test]
    fn what_is_printed_is_shown_to_the_end() {
        let beside = started("echo one; echo two >&2; sleep 0.5; echo three; exit 3", "shown");
        let mut terminal = Vec::new();
        let status = beside.show(&mut terminal).unwrap();
        assert_eq!((status.code(), terminal.as_slice()), (Some(3), &b"one\ntwo\nthree\n"[..]));
    }

    #[test]
    fn a_failure_names_the_command() {
        let failure = started("exit 7", "failure").finish().unwrap_err();
        assert_eq!(
            (failure.code(), failure.to_string().as_str()),
            (7, "`sh -c exit 7` failed (exit status: 7)")
        );
        let missing =
            Beside::start(&mut Command::new("/nonexistent/x"), &std::env::temp_dir().join("xtask-none"));
        assert!(missing.unwrap_err().to_string().starts_with("`x` cannot be run"));
    }
}
