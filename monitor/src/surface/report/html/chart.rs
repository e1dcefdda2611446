//! Charts: SVG inside the page, coloured by its style sheet, with a sentence for screen readers.

use crate::surface::html::Markup;
use crate::surface::numbers::{bytes, percent};
use crate::surface::report::Timeline;
use crate::surface::report::shares::Shares;

/// Shares in the order in which they are drawn: name, class, and which.
type Part = (&'static str, &'static str, fn(&Shares) -> u64);
const PARTS: [Part; 4] = [
    ("readable", "s-readable", |shares| shares.readable),
    ("unknown", "s-unknown", |shares| shares.unknown),
    ("encrypted end to end", "s-encrypted", |shares| {
        shares.encrypted
    }),
    ("in ESP", "s-esp", |shares| shares.in_esp),
];

/// Patterns, so that the parts also differ without colour. Once in a page, before the first chart.
pub(super) fn patterns(page: &mut Markup) {
    page.raw(
        "<svg class=\"defs\" aria-hidden=\"true\" focusable=\"false\"><defs>\
         <pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect class=\"p-readable\" width=\"6\" height=\"6\"/><line class=\"p-hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern>\
         <pattern id=\"dots\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
         <rect class=\"p-unknown\" width=\"6\" height=\"6\"/><circle class=\"p-dot\" cx=\"3\" cy=\"3\" r=\"1\"/></pattern>\
         </defs></svg>\n",
    );
}

/// The legend of the colours.
pub(super) fn legend(page: &mut Markup) {
    page.raw("<ul class=\"legend\">");
    for (name, class, _) in PARTS {
        page.raw("<li><svg aria-hidden=\"true\" focusable=\"false\"><rect width=\"100%\" height=\"100%\" class=\"")
            .raw(class)
            .element("\"/></svg>", name, "</li>");
    }
    page.raw("</ul>\n");
}

/// One bar: the parts of all bytes.
pub(super) fn bar(page: &mut Markup, shares: &Shares) {
    let total = shares.total();
    page.raw("<svg class=\"bar\" role=\"img\" aria-label=\"");
    for (n, (name, _, of)) in PARTS.iter().enumerate() {
        page.text(if n == 0 { "" } else { ", " });
        page.text(format_args!("{} {name}", percent(of(shares), total)));
    }
    page.raw("\">");
    let mut at = 0.0;
    for (_, class, of) in PARTS {
        if of(shares) == 0 {
            continue;
        }
        // Even the smallest part is visible.
        let width = (100.0 * of(shares) as f64 / total as f64).max(0.4);
        page.element("<rect height=\"100%\" x=\"", Hundredths(at), "%\"");
        page.element(" width=\"", Hundredths(width), "%\" class=\"");
        page.raw(class).raw("\"/>");
        at += width;
    }
    page.raw("</svg>\n");
}

/// Bytes of each span of time, stacked.
pub(super) fn timeline(page: &mut Markup, timeline: &Timeline) {
    let highest = timeline.highest();
    if highest == 0 || timeline.spans.len() < 2 {
        return;
    }
    let span = timeline.span.as_secs_f64();
    let per_second = bytes((highest as f64 / span) as u64);
    let width = 100.0 / timeline.spans.len() as f64;
    page.raw("<figure><figcaption>Bytes over time; at most ")
        .text(&per_second)
        .raw("/s over ")
        .text(format_args!("{span:.0} s"))
        .raw("</figcaption>\n<svg class=\"time\" role=\"img\" aria-label=\"Bytes over time, by exposure: at most ")
        .text(&per_second)
        .raw(" a second\">");
    for (n, shares) in timeline.spans.iter().enumerate() {
        let mut above = 100.0;
        for (_, class, of) in PARTS {
            let height = 100.0 * of(shares) as f64 / highest as f64;
            if height == 0.0 {
                continue;
            }
            above -= height;
            page.element("<rect x=\"", Hundredths(width * n as f64), "%\"");
            page.element(" width=\"", Hundredths(width * 0.86), "%\"");
            page.element(" y=\"", Hundredths(above), "%\"");
            page.element(" height=\"", Hundredths(height), "%\" class=\"");
            page.raw(class).raw("\"/>");
        }
    }
    let end = span * timeline.spans.len() as f64;
    page.raw("</svg>\n<div class=\"ends\"><span>0 s</span><span>")
        .text(format_args!("{end:.0} s"))
        .raw("</span></div></figure>\n");
}

/// A length in percent.
struct Hundredths(f64);

impl std::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2}", self.0.max(0.0))
    }
}
