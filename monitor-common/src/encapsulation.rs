//! What a packet is wrapped in: one table, from which everything else about an encapsulation is derived.
//!
//! The header itself is a file of [`crate::wire`], and [`crate::walk::outer`] says how it is walked.

use crate::wire::{esp, geneve, vxlan, vxlan_gpe, wireguard};

/// What the packets of an encapsulation are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The encapsulation alone.
    Itself,
    /// The network that they belong to: its VNI.
    Vni,
    /// The security association that they belong to: its SPI and the addresses.
    Spi,
}

/// Declares [`Encapsulation`] and [`UdpPort`] from one table, so that number, label, name, identity and UDP ports of
/// an encapsulation cannot drift apart.
///
/// `udp destination [PORTS]`: the destination port identifies it. `udp either [PORTS]`: either port does.
macro_rules! encapsulations {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $index:literal, $label:literal, $name:literal, $identity:ident
        $(, udp $side:ident $ports:expr)?;
    )+) => {
        /// What a packet is wrapped in: a number in keys of maps, and a metric label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Encapsulation {
            $($(#[doc = $doc])+ $variant = $index,)+
        }

        impl Encapsulation {
            /// Every encapsulation, in order of its index.
            pub const ALL: &'static [Encapsulation] = &[$(Encapsulation::$variant,)+];

            /// The value of the metric label `encapsulation`.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Encapsulation::$variant => $label,)+ }
            }

            /// The name in lines and messages.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Encapsulation::$variant => $name,)+ }
            }

            /// What its packets are counted by.
            #[inline(always)]
            #[must_use]
            pub const fn identity(self) -> Identity {
                match self { $(Encapsulation::$variant => Identity::$identity,)+ }
            }

            /// The encapsulation with this index. `None` for an index that no program of ours writes.
            #[inline(always)]
            #[must_use]
            pub const fn from_index(index: u8) -> Option<Encapsulation> {
                match index { $($index => Some(Encapsulation::$variant),)+ _ => None }
            }
        }

        /// What a UDP port stands for: nothing, or an encapsulation that has ports.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum UdpPort {
            /// No encapsulation.
            None,
            $($(#[doc = encapsulations!(@first $name, $side)] $variant,)?)+
        }

        impl UdpPort {
            /// Everything that a port can stand for.
            pub const ALL: &'static [UdpPort] = &[
                $($(encapsulations!(@first UdpPort::$variant, $side),)?)+
            ];

            /// What this byte of the `PORTS` global stands for; [`UdpPort::None`] for a byte that is not written.
            #[inline(always)]
            #[must_use]
            pub const fn from_index(index: u8) -> UdpPort {
                $($(
                    if index == encapsulations!(@first UdpPort::$variant, $side) as u8 {
                        return UdpPort::$variant;
                    }
                )?)+
                UdpPort::None
            }

            /// The encapsulation. ESP in UDP shares its port with [`Encapsulation::Ike`].
            #[must_use]
            pub const fn encapsulation(self) -> Encapsulation {
                match self {
                    UdpPort::None => Encapsulation::None,
                    $($(UdpPort::$variant => encapsulations!(@first Encapsulation::$variant, $side),)?)+
                }
            }

            /// Whether the source port identifies it too, not the destination port alone.
            #[inline(always)]
            #[must_use]
            pub const fn either_port(self) -> bool {
                match self {
                    UdpPort::None => false,
                    $($(UdpPort::$variant => encapsulations!(@$side),)?)+
                }
            }

            /// The ports where no others are configured.
            #[must_use]
            pub const fn default_ports(self) -> &'static [u16] {
                match self {
                    UdpPort::None => &[],
                    $($(UdpPort::$variant => &$ports,)?)+
                }
            }
        }
    };
    (@first $first:expr, $side:ident) => { $first };
    (@destination) => { false };
    (@either) => { true };
}

