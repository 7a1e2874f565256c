//! The table, as Markdown.

use std::fmt::{self, Write};

use slotwright_benches::batch;
use slotwright_benches::keys::{LONGEST_MIXED, Shape};
use slotwright_benches::single::{self, OURS};

use crate::Report;
use crate::count::{BATCH_LENGTH, LENGTHS};
use crate::races::{MIXED, TABLE_LENGTHS};
use crate::suites::SuiteResult;
use crate::turns::Row;

/// What the works of the suite `routing` are.
const ROUTING_WORDS: &str = "`random`: the owner of a random slot, tables in the caches; `cold`: the same after the \
     caches were walked over; `route`: owner, replicas and version; `shared`: a table that others may write meanwhile; \
     `patch`: a new table in which one slot has another owner. Medians of criterion.";

/// The whole report.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(report, &mut text);
    text
}

fn write_all(report: &Report, out: &mut String) -> fmt::Result {
    write_head(report, out)?;
    write_bars(report, out)?;
    write_lengths(report, out)?;
    write_shapes(report, out)?;
    write_batches(report, out)?;
    write_instructions(report, out)?;
    write_suites(&report.suites, out)
}

fn write_head(report: &Report, out: &mut String) -> fmt::Result {
    let here = &report.circumstances;
    writeln!(out, "# Slot routing beside its peers\n")?;
    writeln!(out, "- Machine: {}, {} cores; {}", here.processor, here.cores, here.system)?;
    writeln!(out, "- Compiler: {}, release profile, {}", here.compiler, here.target)?;
    let versions: Vec<String> =
        here.versions.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
    writeln!(out, "- Versions: {}", versions.join(", "))?;
    let available = here.available.join(", ");
    writeln!(out, "- Path in use: {}; this machine can run: {available}", here.active)?;
    writeln!(out, "- {}, by `{}`", here.date, here.command)?;
    let plan = &report.plan;
    writeln!(
        out,
        "- Each figure is the median of {} rounds of {} µs, in which all implementations took turns; a ratio is the \
         median of the ratios within the rounds. Every implementation does the hash-tag scan. The keys of a row fit \
         the first-level cache.{}\n",
        plan.sweeps * plan.rounds,
        plan.sample_us,
        if plan.quick { " **A quick look, not a result.**" } else { "" },
    )
}

fn write_bars(report: &Report, out: &mut String) -> fmt::Result {
    writeln!(out, "## What must be reached\n")?;
    writeln!(out, "| work | at least | measured | reached | |\n|---|--:|--:|---|---|")?;
    for bar in &report.bars {
        let measured = bar.measured.map_or_else(String::new, |ratio| format!("{ratio:.2}×"));
        let (work, demanded) = (&bar.work, bar.demanded);
        writeln!(out, "| {work} | {demanded}× | {measured} | {} | {} |", bar.verdict(), bar.detail)?;
    }
    writeln!(out, "\nN× means that the other side takes N times as long; 0.95× allows it to be 5 % faster.\n")
}

fn write_lengths(report: &Report, out: &mut String) -> fmt::Result {
    writeln!(out, "## Key to slot, ns per key\n")?;
    let names = singles();
    head(out, "bytes", &names)?;
    let rows = || report.rows.iter().filter(|row| row.name.group == "key_slot");
    for row in rows() {
        if row.name.length.is_some_and(|length| TABLE_LENGTHS.contains(&length)) {
            line(out, &row.name.keys, row, &names)?;
        }
    }
    for row in rows().filter(|row| row.name.keys == MIXED) {
        line(out, &format!("1–{LONGEST_MIXED} mixed"), row, &names)?;
    }
    writeln!(out)
}

fn write_shapes(report: &Report, out: &mut String) -> fmt::Result {
    writeln!(out, "## Tag shapes, ns per key\n")?;
    writeln!(
        out,
        "`front`, `middle`, `end`: a tag of eight bytes there; `whole`: the key within one pair of braces; `empty`: \
         `{{}}` in front; `unclosed`: `{{` in front. In the last two the whole key is hashed.\n"
    )?;
    let names = singles();
    head(out, "shape, bytes", &names)?;
    for shape in Shape::ALL {
        let group = format!("tag/{}", shape.name());
        for row in report.rows.iter().filter(|row| row.name.group == group) {
            line(out, &format!("{}, {}", shape.name(), row.name.keys), row, &names)?;
        }
    }
    writeln!(out)
}

fn write_batches(report: &Report, out: &mut String) -> fmt::Result {
    writeln!(out, "## Many keys at once, ns per key\n")?;
    let names: Vec<String> = batch::all().into_iter().map(|way| way.name).collect();
    head(out, "keys", &names)?;
    for row in report.rows.iter().filter(|row| row.name.group == "batch") {
        let kind = match row.name.length {
            Some(length) => format!("{} of {length} bytes", row.count),
            None => format!("{} of 1–{LONGEST_MIXED} bytes", row.count),
        };
        line(out, &kind, row, &names)?;
    }
    writeln!(out, "\n`{}` is a loop over the single call.\n", batch::ONE_BY_ONE)
}

