//! Who may have how many of the entries of `FLOWS`: values of `SHARES`, `RETURNED` and `ROOM`.

use crate::recent::with_lately;
use crate::shared::shared;

/// Two groups of networks, each with room that the other cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Group {
    /// Networks that neither the configuration nor Docker describes: any sender of packets can forge any number of
    /// them.
    Unknown = 0,
    /// Networks of the configuration or of Docker.
    Described = 1,
}

impl Group {
    /// All groups.
    pub const ALL: [Group; 2] = [Group::Unknown, Group::Described];

    /// The group of this number; every number except 0 is [`Group::Described`].
    #[inline(always)]
    #[must_use]
    pub const fn from_bit(bit: u32) -> Group {
        if bit == 0 {
            Group::Unknown
        } else {
            Group::Described
        }
    }
}

shared! {
    /// Value of `SHARES`: what a network has had of the room that networks share.
    #[derive(Default)]
    pub struct Share {
        /// Flows that the programs have inserted into `FLOWS`. The number only grows.
        pub made: u64,
        /// A [`Recent`](crate::recent::Recent): flows that they have inserted.
        pub flows: u64,
        /// A [`Recent`](crate::recent::Recent): samples that they have taken.
        pub samples: u64,
    }
}

shared! {
    /// Value of `RETURNED`: how many flows of a network the agent has removed from `FLOWS`. It only grows.
    ///
    /// The difference to [`Share::made`] is what the map holds: each of the two numbers has one writer, so neither side
    /// overwrites what the other adds.
    pub struct Returned {
        /// Flows.
        pub flows: u64,
        /// A [`Group`].
        pub group: u32,
        /// Always 0: fills the struct up to the alignment of the number of flows.
        pub padding: u32,
    }
}

shared! {
    /// Value of `ROOM`: how much of `FLOWS` a [`Group`] may take, and what the agent has removed of it.
    #[derive(Default)]
    pub struct Room {
        /// Flows that all networks of the group together may have in the map.
        pub limit: u64,
        /// Flows of the group that the agent has removed.
        pub returned: u64,
    }
}

/// How many flows count against a network: those that it has in `FLOWS`, and those that it has inserted lately, up to a
/// small part of what its group may take (see [`with_lately`]).
#[inline(always)]
#[must_use]
pub const fn flows_held(held: u64, lately: u64, limit: u64) -> u64 {
    /// One part in this many.
    const PART: u64 = 1024;
    with_lately(held, lately, limit / PART)
}

/// Flows that a network may have in `FLOWS` at the moment: its part of what is left is as large as the part of the
/// whole that is left.
///
/// One network that floods stops at 38 % of the whole, of a thousand each at 0.098 %. They leave 62 %, and 3 %: no
/// network ever gets the last entries, and a network that comes later finds nearly as much as each of those before it.
#[inline(always)]
#[must_use]
pub const fn flow_share(capacity: u64, live: [u64; 2], group: Group, limit: u64) -> u64 {
    let left_of_all = capacity.saturating_sub(live[0].saturating_add(live[1]));
    let left_of_group = limit.saturating_sub(live[group as usize]);
    let left = if left_of_all < left_of_group {
        left_of_all
    } else {
        left_of_group
    };
    match (left * left).checked_div(limit) {
        Some(share) => share,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn a_group_comes_back_from_its_number() {
        for group in Group::ALL {
            assert_eq!(Group::from_bit(group as u32), group);
        }
        assert_eq!(Group::from_bit(7), Group::Described);
    }

    #[test]
    fn networks_that_flood_leave_room_for_one_that_comes() {
        const WHOLE: u64 = 50_000;
        for networks in [1u64, 2, 10, 1000, 20_000] {
            let share = |live| flow_share(WHOLE, [live, 0], Group::Unknown, WHOLE);
            // Each makes one flow in turn, as long as it has fewer than its share.
            let (mut held, mut live) = (0, 0);
            while held < share(live) {
                live += 1;
                held = live / networks;
            }
            let mut late = 0;
            while late < share(live + late) {
                late += 1;
            }
            assert!(late >= held / 3 && late > 0, "{networks}: {held}, {late}");
            if networks >= 1000 {
                assert!(late + 1 >= held - held / 4, "{networks}: {held}, {late}");
                assert!(held <= WHOLE / networks);
            }
        }
        assert_eq!(flow_share(WHOLE, [0, WHOLE], Group::Unknown, WHOLE), 0);
        assert_eq!(flow_share(WHOLE, [1, 1], Group::Described, 0), 0);
    }
    /// Networks that flood, each with one flow after the other, in random order; flows leave the map at random, as samples
    /// and verdicts come. One that comes later finds as many as each of them has had.
    #[test]
    fn networks_that_flood_leave_room_for_one_that_comes_while_flows_leave() {
        const WHOLE: u64 = 22_528;
        const NETWORKS: usize = 2_048;
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random as usize % below
        };
        let (mut held, mut lately) = (vec![0u64; NETWORKS], vec![0u64; NETWORKS]);
        let mut live = 0;
        let share = |live| flow_share(2 * WHOLE, [live, 0], Group::Unknown, WHOLE);
        let mut least = u64::MAX;
        for step in 0..1_000_000 {
            let network = next(NETWORKS);
            if flows_held(held[network], lately[network], WHOLE) < share(live) {
                held[network] += 1;
                lately[network] += 1;
                live += 1;
            }
            // One in 20 packets of the flood is a sample, and takes a flow out.
            let network = next(NETWORKS);
            if step % 20 == 0 && held[network] != 0 {
                held[network] -= 1;
                live -= 1;
            }
            if step > 500_000 {
                least = least.min(share(live));
            }
        }
        assert!(least >= 20, "{least}");
    }
}
