//! Packets on the wire, and how many there were.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::metrics::{Count, Metrics};
use crate::vm::remote::Remote;

/// The networks.
pub(super) const VNIS: [u32; 4] = [101, 102, 103, 104];
/// Packets a second, of each network and direction, of the sender that does not end by itself.
const RATE: u32 = 600;
/// The same of one that sends a number: all there is.
const ANY_RATE: u32 = 1_000_000;
/// Until what was sent has arrived.
const LIMIT: Duration = Duration::from_secs(1800);
/// Bytes of the Ethernet header, which nftables does not count where it looks.
const ETHERNET: u64 = 14;
const DIRECTIONS: [&str; 2] = ["rx", "tx"];

/// What crossed `eth0`, by direction and VNI.
pub(super) type Crossed = BTreeMap<(&'static str, u32), Count>;

/// Makes the wire and the counters.
pub(super) fn lay_wire(machine: &mut Remote) -> Result<()> {
    machine.sh(&with_vnis(include_str!("wire.sh"))).map(drop)
}

/// Sends so many packets, as many of each network and direction, and waits for the end.
pub(super) fn send(machine: &mut Remote, count: u64) -> Result<()> {
    let each = count.div_ceil(DIRECTIONS.len() as u64 * VNIS.len() as u64);
    // To the generator, 0 is without an end.
    start(machine, each.max(1), ANY_RATE)?;
    wait(machine)
}

/// Starts to send without an end.
pub(super) fn begin(machine: &mut Remote) -> Result<()> {
    start(machine, 0, RATE)
}

/// Ends it.
pub(super) fn end(machine: &mut Remote) -> Result<()> {
    let stop = "echo stop >/proc/net/pktgen/pgctrl";
    machine.sh(&format!("{stop}; ip netns exec far bash -c '{stop}'"))?;
    wait(machine)
}

fn start(machine: &mut Remote, count: u64, rate: u32) -> Result<()> {
    let script = with_vnis(include_str!("send.sh"))
        .replace("COUNT", &count.to_string())
        .replace("RATE", &rate.to_string());
    machine.sh(&script).map(drop)
}

fn wait(machine: &mut Remote) -> Result<()> {
    let script = "until [ -e /run/sent ]; do sleep 0.2; done; sleep 0.5";
    match machine.run(script, LIMIT)? {
        (0, _) => Ok(()),
        (code, text) => bail!("waiting for the sender ended with {code}: {text}"),
    }
}

fn with_vnis(script: &str) -> String {
    script.replace("VNIS", &VNIS.map(|vni| vni.to_string()).join(" "))
}

/// What nftables has counted, from the Ethernet header on.
pub(super) fn crossed(machine: &mut Remote) -> Result<Crossed> {
    counters(&machine.sh("nft -j list counters")?)
}

fn counters(json: &str) -> Result<Crossed> {
    let listed: Value = serde_json::from_str(json).context("nft lists no JSON")?;
    let objects = listed["nftables"]
        .as_array()
        .context("nft lists no objects")?;
    let find = |name: &str| {
        let mut counters = objects.iter().map(|object| &object["counter"]);
        let counter = counters.find(|counter| counter["name"] == name)?;
        let packets = counter["packets"].as_u64()?;
        Some(Count {
            packets,
            bytes: counter["bytes"].as_u64()? + ETHERNET * packets,
        })
    };
    let mut all = Crossed::new();
    for direction in DIRECTIONS {
        for vni in VNIS {
            let count = find(&format!("{direction}{vni}"))
                .with_context(|| format!("nft has no counter for {direction} of VNI {vni}"))?;
            all.insert((direction, vni), count);
        }
    }
    Ok(all)
}

/// Packets that the device itself counted in both directions, with those that it dropped because the other end had no room: they were
/// counted before.
pub(super) fn of_device(machine: &mut Remote) -> Result<u64> {
    let text =
        machine.sh("cd /sys/class/net/eth0/statistics; cat rx_packets tx_packets tx_dropped")?;
    let numbers: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
    Ok(numbers
        .context("the device's counters are numbers")?
        .iter()
        .sum())
}

/// What the agent has counted, by its page.
pub(super) fn of_agent(page: &Metrics) -> Crossed {
    let of = |(direction, vni): (&'static str, u32)| {
        let labels = [("direction", direction), ("vni", &vni.to_string())];
        ((direction, vni), page.count("", &labels))
    };
    let all = DIRECTIONS
        .into_iter()
        .flat_map(|direction| VNIS.map(|vni| (direction, vni)));
    all.map(of).collect()
}

/// What came since `before`.
pub(super) fn since(before: &Crossed, now: &Crossed) -> BTreeMap<(&'static str, u32), [i128; 2]> {
    let difference = |now: u64, before: u64| i128::from(now) - i128::from(before);
    let of = |(key, now): (&(&'static str, u32), &Count)| {
        let before = before.get(key).copied().unwrap_or_default();
        let both = [
            difference(now.packets, before.packets),
            difference(now.bytes, before.bytes),
        ];
        (*key, both)
    };
    now.iter().map(of).collect()
}

/// The packets of all directions and networks.
pub(super) fn packets(crossed: &Crossed) -> u64 {
    crossed.values().map(|count| count.packets).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_nftables_are_read() {
        let counters_of = |direction: &str| {
            let counter = |vni: &u32| {
                format!(
                    r#"{{"counter": {{"name": "{direction}{vni}", "packets": 2, "bytes": 100}}}}"#
                )
            };
            VNIS.iter().map(counter).collect::<Vec<_>>().join(",")
        };
        let json = |directions: &[&str]| {
            let all: Vec<String> = directions.iter().map(|way| counters_of(way)).collect();
            format!(r#"{{"nftables": [{}]}}"#, all.join(","))
        };
        let crossed = counters(&json(&["rx", "tx"])).unwrap();
        let count = |bytes| Count { packets: 2, bytes };
        assert_eq!(crossed[&("rx", 101)], count(128));
        assert_eq!(crossed[&("tx", 104)], count(128));
        assert_eq!(packets(&crossed), 16);
        assert_eq!(
            since(&crossed, &Crossed::from([(("tx", 104), count(118))]))[&("tx", 104)],
            [0, -10]
        );
        counters(&json(&["rx"])).unwrap_err();
    }
}