fn write_instructions(report: &Report, out: &mut String) -> fmt::Result {
    let counted = &report.instructions;
    writeln!(out, "## Instructions per key\n")?;
    if let Some(problem) = &counted.problem {
        writeln!(out, "Not all were counted: {problem}.\n")?;
    }
    writeln!(
        out,
        "Counted by running a process one instruction at a time, so they do not depend on the machine's speed or \
         load. The loop around a key is part of every figure.\n"
    )?;
    if !counted.single.is_empty() {
        let names = singles();
        head(out, "bytes", &names)?;
        for length in LENGTHS {
            let cells: Vec<_> = names.iter().map(|name| counted.of_single(name, length)).collect();
            if cells.iter().any(Option::is_some) {
                cells_line(out, &length.to_string(), cells.into_iter())?;
            }
        }
        writeln!(out)?;
    }
    let batches: Vec<(&str, f64)> = counted.of_batch().collect();
    if !batches.is_empty() {
        writeln!(out, "Many keys of {BATCH_LENGTH} bytes at once:\n")?;
        head(out, "", &batches.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>())?;
        cells_line(out, "per key", batches.iter().map(|(_, per_key)| Some(*per_key)))?;
        writeln!(out)?;
    }
    Ok(())
}

/// One table a suite: a line for each work, a column for each implementation.
fn write_suites(suites: &[SuiteResult], out: &mut String) -> fmt::Result {
    for of_suite in suites.chunk_by(|one, next| one.suite == next.suite) {
        let Some(first) = of_suite.first() else { continue };
        let title = match first.suite.as_str() {
            "routing" => "Slot to owner, ns per operation",
            "grouping" => "Keys of one command by owner, ns per key",
            other => other,
        };
        writeln!(out, "## {title}\n")?;
        if first.suite == "routing" {
            writeln!(out, "{ROUTING_WORDS}\n")?;
        }
        let mut names: Vec<String> = Vec::new();
        for one in of_suite {
            if !names.contains(&one.implementation) {
                names.push(one.implementation.clone());
            }
        }
        head(out, "work", &names)?;
        for of_work in of_suite.chunk_by(|one, next| one.work == next.work) {
            let Some(first) = of_work.first() else { continue };
            let cell =
                |name: &String| of_work.iter().find(|one| one.implementation == *name).map(|one| one.median);
            cells_line(out, &first.label, names.iter().map(cell))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn singles() -> Vec<String> {
    single::all().into_iter().map(|one| one.name).collect()
}

fn head(out: &mut String, first: &str, names: &[String]) -> fmt::Result {
    let names: Vec<String> =
        names.iter().map(|name| if name == OURS { format!("**{name}**") } else { name.clone() }).collect();
    writeln!(out, "| {first} | {} |\n|--:|{}", names.join(" | "), "--:|".repeat(names.len()))
}

fn line(out: &mut String, first: &str, row: &Row, names: &[String]) -> fmt::Result {
    cells_line(out, first, names.iter().map(|name| row.median(name)))
}

fn cells_line(out: &mut String, first: &str, cells: impl Iterator<Item = Option<f64>>) -> fmt::Result {
    write!(out, "| {first} |")?;
    for cell in cells {
        write!(out, " {} |", cell.map_or_else(String::new, figure))?;
    }
    writeln!(out)
}

/// Three digits that mean something.
fn figure(value: f64) -> String {
    match value {
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars;
    use crate::count::Instructions;
    use crate::machine::Circumstances;
    use crate::turns::{Plan, tests::row};

    fn report() -> Report {
        let rows = vec![
            row("key_slot", "16", &[(OURS, &[2.0]), ("crc16", &[17.25])]),
            row("key_slot", "13", &[(OURS, &[2.0])]),
            row("key_slot", MIXED, &[(OURS, &[5.0])]),
            row("tag/front", "64", &[(OURS, &[123.4])]),
            row("batch", "16x10", &[("key_slot", &[2.0]), ("key_slots", &[1.0])]),
        ];
        let suite = |work: &str, implementation: &str, median| SuiteResult {
            suite: "routing".into(),
            work: work.into(),
            label: work.into(),
            implementation: implementation.into(),
            elements: 1,
            median,
        };
        Report {
            circumstances: Circumstances::here(true),
            plan: Plan::QUICK,
            bars: bars::judge(&rows),
            rows,
            instructions: Instructions { problem: Some("ptrace is forbidden".into()), ..Default::default() },
            suites: vec![suite("warm/6", "a", 1.5), suite("warm/6", "b", 20.0), suite("warm/100", "b", 21.0)],
        }
    }

    #[test]
    fn figures_have_three_digits() {
        let shown = [0.5, 9.994, 9.996, 17.25, 99.96, 757.3].map(figure);
        assert_eq!(shown, ["0.50", "9.99", "10.0", "17.2", "100", "757"]);
    }

    #[test]
    fn tables_show_what_there_is_and_leave_out_what_is_not() {
        let text = render(&report());
        assert!(text.contains("| bytes | **slotwright** |"), "{text}");
        assert!(text.contains("\n| 16 | 2.00 |"), "{text}");
        assert!(!text.contains("\n| 13 |"), "{text}");
        assert!(text.contains("| 1–64 mixed | 5.00 |"), "{text}");
        assert!(text.contains("| front, 64 | 123 |"), "{text}");
        assert!(text.contains("Not all were counted: ptrace is forbidden."), "{text}");
        assert!(
            text.contains(
                "| work | a | b |\n|--:|--:|--:|\n| warm/6 | 1.50 | 20.0 |\n| warm/100 |  | 21.0 |"
            )
        );
        assert!(text.contains("A quick look"), "{text}");
    }

    #[test]
    fn every_line_of_a_table_has_the_same_columns() {
        let text = render(&report());
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let columns: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
            assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
        }
    }
}
