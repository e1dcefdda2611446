//! What is measured, as data: features of the monitor, and packets.

use monitor::kernel::{Caps, LoadOptions};

use super::packets::{self, Family, Frame};
use super::programs::Variety;

/// Features of the monitor that are on.
#[derive(Clone, Copy)]
pub(super) struct Features {
    /// Text for tables.
    pub(super) label: &'static str,
    /// Options with which the programs are loaded.
    pub(super) options: fn() -> LoadOptions,
    /// The same options as arguments of `overlay-monitor run`.
    pub(super) arguments: &'static [&'static str],
    /// Goal for a VXLAN packet of one flow: at most so many look-ups.
    look_ups: Option<f64>,
    /// Whether VXLAN packets are counted by flow, so that three look-ups in hash maps do the same work.
    pub(super) by_flow: bool,
}

/// Counting only.
pub(super) const COUNTS: Features = Features {
    label: "counts",
    options: || LoadOptions {
        sample_every: 0,
        flow_samples: 0,
        ..LoadOptions::default()
    },
    arguments: &[
        "--sample-every",
        "0",
        "--flow-samples",
        "0",
        "--exposure",
        "false",
    ],
    look_ups: Some(1.6),
    by_flow: false,
};

/// The defaults of `overlay-monitor run`.
pub(super) const DEFAULT: Features = Features {
    label: "as `run`: counts, exact exposure, 1 in 1000",
    options: || LoadOptions {
        exposure: true,
        caps: Caps::DEFAULT,
        policy: true,
        ..LoadOptions::default()
    },
    arguments: &[],
    look_ups: Some(3.0),
    by_flow: true,
};

/// Counting, and a look-up for each packet whether its network must be encrypted.
const POLICY: Features = Features {
    label: "counts, with networks that must be encrypted",
    options: || LoadOptions {
        policy: true,
        ..(COUNTS.options)()
    },
    arguments: &[],
    look_ups: Some(1.6),
    by_flow: false,
};

/// A sample of every packet.
const SAMPLES: Features = Features {
    label: "every packet sampled, 256 bytes",
    options: || LoadOptions {
        sample_every: 1,
        flow_samples: 0,
        ..LoadOptions::default()
    },
    arguments: &["--sample-every", "1", "--flow-samples", "0"],
    look_ups: Some(33.0),
    by_flow: false,
};

/// Features that are measured with all packets.
pub(super) const FEATURES: &[Features] = &[COUNTS, DEFAULT];

/// Flows and VNIs of the varied packets.
const VARIETIES: &[Variety] = &[
    Variety::at_random(1, 1),
    Variety::at_random(1000, 1),
    Variety::at_random(MANY_FLOWS, 1),
    Variety::at_random(1024, 1024),
    Variety::at_random(MANY_VNIS, MANY_VNIS),
];
/// Packets of a flow in a burst, as a sender of segments makes them.
const BURST: u32 = 8;
const MANY_FLOWS: u32 = 100_000;
const MANY_VNIS: u32 = 16_384;

/// One row of `bench kernel`.
pub(super) struct Case {
    /// Name of the row.
    pub(super) name: String,
    /// The packet.
    pub(super) frame: Frame,
    /// Features that are on.
    pub(super) features: Features,
    /// How packets differ. `None`: one hot packet, repeated.
    pub(super) variety: Option<Variety>,
    /// Goals.
    pub(super) goals: Goals,
    /// IP version of the packet.
    pub(super) family: Family,
}

/// Upper limits of what a packet costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Goals {
    /// In look-ups in a per-CPU hash, of which nothing has to be waited for.
    pub(super) look_ups: Option<f64>,
    /// As a share of three look-ups in hash maps for the same packets.
    pub(super) of_three_hashes: Option<f64>,
    /// As a multiple of the same row with IPv4.
    pub(super) of_ipv4: Option<f64>,
}

impl Goals {
    const fn look_ups(look_ups: f64) -> Goals {
        Goals {
            look_ups: Some(look_ups),
            of_three_hashes: None,
            of_ipv4: None,
        }
    }
}

/// The goals of a VXLAN packet.
fn goals(family: Family, features: Features, variety: Option<Variety>) -> Goals {
    let (flows, vnis) = variety.map_or((1, 1), |variety| (variety.flows, variety.vnis));
    // Many flows or networks wait for memory, which no number of look-ups describes.
    let is_small = flows < MANY_FLOWS && vnis < MANY_VNIS;
    match (features.by_flow, family) {
        (true, Family::V4) => Goals {
            look_ups: features.look_ups.filter(|_| is_small),
            of_three_hashes: Some(if vnis == MANY_VNIS {
                0.20
            } else if flows == MANY_FLOWS {
                0.40
            } else {
                0.55
            }),
            of_ipv4: None,
        },
        (true, Family::V6) => Goals {
            of_ipv4: Some(1.3),
            ..Goals::default()
        },
        // One row counts all flows of a VNI.
        (false, _) if vnis == 1 => Goals {
            look_ups: features.look_ups,
            ..Goals::default()
        },
        // One look-up of the three, and a fifth more for the rest.
        (false, _) => Goals {
            of_three_hashes: Some(0.40),
            ..Goals::default()
        },
    }
}

