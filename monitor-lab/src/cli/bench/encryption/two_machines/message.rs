//! What both machines say to each other. Everything is bounded, and checked where it could do harm: a machine that knows
//! the token may still be a broken one.

use std::net::Ipv4Addr;

use anyhow::{bail, ensure};
use monitor_lab::{Association, Cipher, Mac, Via};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::card::Card;
use crate::cli::bench::encryption::far::Reading;
use crate::cli::bench::encryption::load::Load;
use crate::cli::bench::encryption::measured::Measured;
use crate::cli::bench::encryption::report::{Facts, Run};
use crate::cli::bench::encryption::way::Way;
use crate::cli::bench::report::Machine;

/// Both machines must have the same.
pub(super) const VERSION: u32 = 1;
/// Most streams of one load.
const STREAMS: usize = 64;
/// Most bytes of a device's MTU.
const MTU: u32 = 9000;
/// Longest text.
const TEXT: usize = 1000;

/// What is known of a machine before anything is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Introduction {
    pub(super) version: u32,
    pub(super) machine: Machine,
    pub(super) card: Card,
    pub(super) via: Via,
    /// For each way, in the order of [`Way::ALL`].
    pub(super) macs: Vec<Mac>,
    /// Public key of WireGuard, unless the machine has none.
    pub(super) wireguard: Option<String>,
}

impl Introduction {
    /// Refuses what cannot be worked with.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.version == VERSION,
            "the other machine's overlay-lab is of another version"
        );
        ensure!(
            self.macs.len() == Way::ALL.len(),
            "a MAC address is missing"
        );
        // It becomes an argument of a program.
        let is_key = |key: &String| {
            key.len() == 44
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        };
        ensure!(
            self.wireguard.as_ref().is_none_or(is_key),
            "the public key of WireGuard is none"
        );
        Ok(())
    }
}

/// The first message, from the machine with the clients.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hello {
    pub(super) introduction: Introduction,
    pub(super) run: Run,
    /// Seconds after which both end.
    pub(super) limit: u64,
}

/// What the listener has chosen.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    pub(super) vni: u32,
    /// The nodes' addresses: two for each way, from this one on.
    pub(super) first: Ipv4Addr,
    pub(super) prefix: u8,
    /// Keys and SPIs of each cipher: from the listener, and to it.
    pub(super) associations: Vec<(Cipher, [Association; 2])>,
}

impl Choice {
    /// Refuses what cannot be worked with.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(self.vni < 1 << 24, "a VNI has 24 bits");
        ensure!((1..=30).contains(&self.prefix), "a subnet of another size");
        ensure!(
            self.associations.len() == Cipher::ALL.len(),
            "the keys of a cipher are missing"
        );
        for (cipher, both) in &self.associations {
            ensure!(
                both.iter().all(|association| association.fits(*cipher)),
                "a key of another length"
            );
        }
        Ok(())
    }

    /// The associations of a cipher: from the listener, and to it.
    pub(super) fn associations(&self, cipher: Cipher) -> Option<&[Association; 2]> {
        let mut all = self.associations.iter();
        all.find(|(other, _)| *other == cipher)
            .map(|(_, both)| both)
    }

    /// All SPIs.
    pub(super) fn spis(&self) -> impl Iterator<Item = u32> {
        let both = self.associations.iter().flat_map(|(_, both)| both);
        both.map(|association| association.spi)
    }
}

/// The answer to [`Hello`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Welcome {
    /// Go on.
    Welcome(Box<(Introduction, Choice)>),
    /// Why not.
    Refused(String),
}

/// What the listener is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Set a way up.
    Build(Way),
    /// Take it down again.
    LeaveOut(Way, String),
    OpenTcp(Way, usize),
    OpenUdp(Way, Vec<u16>, bool),
    Read(Way),
    Close(Way),
    Mtu(Way, u32),
    /// For the listener's own report.
    Facts(Way, Box<Facts>),
    Measured(Way, Load, Box<Measured>),
    /// All rounds are over: their number, and the seconds of the whole.
    Done(u32, f64),
    /// The machine with the clients cannot go on.
    Refuse(String),
}

