//! The firewall rules that encrypt an overlay network: one marks sent datagrams, so that the IPsec policy matches them,
//! one drops received cleartext.
//!
//! Docker has made them in three forms (`daemon/libnetwork/drivers/overlay/` in Moby): with the iptables match `u32`
//! (up to 24), with `bpf` (from 25 on, and some builds of 23), and as the nftables table `docker-overlay` (29).
//!
//! It imports `host/external_program.rs`. `host/facts.rs` calls [`read()`]; `policy/cause` and `check` use the result.

mod iptables_rules;
mod nft_rules;
mod printed;
mod read;
mod rules;
mod vni_set;

pub use read::{Firewall, programs, read};
pub use rules::{MARK, Rules};
pub use vni_set::VniSet;
#[cfg(test)]
pub(crate) use vni_set::of as vnis_of;
