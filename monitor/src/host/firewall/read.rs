//! Reads the firewall from all the places where the kernel keeps rules.

use std::time::{Duration, Instant};

use super::rules::Rules;
use super::{ip_tables, nf_tables};

/// Time limit of a reading. It takes milliseconds.
const LIMIT: Duration = Duration::from_secs(10);

/// The rules for overlay networks, as far as they can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// The rules that were found.
    pub rules: Rules,
    /// The kinds of rules that were read, or that the kernel certainly does not have.
    pub read_from: Vec<&'static str>,
    /// What could not be read, and why: `name: reason`.
    pub unread: Vec<String>,
}

impl Firewall {
    /// Whether every source of rules was read: nf_tables, and iptables' own tables of both versions of IP. Only then does a
    /// rule that was not found not exist.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unread.is_empty() && !self.read_from.is_empty()
    }
}

/// Reads the firewall of this thread's network namespace. Blocks for ten seconds at most.
#[must_use]
pub fn read() -> Firewall {
    let until = Instant::now() + LIMIT;
    combine([
        ("nf_tables", nf_tables::read(until)),
        ("ip_tables", ip_tables::read(&ip_tables::IPV4, until)),
        ("ip6_tables", ip_tables::read(&ip_tables::IPV6, until)),
    ])
}

fn combine(sources: [(&'static str, Result<Rules, String>); 3]) -> Firewall {
    let mut firewall = Firewall::default();
    for (name, rules) in sources {
        match rules {
            Ok(rules) => {
                firewall.rules.extend(&rules);
                firewall.read_from.push(name);
            }
            Err(reason) => firewall.unread.push(format!("{name}: {reason}")),
        }
    }
    firewall
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::firewall::vnis_of;

    #[test]
    fn the_reading_is_whole_when_every_source_was_read() {
        let marks = |vni| Rules {
            marked: vnis_of(&[vni]),
            ..Rules::default()
        };
        let whole = combine([
            ("a", Ok(marks(1))),
            ("b", Ok(marks(2))),
            ("c", Ok(marks(3))),
        ]);
        assert!(whole.is_complete(), "{whole:?}");
        assert!((1..4).all(|vni| whole.rules.marked.has(vni)));
        let refused = || Err("permission denied".to_owned());
        let partly = combine([("a", Ok(marks(1))), ("b", refused()), ("c", Ok(marks(3)))]);
        assert!(!partly.is_complete());
        assert!(partly.rules.marked.has(1) && partly.rules.marked.has(3));
        assert_eq!(partly.unread, ["b: permission denied"]);
        assert!(!Firewall::default().is_complete());
    }
}
