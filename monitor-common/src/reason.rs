//! Why a packet was not parsed.

/// Declares the enum, its list and its labels from one table, so that the counter index, the metric
/// label and the documentation cannot drift apart.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $index:literal, $label:literal;)+) => {
        /// Why a packet was not parsed: the index of its counter, and a metric label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant = $index,)+
        }

        impl Reason {
            /// Every reason, in order of its index.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// The value of the metric label `reason`.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Reason::$variant => $label,)+ }
            }

            /// The reason as one sentence.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Reason::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }

            /// The reason with this index. `None` for an index that no program of ours writes.
            #[must_use]
            pub const fn from_index(index: u8) -> Option<Reason> {
                match index { $($index => Some(Reason::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// The frame is shorter than its Ethernet header or VLAN tags.
    EthernetTruncated = 0, "ethernet_truncated";
    /// More than two VLAN tags (802.1ad carries at most two).
    VlanDepth = 1, "vlan_depth";
    /// The packet is shorter than its IPv4 header.
    Ipv4Truncated = 2, "ipv4_truncated";
    /// Version, header length or total length of IPv4 contradict each other (RFC 791, 3.1).
    Ipv4Malformed = 3, "ipv4_malformed";
    /// The packet is shorter than its IPv6 header.
    Ipv6Truncated = 4, "ipv6_truncated";
    /// The IPv6 version field is not 6 (RFC 8200, 3).
    Ipv6Malformed = 5, "ipv6_malformed";
    /// More IPv6 extension headers than are parsed precede the transport header (RFC 8200, 4).
    Ipv6Extension = 6, "ipv6_extension";
    /// A later fragment of UDP, ESP or AH (with ports in host_flows, of any protocol) whose first fragment was not seen before it.
    Fragment = 7, "fragment";
    /// The packet is shorter than its UDP header.
    UdpTruncated = 8, "udp_truncated";
    /// The UDP length is too short for the header that the port implies (RFC 768).
    UdpLength = 9, "udp_length";
    /// The packet is shorter than its VXLAN or VXLAN-GPE header.
    VxlanTruncated = 10, "vxlan_truncated";
    /// VXLAN or VXLAN-GPE without the I flag: the VNI is not valid (RFC 7348, 5).
    VxlanNoVni = 11, "vxlan_no_vni";
    /// The packet is shorter than SPI and sequence number of ESP.
    EspTruncated = 12, "esp_truncated";
    /// SPI 0, which must not be sent on a wire (RFC 4303, 2.1).
    EspSpiZero = 13, "esp_spi_zero";
    /// The frame inside the overlay ends before its headers do; it is counted in its VNI all the same.
    InnerTruncated = 14, "inner_truncated";
    /// The headers inside the overlay contradict each other; it is counted in its VNI all the same.
    InnerMalformed = 15, "inner_malformed";
    /// The packet is shorter than its Geneve header.
    GeneveTruncated = 16, "geneve_truncated";
    /// A version of Geneve or VXLAN-GPE other than 0, the only defined one (RFC 8926, 3.4).
    TunnelVersion = 17, "tunnel_version";
    /// The packet is shorter than its AH header, or that header is shorter than it must be (RFC 4302, 2).
    AhTruncated = 18, "ah_truncated";
    /// An MPLS label precedes the network layer (RFC 5332, 3); what follows is not parsed.
    Mpls = 19, "mpls";
    /// PPPoE precedes the network layer (RFC 2516, 3); what follows is not parsed.
    Pppoe = 20, "pppoe";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_label_and_list_agree() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert_eq!(Reason::from_index(index as u8), Some(*reason));
            assert!(
                reason
                    .label()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
            );
        }
        assert_eq!(Reason::from_index(Reason::ALL.len() as u8), None);
    }
}
