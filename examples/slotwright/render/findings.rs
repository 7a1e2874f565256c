//! Findings, the worst first, each with what was seen and what helps.

use slotwright_topology::{Finding, FindingKind, Severity, human};

use super::text::{BOLD, DIM, GOOD, Style, look_of};

/// A finding of whichever crate, as it is shown.
pub(crate) struct Shown<'a> {
    pub(crate) severity: Severity,
    /// What kind of finding, in words.
    pub(crate) title: String,
    pub(crate) evidence: &'a str,
    pub(crate) remedy: &'a str,
}

/// All findings about a cluster in words.
pub(crate) fn findings(findings: &[Finding], style: Style) -> String {
    let shown = findings.iter().map(|finding| Shown {
        severity: finding.severity,
        title: kind(finding.kind),
        evidence: &finding.evidence,
        remedy: &finding.remedy,
    });
    list(shown.collect(), style)
}

/// Findings in words, the worst first; a line that says so when there are none. Every line ends in a line feed.
pub(crate) fn list(mut findings: Vec<Shown<'_>>, style: Style) -> String {
    if findings.is_empty() {
        return style.paint(GOOD, "No findings.") + "\n";
    }
    let counts: Vec<String> = [Severity::Critical, Severity::Warning, Severity::Info]
        .into_iter()
        .filter_map(|severity| {
            let count = findings.iter().filter(|finding| finding.severity == severity).count();
            (count > 0).then(|| {
                style.paint(look_of(severity), &format!("{} {severity}", human::count(count as u64)))
            })
        })
        .collect();
    let mut text = format!("{} {}\n", style.paint(BOLD, "Findings:"), counts.join(", "));
    // Stable: findings of one severity stay in the order of the diagnosis.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings {
        let mark = finding.severity.to_string();
        text += "\n";
        text += &format!("{} {}\n", style.paint(look_of(finding.severity), &mark), finding.title);
        for line in style.wrap("  ", finding.evidence) {
            text += &format!("{line}\n");
        }
        if !finding.remedy.is_empty() {
            for line in style.wrap(style.pick("  → ", "  > "), finding.remedy) {
                text += &format!("{}\n", style.paint(DIM, &line));
            }
        }
    }
    text
}

/// The name it has in JSON, as words.
fn kind(kind: FindingKind) -> String {
    let name = serde_json::to_value(kind).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().replace('-', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, evidence: &str) -> Finding {
        let (evidence, remedy) = (evidence.to_owned(), "Do this, then that.".to_owned());
        Finding { severity, kind: FindingKind::UncoveredSlots, evidence, remedy }
    }

    #[test]
    fn the_worst_comes_first_with_evidence_and_remedy() {
        let all = [finding(Severity::Info, "first"), finding(Severity::Critical, "second")];
        let text = findings(&all, Style { color: false, width: 60, unicode: true });
        assert_eq!(
            text,
            "Findings: 1 critical, 1 info\n\ncritical uncovered slots\n  second\n  → Do this, then that.\n\n\
             info uncovered slots\n  first\n  → Do this, then that.\n"
        );
    }

    #[test]
    fn none_is_said() {
        assert_eq!(findings(&[], Style { color: false, width: 60, unicode: false }), "No findings.\n");
    }
}
