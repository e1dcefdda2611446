//! The state of a network, from what was seen of it over a window.

use super::history::{Coverage, Seen};

/// The state of a network over the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// All of its traffic was inside ESP.
    Encrypted,
    /// None of its traffic was inside ESP.
    Cleartext,
    /// Some of its traffic was inside ESP, some was not.
    Mixed,
    /// No traffic was seen.
    Idle,
    /// The state cannot be determined: coverage was incomplete.
    Unknown,
}

impl State {
    /// All states.
    pub const ALL: [State; 5] = [
        State::Encrypted,
        State::Cleartext,
        State::Mixed,
        State::Idle,
        State::Unknown,
    ];

    /// Its name in JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Encrypted => "encrypted",
            State::Cleartext => "cleartext",
            State::Mixed => "mixed",
            State::Idle => "idle",
            State::Unknown => "unknown",
        }
    }
}

/// Why a state is unknown, or why more may have crossed than was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// One of the agent's programs was not attached.
    Blind,
    /// ESP was seen whose network the kernel cannot attribute.
    Unattributed,
    /// The network has no row of its own in the maps.
    Full,
    /// A network card encrypts after the hook: sent packets are still readable where they are counted.
    Offloaded,
}

impl Doubt {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Doubt::Blind => "blind",
            Doubt::Unattributed => "unattributed",
            Doubt::Full => "map_full",
            Doubt::Offloaded => "packet_offload",
        }
    }

    /// What it means, and what to do.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Doubt::Blind => {
                "an interface that must be watched was not, at least for a moment (see /healthz)"
            }
            Doubt::Unattributed => {
                "ESP was seen, and this kernel cannot attribute it to a network (see overlay-monitor check)"
            }
            Doubt::Full => {
                "there are more networks on the wire than rows in the map, and this one is counted under \"other\""
            }
            Doubt::Offloaded => {
                "the network card encrypts what is sent (XFRM packet offload), after the point where the agent sees it"
            }
        }
    }
}

/// The state of a network, and the doubts about it. `has_row` is whether the network has a row of its own in the maps,
/// `offloaded` whether a network card encrypts for any node.
#[must_use]
pub fn evaluate(
    seen: &Seen,
    coverage: &Coverage,
    has_row: bool,
    offloaded: bool,
) -> (State, Vec<Doubt>) {
    let mut doubts = Vec::new();
    if coverage.blind {
        doubts.push(Doubt::Blind);
    }
    if coverage.unattributed != 0 {
        doubts.push(Doubt::Unattributed);
    }
    if coverage.overflow != 0 && !has_row {
        doubts.push(Doubt::Full);
    }
    let [received, sent] = seen.cleartext;
    if offloaded && sent.packets != 0 {
        doubts.push(Doubt::Offloaded);
        // Sent packets prove nothing then.
        if received.packets == 0 {
            return (State::Unknown, doubts);
        }
    }
    let state = match (seen.cleartext_packets() != 0, seen.encrypted_packets() != 0) {
        // Cleartext is cleartext, whatever else was seen.
        (true, true) => State::Mixed,
        (true, false) => State::Cleartext,
        // With incomplete coverage, not to have seen cleartext proves nothing.
        (false, _) if !doubts.is_empty() => State::Unknown,
        (false, true) => State::Encrypted,
        (false, false) => State::Idle,
    };
    (state, doubts)
}

#[cfg(test)]
mod tests {
    use monitor_common::count::Count;

    use super::*;

    fn seen(cleartext: u64, encrypted: u64) -> Seen {
        let both = |packets| [Count { packets, bytes: 0 }, Count::default()];
        Seen {
            cleartext: both(cleartext),
            encrypted: both(encrypted),
        }
    }

    #[test]
    fn complete_coverage_gives_four_states() {
        for (cleartext, encrypted, state) in [
            (0, 0, State::Idle),
            (0, 9, State::Encrypted),
            (9, 0, State::Cleartext),
            (1, 1_000_000, State::Mixed),
        ] {
            let seen = seen(cleartext, encrypted);
            assert_eq!(
                evaluate(&seen, &Coverage::default(), true, false),
                (state, vec![])
            );
        }
    }

    #[test]
    fn blind_is_not_healthy() {
        let coverages = [
            (
                Coverage {
                    blind: true,
                    ..Coverage::default()
                },
                Doubt::Blind,
            ),
            (
                Coverage {
                    unattributed: 1,
                    ..Coverage::default()
                },
                Doubt::Unattributed,
            ),
            (
                Coverage {
                    overflow: 1,
                    ..Coverage::default()
                },
                Doubt::Full,
            ),
        ];
        for (coverage, doubt) in coverages {
            for (cleartext, encrypted, state) in [
                (0, 0, State::Unknown),
                (0, 9, State::Unknown),
                (9, 0, State::Cleartext),
                (9, 9, State::Mixed),
            ] {
                let seen = seen(cleartext, encrypted);
                assert_eq!(
                    evaluate(&seen, &coverage, false, false),
                    (state, vec![doubt])
                );
            }
        }
        let full = Coverage {
            overflow: 1,
            ..Coverage::default()
        };
        assert_eq!(
            evaluate(&seen(0, 9), &full, true, false),
            (State::Encrypted, vec![])
        );
    }

    #[test]
    fn what_a_network_card_encrypts_later_is_not_called_cleartext() {
        let mut sent = seen(0, 3);
        sent.cleartext[1].packets = 5;
        let complete = Coverage::default();
        let unknown = (State::Unknown, vec![Doubt::Offloaded]);
        assert_eq!(evaluate(&sent, &complete, true, true), unknown);
        assert_eq!(
            evaluate(&sent, &complete, true, false),
            (State::Mixed, vec![])
        );
        sent.cleartext[0].packets = 1;
        let mixed = (State::Mixed, vec![Doubt::Offloaded]);
        assert_eq!(
            evaluate(&sent, &complete, true, true),
            mixed,
            "received cleartext is cleartext"
        );
    }
}
