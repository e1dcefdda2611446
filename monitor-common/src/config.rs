//! What is set when the kernel programs are loaded, and constant from then on.

use crate::shared::{Shared, shared};

/// How many ports `host_flows = ports` can name.
pub const HOST_PORTS: usize = 16;
/// Shortest snap length in bytes: the longest header chain without options, and some payload.
pub const SNAP_MIN: u32 = 128;
/// Longest snap length in bytes: a whole frame at the usual MTU.
pub const SNAP_MAX: u32 = 1536;

/// Length of the span of time that sample caps apply to: 2 to this power nanoseconds, 67 ms.
pub const SPAN_SHIFT: u32 = 26;

/// A small set of ports, searched on the packet path without a branch on its length.
///
/// Unused places repeat the first port, so that port 0 of a forged packet matches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Ports<const N: usize>(pub [u16; N]);

impl<const N: usize> Ports<N> {
    /// How many ports fit.
    pub const PLACES: usize = N;

    /// The set of these ports. `None` if there are none or more than `N`, or one is 0.
    #[must_use]
    pub fn new(ports: &[u16]) -> Option<Ports<N>> {
        let first = *ports.first()?;
        if ports.len() > N || ports.contains(&0) {
            return None;
        }
        let mut all = [first; N];
        all[..ports.len()].copy_from_slice(ports);
        Some(Ports(all))
    }

    /// Whether `port` is in the set.
    #[inline(always)]
    #[must_use]
    pub const fn contains(&self, port: u16) -> bool {
        let mut found = false;
        let mut i = 0;
        while i < N {
            found |= self.0[i] == port;
            i += 1;
        }
        found
    }
}

impl<const N: usize> Shared for Ports<N> {
    const SIZE: usize = <[u16; N]>::SIZE;

    fn put<'a>(&self, out: &'a mut [u8]) -> &'a mut [u8] {
        self.0.put(out)
    }

    fn take(bytes: &[u8]) -> Option<(Ports<N>, &[u8])> {
        let (ports, rest) = Shared::take(bytes)?;
        Some((Ports(ports), rest))
    }
}

/// Whether the host's own traffic, outside any overlay, is counted and sampled too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum HostFlows {
    /// It is not, and such a packet costs next to nothing.
    Off = 0,
    /// Packets with a port in [`Config::host_ports`] are.
    Ports = 1,
    /// All of it is.
    All = 2,
}

shared! {
    /// The `CONFIG` global of the kernel programs: in `.rodata`, so the verifier removes what is switched off.
    pub struct Config {
        /// Random words: the seed of the flow hash, so that no sender can aim at one bucket.
        pub seed: [u64; 4],
        /// Sample one packet in this many, at random distances; 1 is every packet, 0 none.
        pub sample_every: u32,
        /// Sample this many first payload packets of each inner flow and direction; 0 none.
        pub flow_samples: u32,
        /// Bytes to keep of each sampled frame, [`SNAP_MIN`] to [`SNAP_MAX`].
        pub snap: u32,
        /// A [`HostFlows`].
        pub host_flows: u32,
        /// Whether packets are counted by the verdict on their flow; 0 or 1.
        pub exposure: u32,
        /// Whether the kernel has IPsec, so that a packet may be one that it has decrypted; 0 or 1.
        pub ipsec: u32,
        /// Samples in a span that each CPU takes at most, of all networks.
        pub cap_cpu: u32,
        /// Samples in a span that each CPU takes at most of one network.
        pub cap_network: u32,
        /// Whether networks may have to be encrypted, so that their cleartext is counted by node; 0 or 1.
        pub policy: u32,
        /// Entries that `FLOWS` has room for.
        pub flows: u32,
        /// Slots of each CPU and direction in `SLOT_ROWS`; 0 if nothing is counted in slots.
        pub slots: u32,
        /// Places of each CPU and direction in `ESP_SLOTS`: a power of two.
        pub esp_places: u32,
        /// Elements of `BUCKETS` for described networks: a power of two.
        pub described_buckets: u32,
        /// Whether encryptions and decryptions are timed; 0 or 1.
        pub esp_timing: u32,
        /// Ports for [`HostFlows::Ports`].
        pub host_ports: Ports<HOST_PORTS>,
    }
}

impl Config {
    /// The value in the object file, which the loader replaces.
    pub const UNSET: Config = Config {
        seed: [0; 4],
        sample_every: 0,
        flow_samples: 0,
        snap: SNAP_MIN,
        host_flows: HostFlows::Off as u32,
        exposure: 0,
        ipsec: 0,
        cap_cpu: u32::MAX,
        cap_network: u32::MAX,
        policy: 0,
        flows: 0,
        slots: 0,
        esp_places: 1,
        described_buckets: 1,
        esp_timing: 0,
        host_ports: Ports([0; HOST_PORTS]),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_place_matches_nothing_new() {
        let ports: Ports<4> = Ports::new(&[4789, 8472]).unwrap();
        assert!(ports.contains(4789) && ports.contains(8472));
        assert!(!ports.contains(0) && !ports.contains(4790));
        assert_eq!(Ports::<4>::new(&[]), None);
        assert_eq!(Ports::<4>::new(&[1, 0]), None);
        assert_eq!(Ports::<4>::new(&[1, 2, 3, 4, 5]), None);
    }
}
