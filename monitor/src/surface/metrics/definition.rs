//! What a metric is, and how its rows are written.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::agent::snapshot::Snapshot;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// It only grows. Its name gets the suffix `_total`.
    Counter,
    /// A current value.
    Gauge,
    /// Counts by the largest value of each bucket. Its names get the suffixes `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// A row of the table.
pub struct Definition {
    /// Name without prefix and suffix.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Names of its labels, in order.
    pub labels: &'static [&'static str],
    /// One sentence with its unit, without the full stop.
    pub help: &'static str,
    pub(super) rows: fn(&Snapshot, &mut Rows<'_, '_>) -> fmt::Result,
}

impl Definition {
    /// Name as it is exported, below this prefix.
    #[must_use]
    pub fn full_name(&self, prefix: &str) -> String {
        let suffix = match self.kind {
            Type::Counter => "_total",
            Type::Gauge | Type::Histogram => "",
        };
        format!("{prefix}_{}{suffix}", self.name)
    }

    /// The names of its series below this prefix.
    #[must_use]
    pub fn series(&self, prefix: &str) -> Vec<String> {
        let name = self.full_name(prefix);
        match self.kind {
            Type::Counter | Type::Gauge => vec![name],
            Type::Histogram => ["_bucket", "_sum", "_count"]
                .map(|suffix| format!("{name}{suffix}"))
                .into(),
        }
    }

    fn encode(&self, value: u64, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self.kind {
            Type::Counter => ConstCounter::new(value).encode(encoder),
            Type::Gauge => {
                ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder)
            }
            Type::Histogram => Err(fmt::Error),
        }
    }
}

/// Prefix of the names of [`TABLE`](super::TABLE).
pub const PREFIX: &str = "overlay";

/// Writes the rows of one metric.
pub(super) struct Rows<'a, 'b> {
    definition: &'a Definition,
    /// `None` once the only row of a metric without labels is written.
    encoder: Option<MetricEncoder<'b>>,
}

impl<'a, 'b> Rows<'a, 'b> {
    pub(super) fn new(definition: &'a Definition, encoder: MetricEncoder<'b>) -> Rows<'a, 'b> {
        Rows {
            definition,
            encoder: Some(encoder),
        }
    }

    pub(super) fn value(&mut self, values: &[&str], value: u64) -> fmt::Result {
        self.row(values, |definition, encoder| {
            definition.encode(value, encoder)
        })
    }

    /// A value that is no whole number.
    pub(super) fn number(&mut self, values: &[&str], value: f64) -> fmt::Result {
        self.row(values, |definition, encoder| match definition.kind {
            Type::Counter => ConstCounter::new(value).encode(encoder),
            Type::Gauge => ConstGauge::new(value).encode(encoder),
            Type::Histogram => Err(fmt::Error),
        })
    }

    /// The buckets of a histogram, each with the largest value in it and its own count, and the sum of all values.
    pub(super) fn buckets(
        &mut self,
        values: &[&str],
        sum: f64,
        buckets: &[(f64, u64)],
    ) -> fmt::Result {
        debug_assert_eq!(self.definition.kind, Type::Histogram);
        let count = buckets.iter().map(|(_, count)| count).sum();
        self.row(values, |_, mut encoder| {
            encoder.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
        })
    }

    /// Seconds, of a counter only.
    pub(super) fn seconds(&mut self, values: &[&str], time: Duration) -> fmt::Result {
        debug_assert_eq!(self.definition.kind, Type::Counter);
        self.row(values, |_, encoder| {
            ConstCounter::new(time.as_secs_f64()).encode(encoder)
        })
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
            // A single row, written without braces.
            let encoder = self.encoder.take().ok_or(fmt::Error)?;
            return write(self.definition, encoder);
        }
        let encoder = self.encoder.as_mut().ok_or(fmt::Error)?;
        write(self.definition, encoder.encode_family(&labels)?)
    }
}

/// A label value between the quotes of the format. The encoder does not escape it, and names of interfaces and networks
/// may hold anything.
fn quoted(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '"', '\n']) {
        return Cow::Borrowed(value);
    }
    let escaped = value.replace('\\', r"\\").replace('"', "\\\"");
    Cow::Owned(escaped.replace('\n', r"\n"))
}
