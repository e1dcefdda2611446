//! The rows of the table at the end of the demo. They are data, so that one run can hand them on to the next.

use serde::{Deserialize, Serialize};

use super::seen::Seen;
use super::steps::Step;

/// The row of a step.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    /// Number and short name of the step.
    pub(super) step: String,
    /// Encapsulations and protocols that crossed the wire.
    pub(super) wire: String,
    /// Packets of each of those, in the same order.
    pub(super) packets: String,
    /// What anyone on the wire can read.
    pub(super) readable: String,
    /// What was expected: a word.
    pub(super) expected: String,
    /// What was seen: a word.
    pub(super) seen: String,
    /// Whether all checks of the step passed.
    pub(super) passed: bool,
}

/// Stands in a cell that is empty.
const NONE: &str = "–";

impl Row {
    /// The row of a step that was run.
    pub(super) fn new(step: &Step, seen: &Seen, passed: bool) -> Self {
        let total = seen.wire.rx_packets + seen.wire.tx_packets;
        let (vxlan, esp) = (seen.counts.vxlan.packets(), seen.counts.esp.packets());
        let published = if seen.samples.iter().any(|sample| sample.protocol == "tls") {
            "TLS"
        } else {
            "TCP"
        };
        let rest = total.saturating_sub(vxlan + esp);
        let (names, packets): (Vec<_>, Vec<_>) =
            [("VXLAN", vxlan), ("ESP", esp), (published, rest)]
                .into_iter()
                .filter(|(_, packets)| *packets > 0)
                .map(|(name, packets)| (name.to_owned(), packets.to_string()))
                .unzip();
        let readable = seen.readable();
        let (readable, word) = if readable.is_empty() {
            (NONE.to_owned(), "nothing")
        } else {
            (readable.join(", "), "readable")
        };
        Self {
            step: name(step),
            wire: names.join(" + "),
            packets: packets.join(" + "),
            readable,
            expected: step.expected.word().to_owned(),
            seen: word.to_owned(),
            passed,
        }
    }

    /// The row of a step that this kernel cannot run.
    pub(super) fn not_shown(step: &Step) -> Self {
        Self {
            step: name(step),
            wire: NONE.to_owned(),
            packets: NONE.to_owned(),
            readable: NONE.to_owned(),
            expected: step.expected.word().to_owned(),
            seen: "no ESP here".to_owned(),
            passed: false,
        }
    }
}

fn name(step: &Step) -> String {
    format!("{} {}", step.number, step.short)
}
