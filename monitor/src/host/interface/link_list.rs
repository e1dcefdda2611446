//! The interfaces that exist, as the kernel lists them.

use std::fmt;
use std::io;

use monitor_common::encapsulation::UdpPort;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};

use crate::base::interface::Interface;
use crate::base::netlink::{self, attributes};

/// What kind of device an interface is, as far as it matters for watching (`IFLA_INFO_KIND`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Without `IFLA_INFO_KIND`: hardware, virtio, loopback.
    Device,
    /// 802.1Q or 802.1ad sub-interface.
    Vlan,
    /// macvlan, macvtap, ipvlan or ipvtap: own addresses on top of another interface.
    Macvlan,
    /// A bond or team.
    Bond,
    /// A bridge.
    Bridge,
    /// A VRF.
    Vrf,
    /// A veth.
    Veth,
    /// VXLAN or Geneve: carries the inner frames of an overlay.
    Overlay,
    /// tun or tap.
    Tun,
    /// Any other kind.
    Other,
}

impl LinkKind {
    fn of(kind: &[u8]) -> LinkKind {
        match kind {
            b"vlan" => LinkKind::Vlan,
            b"macvlan" | b"macvtap" | b"ipvlan" | b"ipvtap" => LinkKind::Macvlan,
            b"bond" | b"team" => LinkKind::Bond,
            b"bridge" => LinkKind::Bridge,
            b"vrf" => LinkKind::Vrf,
            b"veth" => LinkKind::Veth,
            b"vxlan" | b"geneve" => LinkKind::Overlay,
            b"tun" => LinkKind::Tun,
            _ => LinkKind::Other,
        }
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            LinkKind::Device => "device",
            LinkKind::Vlan => "VLAN sub-interface",
            LinkKind::Macvlan => "macvlan or ipvlan",
            LinkKind::Bond => "bond or team",
            LinkKind::Bridge => "bridge",
            LinkKind::Vrf => "VRF",
            LinkKind::Veth => "veth",
            LinkKind::Overlay => "overlay (VXLAN or Geneve)",
            LinkKind::Tun => "tun or tap",
            LinkKind::Other => "virtual device",
        })
    }
}

/// An interface, whether it can be watched or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its alternative names.
    pub other_names: Vec<String>,
    /// Its index.
    pub index: u32,
    /// Hardware type (`ARPHRD_…`).
    pub hardware: u16,
    /// Its kind.
    pub kind: LinkKind,
    /// Index of the interface below a VLAN sub-interface or macvlan, if that is in this network namespace.
    pub lower: Option<u32>,
    /// Index of the bond, bridge or VRF that it is a member of.
    pub master: Option<u32>,
    /// Id of the XDP program attached to it.
    pub xdp: Option<u32>,
    /// Maximum transmission unit in bytes.
    pub mtu: u32,
    /// Where its packets go, if it is the device of an overlay.
    pub overlay: Option<OverlayDevice>,
}

/// Where the packets of a VXLAN or Geneve device go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverlayDevice {
    /// The encapsulation.
    pub service: UdpPort,
    /// The UDP port that it sends to and receives on.
    pub port: u16,
    /// Its network; `None` if it carries several (`external`).
    pub vni: Option<u32>,
    /// Index of the interface that it is bound to, if it is.
    pub below: Option<u32>,
}

impl OverlayDevice {
    /// From `IFLA_INFO_KIND` and `IFLA_INFO_DATA`; `None` for other kinds.
    fn parse(kind: &[u8], data: &[u8]) -> Option<OverlayDevice> {
        let find = |wanted: u16| attributes(data).find(|(at, _)| *at == wanted);
        let port = |wanted: u16| {
            let (_, value) = find(wanted)?;
            value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
        };
        // A flag without a value, or a byte.
        let is_set = |at: u16| find(at).is_some_and(|(_, value)| value.first() != Some(&0));
        let vni = |wanted: u16, external: u16| {
            (!is_set(external))
                .then(|| number(find(wanted)?.1))
                .flatten()
        };
        let below = |wanted: u16| number(find(wanted)?.1).filter(|index| *index != 0);
        match kind {
            b"vxlan" => Some(OverlayDevice {
                service: match find(IFLA_VXLAN_GPE) {
                    Some(_) => UdpPort::VxlanGpe,
                    None => UdpPort::Vxlan,
                },
                port: port(IFLA_VXLAN_PORT)?,
                vni: vni(IFLA_VXLAN_ID, IFLA_VXLAN_COLLECT_METADATA),
                below: below(IFLA_VXLAN_LINK),
            }),
            b"geneve" => Some(OverlayDevice {
                service: UdpPort::Geneve,
                port: port(IFLA_GENEVE_PORT)?,
                vni: vni(IFLA_GENEVE_ID, IFLA_GENEVE_COLLECT_METADATA),
                below: None,
            }),
            _ => None,
        }
    }
}

