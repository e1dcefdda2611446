//! A fleet as text: the conclusion first, then what is wrong or not known, then a table.

use std::fmt::Write;

use super::history::{FleetHistory, Verdict};
use super::now::FleetNow;
use super::scope::Scope;
use crate::base::plural::counted;
use crate::host::described_network::shown;
use crate::policy::State;
use crate::surface::numbers::{long, moment};

/// Phrases of a list that are printed.
const LISTED: usize = 100;

pub(in crate::surface::report) fn now(fleet: &FleetNow) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_now(fleet, &mut out);
    out
}

pub(in crate::surface::report) fn history(fleet: &FleetHistory) -> String {
    let mut out = String::new();
    let _ = write_history(fleet, &mut out);
    out
}

fn write_now(fleet: &FleetNow, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{}, {}", asked(&fleet.scope), moment(fleet.scope.to))?;
    writeln!(out, "\n{}.", fleet.sentence())?;
    list("VIOLATION", &fleet.violations(), out)?;
    list("UNDECIDED", &fleet.undecided(), out)?;
    writeln!(
        out,
        "\n{:>8}  {:<24}  {:<24}  {:<10}  {:<10}  {:>9}  readable protocols",
        "VNI", "network", "node", "encryption", "state", "readable"
    )?;
    for row in &fleet.rows {
        writeln!(
            out,
            "{:>8}  {:<24}  {:<24}  {:<10}  {:<10}  {:>9}  {}",
            row.vni,
            named(&row.name),
            row.node.to_string(),
            row.required.map_or("-", |required| required.name()),
            row.state.map_or("-", State::name),
            row.share_text(),
            Vec::from_iter(row.readable.iter().map(String::as_str)).join(", ")
        )?;
    }
    Ok(())
}

fn write_history(fleet: &FleetHistory, out: &mut String) -> std::fmt::Result {
    let (from, to) = (fleet.from, fleet.scope.to);
    writeln!(
        out,
        "{}, {} to {}",
        asked(&fleet.scope),
        moment(from),
        moment(to)
    )?;
    let verdict = match fleet.verdict() {
        Verdict::Proven => "PROVEN",
        Verdict::Violated => "VIOLATED",
        Verdict::NotProven => "NOT PROVEN",
    };
    writeln!(out, "\n{verdict}: {}.", fleet.sentence())?;
    list("VIOLATION", &fleet.violations(), out)?;
    list("NOT PROVEN", &fleet.doubts(), out)?;
    writeln!(
        out,
        "\n{:>8}  {:<24}  {:<24}  {:>12}  {:>12}  {:>12}  {:>12}  {:>12}  {:>12}",
        "VNI",
        "network",
        "node",
        "encrypted",
        "cleartext",
        "idle",
        "unknown",
        "undescribed",
        "not covered"
    )?;
    for row in &fleet.rows {
        writeln!(
            out,
            "{:>8}  {:<24}  {:<24}  {:>12}  {:>12}  {:>12}  {:>12}  {:>12}  {:>12}",
            row.vni,
            named(&row.name),
            row.node.to_string(),
            long(row.time(State::Encrypted)),
            long(row.in_cleartext()),
            long(row.time(State::Idle)),
            long(row.time(State::Unknown)),
            long(row.undescribed),
            long(row.uncovered())
        )?;
    }
    Ok(())
}

fn asked(scope: &Scope) -> String {
    format!(
        "{} of the job {:?}, by {}",
        counted(scope.nodes, "node"),
        scope.job,
        scope.server
    )
}

fn named(name: &str) -> String {
    if name.is_empty() {
        "-".to_owned()
    } else {
        shown(name)
    }
}

fn list(heading: &str, phrases: &[String], out: &mut String) -> std::fmt::Result {
    if phrases.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for phrase in &phrases[..phrases.len().min(LISTED)] {
        writeln!(out, "{heading:<10}  {phrase}")?;
    }
    if phrases.len() > LISTED {
        let more = phrases.len() - LISTED;
        writeln!(out, "{:<10}  and {more} more; --format json has all", "")?;
    }
    Ok(())
}
