//! Who may have how many of the entries of `FLOWS`: values of `SHARES`, `RETURNED` and `ROOM`.

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
    /// Value of `SHARES`: how many flows of a network the programs have inserted into `FLOWS`. It only grows.
    #[derive(Default)]
    pub struct Share {
        /// Flows.
        pub made: u64,
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
    use super::*;

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
}
