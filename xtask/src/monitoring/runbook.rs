//! The runbook: what each alert means, and what to do.

use std::fmt::Write;

use super::rules::{ALERTS, RECORDED};
use super::text::line;

/// Where the page is.
pub(super) const PATH: &str = "docs/alerts.md";

const HEAD: &str = "\
# Alerts

Made from the tables in `xtask/src/monitoring/rules.rs` by `cargo xtask monitoring`; a test compares the two. The rules are
[deploy/prometheus/overlay-monitor.rules.yml](../deploy/prometheus/overlay-monitor.rules.yml), for Prometheus 2.42 or later:

```yaml
rule_files: [overlay-monitor.rules.yml]
scrape_configs:
  - job_name: overlay-monitor
    scrape_interval: 15s
    static_configs:
      - targets: [\"node1:9469\", \"node2:9469\"]
```

The job must have the name `overlay-monitor`. `runbook_url` of each alert is a path in this repository: put the address at which you read
these documents in front of it by `alert_relabel_configs` or in the templates of Alertmanager. An alert with `keep_firing_for` goes on for that time after its
expression ended, because an agent that restarts without a hand-over, as after a crash, forgets the violations it has seen.

Scrape at least every 30 s: a violation is exported for one `window` (60 s) after its last packet.

[How soon they arrive](alert-times.md) and clear is measured by accidents, with a real Prometheus and Alertmanager, for all but one.

| alert | severity | after |
| --- | --- | --- |
";

/// The page.
pub(super) fn page() -> String {
    let mut out = HEAD.to_owned();
    for alert in ALERTS {
        let (name, severity) = (alert.name, alert.severity.label());
        let link = anchor(name);
        line(
            &mut out,
            &format!("| [{name}](#{link}) | {severity} | {} |", alert.hold),
        );
    }
    for alert in ALERTS {
        line(
            &mut out,
            &format!("\n## {}\n\n{}\n", alert.name, alert.means),
        );
        line(&mut out, &format!("**To do.** {}\n", alert.action));
        line(&mut out, &format!("```promql\n{}\n```", alert.expression));
        let mut when = format!(
            "\nSeverity {}; holds for {} first",
            alert.severity.label(),
            alert.hold
        );
        if let Some(keep) = alert.keep {
            // Writing to a string cannot fail.
            let _ = write!(when, ", and is kept for {keep}");
        }
        line(&mut out, &(when + "."));
    }
    line(
        &mut out,
        "\n## Recorded series\n\n| series | what it is |\n| --- | --- |",
    );
    for series in RECORDED {
        line(
            &mut out,
            &format!("| `{}` | {} |", series.name, series.what),
        );
    }
    out
}

/// Where an alert is in the page.
pub(super) fn url(alert: &str) -> String {
    format!("{}#{}", PATH, anchor(alert))
}

fn anchor(alert: &str) -> String {
    alert.to_lowercase()
}
