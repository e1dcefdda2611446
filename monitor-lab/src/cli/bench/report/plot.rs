//! The plot, an SVG file: a bar for each row, with its interval and its goal.

use std::fmt::Write;

use super::median::Median;
use super::part::{Part, Report, Row, Unit};

const WIDTH: f64 = 980.0;
const LABELS: f64 = 520.0;
const NUMBERS: f64 = 90.0;
const LINE: f64 = 18.0;
const TITLE: f64 = 44.0;

/// Colours for light and dark pages; the browser selects them.
const STYLE: &str = "text{font:12px sans-serif;fill:#222}.h{font-weight:bold;font-size:14px}.n{fill:#555}\
    .bar{fill:#4878a8}.whisker{stroke:#222;stroke-width:1.5}.goal{stroke:#c03028;stroke-width:2}\
    .axis{stroke:#999}.page{fill:#fff}\
    @media(prefers-color-scheme:dark){text{fill:#ddd}.n{fill:#aaa}.whisker{stroke:#ddd}.goal{stroke:#ff7060}\
    .page{fill:#181818}}";

/// An SVG document of this height with a page in the colours of the browser's scheme.
pub(crate) fn document(title: &str, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n{body}</svg>\n",
        escaped(title)
    )
}

/// A heading at this height.
pub(crate) fn heading(svg: &mut String, y: f64, content: &str) {
    text(svg, 8.0, y, "h", content);
}

/// A small line of text at this height.
pub(crate) fn note(svg: &mut String, y: f64, content: &str) {
    text(svg, 8.0, y, "n", content);
}

/// A bar with its label, its interval and its value as text.
pub(crate) struct Bar<'a> {
    pub(crate) label: &'a str,
    pub(crate) measured: Median,
    /// The value at the right edge.
    pub(crate) most: f64,
    pub(crate) value: &'a str,
}

/// Draws a bar at this height.
pub(crate) fn bar(svg: &mut String, y: f64, bar: &Bar<'_>) {
    let x = |value: f64| position(value, bar.most);
    text(svg, 8.0, y, "", &shortened(bar.label));
    let _ = writeln!(
        svg,
        "<rect class=\"bar\" x=\"{LABELS}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
        y - 10.0,
        x(bar.measured.median) - LABELS,
        LINE - 6.0
    );
    line(
        svg,
        "whisker",
        (x(bar.measured.low), y - 4.0),
        (x(bar.measured.high), y - 4.0),
    );
    text(svg, WIDTH - NUMBERS + 10.0, y, "n", bar.value);
}

/// Where a value is from left to right, if `most` is at the right edge.
fn position(value: f64, most: f64) -> f64 {
    LABELS + (WIDTH - LABELS - NUMBERS) * (value / most).clamp(0.0, 1.0)
}

/// Draws all parts, one below the other. Returns an SVG document.
pub(crate) fn draw(report: &Report) -> String {
    let height: f64 = report.parts.iter().map(height).sum::<f64>() + 40.0;
    let mut body = String::new();
    let mut top = 0.0;
    for part in &report.parts {
        draw_part(&mut body, part, top);
        top += height_of(part.rows.len());
    }
    note(
        &mut body,
        top + 20.0,
        &format!(
            "Bar: median. Line: 95 % confidence interval. Red: goal (at the right edge: beyond it). Linux {}, {}, {}",
            report.machine.kernel, report.machine.processor, report.machine.date
        ),
    );
    document("What overlay-monitor costs", height, &body)
}

fn height(part: &Part) -> f64 {
    height_of(part.rows.len())
}

fn height_of(rows: usize) -> f64 {
    TITLE + LINE * rows as f64
}

fn draw_part(svg: &mut String, part: &Part, top: f64) {
    let unit = match part.unit {
        Unit::AddedNanoseconds => "added per packet, in look-ups in a per-CPU hash",
        Unit::Ratio => "share of the rate that remains",
        Unit::Value => "in the unit of each row",
    };
    heading(svg, top + 24.0, &format!("{}: {unit}", part.title));
    let most = part
        .rows
        .iter()
        .map(reach)
        .fold(0.0, f64::max)
        .max(f64::MIN_POSITIVE);
    for (index, row) in part.rows.iter().enumerate() {
        let y = top + TITLE + LINE * index as f64;
        draw_row(svg, row, y, most);
    }
    let bottom = top + height(part) - 2.0;
    let _ = writeln!(
        svg,
        "<line class=\"axis\" x1=\"{LABELS}\" y1=\"{:.1}\" x2=\"{LABELS}\" y2=\"{bottom:.1}\"/>",
        top + TITLE - 10.0
    );
}

fn draw_row(svg: &mut String, row: &Row, y: f64, most: f64) {
    let measured = row.look_ups.unwrap_or(row.measured);
    bar(
        svg,
        y,
        &Bar {
            label: &format!("{}: {}; {}", row.hook, row.case, row.features),
            measured,
            most,
            value: &format!("{:.2}", measured.median),
        },
    );
    if let Some(goal) = row.goal {
        let x = position(goal, most);
        line(svg, "goal", (x, y - 12.0), (x, y + 4.0));
    }
}

/// Right end of a row's interval, and 20 % more so that a goal beyond it is visible.
fn reach(row: &Row) -> f64 {
    1.2 * row.look_ups.unwrap_or(row.measured).high
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, content: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        escaped(content)
    );
}

/// Cuts a label to the width of its column.
fn shortened(label: &str) -> String {
    const MOST: usize = 84;
    if label.chars().count() <= MOST {
        return label.to_owned();
    }
    label.chars().take(MOST - 1).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 cannot represent control characters.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::super::part::tests::report;
    use super::*;

    #[test]
    fn the_plot_is_well_formed_and_has_every_row() {
        let report = report();
        let svg = draw(&report);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let count = |class: &str| {
            let all = document.descendants();
            all.filter(|node| node.attribute("class") == Some(class))
                .count()
        };
        let rows: Vec<_> = report.parts.iter().flat_map(|part| &part.rows).collect();
        assert_eq!(count("bar"), rows.len());
        assert_eq!(
            count("goal"),
            rows.iter().filter(|row| row.goal.is_some()).count()
        );
        assert!(
            document.descendants().any(|node| node
                .text()
                .is_some_and(|text| text.contains("IPv4 <VXLAN> & more"))),
            "{svg}"
        );
        let root = document.root_element();
        for bar in document
            .descendants()
            .filter(|node| node.attribute("class") == Some("bar"))
        {
            let number = |name: &str| bar.attribute(name).unwrap().parse::<f64>().unwrap();
            assert!(number("width") >= 0.0 && number("x") + number("width") <= WIDTH);
        }
        assert!(root.attribute("height").unwrap().parse::<f64>().unwrap() > 0.0);
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(escaped("a\u{1b}[2J<"), "a [2J&lt;");
    }
}
