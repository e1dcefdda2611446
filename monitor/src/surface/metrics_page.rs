//! Lines of a page of metrics, which is untrusted: it may be another program's.

/// Name, labels and value of a line of the text format. A value that no counter can have is none.
pub(super) fn sample(line: &str) -> Option<(&str, &str, f64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once('}')?;
    let value: f64 = value.trim().parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some((name, labels, value))
}

/// The value of a label; empty without it. What is read of it here needs no escape, so it ends at the first quote.
pub(super) fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let mut rest = labels;
    while let Some((key, after)) = rest.split_once("=\"") {
        let Some((value, next)) = after.split_once('"') else {
            return "";
        };
        if key.trim_start_matches([',', ' ']) == name {
            return value;
        }
        rest = next;
    }
    ""
}