impl Link {
    /// Whether this is its name or one of its alternative names.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.other_names.iter().any(|other| other == name)
    }

    /// The interface, if it can be watched; `None` if its frames are not understood.
    #[must_use]
    pub fn interface(&self) -> Option<Interface> {
        Interface::new(&self.name, self.index, self.hardware)
    }

    /// Whether it is the loopback interface.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        const LOOPBACK: u16 = 772;
        self.hardware == LOOPBACK
    }
}

/// All interfaces of this network namespace.
///
/// # Errors
/// The error that netlink answered.
pub fn links() -> io::Result<Vec<Link>> {
    const NEW_LINK: u16 = 16;
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let mut all = Vec::new();
    netlink::dump_raw(
        &RouteNetlinkMessage::GetLink(message),
        |answer| match answer {
            None => all.clear(),
            Some(answer) if answer.message_type == NEW_LINK => all.extend(parse(answer.payload)),
            Some(_) => {}
        },
    )?;
    Ok(all)
}

/// The attributes of a link (`include/uapi/linux/if_link.h`).
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_LINK: u16 = 3;
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_VXLAN_COLLECT_METADATA: u16 = 25;
const IFLA_VXLAN_GPE: u16 = 27;
const IFLA_GENEVE_ID: u16 = 1;
const IFLA_GENEVE_PORT: u16 = 5;
const IFLA_GENEVE_COLLECT_METADATA: u16 = 6;
const IFLA_XDP_PROG_ID: u16 = 4;
/// Length of `struct ifinfomsg`.
const HEADER: usize = 16;

/// Decodes `struct ifinfomsg` and its attributes; `None` if they are no link.
fn parse(payload: &[u8]) -> Option<Link> {
    let field = |at: usize| payload.get(at..);
    let mut link = Link {
        name: String::new(),
        other_names: Vec::new(),
        hardware: u16::from_ne_bytes(*field(2)?.first_chunk()?),
        index: u32::from_ne_bytes(*field(4)?.first_chunk()?),
        kind: LinkKind::Device,
        lower: None,
        master: None,
        xdp: None,
        mtu: 0,
        overlay: None,
    };
    let mut elsewhere = false;
    for (attribute_type, value) in attributes(field(HEADER)?) {
        match attribute_type {
            IFLA_IFNAME => link.name = text(value),
            IFLA_MTU => link.mtu = number(value).unwrap_or_default(),
            IFLA_LINK => link.lower = number(value),
            IFLA_MASTER => link.master = number(value),
            IFLA_LINK_NETNSID => elsewhere = true,
            IFLA_LINKINFO => {
                let find = |wanted| attributes(value).find(|(at, _)| *at == wanted);
                if let Some((_, kind)) = find(IFLA_INFO_KIND) {
                    let kind = text(kind);
                    link.kind = LinkKind::of(kind.as_bytes());
                    let data = find(IFLA_INFO_DATA).map_or(&[][..], |(_, data)| data);
                    link.overlay = OverlayDevice::parse(kind.as_bytes(), data);
                }
            }
            IFLA_XDP => {
                let mut inner = attributes(value);
                link.xdp = inner
                    .find(|(kind, _)| *kind == IFLA_XDP_PROG_ID)
                    .and_then(|(_, id)| number(id));
            }
            IFLA_PROP_LIST => {
                let names = attributes(value).filter(|(kind, _)| *kind == IFLA_ALT_IFNAME);
                link.other_names = names.map(|(_, name)| text(name)).collect();
            }
            _ => {}
        }
    }
    // For a veth IFLA_LINK is its peer, for a tunnel the interface it is routed through: these carry other frames.
    if elsewhere || !matches!(link.kind, LinkKind::Vlan | LinkKind::Macvlan) {
        link.lower = None;
    }
    (link.index != 0 && !link.name.is_empty()).then_some(link)
}

