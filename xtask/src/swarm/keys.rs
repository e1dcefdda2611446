//! A rotation of keys. Docker's manager does one every twelve hours, and there is no
//! way to ask for one; so the same changes to the kernel's IPsec states and policies
//! are made on both nodes as its engine makes (`updateKeys` in
//! `daemon/libnetwork/drivers/overlay/encryption.go` of Moby).

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, Result, bail};

use crate::nodes::node::Node;

/// Docker's request id of states and policies, and its firewall mark.
const MARK: &str = "0xd0c4e3";
const REQID: &str = "13681891";

/// A key of the ring, with its SPI towards each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// 16 bytes in hexadecimal. Behind them stands the SPI as salt (RFC 4106, section 4).
    pub(super) secret: String,
    pub(super) spi: [u32; 2],
}

/// The keys of both nodes: the one before, the one that is sent with, the one that comes next.
pub(super) struct Ring {
    keys: Vec<Key>,
    /// All that ever were in it.
    pub(super) known: Vec<Key>,
    primary: usize,
}

/// A state as `ip xfrm state` prints it.
struct State {
    dst: String,
    spi: u32,
    secret: String,
}

impl Ring {
    /// Reads the keys that Docker has set up.
    pub(super) fn read(nodes: &mut [Node; 2]) -> Result<Self> {
        let mut spis: BTreeMap<String, [Option<u32>; 2]> = BTreeMap::new();
        let mut primary = None;
        for (index, node) in nodes.iter_mut().enumerate() {
            for state in states(&node.sh("ip xfrm state")?) {
                if state.dst == node.address {
                    spis.entry(state.secret).or_default()[index] = Some(state.spi);
                } else if index == 0 {
                    primary = Some(state.secret);
                }
            }
        }
        let keys: Vec<Key> = spis
            .into_iter()
            .filter_map(|(secret, spi)| {
                let spi = [spi[0]?, spi[1]?];
                Some(Key { secret, spi })
            })
            .collect();
        let primary = primary.and_then(|secret| keys.iter().position(|key| key.secret == secret));
        match primary {
            Some(primary) if keys.len() == 3 => Ok(Self {
                known: keys.clone(),
                keys,
                primary,
            }),
            _ => bail!(
                "the nodes have {} keys in common, and Docker keeps three",
                keys.len()
            ),
        }
    }

    /// One rotation: a new key comes in, the next is sent with, the oldest goes.
    pub(super) fn rotate(&mut self, nodes: &mut [Node; 2]) -> Result<()> {
        let others: Vec<usize> = (0..3).filter(|index| *index != self.primary).collect();
        let (oldest, next) = (others[0], others[1]);
        let fresh = Key::random()?;
        // Each end of it on both nodes before the other: what is under way is understood.
        for (index, node) in nodes.iter_mut().enumerate() {
            let (own, peer) = addresses(node, index);
            node.sh(&fresh.add(&peer, &own, fresh.spi[index]))?;
        }
        let (old, new) = (&self.keys[self.primary], &self.keys[next]);
        for (index, node) in nodes.iter_mut().enumerate() {
            let (own, peer) = addresses(node, index);
            let (to, from) = (new.spi[1 - index], old.spi[1 - index]);
            node.sh(&format!(
                "set -e\n{}\n\
                 ip xfrm policy update src {own}/32 dst {peer}/32 proto udp dport 4789 dir out mark {MARK} mask 0xffffffff \
                 tmpl src {own} dst {peer} proto esp spi {to:#x} reqid {REQID} mode transport\n\
                 ip xfrm state delete src {own} dst {peer} proto esp spi {from:#x}",
                new.add(&own, &peer, to)
            ))?;
        }
        for (index, node) in nodes.iter_mut().enumerate() {
            let (own, peer) = addresses(node, index);
            let spi = self.keys[oldest].spi[index];
            node.sh(&format!(
                "ip xfrm state delete src {peer} dst {own} proto esp spi {spi:#x}"
            ))?;
        }
        self.keys[oldest] = fresh.clone();
        self.known.push(fresh);
        self.primary = next;
        // The slot of the newest is now the one that comes next.
        self.order(oldest);
        Ok(())
    }

    /// Puts the newest key last and the one that was sent with before first.
    fn order(&mut self, newest: usize) {
        let primary = self.keys[self.primary].clone();
        let newest = self.keys[newest].clone();
        self.keys.retain(|key| *key != primary && *key != newest);
        self.keys.extend([primary, newest]);
        self.primary = 1;
    }
}

impl Key {
    fn random() -> Result<Self> {
        let mut bytes = [0; 24];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .context("cannot draw a random key")?;
        let spi = |at: usize| {
            let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            // The first 256 are reserved (RFC 4303, section 2.1).
            u32::from_be_bytes(word) | 0x1000
        };
        Ok(Self {
            secret: bytes[..16]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            spi: [spi(16), spi(20)],
        })
    }

    fn add(&self, src: &str, dst: &str, spi: u32) -> String {
        let secret = &self.secret;
        format!(
            "ip xfrm state add src {src} dst {dst} proto esp spi {spi:#x} reqid {REQID} mode transport \
             replay-window 0 aead 'rfc4106(gcm(aes))' 0x{secret}{spi:08x} 64"
        )
    }
}

fn addresses(node: &Node, index: usize) -> (String, String) {
    let peer = crate::nodes::node::NODES[1 - index].address;
    (node.address.to_owned(), peer.to_owned())
}

/// Reads `ip xfrm state`.
fn states(text: &str) -> Vec<State> {
    let mut list: Vec<State> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["src", _, "dst", dst] => list.push(State {
                dst: dst.to_owned(),
                spi: 0,
                secret: String::new(),
            }),
            ["proto", "esp", "spi", spi, ..] => {
                if let Some(state) = list.last_mut() {
                    let hex = spi.trim_start_matches("0x");
                    state.spi = u32::from_str_radix(hex, 16).unwrap_or(0);
                }
            }
            ["aead", _, key, _] => {
                if let Some(state) = list.last_mut() {
                    let hex = key.trim_start_matches("0x");
                    state.secret = hex.chars().take(32).collect();
                }
            }
            _ => {}
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read() {
        let text = "src 192.168.77.2 dst 192.168.77.1\n\
            \tproto esp spi 0x40fe342f reqid 13681891 mode transport\n\treplay-window 0 \n\
            \taead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f40fe342f 64\n\
            \tsel src 0.0.0.0/0 dst 0.0.0.0/0 \n";
        let states = states(text);
        assert_eq!(states.len(), 1);
        assert_eq!(states[0].dst, "192.168.77.1");
        assert_eq!(states[0].spi, 0x40fe_342f);
        assert_eq!(states[0].secret, "000102030405060708090a0b0c0d0e0f");
    }

    #[test]
    fn ring_keeps_its_order() {
        let key = |name: &str| Key {
            secret: name.to_owned(),
            spi: [1, 2],
        };
        let mut ring = Ring {
            keys: ["next", "old", "newest"].map(key).to_vec(),
            known: vec![],
            primary: 0,
        };
        ring.order(2);
        let names: Vec<&str> = ring.keys.iter().map(|key| key.secret.as_str()).collect();
        assert_eq!(names, ["old", "next", "newest"]);
        assert_eq!(ring.primary, 1);
    }
}
