//! What violations leave to the next process of this boot.

use std::net::IpAddr;

use monitor_common::count::{Count, Total};
use monitor_common::direction::Direction;
use serde::{Deserialize, Serialize};

use super::{Breach, ENDED, PEERS, Peer, Tally, Violation, Violations};
use crate::base::clock::Clock;

/// All violations, as another process reads them.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct LeftViolations {
    /// Packets and bytes by network and direction; no network for those beyond the limit.
    totals: Vec<(Option<u32>, u8, [u64; 2])>,
    /// Open ones, then ended ones, the latest first.
    violations: Vec<LeftViolation>,
}

/// A violation.
#[derive(Debug, Deserialize, Serialize)]
struct LeftViolation {
    vni: u32,
    name: String,
    direction: u8,
    is_cleartext: bool,
    tally: LeftTally,
    peers: Vec<(Option<IpAddr>, LeftTally)>,
    others: [u64; 2],
    ended_ns: Option<u64>,
    causes: Vec<String>,
}

/// Packets, bytes, and the times of the first and the last one by the monotonic clock.
type LeftTally = [u64; 4];

impl Violations {
    /// What another process goes on from.
    pub(in crate::policy) fn leave(&self) -> LeftViolations {
        let totals = self.totals();
        LeftViolations {
            totals: totals
                .map(|(vni, direction, count)| (vni, direction as u8, words(count)))
                .collect(),
            violations: self.all().into_iter().map(left).collect(),
        }
    }

    /// Goes on from what another process has left. What is not to be read is left out.
    pub(in crate::policy) fn inherit(&mut self, left: LeftViolations, clock: Clock) {
        for (vni, direction, count) in left.totals {
            let Some(direction) = Direction::from_index(direction) else {
                continue;
            };
            match vni {
                Some(vni) => self.add_total(direction, vni, self::count(count)),
                None => self.other_totals[direction as usize].add(self::count(count)),
            }
        }
        let violations = left.violations.into_iter();
        for violation in violations.filter_map(|left| taken_over(left, clock)) {
            let key = (violation.breach, (violation.vni, violation.direction));
            if violation.ended.is_none() {
                self.open.insert(key, violation);
            } else if self.ended.len() < ENDED {
                // The latest is the last.
                self.ended.push_front(violation);
            }
        }
    }
}

fn left(violation: Violation) -> LeftViolation {
    LeftViolation {
        vni: violation.vni,
        name: violation.name,
        direction: violation.direction as u8,
        is_cleartext: violation.breach == Breach::Cleartext,
        tally: left_tally(violation.tally),
        peers: violation
            .peers
            .into_iter()
            .map(|peer| (peer.node, left_tally(peer.tally)))
            .collect(),
        others: words(violation.others),
        ended_ns: violation.ended.map(|at| at.monotonic_ns()),
        causes: violation.causes,
    }
}

fn taken_over(left: LeftViolation, clock: Clock) -> Option<Violation> {
    let tally = |[packets, bytes, first, last]: LeftTally| Tally {
        count: count([packets, bytes]),
        first: clock.moment(first),
        last: clock.moment(last),
    };
    let peers = left.peers.into_iter().take(PEERS);
    Some(Violation {
        vni: left.vni,
        name: left.name,
        direction: Direction::from_index(left.direction)?,
        breach: match left.is_cleartext {
            true => Breach::Cleartext,
            false => Breach::Encrypted,
        },
        tally: tally(left.tally),
        peers: peers
            .map(|(node, at)| Peer {
                node,
                tally: tally(at),
            })
            .collect(),
        others: count(left.others),
        ended: left.ended_ns.map(|at| clock.moment(at)),
        causes: left.causes,
    })
}

fn left_tally(tally: Tally) -> LeftTally {
    let [packets, bytes] = words(tally.count);
    [
        packets,
        bytes,
        tally.first.monotonic_ns(),
        tally.last.monotonic_ns(),
    ]
}

fn words(count: Count) -> [u64; 2] {
    [count.packets, count.bytes]
}

fn count([packets, bytes]: [u64; 2]) -> Count {
    Count { packets, bytes }
}

#[cfg(test)]
mod tests {
    use super::super::Path;
    use super::*;
    use crate::base::clock::Moment;
    use crate::policy::Networks;
    use std::time::Duration;

    #[test]
    fn another_process_goes_on_with_what_is_open_what_has_ended_and_all_totals() {
        let networks = Networks::new(Vec::new());
        let mut first = Violations::default();
        let path = |vni, direction| Path {
            breach: Breach::Cleartext,
            vni,
            direction,
            node: Some("192.0.2.7".parse().unwrap()),
        };
        let tally = |packets, second| Tally {
            count: count([packets, packets * 100]),
            first: Moment::second(second),
            last: Moment::second(second),
        };
        first.update([(path(7, Direction::Rx), tally(5, 100))], &networks);
        first.update([(path(8, Direction::Tx), tally(3, 900))], &networks);
        let now = Moment::second(910);
        let ended = first.end(now, Duration::from_secs(60), |_| {
            super::super::Since::Silent
        });
        assert_eq!(ended.len(), 1);

        let text = serde_json::to_string(&first.leave()).unwrap();
        let mut second = Violations::default();
        second.inherit(serde_json::from_str(&text).unwrap(), Clock::now());
        let shape = |all: &Violations| {
            let one = |at: &Violation| {
                let peers: Vec<_> = at
                    .peers
                    .iter()
                    .map(|at| (at.node, at.tally.count))
                    .collect();
                (
                    at.vni,
                    at.direction,
                    at.breach,
                    at.tally.count,
                    peers,
                    at.ended.is_some(),
                )
            };
            let totals: Vec<_> = all.totals().collect();
            (all.all().iter().map(one).collect::<Vec<_>>(), totals)
        };
        assert_eq!(shape(&second), shape(&first));
        assert!(second.is_open(8, Direction::Tx) && !second.is_open(7, Direction::Rx));
        // The same node again is no news; its packets are added.
        let path = path(8, Direction::Tx);
        assert_eq!(second.update([(path, tally(2, 911))], &networks), []);
        let total = |all: &Violations| all.totals().find(|at| at.0 == Some(8)).unwrap().2;
        assert_eq!(total(&second), count([5, 500]));
    }
}
