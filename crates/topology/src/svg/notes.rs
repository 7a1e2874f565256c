//! What was found, the worst first: how many of each kind, and the first few in words.

use super::canvas::{BAD, Canvas, DOUBTFUL, Font, LINE, MUTED, NEUTRAL, TEXT, WHITE};
use super::{EDGE, INNER, WIDTH};
use crate::{Finding, Severity};

/// Findings told in words; the others are counted.
const SHOWN: usize = 8;

/// Draws the findings and returns where the next part begins.
pub(super) fn draw(canvas: &mut Canvas, findings: &[Finding], top: f64) -> f64 {
    if findings.is_empty() {
        return top;
    }
    let mut y = top + 24.0;
    canvas.text((EDGE, y), Font::new(16.0, TEXT).bold(), "Findings");
    let mut right = WIDTH - EDGE;
    for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        if count > 0 {
            right = canvas.badge((right, y), 12.0, look(severity), &format!("{count} {severity}")) - 8.0;
        }
    }
    y += 14.0;

    let (evidence, remedy) = (Font::new(13.0, TEXT), Font::new(12.5, MUTED));
    let room = INNER - 110.0 - 20.0;
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let shown: Vec<_> = sorted
        .iter()
        .take(SHOWN)
        .map(|finding| {
            (
                finding.severity,
                evidence.wrap(&finding.evidence, room, 3),
                remedy.wrap(&finding.remedy, room, 3),
            )
        })
        .collect();
    for (severity, seen, helps) in shown {
        let height = 18.0 * (seen.len() + helps.len()) as f64 + 16.0;
        canvas.rect((EDGE, y), (INNER, height), 10.0, &format!("fill=\"{WHITE}\" stroke=\"{LINE}\""));
        let (ink, _) = look(severity);
        canvas.rect((EDGE, y + 6.0), (4.0, height - 12.0), 2.0, &format!("fill=\"{ink}\""));
        canvas.text((EDGE + 18.0, y + 21.0), Font::new(12.0, ink).bold(), &severity.to_string());
        let mut line = y + 21.0;
        for (font, lines) in [(evidence, seen), (remedy, helps)] {
            for text in lines {
                canvas.text((EDGE + 110.0, line), font, &text);
                line += 18.0;
            }
        }
        y += height + 8.0;
    }
    let more = findings.len().saturating_sub(SHOWN);
    if more > 0 {
        canvas.text((EDGE, y + 14.0), Font::new(13.0, MUTED), &format!("and {more} more"));
        y += 22.0;
    }
    y
}

fn look(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => BAD,
        Severity::Warning => DOUBTFUL,
        Severity::Info => NEUTRAL,
    }
}
