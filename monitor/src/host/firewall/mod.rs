//! The firewall rules that encrypt an overlay network: one marks sent datagrams, so that the IPsec policy matches them,
//! one drops received cleartext.
//!
//! Docker has made them in three forms (`daemon/libnetwork/drivers/overlay/` in Moby): with the iptables match `u32`
//! (up to 24), with `bpf` (from 25 on, and some builds of 23), and as the nftables table `docker-overlay` (29). The first
//! two stand in nf_tables or in iptables' own tables, as the host's iptables makes them.
//!
//! The rules are read from the kernel: over netlink, and by getsockopt(2). No program is started, and no module loaded.
//! Names and comments of rules are compared, never shown. `host/facts.rs` calls [`read()`]; `policy/cause` and `check` use
//! the result.

mod answer;
mod extension;
mod ip_tables;
mod nf_tables;
mod read;
mod rule_parts;
mod rules;
mod vni_set;

pub use answer::Answer;
pub use read::{Firewall, read};
pub use rules::{MARK, Rules};
pub use vni_set::VniSet;
#[cfg(test)]
pub(crate) use vni_set::of as vnis_of;
