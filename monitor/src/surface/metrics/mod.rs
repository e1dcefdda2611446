//! The metrics: one table that drives the endpoint, the documentation and the test of both.

mod networks;
mod page;
mod table;

use std::borrow::Cow;
use std::fmt;
use std::sync::Mutex;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::agent::snapshot::Snapshot;

pub use page::documentation;
pub use table::TABLE;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only ever grows. Its name gets the suffix `_total`.
    Counter,
    /// A value now.
    Gauge,
}

/// A row of the table.
pub struct Definition {
    /// Name without prefix and suffix.
    pub name: &'static str,
    /// What it is.
    pub kind: Type,
    /// Names of its labels, in order.
    pub labels: &'static [&'static str],
    /// One sentence, without the full stop.
    pub help: &'static str,
    rows: fn(&Snapshot, &mut Rows<'_, '_>) -> fmt::Result,
}

impl Definition {
    /// Name as it is exported.
    #[must_use]
    pub fn full_name(&self) -> String {
        let suffix = match self.kind {
            Type::Counter => "_total",
            Type::Gauge => "",
        };
        format!("{PREFIX}_{}{suffix}", self.name)
    }

    fn encode(&self, value: u64, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self.kind {
            Type::Counter => ConstCounter::new(value).encode(encoder),
            Type::Gauge => {
                ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder)
            }
        }
    }
}

/// Prefix of all names.
pub const PREFIX: &str = "overlay";

/// Writes the rows of one metric.
struct Rows<'a, 'b> {
    definition: &'a Definition,
    /// Gone when the only row of a metric without labels is written.
    encoder: Option<MetricEncoder<'b>>,
}

impl Rows<'_, '_> {
    fn value(&mut self, values: &[&str], value: u64) -> fmt::Result {
        self.row(values, |definition, encoder| {
            definition.encode(value, encoder)
        })
    }

    /// A part of something, 0 to 1: only of a gauge.
    fn ratio(&mut self, values: &[&str], ratio: f64) -> fmt::Result {
        debug_assert_eq!(self.definition.kind, Type::Gauge);
        self.row(values, |_, encoder| ConstGauge::new(ratio).encode(encoder))
    }

    fn row(
        &mut self,
        values: &[&str],
        write: impl FnOnce(&Definition, MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        debug_assert_eq!(values.len(), self.definition.labels.len());
        let values: Vec<Cow<'_, str>> = values.iter().copied().map(quoted).collect();
        let labels: Vec<(&str, &str)> = self
            .definition
            .labels
            .iter()
            .copied()
            .zip(values.iter().map(Cow::as_ref))
            .collect();
        if labels.is_empty() {
            // One row, written without braces.
            let encoder = self.encoder.take().ok_or(fmt::Error)?;
            return write(self.definition, encoder);
        }
        let encoder = self.encoder.as_mut().ok_or(fmt::Error)?;
        write(self.definition, encoder.encode_family(&labels)?)
    }
}

/// A label value as it stands between the quotes of the format, which the encoder does not see to: names of interfaces
/// and networks may hold anything.
fn quoted(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '"', '\n']) {
        return Cow::Borrowed(value);
    }
    let escaped = value.replace('\\', r"\\").replace('"', "\\\"");
    Cow::Owned(escaped.replace('\n', r"\n"))
}

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
            (definition.rows)(
                &snapshot,
                &mut Rows {
                    definition,
                    encoder: Some(encoder),
                },
            )?;
        }
        Ok(())
    }
}

/// Content type of [`encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A snapshot in the OpenMetrics text format, which Prometheus reads.
///
/// # Errors
/// A formatting error; there is no input for which that is known to happen.
pub fn encode(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Encoder(Mutex::new(snapshot))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
