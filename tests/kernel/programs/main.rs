//! The programs count every shape of packet as what it is, through each entry point.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod esp;
mod host;
mod reasons;
mod vxlan;

use monitor::base::hash::HashMap;
use std::sync::{Mutex, PoisonError};

use aya::programs::TestRunOptions;
use monitor::base::udp_ports::UdpPorts;
use monitor::kernel::{Entry, Kernel, LoadOptions};
use monitor_common::config::HostFlows;
use monitor_common::count::{Count, EspCount, Total};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::encapsulation::UdpPort;
use monitor_common::key::{CounterKey, ReasonKey};
use monitor_common::reason::Reason;
use overlay_tests::frame::{
    VNI, esp, esp_null, ethernet, ipv4, ipv6, overlay, redis_command, tagged, tcp, udp, vxlan,
};
use overlay_tests::programs::{IFINDEX, counting, direction, entries, load, run};

/// What one packet was counted as.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    traffic: Vec<(CounterKey, Count)>,
    reasons: Vec<(Direction, Reason)>,
}

/// Loaded programs with what they have counted so far. Kept for all tests: the verifier takes its time.
struct Loaded {
    options: LoadOptions,
    entry: Entry,
    kernel: Kernel,
    traffic: HashMap<CounterKey, Count>,
    reasons: HashMap<ReasonKey, u64>,
}

static LOADED: Mutex<Vec<Loaded>> = Mutex::new(Vec::new());

/// What a program counts one frame as: what its counts grow by.
fn count(options: &LoadOptions, entry: Entry, frame: &[u8]) -> Counted {
    // A test that failed may have left it poisoned, but not wrong.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let at = loaded
        .iter()
        .position(|loaded| loaded.entry == entry && loaded.options == *options);
    let at = at.unwrap_or_else(|| {
        let kernel = load(options);
        let (traffic, reasons) = (kernel.counters().unwrap(), kernel.reasons().unwrap());
        loaded.push(Loaded {
            options: options.clone(),
            entry,
            kernel,
            traffic,
            reasons,
        });
        loaded.len() - 1
    });
    let loaded = &mut loaded[at];
    run(&mut loaded.kernel, entry, frame, 1);
    let traffic = std::mem::replace(&mut loaded.traffic, loaded.kernel.counters().unwrap());
    let reasons = std::mem::replace(&mut loaded.reasons, loaded.kernel.reasons().unwrap());
    let mut counted = Counted::default();
    for (key, now) in &loaded.traffic {
        let before = traffic.get(key).copied().unwrap_or_default();
        if *now != before {
            counted.traffic.push((*key, now.since(before)));
        }
    }
    for (key, now) in &loaded.reasons {
        let before = reasons.get(key).copied().unwrap_or_default();
        assert!(*now <= before + 1, "one packet, one reason");
        if *now != before {
            counted
                .reasons
                .push((key.direction().unwrap(), key.reason().unwrap()));
        }
    }
    counted
}

fn assert_vni(options: &LoadOptions, frame: &[u8], vni: u32) {
    for entry in entries() {
        let key = CounterKey::new(IFINDEX, direction(entry), Encapsulation::Vxlan, vni);
        let traffic = vec![(
            key,
            Count {
                packets: 1,
                bytes: frame.len() as u64,
            },
        )];
        assert_eq!(
            count(options, entry, frame),
            Counted {
                traffic,
                reasons: vec![]
            },
            "{entry:?}"
        );
    }
}

fn assert_reason(options: &LoadOptions, frame: &[u8], reason: Reason) {
    for entry in entries() {
        let counted = count(options, entry, frame);
        assert_eq!(
            counted.reasons,
            [(direction(entry), reason)],
            "{entry:?} {frame:02x?}"
        );
    }
}

fn assert_nothing(frame: &[u8]) {
    for entry in entries() {
        assert_eq!(
            count(&counting(), entry, frame),
            Counted::default(),
            "{entry:?}"
        );
    }
}
