//! The rules as Prometheus reads them.

use super::rules::{ALERTS, RECORDED};
use super::runbook;
use super::text::{line, quoted};

const HEAD: &str = "\
# Rules for Prometheus 2.42 or later. Made from the tables in xtask/src/monitoring/rules.rs by `cargo xtask monitoring`.
# What each alert means, and what to do: docs/alerts.md.
groups:
";

/// The whole file.
pub(super) fn rules() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("  - name: overlay-monitor-recorded\n    rules:\n");
    for series in RECORDED {
        line(&mut out, &format!("      # {}", series.what));
        line(&mut out, &format!("      - record: {}", series.name));
        expression(&mut out, series.expression);
    }
    out.push_str("  - name: overlay-monitor-alerts\n    rules:\n");
    for alert in ALERTS {
        line(&mut out, &format!("      - alert: {}", alert.name));
        expression(&mut out, alert.expression);
        line(&mut out, &format!("        for: {}", alert.hold));
        if let Some(keep) = alert.keep {
            line(&mut out, &format!("        keep_firing_for: {keep}"));
        }
        let severity = alert.severity.label();
        line(
            &mut out,
            &format!("        labels:\n          severity: {severity}"),
        );
        out.push_str("        annotations:\n");
        let runbook_url = runbook::url(alert.name);
        for (name, text) in [
            ("summary", alert.summary),
            ("description", alert.means),
            ("action", alert.action),
            ("runbook_url", &runbook_url),
        ] {
            line(&mut out, &format!("          {name}: {}", quoted(text)));
        }
    }
    out
}

/// An expression over several lines, as it is in the table.
fn expression(out: &mut String, text: &str) {
    out.push_str("        expr: |-\n");
    for part in text.lines() {
        line(out, &format!("          {part}"));
    }
}
