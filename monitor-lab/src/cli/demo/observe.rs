//! Sets a step up in a lab, sends its requests, and returns what the monitor and the kernel saw.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use monitor_lab::{DeviceStats, Host, Lab};

use super::monitors::Monitors;
use super::seen::Seen;
use super::steps::Step;
use crate::cli::agent_metrics::{self, Counts};

/// Requests in each step.
pub(super) const REQUESTS: usize = 10;

/// How long connections may take to close, so that the wire is idle.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time without a packet after which the wire counts as idle.
const IDLE: Duration = Duration::from_millis(200);

/// Runs a step. Calls `before_requests` when the monitor watches, right before the requests.
pub(super) fn observe(
    step: &Step,
    monitor: &Path,
    before_requests: impl FnOnce() -> io::Result<()>,
) -> anyhow::Result<Seen> {
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
    let sandbox = &lab.overlays()[0].sandboxes()[0];
    let monitors = Monitors::start(monitor, node)?;
    let before = Reading::when_idle(node, sandbox)?;
    before_requests()?;
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
    let after = Reading::when_idle(node, sandbox)?;
    let (printed, samples) = monitors.stop()?;
    Ok(Seen {
        wire: after.wire - before.wire,
        overlay: after.overlay - before.overlay,
        counts: after.counts.since(before.counts),
        samples,
        printed,
    })
}

/// The counters of the wire, the overlay and the monitor at one moment.
struct Reading {
    wire: DeviceStats,
    overlay: DeviceStats,
    counts: Counts,
}

impl Reading {
    /// Reads all counters while the wire is idle: again until the wire's counters are equal before and after. After
    /// [`PATIENCE`] it returns the last reading; a check of the step then reports that the counts differ.
    fn when_idle(node: &Host, sandbox: &Host) -> anyhow::Result<Reading> {
        let end = Instant::now() + PATIENCE;
        loop {
            let wire = node.device_stats("eth0")?;
            thread::sleep(IDLE);
            let reading = Reading {
                wire,
                overlay: sandbox.device_stats("vxlan0")?,
                counts: agent_metrics::scrape(node)?,
            };
            if node.device_stats("eth0")? == wire || Instant::now() > end {
                return Ok(reading);
            }
        }
    }
}
