//! The agent is replaced while packets cross the wire.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::page::Page;
use super::trial::{NAME, Trial};
use super::{packages, traffic};
use crate::outcome::Row;

/// An upgrade beside packets, by emulation.
const LIMIT: Duration = Duration::from_secs(600);
/// Until the packets asked for have crossed.
const CROSSING: Duration = Duration::from_secs(900);
/// The part of the packets that crosses before the change, at least, and after it.
const PART: u64 = 20;

/// The next version is installed.
pub(super) fn upgrade(trial: &mut Trial, count: u64) -> Result<()> {
    let script = format!("apt install {}/*.deb", packages::NEXT);
    during(trial, "upgrade", &script, count)?;
    let version = trial.version()?;
    let expected = trial.packages.next.clone();
    trial
        .outcome
        .same("upgrade", "version that dpkg knows", expected, version);
    Ok(())
}

/// The same version starts anew.
pub(super) fn restart(trial: &mut Trial, count: u64) -> Result<()> {
    during(
        trial,
        "restart",
        &format!("systemctl restart {NAME}"),
        count,
    )
}

fn during(trial: &mut Trial, step: &'static str, change: &str, count: u64) -> Result<()> {
    let pid = trial.pid()?;
    let attached = trial.attached()?;
    let first = trial.both()?;
    traffic::begin(&mut trial.machine)?;
    let begin = traffic::packets(&first.crossed);
    until(trial, begin + count / PART)?;
    let mut pages = vec![first.page.clone(), Page::scrape(&mut trial.machine)?];
    let begun = traffic::packets(&traffic::crossed(&mut trial.machine)?);
    let (code, text) = trial.machine.run(change, LIMIT)?;
    std::fs::write(trial.folder.join(format!("{step}.log")), &text)?;
    let ended = traffic::packets(&traffic::crossed(&mut trial.machine)?);
    trial.outcome.same(
        step,
        format!("exit code of `{change}`"),
        "0",
        code.to_string(),
    );
    if code != 0 {
        bail!("`{change}` ended with {code}: {text}");
    }
    pages.push(Page::scrape(&mut trial.machine)?);
    until(trial, ended + count / PART)?;
    traffic::end(&mut trial.machine)?;
    let so_far = traffic::packets(&traffic::crossed(&mut trial.machine)?);
    traffic::send(&mut trial.machine, (begin + count).saturating_sub(so_far))?;
    let last = trial.both()?;

    let replaced = pid != trial.pid()?;
    trial.outcome.add(Row {
        step,
        what: "another process; packets that crossed while it was replaced".to_owned(),
        expected: "yes; more than 0".to_owned(),
        found: format!("{}; {}", if replaced { "yes" } else { "no" }, ended - begun),
        holds: replaced && ended > begun,
    });
    trial.compare(step, "packets, by direction and VNI", &first, &last);
    pages.push(last.page.clone());
    let lower: Vec<String> = pages
        .windows(2)
        .flat_map(|pair| pair[0].lower_on(&pair[1]))
        .collect();
    let series = pages[0].series();
    trial.outcome.none(
        step,
        format!("counters of {series} that are lower or absent on a later page"),
        &lower,
    );
    let different = trial.attached()?.beside(&attached);
    trial.outcome.none(
        step,
        "programs, maps, links and filters that differ from before",
        &different,
    );
    trial.active(step)
}

/// Waits until so many packets have crossed.
fn until(trial: &mut Trial, total: u64) -> Result<()> {
    let end = Instant::now() + CROSSING;
    while traffic::packets(&traffic::crossed(&mut trial.machine)?) < total {
        if Instant::now() > end {
            bail!(
                "{total} packets have not crossed in {} s",
                CROSSING.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}
