//! The last minute of a network as a small chart.

use std::fmt;

use crate::surface::html::Markup;
use crate::surface::live::{Live, rate};

/// Size of the chart, in units of its own: a second is two wide.
const WIDTH: u64 = 120;
const HEIGHT: f64 = 20.0;

/// A line of bytes in a second, both ways together, with a sentence for screen readers; nothing where there was nothing.
pub(super) fn chart(page: &mut Markup, live: &Live, vni: u32) {
    let highest = live.minute(vni).map(|(_, bytes)| bytes).fold(0.0, f64::max);
    if highest <= 0.0 {
        return;
    }
    page.element(
        "<svg class=\"minute\" viewBox=\"0 0 120 20\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"at most ",
        rate(highest),
        "\"><path d=\"M",
    );
    for (n, (before, bytes)) in live.minute(vni).enumerate() {
        let x = WIDTH.saturating_sub((before.as_secs_f64() * 2.0).round() as u64);
        let y = (HEIGHT - bytes / highest * (HEIGHT - 1.0)).round() as u64;
        page.text(Point { n, x, y });
    }
    page.raw("\"/></svg>");
}

/// A point of a path.
struct Point {
    n: usize,
    x: u64,
    y: u64,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if self.n == 0 { "" } else { " " };
        write!(f, "{between}{},{}", self.x, self.y)
    }
}
