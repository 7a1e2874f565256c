//! The plot: nanoseconds per key over key length, both logarithmic, one line an implementation.

use plotters::chart::ChartContext;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::combinators::LogCoord;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use slotwright_benches::single::{self, OURS, Single, Whose, forced_name};
use slotwright_slots::Kernel;

use crate::Report;
use crate::failure::Failure;
use crate::machine::Circumstances;

const WIDTH: u32 = 1040;
const HEIGHT: u32 = 680;
/// Room for the names at the ends of the lines.
const RIGHT: u32 = 215;
/// Room for the title.
const TOP: u32 = 64;
/// Room for machine and versions.
const BOTTOM: u32 = 62;
/// Distance of names, so that they do not touch.
const NAME_HEIGHT: i32 = 18;
const INK: RGBColor = RGBColor(34, 34, 34);
const FAINT: RGBColor = RGBColor(105, 105, 105);
const GRID: RGBColor = RGBColor(216, 216, 216);
const FAINT_GRID: RGBColor = RGBColor(241, 241, 241);
const OUR_COLOUR: RGBColor = RGBColor(0, 92, 185);
/// Colours of our forced paths: shades of our own.
const FORCED_COLOURS: [RGBColor; 3] =
    [RGBColor(86, 160, 220), RGBColor(20, 150, 160), RGBColor(110, 110, 200)];
/// Colours of the peers, told apart by the colour-blind as well (Okabe and Ito).
const PEER_COLOURS: [RGBColor; 5] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(190, 140, 0),
    RGBColor(70, 70, 70),
];

type Axes = Cartesian2d<LogCoord<f64>, LogCoord<f64>>;
type Canvas<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// One line of the plot.
struct Line {
    label: String,
    colour: RGBColor,
    width: u32,
    dashed: bool,
    /// Key length and nanoseconds per key.
    points: Vec<(f64, f64)>,
}

/// The plot as the text of an SVG file.
pub(crate) fn draw(report: &Report) -> Result<String, Failure> {
    let mut svg = String::new();
    {
        let canvas = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        paint(&canvas, report).map_err(|error| Failure::Plot(error.to_string()))?;
        canvas.present().map_err(|error| Failure::Plot(error.to_string()))?;
    }
    Ok(svg)
}

fn paint(canvas: &Canvas<'_>, report: &Report) -> Result<(), Box<dyn std::error::Error>> {
    canvas.fill(&WHITE)?;
    let lines = lines(report);
    let lengths = bounds(&lines, |point| point.0).unwrap_or((1.0, 1024.0));
    let (low, high) = bounds(&lines, |point| point.1).unwrap_or((1.0, 1000.0));
    let mut chart = ChartBuilder::on(canvas)
        .margin_top(TOP)
        .margin_right(RIGHT)
        .margin_bottom(BOTTOM)
        .margin_left(14)
        .x_label_area_size(46)
        .y_label_area_size(58)
        .build_cartesian_2d(
            (lengths.0..lengths.1).log_scale().base(2.0),
            (low / 1.2..high * 1.2).log_scale(),
        )?;
    chart
        .configure_mesh()
        .axis_style(FAINT)
        .bold_line_style(GRID)
        .light_line_style(FAINT_GRID)
        .x_max_light_lines(1)
        .y_max_light_lines(9)
        .x_desc("key length, bytes (logarithmic)")
        .y_desc("ns per key (logarithmic)")
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .label_style(("sans-serif", 15).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 16).into_font().color(&INK))
        .draw()?;
    for line in &lines {
        draw_line(&mut chart, line)?;
    }
    draw_names(canvas, &chart, &lines)?;
    draw_words(canvas, &report.circumstances)
}

/// The lines to draw: peers first, ours last and therefore on top.
fn lines(report: &Report) -> Vec<Line> {
    let here = &report.circumstances;
    let (mut peers, mut forced) = (PEER_COLOURS.iter().cycle(), FORCED_COLOURS.iter().cycle());
    let mut lines = Vec::new();
    for one in single::all() {
        let (label, colour, width) = match one.whose {
            Whose::Peer => (format!("{} {}", one.name, here.version(&one.name)), peers.next(), 2),
            // What the default path takes here would be drawn twice.
            Whose::Forced if one.name == forced_name(Kernel::active()) => continue,
            Whose::Forced => (one.name.clone(), forced.next(), 2),
            Whose::Ours => (format!("{} ({})", one.name, here.active), Some(&OUR_COLOUR), 4),
        };
        let colour = colour.copied().unwrap_or(INK);
        let points = points(report, &one);
        if !points.is_empty() {
            lines.push(Line { label, colour, width, dashed: one.whose == Whose::Forced, points });
        }
    }
    lines.sort_by_key(|line| line.label.starts_with(OURS));
    lines.sort_by_key(|line| line.width);
    lines
}

fn points(report: &Report, one: &Single) -> Vec<(f64, f64)> {
    let rows = report.rows.iter().filter(|row| row.name.group == "key_slot");
    rows.filter_map(|row| Some((row.name.length? as f64, row.median(&one.name)?))).collect()
}

/// The least and the greatest of a coordinate.
fn bounds(lines: &[Line], coordinate: fn(&(f64, f64)) -> f64) -> Option<(f64, f64)> {
    let all = || lines.iter().flat_map(|line| &line.points).map(coordinate);
    let (low, high) = (all().reduce(f64::min)?, all().reduce(f64::max)?);
    (low < high).then_some((low, high))
}

/// Without the decimals of a whole number.
fn number(value: &f64) -> String {
    format!("{}", (value * 100.0).round() / 100.0)
}

