//! What is measured, as data: features of the monitor, and packets.

use monitor::kernel::{Caps, LoadOptions};
use monitor_common::wire::vxlan;

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

/// Flows and VNIs of the varied packets, and whether IPv6 is measured too.
const VARIETIES: &[(Variety, bool)] = &[
    (Variety { flows: 1, vnis: 1 }, true),
    (
        Variety {
            flows: 1000,
            vnis: 1,
        },
        false,
    ),
    (
        Variety {
            flows: MANY,
            vnis: 1,
        },
        true,
    ),
    (
        Variety {
            flows: 1024,
            vnis: 1024,
        },
        false,
    ),
    (
        Variety {
            flows: 16384,
            vnis: 16384,
        },
        true,
    ),
];
const MANY: u32 = 100_000;

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
}

/// Upper limits of what a packet costs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Goals {
    /// In look-ups in a per-CPU hash, of which nothing has to be waited for.
    pub(super) look_ups: Option<f64>,
    /// As a share of three look-ups in hash maps for the same packets.
    pub(super) of_three_hashes: Option<f64>,
}

impl Goals {
    const fn look_ups(look_ups: f64) -> Goals {
        Goals {
            look_ups: Some(look_ups),
            of_three_hashes: None,
        }
    }
}

/// The goals of a VXLAN packet.
fn goals(features: Features, variety: Option<Variety>) -> Goals {
    let is_one_flow = variety.is_none_or(|variety| variety.flows == 1);
    let share = match variety {
        Some(Variety { flows: MANY, .. }) => 0.40,
        Some(Variety { vnis: 16_384, .. }) => 0.20,
        _ => 0.55,
    };
    Goals {
        look_ups: features.look_ups.filter(|_| is_one_flow),
        of_three_hashes: features.by_flow.then_some(share),
    }
}

/// All rows.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for family in [Family::V4, Family::V6] {
        let hot = |name: &str, frame, features, goals| Case {
            name: format!("{} {name}", family.label()),
            frame,
            features,
            variety: None,
            goals,
        };
        let (none, esp) = (Goals::look_ups(0.35), Goals::look_ups(2.2));
        cases.push(hot(
            "of no overlay",
            packets::host(family, 18),
            COUNTS,
            none,
        ));
        cases.push(hot("ESP", packets::esp(family, 1000), COUNTS, esp));
        for features in FEATURES.iter().copied().chain([POLICY, SAMPLES]) {
            let goals = goals(features, None);
            cases.push(hot(
                "VXLAN, one packet",
                packets::usual(family),
                features,
                goals,
            ));
        }
        for features in FEATURES {
            let wanted = VARIETIES
                .iter()
                .filter(|(_, both)| *both || family == Family::V4);
            cases.extend(wanted.map(|(variety, _)| varied(family, *features, *variety)));
        }
    }
    cases
}

fn varied(family: Family, features: Features, variety: Variety) -> Case {
    let many = |n: u32, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    Case {
        name: format!(
            "{} VXLAN, {} in {}",
            family.label(),
            many(variety.flows, "flow"),
            many(variety.vnis, "VNI")
        ),
        frame: packets::vxlan(family, vxlan::PORT, 1000),
        features,
        variety: Some(variety),
        goals: goals(features, Some(variety)),
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
        for (variety, _) in VARIETIES {
            assert!(variety.vnis.is_power_of_two() && variety.vnis <= variety.flows);
        }
    }
}
