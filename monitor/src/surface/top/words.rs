//! Text of a page as it may stand on a terminal: printable ASCII only, of bounded length, and numbers in few columns.

/// The text, in which everything that a terminal could take for more is a `?`.
pub(super) fn plain(text: &str, max: usize) -> String {
    let shown = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    text.chars().take(max).map(shown).collect()
}

/// Bytes in a second, in at most eight columns.
pub(super) fn rate(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"];
    let (mut value, mut unit) = (bytes.max(0.0), 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A minute in characters that every font has: a blank is nothing, `#` the highest of the minute.
pub(super) fn sparkline(values: impl ExactSizeIterator<Item = f64>, columns: usize) -> String {
    const LEVELS: &[u8] = b" .:-=+*#";
    let all: Vec<f64> = values.collect();
    let highest = all.iter().copied().fold(0.0, f64::max);
    let for_each = all.len().div_ceil(columns.max(1)).max(1);
    let of = |part: &[f64]| {
        let value = part.iter().copied().fold(0.0, f64::max);
        let most = (LEVELS.len() - 1) as f64;
        let level = if highest > 0.0 {
            (value / highest * most).ceil()
        } else {
            0.0
        };
        char::from(LEVELS[(level as usize).min(LEVELS.len() - 1)])
    };
    let text: String = all.chunks(for_each).map(of).collect();
    format!("{text:>columns$}")
}
