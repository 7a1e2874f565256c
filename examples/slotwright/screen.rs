//! Where output goes and how rich it may be: terminal or file, colour or none, people or machines.

use std::io::{self, BufRead, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::{cli::Global, render};

/// The two outputs of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// One JSON document instead of text.
    pub(crate) json: bool,
    /// Standard error is a terminal: progress may be redrawn in place.
    pub(crate) live: bool,
}

impl Screen {
    pub(crate) fn detect(global: &Global) -> Self {
        Self { json: global.json, live: io::stderr().is_terminal() && !global.json && global.verbose == 0 }
    }

    /// How the result may look on standard output.
    pub(crate) fn style(self) -> render::Style {
        let terminal = io::stdout().is_terminal();
        let width = terminal.then(terminal_width).flatten().unwrap_or(100);
        render::Style {
            color: colour(anstream::AutoStream::choice(&io::stdout())),
            width,
            unicode: unicode(),
        }
    }

    /// Text for people, on standard output. A reader that went away is no error of ours.
    pub(crate) fn print(self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = out.write_all(b"\n");
        }
    }

    /// A document for machines, on standard output.
    pub(crate) fn document(self, document: &impl Serialize) {
        match serde_json::to_string_pretty(document) {
            Ok(text) => self.print(&text),
            Err(error) => self.error(&format!("cannot write the document: {error}")),
        }
    }

    /// A line of progress, on standard error.
    pub(crate) fn note(self, text: &str) {
        anstream::eprintln!("{text}");
    }

    pub(crate) fn warning(self, text: &str) {
        let style = Style::new().fg_color(Some(AnsiColor::Yellow.into())).bold();
        anstream::eprintln!("{style}warning:{style:#} {text}");
    }

    pub(crate) fn error(self, text: &str) {
        let style = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
        anstream::eprintln!("{style}error:{style:#} {text}");
    }

    /// Asks a question with the answers yes and no; `None` when there is nobody to ask.
    pub(crate) fn ask(self, question: &str) -> Option<bool> {
        if self.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        anstream::eprint!("{question} [y/N] ");
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

fn colour(choice: anstream::ColorChoice) -> bool {
    matches!(choice, anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi)
}

fn unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    locale.is_none_or(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

fn terminal_width() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    Some(usize::from(columns))
}
