//! Encrypts overlay networks between two nodes with the parameters of Docker's engine
//! (`daemon/libnetwork/drivers/overlay/encryption.go` in Moby).
//!
//! All encrypted networks share the security associations of the pair of nodes. A firewall rule marks datagrams by
//! VNI, and the IPsec policy encrypts the marked ones.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

use crate::cipher::Cipher;
use crate::error::{Context, Error, Result};
use crate::lab_host::Host;

/// Docker's firewall mark of datagrams to be encrypted. Also its request id of XFRM states and policies.
pub const MARK: u32 = 0xD0_C4E3;

/// Longest time that a packet takes between two nodes of the lab, on an emulated machine too.
const IN_FLIGHT: Duration = Duration::from_millis(500);

/// One key of the ring.
struct Key {
    tag: u32,
    secret: Vec<u8>,
}

impl Key {
    fn random(cipher: Cipher, tag: u32) -> Result<Self> {
        let mut secret = vec![0; cipher.key_length()];
        getrandom(&mut secret[..], GetRandomFlags::empty())
            .context(|| "drawing a random key for ESP".to_owned())?;
        Ok(Self { tag, secret })
    }
}

/// The keys of a lab: three, as Docker has; it sends with the first. Random, and never written to a file.
pub(crate) struct KeyRing {
    cipher: Cipher,
    keys: [Key; 3],
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing")
    }
}

impl KeyRing {
    pub(crate) fn random(cipher: Cipher) -> Result<Self> {
        let key = |tag| Key::random(cipher, tag);
        Ok(Self {
            cipher,
            keys: [key(1)?, key(2)?, key(3)?],
        })
    }
}

/// The SPI of one direction: FNV-1a (32 bits) over source, tag (big endian) and destination; addresses have 16 bytes,
/// IPv4 as IPv4-mapped (`buildSPI`).
fn spi(source: IpAddr, tag: u32, destination: IpAddr) -> u32 {
    let sixteen = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let bytes = sixteen(source)
        .into_iter()
        .chain(tag.to_be_bytes())
        .chain(sixteen(destination));
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// One security association: a direction between two nodes on two machines. Docker makes the SPI from addresses; here
/// it is chosen.
#[derive(Clone, Serialize, Deserialize)]
pub struct Association {
    /// Its SPI.
    pub spi: u32,
    salt: u32,
    secret: Vec<u8>,
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Association {:#x}", self.spi)
    }
}

impl Association {
    /// With a random key.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random(cipher: Cipher, spi: u32) -> Result<Self> {
        let key = Key::random(cipher, spi)?;
        Ok(Self {
            spi,
            salt: key.tag,
            secret: key.secret,
        })
    }

    /// Whether its key fits a cipher.
    #[must_use]
    pub fn fits(&self, cipher: Cipher) -> bool {
        self.secret.len() == cipher.key_length()
    }
}

/// The `ip` line that adds a security association, without extended sequence numbers and replay window.
fn add_association(
    source: IpAddr,
    destination: IpAddr,
    cipher: Cipher,
    association: &Association,
) -> String {
    format!(
        "xfrm state add src {source} dst {destination} proto esp spi {:#x} reqid {MARK} mode transport \
         replay-window 0 {}",
        association.spi,
        cipher.words(&association.secret, association.salt),
    )
}

/// As Docker: the SPI follows from the addresses, and the salt is the tag.
fn docker_association(source: IpAddr, destination: IpAddr, cipher: Cipher, key: &Key) -> String {
    let association = Association {
        spi: spi(source, key.tag, destination),
        salt: key.tag,
        secret: key.secret.clone(),
    };
    add_association(source, destination, cipher, &association)
}

/// The `ip` line of the outbound policy for an SPI; `verb` is `add` or `update`.
fn outbound_policy(verb: &str, local: IpAddr, remote: IpAddr, spi: u32) -> String {
    format!(
        "xfrm policy {verb} src {local} dst {remote} proto udp dport 4789 dir out mark {MARK:#x} mask 0xffffffff \
         tmpl src {local} dst {remote} proto esp spi {spi:#x} reqid {MARK} mode transport",
    )
}

/// The `ip` lines for one peer of a node: an outbound association and policy for the first key, and an inbound
/// association for each key.
fn peer_lines(local: IpAddr, remote: IpAddr, keys: &KeyRing) -> Vec<String> {
    let (first, cipher) = (&keys.keys[0], keys.cipher);
    let mut lines = vec![docker_association(local, remote, cipher, first)];
    let inbound = keys.keys.iter();
    lines.extend(inbound.map(|key| docker_association(remote, local, cipher, key)));
    lines.push(outbound_policy(
        "add",
        local,
        remote,
        spi(local, first.tag, remote),
    ));
    lines
}

