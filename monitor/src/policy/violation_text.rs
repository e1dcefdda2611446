//! Violations as text, for the log and the reports.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use monitor_common::direction::Direction;

use super::violation::{Breach, Event, Peer, Since, Violation};
use crate::base::plural::counted;
use crate::host::described_network::title;

/// Nodes that a line lists.
const NAMED: usize = 4;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Opened(violation) => {
                write!(
                    f,
                    "violation: {} {}: {}, first at {}. {}",
                    what(violation),
                    nodes(violation),
                    amount(violation),
                    clock(violation.tally.first.wall()),
                    meaning(violation.breach, violation.direction)
                )?;
                causes(violation, f)
            }
            Event::Spread(violation, node) => write!(
                f,
                "violation: {}, also {} {node} ({})",
                what(violation),
                towards(violation.direction),
                amount(violation),
            ),
            Event::Ended(violation, since) => {
                write!(
                    f,
                    "violation over: {} {}: {}, from {} to {}; {}",
                    past(violation),
                    nodes(violation),
                    amount(violation),
                    clock(violation.tally.first.wall()),
                    clock(violation.tally.last.wall()),
                    afterwards(violation.breach, *since)
                )?;
                causes(violation, f)
            }
        }
    }
}

/// The requirement, and what broke it; [`nodes`] can follow it.
#[must_use]
pub fn what(violation: &Violation) -> String {
    let title = title(violation.vni, &violation.name);
    match violation.breach {
        Breach::Cleartext => format!(
            "{title} must be encrypted, but cleartext was {}",
            verb(violation.direction)
        ),
        Breach::Encrypted => format!(
            "{title} must not be encrypted, but ESP was {}",
            verb(violation.direction)
        ),
    }
}

/// What was seen of the network since.
const fn afterwards(breach: Breach, since: Since) -> &'static str {
    match (breach, since) {
        (Breach::Cleartext, Since::Kept) => "it was seen encrypted since",
        (Breach::Encrypted, Since::Kept) => "it was seen in cleartext since",
        (_, Since::Unseen) => {
            "whether it is encrypted since, this host cannot see: it does not attribute ESP to networks"
        }
        (_, Since::Silent) => "nothing of it was seen since, so the fault may still be there",
    }
}

/// What crossed, after the violation is over.
fn past(violation: &Violation) -> String {
    let title = title(violation.vni, &violation.name);
    let what = match violation.breach {
        Breach::Cleartext => "cleartext",
        Breach::Encrypted => "ESP",
    };
    format!("{what} of {title} was {}", verb(violation.direction))
}

/// What was done with the packets.
#[must_use]
pub const fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Rx => "received",
        Direction::Tx => "sent",
    }
}

/// What it means, and what to check.
#[must_use]
pub const fn meaning(breach: Breach, direction: Direction) -> &'static str {
    match (breach, direction) {
        (Breach::Cleartext, Direction::Rx) => {
            "The sender does not encrypt, or the packets are injected: compare with the sender's own counts"
        }
        (Breach::Cleartext, Direction::Tx) => {
            "A firewall rule or an IPsec policy of this node is missing: anyone on the path can read it"
        }
        (Breach::Encrypted, Direction::Rx | Direction::Tx) => {
            "Inspection of this network on the path sees only ciphertext"
        }
    }
}

/// The nodes that take part.
#[must_use]
pub fn nodes(violation: &Violation) -> String {
    let name = |peer: &Peer| match peer.node {
        Some(node) => node.to_string(),
        None => "others".to_owned(),
    };
    let mut names: Vec<String> = violation.peers.iter().take(NAMED).map(name).collect();
    let more = violation.peers.len().saturating_sub(NAMED);
    if more != 0 || violation.others.packets != 0 {
        names.push("more".to_owned());
    }
    format!("{} {}", towards(violation.direction), names.join(", "))
}

const fn towards(direction: Direction) -> &'static str {
    match direction {
        Direction::Rx => "from",
        Direction::Tx => "to",
    }
}

/// Packets and bytes of all nodes.
#[must_use]
pub fn amount(violation: &Violation) -> String {
    let count = violation.tally.count;
    format!(
        "{}, {} bytes",
        counted(count.packets, "packet"),
        count.bytes
    )
}

