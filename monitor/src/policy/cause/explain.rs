//! From a symptom and the host's state to the likeliest causes.

use std::net::IpAddr;

use super::catalogue::Likely;
use super::{cleartext, esp_faults};
use crate::host::facts::HostFacts;
use crate::traffic::association_activity::Activity;

/// A symptom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symptom {
    /// Cleartext of a network that must be encrypted left this host.
    Sent {
        /// VXLAN Network Identifier.
        vni: u32,
        /// The receiver, if it is known.
        peer: Option<IpAddr>,
    },
    /// Cleartext of a network that must be encrypted came in.
    Received {
        /// VXLAN Network Identifier.
        vni: u32,
        /// The sender, if it is known.
        peer: Option<IpAddr>,
    },
    /// None in particular: faults of ESP itself.
    Esp,
}

/// The causes that this host's state supports, the likeliest first. `active` is what associations carry, if that is
/// watched.
#[must_use]
pub fn explain(symptom: &Symptom, host: &HostFacts, active: &[Activity]) -> Vec<Likely> {
    let mut causes = match *symptom {
        Symptom::Sent { vni, peer } => cleartext::sent(vni, peer, host),
        Symptom::Received { vni, peer } => cleartext::received(vni, peer, host),
        Symptom::Esp => esp_faults::find(host, active),
    };
    for likely in &mut causes {
        likely.platform = host.platform;
    }
    causes
}

#[cfg(test)]
mod tests;
