//! Metrics that the documents name are in the table.

use monitor::surface::metrics::TABLE;
use monitor::surface::metrics::definition::PREFIX;

/// Documents that name metrics.
const DOCUMENTS: [&str; 7] = [
    "README.md",
    "docs/architecture.md",
    "docs/causes.md",
    "docs/configuration.md",
    "docs/costs.md",
    "docs/hooks.md",
    "docs/overlays.md",
];
/// What also begins like a metric: the kernel programs.
const PROGRAMS: [&str; 3] = ["overlay_tc_", "overlay_xdp", "overlay_esp_sent"];

#[test]
fn every_metric_that_is_named_exists() {
    let names = TABLE.iter().flat_map(|row| {
        let mut names = row.series(PREFIX);
        names.push(row.full_name(PREFIX));
        names
    });
    let names: Vec<String> = names.collect();
    let mut named = 0;
    for document in DOCUMENTS {
        let text = super::document(document);
        let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
        let words = text.split(|c| !is_part(c));
        for word in words.filter(|word| word.starts_with("overlay_")) {
            if PROGRAMS.iter().any(|program| word.starts_with(program)) {
                continue;
            }
            assert!(names.iter().any(|name| name == word), "{document}: {word}");
            named += 1;
        }
    }
    assert!(named > 20, "only {named} names were found");
}