fn draw_line(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Axes>,
    line: &Line,
) -> Result<(), Box<dyn std::error::Error>> {
    let style = line.colour.stroke_width(line.width);
    let points = line.points.iter().copied();
    if line.dashed {
        chart.draw_series(DashedLineSeries::new(points, 7, 4, style))?;
    } else {
        chart.draw_series(LineSeries::new(points, style))?;
    }
    Ok(())
}

/// Names at the right, each beside the end of its line or, where that is taken, as near as there is room.
fn draw_names(
    canvas: &Canvas<'_>,
    chart: &ChartContext<'_, SVGBackend<'_>, Axes>,
    lines: &[Line],
) -> Result<(), Box<dyn std::error::Error>> {
    let mut ends: Vec<((i32, i32), &Line)> =
        lines.iter().filter_map(|line| Some((chart.backend_coord(line.points.last()?), line))).collect();
    ends.sort_by_key(|((_, y), _)| *y);
    let wanted: Vec<i32> = ends.iter().map(|((_, y), _)| *y).collect();
    for (((x, y), line), place) in ends.into_iter().zip(apart(&wanted, NAME_HEIGHT)) {
        let leader = [(x + 3, y), (x + 14, place), (x + 20, place)];
        canvas.draw(&PathElement::new(leader, line.colour.stroke_width(1)))?;
        let weight = if line.width > 2 { FontStyle::Bold } else { FontStyle::Normal };
        let font = ("sans-serif", 15).into_font().style(weight).color(&line.colour);
        let style = font.pos(Pos::new(HPos::Left, VPos::Center));
        canvas.draw(&Text::new(line.label.clone(), (x + 25, place), style))?;
    }
    Ok(())
}

/// Places at least `distance` apart and as near as that allows to the wanted ones, which ascend. Those that are too
/// close form a group, which is centred on what its members wanted.
fn apart(wanted: &[i32], distance: i32) -> Vec<i32> {
    // A group: the place of its first member, what its members want in sum, and how many they are.
    let mut groups: Vec<(i32, i32, i32)> = Vec::new();
    for &place in wanted {
        let mut group = (place, place, 1);
        while let Some(&(start, sum, count)) = groups.last() {
            if start + count * distance <= group.0 {
                break;
            }
            groups.pop();
            let (sum, count) = (sum + group.1, count + group.2);
            group = (sum / count - (count - 1) * distance / 2, sum, count);
        }
        groups.push(group);
    }
    groups
        .iter()
        .flat_map(|&(start, _, count)| (0..count).map(move |member| start + member * distance))
        .collect()
}

fn draw_words(canvas: &Canvas<'_>, here: &Circumstances) -> Result<(), Box<dyn std::error::Error>> {
    let text = |text: &str, size: i32, colour: &RGBColor, weight: FontStyle, y: i32| {
        let style = ("sans-serif", size).into_font().style(weight).color(colour);
        canvas.draw(&Text::new(text.to_owned(), (16, y), style))
    };
    let below = HEIGHT as i32;
    text("Slot of a key: time by key length", 23, &INK, FontStyle::Bold, 14)?;
    let second = "Hash-tag scan included everywhere. Lower is better.";
    text(second, 15, &FAINT, FontStyle::Normal, 42)?;
    let machine = format!("{}, {} cores; {}; {}", here.processor, here.cores, here.system, here.date);
    text(&machine, 13, &FAINT, FontStyle::Normal, below - 50)?;
    let made = format!(
        "{} {}; {}; medians of rounds in turns; made by {}",
        here.versions.first().map_or("", |own| &own.name),
        here.versions.first().map_or("", |own| &own.version),
        here.compiler,
        here.command
    );
    text(&made, 13, &FAINT, FontStyle::Normal, below - 28)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::Instructions;
    use crate::turns::{Plan, tests::row};

    #[test]
    fn names_keep_their_distance() {
        assert_eq!(apart(&[10, 50, 90], 18), [10, 50, 90]);
        assert_eq!(apart(&[50, 50], 18), [41, 59]);
        assert_eq!(apart(&[40, 50, 52, 200], 18), [29, 47, 65, 200]);
        let crowded = apart(&[100, 101, 102, 103, 130, 131], 18);
        assert!(crowded.windows(2).all(|pair| pair[1] - pair[0] >= 18), "{crowded:?}");
        assert!(apart(&[], 18).is_empty());
    }

    #[test]
    fn every_implementation_measured_has_a_named_line() {
        let all: Vec<String> = single::all().into_iter().map(|one| one.name).collect();
        let (short, long): (Vec<_>, Vec<_>) =
            all.iter().map(|name| ((name.as_str(), &[2.0][..]), (name.as_str(), &[70.0][..]))).unzip();
        let report = Report {
            circumstances: Circumstances::here(false),
            plan: Plan::QUICK,
            bars: Vec::new(),
            rows: vec![row("key_slot", "1", &short), row("key_slot", "1024", &long)],
            instructions: Instructions::default(),
            suites: Vec::new(),
        };
        let svg = draw(&report).unwrap();
        for one in single::all().iter().filter(|one| one.whose == Whose::Peer) {
            assert!(svg.contains(&one.name), "{}", one.name);
        }
        assert!(svg.contains("ns per key") && svg.contains("key length, bytes"));
    }

    #[test]
    fn a_report_without_figures_is_drawn_without_lines() {
        let report = Report {
            circumstances: Circumstances::here(false),
            plan: Plan::QUICK,
            bars: Vec::new(),
            rows: Vec::new(),
            instructions: Instructions::default(),
            suites: Vec::new(),
        };
        assert!(draw(&report).is_ok());
    }
}