/// Time of day on this host.
fn clock(time: Timestamp) -> impl fmt::Display {
    time.to_zoned(TimeZone::system()).strftime("%H:%M:%S.%3f")
}

/// The likely causes of a violation, as a line for the log.
#[must_use]
pub fn with_causes(violation: &Violation) -> String {
    struct Causes<'a>(&'a Violation);
    impl fmt::Display for Causes<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            causes(self.0, f)
        }
    }
    format!("violation: {}{}", what(violation), Causes(violation))
}

fn causes(violation: &Violation, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match violation.causes.split_first() {
        None => Ok(()),
        Some((likeliest, rest)) => {
            write!(f, ". Likely cause: {likeliest}")?;
            rest.iter().try_for_each(|cause| write!(f, "; or {cause}"))
        }
    }
}

/// The address of a node as it is shown.
#[must_use]
pub fn node(node: Option<IpAddr>) -> String {
    node.map_or_else(|| "other".to_owned(), |node| node.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use monitor_common::count::Count;

    use super::super::known_networks::Networks;
    use super::super::violation::{Path, Tally, Violations};
    use super::*;
    use crate::base::clock::Moment;
    use crate::host::described_network::{Network, NetworkKind, Requirement, Source};

    #[test]
    fn a_line_has_requirement_nodes_amount_and_causes() {
        let networks = Networks::new(vec![Network {
            vni: 4096,
            name: "app1\x1b[2J\n".to_owned(),
            required: Requirement::Required,
            source: Source::Config,
            kind: NetworkKind::Overlay,
        }]);
        let mut violations = Violations::default();
        let path = |node: u8| Path {
            breach: Breach::Cleartext,
            vni: 4096,
            direction: Direction::Tx,
            node: Some(IpAddr::from([192, 168, 77, node])),
        };
        let tally = Tally {
            count: Count {
                packets: 1,
                bytes: 98,
            },
            first: Moment::second(0),
            last: Moment::second(0),
        };
        let said = violations.update([(path(2), tally)], &networks)[0].to_string();
        for part in [
            "violation: app1\\x1b[2J\\x0a (VNI 4096) must be encrypted, but cleartext was sent to 192.168.77.2: \
             1 packet, 98 bytes, first at ",
            "firewall rule or an IPsec policy of this node is missing",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let events = violations.update((3..9).map(|node| (path(node), tally)), &networks);
        let said = events[0].to_string();
        assert!(said.contains("also to 192.168.77.3"), "{said}");
        let causes = ["no marking rule".to_owned(), "no policy".to_owned()];
        violations.explain(Breach::Cleartext, 4096, Direction::Tx, &causes);
        let said = with_causes(&violations.all()[0]);
        for part in [
            "violation: app1\\x1b[2J\\x0a (VNI 4096) must be encrypted, but cleartext was sent",
            ". Likely cause: no marking rule; or no policy",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let end = Moment::second(99);
        let said = violations.end(end, Duration::from_secs(1), |_| Since::Silent)[0].to_string();
        for part in [
            "violation over: cleartext of app1\\x1b[2J\\x0a (VNI 4096) was sent to ",
            "to 192.168.77.2, 192.168.77.3, 192.168.77.4, 192.168.77.5, more: 7 packets",
            "; nothing of it was seen since, so the fault may still be there. Likely cause: no marking rule; or no policy",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.chars().any(char::is_control), "{said}");
    }

    #[test]
    fn the_end_of_a_violation_says_what_was_seen_since() {
        for (breach, since, says) in [
            (
                Breach::Cleartext,
                Since::Kept,
                "it was seen encrypted since",
            ),
            (
                Breach::Encrypted,
                Since::Kept,
                "it was seen in cleartext since",
            ),
            (
                Breach::Cleartext,
                Since::Silent,
                "nothing of it was seen since",
            ),
            (Breach::Cleartext, Since::Unseen, "this host cannot see"),
        ] {
            assert!(
                afterwards(breach, since).contains(says),
                "{breach:?} {since:?}"
            );
        }
    }
}
