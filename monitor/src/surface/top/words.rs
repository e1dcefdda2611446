//! A minute in one line of a terminal.

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
