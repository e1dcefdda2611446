//! What the parsers find in an answer of the kernel, whatever its bytes are. The fuzz targets call it: no kernel gives such
//! answers on demand.

use super::ip_tables::{self, IPV4, IPV6};
use super::nf_tables;
use super::rules::Rules;

/// How an answer is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Messages of netlink, about chains, rules and sets.
    NfTables,
    /// The entries of a chain of iptables' own tables, as the kernel copies them out.
    IpTables,
    /// The same for IPv6.
    Ip6Tables,
}

impl Answer {
    /// The rules for overlay networks in these bytes.
    #[must_use]
    pub fn rules(self, bytes: &[u8]) -> Rules {
        match self {
            Answer::NfTables => nf_tables::rules_in(bytes),
            Answer::IpTables => ip_tables::rules_in(&IPV4, bytes),
            Answer::Ip6Tables => ip_tables::rules_in(&IPV6, bytes),
        }
    }
}
