//! Independent counts of the same packets: nftables, per VNI.

use std::collections::BTreeMap;

use monitor_lab::Host;
use serde_json::Value;

/// Room in nftables' set.
const VNIS: u32 = 65_535;

/// Counts what `eth0` of a host receives of each VNI, behind the programs under test, and drops the VXLAN
/// packets then, since no process there receives them.
pub fn count_vnis(host: &Host) {
    // `@th,96,24` is the VNI: 8 bytes of UDP and 4 of VXLAN flags behind the start of the UDP header
    // (RFC 7348).
    let set = format!("{{ typeof @th,96,24; size {VNIS}; flags dynamic; counter; }}");
    let hook = "{ type filter hook ingress device eth0 priority 0; }";
    for line in [
        "add table netdev oracle".to_owned(),
        format!("add set netdev oracle vnis {set}"),
        format!("add chain netdev oracle in {hook}"),
        "add rule netdev oracle in udp dport 4789 update @vnis { @th,96,24 } drop".to_owned(),
    ] {
        host.run("nft", &[&line]).unwrap();
    }
}

/// Packets and bytes of each VNI since [`count_vnis`]: frames from the Ethernet header on.
#[must_use]
pub fn vnis(host: &Host) -> BTreeMap<u32, (u64, u64)> {
    let listed = host
        .run("nft", &["-j", "list", "set", "netdev", "oracle", "vnis"])
        .unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let sets = listed["nftables"].as_array().unwrap();
    let elements = sets
        .iter()
        .find_map(|object| object["set"]["elem"].as_array());
    elements
        .into_iter()
        .flatten()
        .map(|element| {
            let element = &element["elem"];
            let number = |value: &Value| value.as_u64().unwrap();
            let packets = number(&element["counter"]["packets"]);
            // At this hook the Ethernet header is taken off already.
            let bytes = number(&element["counter"]["bytes"]) + 14 * packets;
            let vni = u32::try_from(number(&element["val"])).unwrap();
            (vni, (packets, bytes))
        })
        .collect()
}
