//! An interface that can be watched: `host` finds it, `kernel` attaches to it.

/// What a frame on an interface begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    /// An Ethernet header.
    Ethernet,
    /// The IP header itself: tun, PPP, cellular modems, tunnels of IP in IP.
    Ip,
}

/// `ARPHRD_…` (`include/uapi/linux/if_arp.h`): types whose frames begin with an Ethernet header.
const ETHERNET: [u16; 2] = [1, 772];
/// Types whose frames begin with the IP header where TC sees them: PPP, raw IP, IP in IP (v4, v6), SIT, GRE (v4, v6),
/// none at all (tun, WireGuard).
const RAW_IP: [u16; 8] = [512, 519, 768, 769, 776, 778, 823, 65534];

impl LinkLayer {
    /// The link layer of a hardware type (`ARPHRD_…`); `None` if interfaces of this type cannot be watched.
    #[must_use]
    pub fn of(hardware: u16) -> Option<LinkLayer> {
        if ETHERNET.contains(&hardware) {
            Some(LinkLayer::Ethernet)
        } else if RAW_IP.contains(&hardware) {
            Some(LinkLayer::Ip)
        } else {
            None
        }
    }
}

/// A network interface that can be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name at the time of the look-up.
    pub name: String,
    /// Its index. A rename does not change it.
    pub index: u32,
    link_layer: LinkLayer,
}

impl Interface {
    /// An interface of this hardware type (`ARPHRD_…`); `None` if this type cannot be watched.
    #[must_use]
    pub fn new(name: &str, index: u32, hardware: u16) -> Option<Interface> {
        Some(Interface {
            name: name.to_owned(),
            index,
            link_layer: LinkLayer::of(hardware)?,
        })
    }

    /// What its frames begin with.
    #[must_use]
    pub fn link_layer(&self) -> LinkLayer {
        self.link_layer
    }
}
