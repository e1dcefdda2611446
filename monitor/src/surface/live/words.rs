//! Text as it may stand on a terminal, and numbers in few columns.

use crate::surface::numbers::percent;

/// The text, in which everything that a terminal could take for more than printable ASCII is a `?`.
#[must_use]
pub fn plain(text: &str, max: usize) -> String {
    let shown = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    text.chars().take(max).map(shown).collect()
}

/// A network's name, which is fit to be shown, and its VNI; `VNI 4096` without a name.
pub(in crate::surface) fn title(vni: u32, name: &str) -> String {
    match name {
        "" => format!("VNI {vni}"),
        name => format!("{name} (VNI {vni})"),
    }
}

/// Bytes in a second, in at most eight columns.
pub(in crate::surface) fn rate(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"];
    let (mut value, mut unit) = (bytes.max(0.0), 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A part of a whole, in percent; `-` where there is no whole.
pub(in crate::surface) fn share(share: Option<f64>) -> String {
    const PARTS: f64 = 1e6;
    share.map_or_else(
        || "-".to_owned(),
        |share| percent((share * PARTS).ceil() as u64, PARTS as u64),
    )
}
