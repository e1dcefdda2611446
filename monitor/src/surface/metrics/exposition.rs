//! The metrics page, in the formats that Prometheus reads.

use std::fmt;
use std::sync::{Arc, Mutex};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::definition::{Definition, PREFIX, Rows, Type};
use super::process_table::{PROCESS, PROCESS_TABLE};
use super::table::TABLE;
use crate::agent::snapshot::Snapshot;

/// All metrics, by the prefix of their names.
pub const TABLES: [(&str, &[Definition]); 2] = [(PREFIX, TABLE), (PROCESS, PROCESS_TABLE)];

struct Encoder {
    snapshot: Arc<Mutex<Snapshot>>,
    table: &'static [Definition],
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

impl Collector for Encoder {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(snapshot) = self.snapshot.lock() else {
            return Err(fmt::Error);
        };
        for definition in self.table {
            let kind = match definition.kind {
                Type::Counter => MetricType::Counter,
                Type::Gauge => MetricType::Gauge,
                Type::Histogram => MetricType::Histogram,
            };
            let encoder =
                encoder.encode_descriptor(definition.name, definition.help, None, kind)?;
            (definition.rows)(&snapshot, &mut Rows::new(definition, encoder))?;
        }
        Ok(())
    }
}

/// A format of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Its content type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A snapshot as a page.
///
/// # Errors
/// A formatting error; no input is known to cause one.
pub fn encode(snapshot: Snapshot, format: Format) -> Result<String, fmt::Error> {
    let snapshot = Arc::new(Mutex::new(snapshot));
    let mut page = String::new();
    for (prefix, table) in TABLES {
        let snapshot = Arc::clone(&snapshot);
        let mut registry = Registry::with_prefix(prefix);
        registry.register_collector(Box::new(Encoder { snapshot, table }));
        encode_registry(&mut page, &registry)?;
    }
    match format {
        Format::OpenMetrics => encode_eof(&mut page)?,
        Format::Text => page = with_whole_names(&page),
    }
    Ok(page)
}

/// The page in the text format: there the lines before a counter's rows have its name with `_total`.
fn with_whole_names(page: &str) -> String {
    let mut text = String::with_capacity(page.len() + (4 << 10));
    for line in page.split_inclusive('\n') {
        let mut words = line.splitn(4, ' ');
        let (Some("#"), Some(what), Some(name), Some(rest)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            text.push_str(line);
            continue;
        };
        let whole = TABLES.iter().find_map(|(prefix, table)| {
            let short = name.strip_prefix(prefix)?.strip_prefix('_')?;
            let row = table.iter().find(|row| row.name == short)?;
            Some(row.full_name(prefix))
        });
        let whole = whole.as_deref().unwrap_or(name);
        text.push_str("# ");
        for part in [what, " ", whole, " ", rest] {
            text.push_str(part);
        }
    }
    text
}

#[cfg(test)]
mod tests;
