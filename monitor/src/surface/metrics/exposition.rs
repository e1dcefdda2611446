//! The metrics page, in the OpenMetrics text format.

use std::fmt;
use std::sync::Mutex;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::definition::{PREFIX, Rows, Type};
use super::table::TABLE;
use crate::agent::snapshot::Snapshot;

struct Encoder(Mutex<Snapshot>);

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

impl Collector for Encoder {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(snapshot) = self.0.lock() else {
            return Err(fmt::Error);
        };
        for definition in TABLE {
            let kind = match definition.kind {
                Type::Counter => MetricType::Counter,
                Type::Gauge => MetricType::Gauge,
            };
            let encoder =
                encoder.encode_descriptor(definition.name, definition.help, None, kind)?;
            (definition.rows)(&snapshot, &mut Rows::new(definition, encoder))?;
        }
        Ok(())
    }
}

/// Content type of [`encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A snapshot in the OpenMetrics text format, which Prometheus reads.
///
/// # Errors
/// A formatting error; no input is known to cause one.
pub fn encode(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Encoder(Mutex::new(snapshot))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
