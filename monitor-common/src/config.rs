//! What is set when the kernel programs are loaded, and constant from then on.

/// How many ports `host_flows = ports` can name.
pub const HOST_PORTS: usize = 16;
/// Shortest snap length in bytes: the longest header chain without options, and some payload.
pub const SNAP_MIN: u32 = 128;
/// Longest snap length in bytes: a whole frame at the usual MTU.
pub const SNAP_MAX: u32 = 1536;

/// Length of the span of time that sample caps are counted over: 2 to this power nanoseconds, 67 ms.
pub const SPAN_SHIFT: u32 = 26;

/// A small set of ports, searched on the packet path without a branch on its length.
///
/// Unused places repeat the first port, so that port 0 of a hostile packet matches nothing.
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

/// Whether the host's own traffic, outside any overlay, is counted and sampled too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum HostFlows {
    /// Not at all: such a packet costs next to nothing.
    Off = 0,
    /// Where one of its ports is in [`Config::host_ports`].
    Ports = 1,
    /// All of it.
    All = 2,
}

/// The `CONFIG` global of the kernel programs (`.rodata`, so the verifier removes what is off).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Config {
    /// Random words: seed of the flow hash, so that nobody outside can aim at one bucket.
    pub seed: [u64; 4],
    /// Sample one packet in this many, at random intervals; 1 is every packet, 0 none.
    pub sample_every: u32,
    /// Sample this many first payload packets of each inner flow and direction; 0 none.
    pub flow_samples: u32,
    /// Bytes of each sampled frame to keep, [`SNAP_MIN`] to [`SNAP_MAX`].
    pub snap: u32,
    /// A [`HostFlows`].
    pub host_flows: u32,
    /// Whether flows are judged, and packets counted by exposure; 0 or 1.
    pub exposure: u32,
    /// Whether the kernel knows IPsec, so that a packet may be one that it has decrypted; 0 or 1.
    pub ipsec: u32,
    /// Samples in a span that each CPU takes at most, of all networks.
    pub cap_cpu: u32,
    /// Samples in a span that each CPU takes at most of one network.
    pub cap_network: u32,
    /// Whether networks may have to be encrypted, so that their cleartext is counted by node; 0 or 1.
    pub policy: u32,
    /// For 8-byte alignment.
    pub reserved: u32,
    /// Ports for [`HostFlows::Ports`].
    pub host_ports: Ports<HOST_PORTS>,
}

impl Config {
    /// Size of the bytes that the loader writes into `.rodata`.
    pub const SIZE: usize = size_of::<Config>();

    /// What stands in the object file before the loader has written its own.
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
        reserved: 0,
        host_ports: Ports([0; HOST_PORTS]),
    };

    /// The bytes of the `CONFIG` global, in the byte order of this machine.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Config::SIZE] {
        let mut out = [0; Config::SIZE];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        for word in self.seed {
            put(&word.to_ne_bytes());
        }
        for word in [
            self.sample_every,
            self.flow_samples,
            self.snap,
            self.host_flows,
            self.exposure,
            self.ipsec,
            self.cap_cpu,
            self.cap_network,
            self.policy,
            self.reserved,
        ] {
            put(&word.to_ne_bytes());
        }
        for port in self.host_ports.0 {
            put(&port.to_ne_bytes());
        }
        out
    }
}

// No implicit padding: the bytes above are the layout.
const _: () = assert!(size_of::<Config>() == 4 * 8 + 10 * 4 + 2 * HOST_PORTS);

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

    #[test]
    fn bytes_follow_the_layout() {
        let config = Config {
            sample_every: 7,
            snap: 256,
            ..Config::UNSET
        };
        let bytes = config.to_bytes();
        assert_eq!(
            bytes[core::mem::offset_of!(Config, sample_every)],
            7u32.to_ne_bytes()[0]
        );
        let at = core::mem::offset_of!(Config, cap_network);
        assert_eq!(bytes[at..at + 4], u32::MAX.to_ne_bytes());
    }
}
