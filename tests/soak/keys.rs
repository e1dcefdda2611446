//! An encrypted network whose keys change all the time. Needs a kernel with ESP.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use monitor_lab::{Builder, Lab};
use overlay_tests::agent::value;
use overlay_tests::wire::Pair;

/// Whether this is the program that runs on a kernel with ESP, where no kernel without it can pass.
pub(super) const ARE_THERE: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"vm_soak");
/// The network that is encrypted, and must be.
pub(super) const VNI: u32 = 60_000;
const NAME: &str = "keys";
/// Datagrams from each side between two changes of keys, of lengths up to that of a frame.
const DATAGRAMS: usize = 64;
const LONGEST: usize = 1300;

/// Adds the network to a lab, where the kernel can encrypt it.
pub(super) fn add_network(lab: Builder) -> Builder {
    if ARE_THERE {
        // An emulated machine gets behind: what waits for its CPU must find room. The whole kernel is the test's own.
        std::fs::write("/proc/sys/net/core/netdev_max_backlog", "100000").unwrap();
        lab.overlay(NAME, VNI, true)
    } else {
        lab
    }
}

/// Datagrams that crossed the network, and how often its keys changed.
#[derive(Default)]
pub(super) struct Keys {
    sent: AtomicU64,
    changes: AtomicU64,
}

impl Keys {
    /// Sends in both directions, and changes the keys after each turn, until the flag is set.
    pub(super) fn change(&self, lab: &Lab, ends: &AtomicBool) {
        if !ARE_THERE {
            return;
        }
        let end = |n| lab.container(&format!("{NAME}.{n}")).unwrap();
        let pair = Pair::new(end(1), end(2), 5000);
        while !ends.load(Ordering::Relaxed) {
            for from in [0, 1] {
                pair.send(from, (0..DATAGRAMS).map(|n| n * LONGEST / DATAGRAMS));
            }
            self.sent.fetch_add(DATAGRAMS as u64, Ordering::Relaxed);
            lab.rotate_keys().unwrap();
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Insists that the agent's page has every datagram, encrypted, and none in cleartext.
    pub(super) fn assert_exact(&self, page: &str) {
        if !ARE_THERE {
            return;
        }
        let sent = self.sent.load(Ordering::Relaxed);
        for direction in ["rx", "tx"] {
            let inside = format!(
                r#"overlay_esp_network_packets_total{{direction="{direction}",vni="{VNI}"}}"#
            );
            assert_eq!(value(page, &inside), sent, "{direction}");
            let violations = format!(
                r#"overlay_violation_packets_total{{vni="{VNI}",direction="{direction}"}}"#
            );
            assert_eq!(value(page, &violations), 0, "{direction}");
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, changes) = (&self.sent, &self.changes);
        write!(
            f,
            "{} datagrams each way in ESP over {} changes of keys",
            sent.load(Ordering::Relaxed),
            changes.load(Ordering::Relaxed)
        )
    }
}
