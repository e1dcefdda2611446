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
    /// Goal for a VXLAN packet of one flow at XDP: at most so many nanoseconds above the empty program.
    goal_one_flow: Option<f64>,
    /// The same for 100,000 random flows.
    goal_many_flows: Option<f64>,
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
    goal_one_flow: Some(8.0),
    goal_many_flows: None,
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
    goal_one_flow: Some(25.0),
    goal_many_flows: Some(60.0),
};

/// Counting, and a look-up for each packet whether its network must be encrypted.
const POLICY: Features = Features {
    label: "counts, with networks that must be encrypted",
    options: || LoadOptions {
        policy: true,
        ..(COUNTS.options)()
    },
    arguments: &[],
    goal_one_flow: Some(8.0),
    goal_many_flows: None,
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
    goal_one_flow: Some(200.0),
    goal_many_flows: None,
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
    /// Goal at XDP: at most so many nanoseconds above the empty program.
    pub(super) goal: Option<f64>,
}

/// All rows.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for family in [Family::V4, Family::V6] {
        let hot = |name: &str, frame, features, goal| Case {
            name: format!("{} {name}", family.label()),
            frame,
            features,
            variety: None,
            goal,
        };
        cases.push(hot(
            "of no overlay",
            packets::host(family, 18),
            COUNTS,
            Some(1.0),
        ));
        cases.push(hot("ESP", packets::esp(family, 1000), COUNTS, Some(15.0)));
        for features in FEATURES.iter().copied().chain([POLICY, SAMPLES]) {
            let goal = features.goal_one_flow;
            cases.push(hot(
                "VXLAN, one packet",
                packets::usual(family),
                features,
                goal,
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
    let goal = match variety {
        Variety { flows: 1, .. } => features.goal_one_flow,
        Variety { flows: MANY, .. } => features.goal_many_flows,
        Variety { .. } => None,
    };
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
        goal,
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
