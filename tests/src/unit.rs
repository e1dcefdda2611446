//! The unit for systemd.

/// Its path.
pub const UNIT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/systemd/overlay-monitor.service"
);

/// The values of a key, in the order of their lines.
#[must_use]
pub fn values(key: &str) -> Vec<String> {
    let unit = std::fs::read_to_string(UNIT).unwrap();
    let values = unit
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.map(str::to_owned).collect()
}

/// The environment that it sets: names and values.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let pairs = values("Environment").into_iter();
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}
