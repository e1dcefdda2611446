//! The page: the conclusion, violations and what could not be judged, then the networks, what is readable, and the
//! limits of this host.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::exposure_section;
use crate::base::plural::counted;
use crate::host::described_network::shown;
use crate::policy::{NetworkKind, NetworkStatus, Requirement, State};
use crate::surface::forecast::{computed, sentence};
use crate::surface::numbers::percent;
use crate::surface::report::Audit;
use crate::surface::report::conclusion;
use crate::surface::report::listed::Listed;

/// The page.
#[must_use]
pub fn page(audit: &Audit) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(audit, &mut out);
    out
}

fn write(audit: &Audit, out: &mut String) -> std::fmt::Result {
    let started = audit.started.to_zoned(TimeZone::system());
    writeln!(
        out,
        "{}, {:.0} s from {}, {}",
        audit.node,
        audit.took.as_secs_f64(),
        started.strftime("%Y-%m-%d %H:%M:%S"),
        audit.watching
    )?;
    if audit.took < audit.planned {
        writeln!(
            out,
            "Partial: ended before the planned {:.0} s.",
            audit.planned.as_secs_f64()
        )?;
    }
    writeln!(out, "\n{}.", conclusion::sentence(audit))?;
    for finding in conclusion::findings(&audit.report.violations) {
        writeln!(out, "\nVIOLATION  {}", finding.what)?;
        for violation in &finding.directions {
            writeln!(out, "           {}.", finding.direction(violation))?;
        }
        for cause in finding.causes() {
            writeln!(out, "           Likely cause: {cause}")?;
        }
    }
    undecided(audit, out)?;
    let is_ingress = |status: &&NetworkStatus| {
        let network = status.network.as_ref();
        network.is_some_and(|network| network.kind == NetworkKind::Ingress)
    };
    let (ingress, networks): (Vec<_>, Vec<_>) = audit.report.networks.iter().partition(is_ingress);
    writeln!(out)?;
    if networks.is_empty() {
        writeln!(
            out,
            "No networks: none is configured, Docker reports none, and no overlay traffic was seen."
        )?;
    } else {
        table(&networks, out)?;
    }
    if !ingress.is_empty() {
        writeln!(
            out,
            "\nPublished ports (the ingress network, which Docker encrypts only on request):"
        )?;
        table(&ingress, out)?;
    }
    exposure_section::write(&audit.exposure, out)?;
    forecasts(audit, out)?;
    match conclusion::limit(audit) {
        Some(limit) => writeln!(out, "\nLimit of this host: {limit}."),
        None => Ok(()),
    }
}

/// What it would cost to encrypt what is in the clear.
fn forecasts(audit: &Audit, out: &mut String) -> std::fmt::Result {
    let (shown, more) = audit.shown_forecasts();
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWhat it would cost to encrypt:")?;
    for forecast in shown {
        writeln!(out, "  {}.", sentence(forecast))?;
    }
    if more != 0 {
        writeln!(
            out,
            "  And {}, which carry less.",
            counted(more, "more network")
        )?;
    }
    let how = computed(&audit.forecasts);
    how.iter().try_for_each(|line| writeln!(out, "  ({line})"))
}

/// What could not be judged, and why.
fn undecided(audit: &Audit, out: &mut String) -> std::fmt::Result {
    let doubts = audit.undecided();
    if !doubts.is_empty() {
        writeln!(out, "\nUndecided:")?;
        doubts
            .iter()
            .try_for_each(|doubt| writeln!(out, "  {doubt}"))?;
    }
    let mut why: Vec<_> = audit
        .report
        .networks
        .iter()
        .flat_map(|status| status.doubts.clone())
        .collect();
    why.sort_unstable();
    why.dedup();
    why.iter()
        .try_for_each(|doubt| writeln!(out, "  ({}: {})", doubt.name(), doubt.sentence()))
}

fn table(rows: &[&NetworkStatus], out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "{:>8}  {:<24}  {:<14}  {:<10}  {:>12}  {:>12}",
        "VNI", "network", "encryption", "state", "cleartext", "in ESP"
    )?;
    let listed = Listed::of(rows);
    for status in &listed.rows {
        let network = status.network.as_ref();
        let wanted = network.map_or("-", |network| match network.required {
            Requirement::Required => "required",
            Requirement::Optional => "optional",
            Requirement::Forbidden => "forbidden",
        });
        let seen = &status.seen;
        writeln!(
            out,
            "{:>8}  {:<24}  {wanted:<14}  {:<10}  {:>12}  {:>12}{}",
            status.vni,
            network.map_or_else(|| "-".to_owned(), |network| shown(&network.name)),
            status.state.name(),
            seen.cleartext_packets(),
            seen.encrypted_packets(),
            share(status)
        )?;
    }
    match listed.rest() {
        Some(rest) => writeln!(out, "          {rest}"),
        None => Ok(()),
    }
}

/// The cleartext share of a mixed network.
fn share(status: &NetworkStatus) -> String {
    if status.state != State::Mixed {
        return String::new();
    }
    let cleartext = status.seen.cleartext_packets();
    let all = cleartext.saturating_add(status.seen.encrypted_packets());
    format!("  {} in cleartext", percent(cleartext, all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::report::tests::{audit, hostile, violation};

    #[test]
    fn a_page_has_violations_and_no_control_character() {
        let mut audit = audit(Requirement::Required, State::Cleartext);
        audit.report.violations = vec![violation()];
        audit.planned *= 2;
        let page = page(&audit);
        // The first line has the time in the zone of this machine.
        let (first, rest) = page.split_once('\n').unwrap();
        assert!(first.starts_with("node1, 60 s from "), "{first}");
        insta::assert_snapshot!("violation", rest);
        assert!(!page.chars().any(|c| c.is_control() && c != '\n'), "{page}");
    }

    #[test]
    fn a_scan_of_networks_takes_a_few_lines() {
        let mut audit = audit(Requirement::Required, State::Cleartext);
        let nameless = audit.report.networks[0].clone();
        let scan = (5000..5100).map(|vni| NetworkStatus {
            vni,
            network: None,
            ..nameless.clone()
        });
        audit.report.networks.extend(scan);
        for page in [page(&audit), crate::surface::report::html::page(&audit)] {
            assert!(page.contains("and 80 more unknown networks"), "{page}");
            assert!(page.contains("5019") && !page.contains("5020"), "{page}");
        }
    }

    #[test]
    fn plaintext_has_shares_credentials_and_advice() {
        let mut audit = hostile();
        audit.node = "node1".to_owned();
        audit.watching = "eth0".to_owned();
        audit.blind.clear();
        let page = page(&audit);
        let (_, rest) = page.split_once('\n').unwrap();
        insta::assert_snapshot!("readable", rest);
        assert!(!page.chars().any(|c| c.is_control() && c != '\n'), "{page}");
    }
}
