//! Sets one step up, sends its requests, and collects what the monitor and the kernel say of them.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use monitor_lab::{DeviceStats, Host, Lab};

use super::agent::{Agents, Sample};
use super::metrics::{self, Counts};
use super::screen::Screen;
use super::steps::Step;

/// Requests that are sent in each step.
const REQUESTS: usize = 10;

/// How long the wire may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was seen on node1 while the requests were sent.
#[derive(Debug)]
pub(super) struct Seen {
    /// The kernel's own count of the wire: `eth0`.
    pub(super) wire: DeviceStats,
    /// The kernel's own count of the overlay: `vxlan0`.
    pub(super) overlay: DeviceStats,
    /// The monitor's counts.
    pub(super) counts: Counts,
    /// The monitor's samples.
    pub(super) samples: Vec<Sample>,
}

/// Shows one step up to its verdict.
pub(super) fn observe(step: &Step, monitor: &Path, screen: &mut Screen) -> anyhow::Result<Seen> {
    let mut lab = Lab::builder()
        .encrypted(step.encrypted)
        .quiet(true)
        .build()?;
    lab.start_redis()?;
    lab.start_web()?;
    if let Some(how) = step.publish {
        lab.publish(how)?;
    }
    let node = lab.node1();
    let vxlan = &lab.overlays()[0].sandboxes()[0];
    let agents = Agents::start(monitor, node, screen.live())?;
    let before = still(node, vxlan)?;
    screen.command("node1#", "overlay-monitor tail -i eth0 --host-flows all")?;
    screen.command(step.request(), &format!("({REQUESTS} times)"))?;
    let pages = match step.publish {
        Some(_) => lab.http_get_published(REQUESTS)?,
        None => lab.http_get(REQUESTS)?,
    };
    if let Some(page) = pages.iter().find(|page| page.status != 200) {
        bail!(
            "the web app answered with status {}: {}",
            page.status,
            page.body.trim()
        );
    }
    let after = still(node, vxlan)?;
    let (wire, overlay) = (after.0 - before.0, after.1 - before.1);
    let counts = Counts {
        network: after.2.network - before.2.network,
        vxlan: after.2.vxlan - before.2.vxlan,
        esp: after.2.esp - before.2.esp,
    };
    let samples = agents.stop()?;
    Ok(Seen {
        wire,
        overlay,
        counts,
        samples,
    })
}

/// What the wire, the overlay and the monitor have counted at a moment at which nothing moves.
type Reading = (DeviceStats, DeviceStats, Counts);

/// Reads all counters, again until the wire stood still from before the first to after the last
/// (connections take a moment to close).
fn still(node: &Host, vxlan: &Host) -> anyhow::Result<Reading> {
    let end = Instant::now() + PATIENCE;
    loop {
        let wire = node.device_stats("eth0")?;
        thread::sleep(Duration::from_millis(200));
        let overlay = vxlan.device_stats("vxlan0")?;
        let counts = metrics::scrape(node)?;
        // When it never rests the counts differ, and the step says so.
        if node.device_stats("eth0")? == wire || Instant::now() > end {
            return Ok((wire, overlay, counts));
        }
    }
}