/// Rotates the keys once, in the three steps of Docker's engine (`updateKeys`): both nodes add the new key, then send
/// with the next one, then delete the oldest. Packets in flight arrive, because both nodes know their key.
pub(crate) fn rotate(nodes: &[Host; 2], keys: &mut KeyRing) -> Result<()> {
    let cipher = keys.cipher;
    let [oldest, next, last] = &keys.keys;
    let new = Key::random(cipher, last.tag.wrapping_add(1))?;
    let ends = [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])];
    let ends = ends.map(|(node, peer)| (node, node.address(), peer.address()));
    for (node, local, remote) in ends {
        node.batch("ip", &[docker_association(remote, local, cipher, &new)])?;
    }
    for (node, local, remote) in ends {
        let lines = [
            docker_association(local, remote, cipher, next),
            outbound_policy("update", local, remote, spi(local, next.tag, remote)),
        ];
        node.batch("ip", &lines)?;
    }
    // Packets that were sent with the oldest key arrive before it is deleted.
    std::thread::sleep(IN_FLIGHT);
    for (node, local, remote) in ends {
        let delete = |source: IpAddr, destination: IpAddr| {
            format!(
                "xfrm state delete src {source} dst {destination} proto esp spi {:#x}",
                spi(source, oldest.tag, destination)
            )
        };
        node.batch("ip", &[delete(local, remote), delete(remote, local)])?;
    }
    keys.keys.rotate_left(1);
    keys.keys[2] = new;
    Ok(())
}

/// The nftables rules for encrypted VNIs: mark outgoing datagrams, drop those that arrive in cleartext. `@th,96,24` is the
/// VNI: 24 bits after 8 bytes of UDP header and 4 bytes of VXLAN flags (RFC 7348, section 5).
fn firewall_rules(vnis: &[u32]) -> String {
    let vnis = vnis
        .iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "table inet overlay-lab {{\n\
           chain encrypt {{\n\
             type route hook output priority mangle;\n\
             udp dport 4789 @th,96,24 {{ {vnis} }} meta mark set {MARK:#x}\n\
           }}\n\
           chain refuse-cleartext {{\n\
             type filter hook input priority filter;\n\
             udp dport 4789 @th,96,24 {{ {vnis} }} meta secpath missing drop\n\
           }}\n\
         }}\n"
    )
}

/// Encrypts the networks `vnis` between `node` and the host at `remote`.
///
/// # Errors
/// [`Error::NoEsp`] when the kernel refuses the associations.
pub(crate) fn encrypt(node: &Host, remote: IpAddr, keys: &KeyRing, vnis: &[u32]) -> Result<()> {
    add(node, &peer_lines(node.address(), remote, keys), vnis)
}

/// Encrypts one network between `node` and the host at `remote`, with one association for each direction.
///
/// # Errors
/// [`Error::NoEsp`] when the kernel refuses the associations.
pub(crate) fn encrypt_pair(
    node: &Host,
    remote: IpAddr,
    cipher: Cipher,
    [outbound, inbound]: [&Association; 2],
    vni: u32,
) -> Result<()> {
    let local = node.address();
    let lines = [
        add_association(local, remote, cipher, outbound),
        add_association(remote, local, cipher, inbound),
        outbound_policy("add", local, remote, outbound.spi),
    ];
    add(node, &lines, &[vni])
}

fn add(node: &Host, lines: &[String], vnis: &[u32]) -> Result<()> {
    node.batch("ip", lines).map_err(|error| match error {
        // The parameters are fixed and the namespace is new, so a refusal means that the kernel lacks ESP or the
        // AEAD algorithm. The messages differ between versions of the kernel and of iproute2.
        Error::Command { message, .. } => {
            let reason = message.lines().next().unwrap_or_default();
            let reason = reason
                .trim_start_matches("RTNETLINK answers: ")
                .trim_start_matches("Error: ");
            Error::NoEsp(reason.trim_end_matches('.').to_owned())
        }
        other => other,
    })?;
    node.feed("nft", &["-f", "-"], &firewall_rules(vnis))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spi_is_fnv_1a_of_mapped_addresses_around_the_tag() {
        // Test vectors of the FNV authors (FNV-1a 32): "" and "foobar".
        let fnv = |text: &[u8]| {
            text.iter().fold(0x811c_9dc5_u32, |h, b| {
                (h ^ u32::from(*b)).wrapping_mul(0x0100_0193)
            })
        };
        assert_eq!(fnv(b""), 0x811c_9dc5);
        assert_eq!(fnv(b"foobar"), 0xbf9c_f968);
        let mut bytes = vec![0; 10];
        bytes.extend([0xff, 0xff, 192, 168, 77, 1, 0, 0, 0, 1]);
        bytes.extend([0; 10]);
        bytes.extend([0xff, 0xff, 192, 168, 77, 2]);
        let (one, two) = (
            "192.168.77.1".parse().unwrap(),
            "192.168.77.2".parse().unwrap(),
        );
        assert_eq!(spi(one, 1, two), fnv(&bytes));
        assert_ne!(spi(one, 1, two), spi(two, 1, one));
    }

    #[test]
    fn a_peer_has_one_association_out_three_in_and_a_policy() {
        let keys = KeyRing::random(Cipher::AesGcm128).unwrap();
        let (one, two) = (
            "192.168.77.1".parse().unwrap(),
            "192.168.77.2".parse().unwrap(),
        );
        let lines = peer_lines(one, two, &keys);
        let starting = |text: &str| lines.iter().filter(|line| line.starts_with(text)).count();
        assert_eq!(starting("xfrm state add src 192.168.77.1 "), 1);
        assert_eq!(starting("xfrm state add src 192.168.77.2 "), 3);
        assert_eq!(starting("xfrm policy add src 192.168.77.1 "), 1);
    }
}
