//! Sets one step up, sends its requests, and collects what the monitor and the kernel say of them.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use monitor_lab::{DeviceStats, Host, Lab, Result};

use super::agent::{Agents, Sample};
use super::metrics::{self, Counts};
use super::screen::Screen;
use super::steps::Step;

/// Requests that are sent in each step.
const REQUESTS: usize = 10;

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
    let before = (
        settled(node, "eth0")?,
        vxlan.device_stats("vxlan0")?,
        metrics::scrape(node)?,
    );
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
    let wire = settled(node, "eth0")? - before.0;
    let overlay = vxlan.device_stats("vxlan0")? - before.1;
    let after = metrics::scrape(node)?;
    let counts = Counts {
        network: after.network - before.2.network,
        vxlan: after.vxlan - before.2.vxlan,
        esp: after.esp - before.2.esp,
    };
    let samples = agents.stop()?;
    Ok(Seen {
        wire,
        overlay,
        counts,
        samples,
    })
}

/// Reads a device's counters until nothing moves any more (connections take a moment to close).
fn settled(host: &Host, device: &str) -> Result<DeviceStats> {
    let end = Instant::now() + Duration::from_secs(5);
    let mut last = host.device_stats(device)?;
    loop {
        thread::sleep(Duration::from_millis(200));
        let now = host.device_stats(device)?;
        if now == last || Instant::now() > end {
            return Ok(now);
        }
        last = now;
    }
}