/// An attribute's 32-bit value.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// An attribute's text, which ends with a zero byte.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(value.get(..end.unwrap_or(value.len())).unwrap_or_default())
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(4 + value.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// `struct ifinfomsg` and attributes of a device of this kind on interface 7, member of 9.
    fn message(kind: &[u8], more: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 1, 0, 5, 0, 0, 0];
        bytes.resize(HEADER, 0);
        bytes.extend(attribute(IFLA_IFNAME, b"x0\0"));
        bytes.extend(attribute(IFLA_LINK, &7u32.to_ne_bytes()));
        bytes.extend(attribute(IFLA_MASTER, &9u32.to_ne_bytes()));
        bytes.extend(attribute(
            IFLA_LINKINFO | 0x8000,
            &attribute(IFLA_INFO_KIND, kind),
        ));
        bytes.extend(attribute(
            IFLA_PROP_LIST,
            &attribute(IFLA_ALT_IFNAME, b"long-name\0"),
        ));
        bytes.extend(more);
        bytes
    }

    #[test]
    fn a_link_is_decoded() {
        let link = parse(&message(b"vlan\0", &[])).unwrap();
        assert_eq!(
            (link.name.as_str(), link.index, link.hardware),
            ("x0", 5, 1)
        );
        assert_eq!(
            (link.kind, link.lower, link.master),
            (LinkKind::Vlan, Some(7), Some(9))
        );
        assert!(link.is_called("long-name") && !link.is_called("x1"));
        assert_eq!(
            parse(&message(b"veth\0", &[])).unwrap().lower,
            None,
            "its peer"
        );
        let elsewhere = attribute(IFLA_LINK_NETNSID, &[0; 4]);
        assert_eq!(parse(&message(b"vlan\0", &elsewhere)).unwrap().lower, None);
    }

    #[test]
    fn the_port_of_an_overlay_is_decoded() {
        let device = |kind: &[u8], data: &[Vec<u8>]| {
            let info = [
                attribute(IFLA_INFO_KIND, kind),
                attribute(IFLA_INFO_DATA, &data.concat()),
            ];
            let info = attribute(IFLA_LINKINFO, &info.concat());
            parse(&message(b"vlan\0", &info)).unwrap().overlay
        };
        let vxlan_port = attribute(IFLA_VXLAN_PORT, &8472u16.to_be_bytes());
        let below = attribute(IFLA_VXLAN_LINK, &2u32.to_ne_bytes());
        let mut expected = OverlayDevice {
            service: UdpPort::Vxlan,
            port: 8472,
            vni: Some(100),
            below: Some(2),
        };
        let vni = attribute(IFLA_VXLAN_ID, &100u32.to_ne_bytes());
        let one = attribute(IFLA_VXLAN_COLLECT_METADATA, &[0]);
        let all = [vni.clone(), one, below, vxlan_port.clone()];
        assert_eq!(device(b"vxlan\0", &all), Some(expected));
        // One that carries several says 0.
        let several = attribute(IFLA_VXLAN_COLLECT_METADATA, &[1]);
        let found = device(b"vxlan\0", &[vni, several, vxlan_port.clone()]).unwrap();
        assert_eq!(found.vni, None);
        expected.vni = None;
        expected.below = None;
        expected.service = UdpPort::VxlanGpe;
        let found = device(
            b"vxlan\0",
            &[vxlan_port.clone(), attribute(IFLA_VXLAN_GPE, &[])],
        );
        assert_eq!(found, Some(expected));
        let geneve_port = attribute(IFLA_GENEVE_PORT, &6081u16.to_be_bytes());
        let found = device(b"geneve\0", &[geneve_port]).unwrap();
        assert_eq!((found.service, found.port), (UdpPort::Geneve, 6081));
        assert_eq!(device(b"vxlan\0", &[]), None);
        assert_eq!(device(b"bridge\0", &[vxlan_port]), None);
    }

    #[test]
    fn no_length_makes_it_panic() {
        let port = attribute(IFLA_VXLAN_PORT, &8472u16.to_be_bytes());
        let info = [
            attribute(IFLA_INFO_KIND, b"vxlan\0"),
            attribute(IFLA_INFO_DATA, &port),
        ];
        let whole = message(b"vlan\0", &attribute(IFLA_LINKINFO, &info.concat()));
        for length in 0..whole.len() {
            parse(&whole[..length]);
        }
        for at in HEADER..whole.len() {
            let mut broken = whole.clone();
            broken[at] = 0xff;
            parse(&broken);
        }
    }

    #[test]
    fn the_loopback_is_listed() {
        assert!(
            links()
                .unwrap()
                .iter()
                .any(|link| link.name == "lo" && link.is_loopback())
        );
    }
}