impl Request {
    /// Refuses what would need more than is reasonable.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match self {
            Self::OpenTcp(_, streams) => {
                ensure!((1..=STREAMS).contains(streams), "{streams} streams")
            }
            Self::OpenUdp(_, ports, _) => {
                ensure!(
                    (1..=STREAMS).contains(&ports.len()),
                    "{} flows",
                    ports.len()
                );
            }
            Self::Mtu(_, mtu) => ensure!((576..=MTU).contains(mtu), "an MTU of {mtu}"),
            Self::Facts(_, facts) => facts.check()?,
            Self::Measured(way, load, measured) => {
                ensure!(load.is_known() && load.applies_to(*way), "an unknown load");
                measured.check()?;
            }
            Self::Done(_, seconds) => ensure!(seconds.is_finite(), "endless"),
            Self::Build(_)
            | Self::LeaveOut(..)
            | Self::Read(_)
            | Self::Close(_)
            | Self::Refuse(_) => {}
        }
        Ok(())
    }
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It is set up; the driver that encrypts there.
    Built(Option<String>),
    /// It cannot be, and why.
    LeftOut(String),
    Ports(Vec<u16>),
    Reading(Reading),
    Closed(u64),
    Done,
    /// It has failed, and the listener ends.
    Failed(String),
}

/// Makes all text of a message printable: errors of programs have line breaks.
pub(super) fn make_printable(value: &mut Value) {
    match value {
        Value::String(text) => {
            let printable = text
                .chars()
                .map(|c| if is_printable(c) { c } else { ' ' })
                .take(TEXT);
            *text = printable.collect();
        }
        Value::Array(values) => values.iter_mut().for_each(make_printable),
        Value::Object(members) => members.values_mut().for_each(make_printable),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Refuses a message whose text could move a cursor or is too long. It is printed and written to files.
pub(super) fn check_text(value: &Value) -> anyhow::Result<()> {
    let check = |text: &str| -> anyhow::Result<()> {
        if text.len() > TEXT || !text.chars().all(is_printable) {
            bail!("the other machine sent text that is not printable, or too long");
        }
        Ok(())
    };
    match value {
        Value::String(text) => check(text),
        Value::Array(values) => values.iter().try_for_each(check_text),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            check(name)?;
            check_text(value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn is_printable(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_bounded() {
        let ok = |request: Request| request.check().is_ok();
        let way = Way::Vxlan;
        assert!(ok(Request::OpenTcp(way, 64)) && !ok(Request::OpenTcp(way, 65)));
        assert!(!ok(Request::OpenTcp(way, 0)));
        assert!(!ok(Request::OpenUdp(way, vec![1; 65], true)));
        assert!(ok(Request::Mtu(way, 1500)) && !ok(Request::Mtu(way, 65_535)));
        assert!(!ok(Request::Done(1, f64::INFINITY)));
        for wrong in [
            json!({"Build": "Nothing"}),
            json!({"OpenTcp": ["Vxlan", -1]}),
            json!({"Run": "rm"}),
            json!(1),
        ] {
            assert!(serde_json::from_value::<Request>(wrong).is_err());
        }
    }

    #[test]
    fn measurements_that_cannot_be_are_refused() {
        let request = |seconds: f64, lost: u64, load: &Value| {
            let measured = json!({"seconds": seconds, "carried": {"Bytes": 1000},
                "used": {"cpu": {"busy": 0.1, "interrupts": 0.1}, "receiver": null, "dropped": 0,
                    "wire": {"rx_packets": 1, "rx_bytes": 1, "rx_dropped": 0, "tx_packets": 1,
                        "tx_bytes": 1, "tx_dropped": 0}},
                "lost": lost, "latency": null});
            let request = json!({"Measured": ["Vxlan", load, measured]});
            serde_json::from_value::<Request>(request).unwrap().check()
        };
        let load = json!({"Tcp": {"streams": 1}});
        request(1.0, 0, &load).unwrap();
        assert!(request(0.0, 0, &load).is_err());
        assert!(request(1.0, u64::MAX, &load).is_err());
        assert!(request(1.0, 0, &json!({"Tcp": {"streams": 2}})).is_err());
    }
}
