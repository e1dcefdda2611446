//! The card over which the other machine is reached.

use std::net::IpAddr;

use anyhow::{Context, bail};
use monitor_lab::{Host, Mac, WIRE_MTU};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A network device of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::bench::encryption) struct Card {
    pub(in crate::cli::bench::encryption) name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(in crate::cli::bench::encryption) mac: Option<Mac>,
    pub(in crate::cli::bench::encryption) mtu: u32,
    /// As `ethtool` says.
    pub(in crate::cli::bench::encryption) driver: Option<String>,
    pub(in crate::cli::bench::encryption) speed: Option<String>,
}

impl Card {
    /// The one that is named, or that has this address.
    pub(super) fn find(
        machine: &Host,
        name: Option<&str>,
        address: IpAddr,
    ) -> anyhow::Result<Card> {
        let printed = machine.run("ip", &["-json", "address", "show"])?;
        let devices: Vec<Value> =
            serde_json::from_str(&printed).context("`ip -json address` printed no JSON")?;
        let found = devices.iter().find(|device| match name {
            Some(name) => device["ifname"] == name,
            None => has_address(device, address),
        });
        let Some(device) = found else {
            match name {
                Some(name) => bail!("there is no device {name}"),
                None => bail!("no device has the address {address}: name the card by --card"),
            }
        };
        let card = Card::of(device)?;
        let ethtool = |option: &[&str], field: &str| {
            let arguments = [option, &[&card.name]].concat();
            value(&machine.run("ethtool", &arguments).ok()?, field)
        };
        let driver = ethtool(&["-i"], "driver");
        let speed = ethtool(&[], "Speed").filter(|speed| !speed.starts_with("Unknown"));
        Ok(Card {
            driver,
            speed,
            ..card
        })
    }

    fn of(device: &Value) -> anyhow::Result<Card> {
        let name = device["ifname"].as_str().context("a device has no name")?;
        if device["link_type"] != "ether" {
            bail!(
                "{name} is no Ethernet card: two machines are needed, or name the card between them by --card"
            );
        }
        let mtu = device["mtu"]
            .as_u64()
            .and_then(|mtu| u32::try_from(mtu).ok());
        let mtu = mtu.context("a device has no MTU")?;
        if mtu < WIRE_MTU {
            bail!("the MTU of {name} is {mtu}, and {WIRE_MTU} are needed");
        }
        Ok(Card {
            name: name.to_owned(),
            mac: device["address"].as_str().and_then(Mac::parse),
            mtu,
            driver: None,
            speed: None,
        })
    }

    /// For a report, which is passed on.
    pub(super) fn without_mac(self) -> Card {
        Card { mac: None, ..self }
    }

    /// As a sentence has it.
    pub(in crate::cli::bench::encryption) fn describe(&self) -> String {
        let more: String = [&self.driver, &self.speed]
            .into_iter()
            .flatten()
            .map(|text| format!(", {text}"))
            .collect();
        format!("{}{more}, MTU {}", self.name, self.mtu)
    }
}

fn has_address(device: &Value, address: IpAddr) -> bool {
    let list = device["addr_info"].as_array();
    list.into_iter().flatten().any(|entry| {
        let local = entry["local"].as_str().and_then(|text| text.parse().ok());
        local == Some(address.to_canonical())
    })
}

/// The value of the first line `field: value`.
fn value(printed: &str, field: &str) -> Option<String> {
    printed.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == field).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_ethernet_with_a_full_mtu_is_a_card() {
        let device = |link: &str, mtu: u32| {
            json!({"ifname": "eth0", "link_type": link, "mtu": mtu, "address": "02:00:00:00:00:01",
                "addr_info": [{"local": "192.0.2.1"}, {"local": "2001:db8::1"}]})
        };
        assert_eq!(Card::of(&device("ether", 9000)).unwrap().mtu, 9000);
        assert!(Card::of(&device("loopback", 65_536)).is_err());
        assert!(Card::of(&device("ether", 1499)).is_err());
        assert!(Card::of(&json!({})).is_err());
        let device = device("ether", 1500);
        assert!(has_address(&device, "192.0.2.1".parse().unwrap()));
        assert!(has_address(&device, "::ffff:192.0.2.1".parse().unwrap()));
        assert!(!has_address(&device, "192.0.2.2".parse().unwrap()));
    }

    #[test]
    fn fields_of_ethtool() {
        let printed = "Settings for eth0:\n\tSpeed: 10000Mb/s\n\tDuplex: Full\n";
        assert_eq!(value(printed, "Speed").as_deref(), Some("10000Mb/s"));
        assert_eq!(value(printed, "Port"), None);
    }
}
