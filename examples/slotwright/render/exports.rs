//! Exports in words: plans, their state, and what a verification showed.

use slotwright_deploy::exports::Verified;
use slotwright_nfs::{Finding, Line, Severity, Status, wire::Outcome};
use slotwright_topology as topology;

use super::{
    findings::{Shown, list},
    text::{BAD, BOLD, DIM, DOUBTFUL, GOOD, Style},
};

/// Findings about exports, the worst first; those of one kind that differ in their place only are told once.
pub(crate) fn findings<'a>(findings: impl IntoIterator<Item = &'a Finding>, style: Style) -> String {
    let mut groups: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for finding in findings {
        let same = |first: &Finding| {
            (first.code, first.severity, &first.remedy) == (finding.code, finding.severity, &finding.remedy)
        };
        match groups.iter_mut().find(|(first, _)| same(first)) {
            Some((_, others)) => others.push(&finding.place),
            None => groups.push((finding, Vec::new())),
        }
    }
    let told: Vec<(String, String, &Finding)> = groups
        .into_iter()
        .map(|(finding, others)| {
            let title = format!("{} ({})", finding.place, finding.code.replace('-', " "));
            let also = match others.as_slice() {
                [] => String::new(),
                others => format!("; likewise {}", others.join(", ")),
            };
            (style.clean(&title), format!("{}{also}", finding.what), finding)
        })
        .collect();
    let shown = told.iter().map(|(title, evidence, finding)| Shown {
        severity: match finding.severity {
            Severity::Info => topology::Severity::Info,
            Severity::Warning => topology::Severity::Warning,
            Severity::Critical => topology::Severity::Critical,
        },
        title: title.clone(),
        evidence,
        remedy: &finding.remedy,
    });
    list(shown.collect(), style)
}

/// What is done, a line each: `+` in green, `~` in yellow, `-` in red.
pub(crate) fn lines(lines: &[Line], style: Style) -> String {
    let mut text = String::new();
    for line in lines {
        let look = match line.sign {
            '+' => GOOD,
            '-' => BAD,
            _ => DOUBTFUL,
        };
        let subject = style.paint(BOLD, &style.clean(&line.subject));
        text += &format!(
            "{} {subject}: {}\n",
            style.paint(look, &line.sign.to_string()),
            style.clean(&line.what)
        );
    }
    text
}

/// How the exports are.
pub(crate) fn status(status: &Status, style: Style) -> String {
    let good = status.is_as_wanted();
    let headline = match (good, status.running) {
        (true, _) => style.paint(GOOD, "as the spec says"),
        (false, true) => style.paint(DOUBTFUL, "not as the spec says"),
        (false, false) => style.paint(BAD, "the server is not running"),
    };
    let mut text = format!("{}: {headline}\n", style.paint(BOLD, &status.deployment));
    text += &format!("{} exports on {}\n\n", status.exports.len(), status.server);
    let width = status.exports.iter().map(|export| export.name.len()).max().unwrap_or(0);
    for export in &status.exports {
        let mark = match (export.drift.is_empty(), export.served) {
            (true, Some(true)) => style.paint(GOOD, style.pick("✓", "ok")),
            _ => style.paint(BAD, style.pick("✗", "!!")),
        };
        let id = export.id.map_or("-".to_owned(), |id| id.to_string());
        let path = style.clean(&export.path.to_string_lossy());
        text += &format!("{mark} {:<width$}  {path}  id {id}", export.name);
        text += &match export.users.as_slice() {
            [] => String::new(),
            users => {
                let users: Vec<String> =
                    users.iter().map(|user| format!("{} {}", user.client, user.evidence)).collect();
                style.paint(DIM, &style.clean(&format!("  {}", users.join(", "))))
            }
        };
        text.push('\n');
        for drift in &export.drift {
            for line in style.wrap("    ", drift) {
                text += &format!("{}\n", style.paint(DOUBTFUL, &line));
            }
        }
    }
    for path in &status.left_over {
        text += &format!(
            "{} {}: still there, though the spec has it no more; `apply` takes it away\n",
            style.paint(DOUBTFUL, style.pick("✗", "!!")),
            style.clean(&path.to_string_lossy())
        );
    }
    if !status.findings.is_empty() {
        text += &format!("\n{}", findings(&status.findings, style));
    }
    text
}

/// What a verification showed.
pub(crate) fn verified(verified: &[Verified], style: Style) -> String {
    let mut text = String::new();
    for export in verified {
        let headline = match export.is_fit() {
            true => style.paint(GOOD, "a node can live here"),
            false => style.paint(BAD, "no node could live here"),
        };
        text += &format!("{}: {headline}\n", style.paint(BOLD, &export.name));
        let steps: Vec<String> = export
            .report
            .steps
            .iter()
            .map(|step| {
                let (mark, look) = match step.outcome {
                    Outcome::Ok => (style.pick("✓", "ok"), GOOD),
                    Outcome::Failed { .. } => (style.pick("✗", "!!"), BAD),
                    Outcome::Skipped { .. } => (style.pick("–", "--"), DIM),
                };
                format!("{} {}", style.paint(look, mark), step.name)
            })
            .collect();
        // Colours would be counted as columns if these were wrapped; few enough stand in one line.
        for steps in steps.chunks(8) {
            text += &format!("  {}\n", steps.join("  "));
        }
        if let Some(latency) = &export.report.latency {
            text += &format!(
                "  a synced append takes {} (p50), {} (p95), {} (p99), {} at most; {} measured\n",
                milliseconds(latency.p50),
                milliseconds(latency.p95),
                milliseconds(latency.p99),
                milliseconds(latency.max),
                latency.count
            );
        }
    }
    let all: Vec<&Finding> = verified.iter().flat_map(Verified::findings).collect();
    if !all.is_empty() {
        text += &format!("\n{}", findings(all, style));
    }
    text
}

fn milliseconds(time: std::time::Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
