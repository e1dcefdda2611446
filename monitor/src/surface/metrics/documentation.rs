//! The metrics as a page of the documentation.

use super::definition::Type;
use super::exposition::TABLES;

/// The page `docs/metrics.md`, from the table.
#[must_use]
pub fn documentation() -> String {
    let mut page = String::from(
        "# Metrics\n\nGenerated from the tables in `monitor/src/surface/metrics/`; a test compares the two.\n\
         `direction` is `rx` or `tx`. Counts are exact, and read from the kernel at the scrape.\n\n\
         | metric | type | labels | what it is |\n| --- | --- | --- | --- |\n",
    );
    let rows = TABLES
        .iter()
        .flat_map(|(prefix, table)| table.iter().map(move |row| (prefix, row)));
    for (prefix, row) in rows {
        let kind = match row.kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        let labels = row.labels.join(", ");
        page.push_str(&format!(
            "| `{}` | {kind} | {labels} | {} |\n",
            row.full_name(prefix),
            row.help
        ));
    }
    page.push_str(
        "\nReasons of `overlay_unparsed_packets_total`:\n\n| reason | why |\n| --- | --- |\n",
    );
    for reason in monitor_common::reason::Reason::ALL {
        page.push_str(&format!(
            "| `{}` | {} |\n",
            reason.label(),
            reason.explanation()
        ));
    }
    page
}
