//! The privileges that this process holds.

use std::fmt;

use caps::{CapSet, Capability};

/// Includes `CAP_BPF` and `CAP_PERFMON`, which it was before Linux 5.8.
const ADMIN: Capability = Capability::CAP_SYS_ADMIN;

/// What loading and attaching the programs takes, and reading IPsec and the firewall.
pub const NEEDED: [Capability; 3] = [
    Capability::CAP_BPF,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_PERFMON,
];

/// Effective capabilities of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities(Vec<Capability>);

impl Capabilities {
    /// Those of this thread; none if they cannot be read.
    #[must_use]
    pub fn read() -> Capabilities {
        let set = caps::read(None, CapSet::Effective).unwrap_or_default();
        Capabilities::of(set)
    }

    /// A set, in the order of its names.
    pub(crate) fn of(set: impl IntoIterator<Item = Capability>) -> Capabilities {
        let mut all: Vec<Capability> = set.into_iter().collect();
        all.sort_by_key(Capability::to_string);
        Capabilities(all)
    }

    /// Whether it is held, or one that includes it.
    #[must_use]
    pub fn has(&self, wanted: Capability) -> bool {
        let by_admin = matches!(wanted, Capability::CAP_BPF | Capability::CAP_PERFMON);
        self.0.contains(&wanted) || by_admin && self.0.contains(&ADMIN)
    }

    /// Those of [`NEEDED`] that are missing.
    #[must_use]
    pub fn missing(&self) -> Capabilities {
        Capabilities::of(NEEDED.into_iter().filter(|wanted| !self.has(*wanted)))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let names: Vec<String> = self.0.iter().map(Capability::to_string).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_that_includes_others_replaces_them() {
        let admin = Capabilities::of([Capability::CAP_SYS_ADMIN]);
        assert_eq!(admin.missing().to_string(), "CAP_NET_ADMIN");
        let needed = Capabilities::of(NEEDED);
        assert!(needed.missing().is_empty());
        assert_eq!(needed.to_string(), "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON");
        let none = Capabilities::of([]);
        assert_eq!(
            (none.to_string(), none.missing()),
            ("none".to_owned(), needed)
        );
    }
}