/// All rows. Those of IPv6 follow those of IPv4 with which they are compared.
pub(super) fn all() -> Vec<Case> {
    const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
    let mut cases = Vec::new();
    let mut hot = |name: &str, frame: fn(Family) -> Frame, features, goals: Option<Goals>| {
        cases.extend(FAMILIES.map(|family| Case {
            name: format!("{} {name}", family.label()),
            frame: frame(family),
            features,
            variety: None,
            goals: goals.unwrap_or_else(|| self::goals(family, features, None)),
            family,
        }));
    };
    let (none, esp) = (Goals::look_ups(0.35), Goals::look_ups(2.2));
    hot(
        "of no overlay",
        |family| packets::host(family, 18),
        COUNTS,
        Some(none),
    );
    hot(
        "ESP",
        |family| packets::esp(family, 1000),
        COUNTS,
        Some(esp),
    );
    for features in FEATURES.iter().copied().chain([POLICY, SAMPLES]) {
        hot("VXLAN, one packet", packets::usual, features, None);
    }
    for features in FEATURES {
        for variety in VARIETIES {
            cases.extend(FAMILIES.map(|family| varied(family, *features, *variety)));
        }
    }
    for variety in VARIETIES.iter().filter(|variety| variety.flows > 1) {
        cases.push(varied(Family::V4, DEFAULT, variety.in_bursts(BURST)));
    }
    cases
}

/// The rows that are measured with two CPUs at once.
pub(super) fn on_two_cpus() -> Vec<Case> {
    VARIETIES
        .iter()
        .map(|variety| varied(Family::V4, DEFAULT, *variety))
        .collect()
}

fn varied(family: Family, features: Features, variety: Variety) -> Case {
    let many = |n: u32, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    Case {
        name: format!(
            "{} VXLAN, {} in {}{}",
            family.label(),
            many(variety.flows, "flow"),
            many(variety.vnis, "VNI"),
            match variety.burst {
                1 => String::new(),
                burst => format!(", bursts of {burst}"),
            }
        ),
        frame: packets::usual(family),
        features,
        variety: Some(variety),
        // For bursts there is none; their three look-ups are measured beside them all the same.
        goals: match variety.burst {
            1 => goals(family, features, Some(variety)),
            _ => Goals::default(),
        },
        family,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_each_case_is_unique() {
        let cases = all();
        let mut names: Vec<_> = cases
            .iter()
            .map(|case| (&case.name, case.features.label))
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), cases.len());
    }

    #[test]
    fn vnis_can_be_drawn_from_flows() {
        for variety in VARIETIES {
            assert!(variety.vnis.is_power_of_two() && variety.vnis <= variety.flows);
        }
    }

    #[test]
    fn goals_are_those_that_the_documents_name() {
        let goal = |name: &str, features: &str| {
            let cases = all();
            let found = cases
                .iter()
                .find(|case| case.name == name && case.features.label.starts_with(features));
            found.unwrap().goals
        };
        let run = |look_ups, of_three_hashes| Goals {
            look_ups,
            of_three_hashes: Some(of_three_hashes),
            of_ipv4: None,
        };
        let six = Goals {
            of_ipv4: Some(1.3),
            ..Goals::default()
        };
        for (packet, goals) in [
            ("one packet", run(Some(3.0), 0.55)),
            ("1000 flows in 1 VNI", run(Some(3.0), 0.55)),
            ("1024 flows in 1024 VNIs", run(Some(3.0), 0.55)),
            ("100000 flows in 1 VNI", run(None, 0.40)),
            ("16384 flows in 16384 VNIs", run(None, 0.20)),
        ] {
            assert_eq!(goal(&format!("IPv4 VXLAN, {packet}"), "as `run`"), goals);
            assert_eq!(goal(&format!("IPv6 VXLAN, {packet}"), "as `run`"), six);
        }
        for family in ["IPv4", "IPv6"] {
            let counts = |packet: &str| goal(&format!("{family} {packet}"), "counts");
            assert_eq!(counts("of no overlay"), Goals::look_ups(0.35));
            assert_eq!(counts("ESP"), Goals::look_ups(2.2));
            assert_eq!(counts("VXLAN, one packet"), Goals::look_ups(1.6));
            assert_eq!(counts("VXLAN, 100000 flows in 1 VNI"), Goals::look_ups(1.6));
            let many = counts("VXLAN, 16384 flows in 16384 VNIs");
            assert_eq!(many.of_three_hashes, Some(0.40));
        }
    }
}
