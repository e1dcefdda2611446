//! What a network is, by what was seen of it over a window of time.

use super::seen::{Seen, Sight};

/// What a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// All of it was inside ESP.
    Encrypted,
    /// None of it was.
    Cleartext,
    /// Some of it was.
    Mixed,
    /// Nothing was seen.
    Idle,
    /// Nobody can tell: the sight was not good enough.
    Unknown,
}

impl State {
    /// All of them.
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

/// Why a state is not known, or what was seen may be less than what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// A program of ours was not where it should be.
    Blind,
    /// There was ESP, and nobody can tell of which network.
    Unattributed,
    /// The network found no room in the maps.
    Full,
    /// A network card encrypts what is sent, after the hook: there it is still readable.
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

    /// What it means and what to do.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Doubt::Blind => {
                "an interface that should be watched was not, at least for a moment (see /healthz)"
            }
            Doubt::Unattributed => {
                "there is ESP, and this kernel does not tell of which network (see overlay-monitor check)"
            }
            Doubt::Full => {
                "more networks than there is room for are on the wire, and this one is counted among the others"
            }
            Doubt::Offloaded => {
                "the network card encrypts what is sent (XFRM packet offload), so what leaves it cannot be told from here"
            }
        }
    }
}

/// The state of a network, and what is doubtful about it. `has_row` tells whether the network is counted by
/// itself, `offloaded` whether a network card encrypts for any node.
#[must_use]
pub fn judge(seen: &Seen, sight: &Sight, has_row: bool, offloaded: bool) -> (State, Vec<Doubt>) {
    let mut doubts = Vec::new();
    if sight.blind {
        doubts.push(Doubt::Blind);
    }
    if sight.unattributed != 0 {
        doubts.push(Doubt::Unattributed);
    }
    if sight.overflow != 0 && !has_row {
        doubts.push(Doubt::Full);
    }
    let [received, sent] = seen.cleartext;
    if offloaded && sent.packets != 0 {
        doubts.push(Doubt::Offloaded);
        // What was sent proves nothing then.
        if received.packets == 0 {
            return (State::Unknown, doubts);
        }
    }
    let state = match (seen.cleartext_packets() != 0, seen.encrypted_packets() != 0) {
        // Cleartext is cleartext, whatever else there may have been.
        (true, true) => State::Mixed,
        (true, false) => State::Cleartext,
        // Not to have seen cleartext means nothing to who did not see everything.
        (false, _) if !doubts.is_empty() => State::Unknown,
        (false, true) => State::Encrypted,
        (false, false) => State::Idle,
    };
    (state, doubts)
}

#[cfg(test)]
mod tests {
    use monitor_common::key::Count;

    use super::*;

    fn seen(cleartext: u64, encrypted: u64) -> Seen {
        let both = |packets| [Count { packets, bytes: 0 }, Count::default()];
        Seen {
            cleartext: both(cleartext),
            encrypted: both(encrypted),
        }
    }

    #[test]
    fn a_good_sight_tells_four_states() {
        for (cleartext, encrypted, state) in [
            (0, 0, State::Idle),
            (0, 9, State::Encrypted),
            (9, 0, State::Cleartext),
            (1, 1_000_000, State::Mixed),
        ] {
            let seen = seen(cleartext, encrypted);
            assert_eq!(
                judge(&seen, &Sight::default(), true, false),
                (state, vec![])
            );
        }
    }

    #[test]
    fn blind_is_not_healthy() {
        let sights = [
            (
                Sight {
                    blind: true,
                    ..Sight::default()
                },
                Doubt::Blind,
            ),
            (
                Sight {
                    unattributed: 1,
                    ..Sight::default()
                },
                Doubt::Unattributed,
            ),
            (
                Sight {
                    overflow: 1,
                    ..Sight::default()
                },
                Doubt::Full,
            ),
        ];
        for (sight, doubt) in sights {
            for (cleartext, encrypted, state) in [
                (0, 0, State::Unknown),
                (0, 9, State::Unknown),
                (9, 0, State::Cleartext),
                (9, 9, State::Mixed),
            ] {
                let seen = seen(cleartext, encrypted);
                assert_eq!(judge(&seen, &sight, false, false), (state, vec![doubt]));
            }
        }
        let full = Sight {
            overflow: 1,
            ..Sight::default()
        };
        assert_eq!(
            judge(&seen(0, 9), &full, true, false),
            (State::Encrypted, vec![])
        );
    }

    #[test]
    fn what_a_network_card_will_encrypt_is_not_called_cleartext() {
        let mut sent = seen(0, 3);
        sent.cleartext[1].packets = 5;
        let clear = Sight::default();
        let unknown = (State::Unknown, vec![Doubt::Offloaded]);
        assert_eq!(judge(&sent, &clear, true, true), unknown);
        assert_eq!(judge(&sent, &clear, true, false), (State::Mixed, vec![]));
        sent.cleartext[0].packets = 1;
        let mixed = (State::Mixed, vec![Doubt::Offloaded]);
        assert_eq!(
            judge(&sent, &clear, true, true),
            mixed,
            "received is received"
        );
    }
}