encapsulations! {
    /// Nothing: the host's own traffic, outside any overlay.
    None = 0, "none", "none", Itself;
    /// VXLAN (RFC 7348, 5).
    Vxlan = 1, "vxlan", "VXLAN", Vni, udp destination [vxlan::PORT];
    /// ESP directly on IP (RFC 4303).
    Esp = 2, "esp", "ESP", Spi;
    /// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe, 3).
    VxlanGpe = 3, "vxlan_gpe", "VXLAN-GPE", Vni, udp destination [vxlan_gpe::PORT];
    /// Geneve (RFC 8926, 3.3).
    Geneve = 4, "geneve", "Geneve", Vni, udp destination [geneve::PORT];
    /// AH around a packet that is no overlay (RFC 4302).
    Ah = 5, "ah", "AH", Spi;
    /// ESP in UDP (RFC 3948). A node behind a NAT has the port on one side only (RFC 3948, 2).
    EspUdp = 6, "esp_udp", "ESP in UDP", Spi, udp either [esp::UDP_PORT];
    /// IKE on the port of ESP in UDP, and NAT keepalives there (RFC 3948, 2.2 and 2.3).
    Ike = 7, "ike", "IKE", Itself;
    /// WireGuard.
    Wireguard = 8, "wireguard", "WireGuard", Itself, udp either wireguard::PORTS;
    /// VXLAN in ESP with the NULL cipher (RFC 2410), on IP or in UDP: it can be read, and is no encryption.
    EspNull = 9, "esp_null", "ESP without encryption", Vni;
}

impl Encapsulation {
    /// Whether its packets carry a network identifier (VNI).
    #[must_use]
    pub const fn has_vni(self) -> bool {
        matches!(self.identity(), Identity::Vni)
    }

    /// Whether its packets carry a Security Parameters Index (SPI).
    #[must_use]
    pub const fn has_spi(self) -> bool {
        matches!(self.identity(), Identity::Spi)
    }

    /// Whether it is a tunnel that is counted as a whole: nothing inside it is attributed.
    #[must_use]
    pub const fn is_tunnel(self) -> bool {
        matches!(self.identity(), Identity::Itself) && !matches!(self, Encapsulation::None)
    }

    /// Whether it is ESP that may encrypt, on IP or in UDP.
    #[inline(always)]
    #[must_use]
    pub const fn is_esp(self) -> bool {
        matches!(self, Encapsulation::Esp | Encapsulation::EspUdp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encapsulation_has_a_vni_or_an_spi_or_is_a_tunnel() {
        for encapsulation in Encapsulation::ALL {
            let what = [
                encapsulation.has_vni(),
                encapsulation.has_spi(),
                encapsulation.is_tunnel(),
                matches!(encapsulation, Encapsulation::None),
            ];
            let found = what.iter().filter(|is| **is).count();
            assert_eq!(found, 1, "{encapsulation:?}: {what:?}");
        }
        assert!(Encapsulation::Wireguard.is_tunnel());
    }

    #[test]
    fn indices_round_trip() {
        for (index, encapsulation) in Encapsulation::ALL.iter().enumerate() {
            assert_eq!(*encapsulation as usize, index);
            assert_eq!(Encapsulation::from_index(index as u8), Some(*encapsulation));
        }
        assert_eq!(
            Encapsulation::from_index(Encapsulation::ALL.len() as u8),
            None
        );
    }

    #[test]
    fn ports_round_trip_and_defaults_do_not_collide() {
        let mut seen = std::collections::HashSet::new();
        for port in UdpPort::ALL {
            assert_eq!(UdpPort::from_index(*port as u8), *port);
            assert_ne!(port.encapsulation(), Encapsulation::None);
            for number in port.default_ports() {
                assert!(seen.insert(*number), "{number}");
            }
        }
        assert_eq!(
            UdpPort::from_index(UdpPort::ALL.len() as u8 + 1),
            UdpPort::None
        );
    }
}
