//! Cases for `promtool test rules`: each alert fires where it should, with the right words, and nowhere else.

mod case;
mod table;
mod well;

use super::rules::ALERTS;
use super::runbook;
use super::text::{line, quoted};
use case::{Check, none};
use well::{WELL, WELL_AT};

pub(super) use table::CASES;

const HEAD: &str = "\
# Cases for `promtool test rules`. Made from the tables in xtask/src/monitoring/cases/ by `cargo xtask monitoring`.
rule_files: [overlay-monitor.rules.yml]
evaluation_interval: 15s
tests:
";

/// The whole file.
pub(super) fn file() -> String {
    let mut out = HEAD.to_owned();
    for case in CASES {
        head(&mut out, case.name, case.interval, case.series);
        for check in case.checks {
            expect(&mut out, check);
        }
    }
    head(&mut out, "an hour in which all is well", "15s", WELL);
    for at in WELL_AT {
        for alert in ALERTS {
            expect(&mut out, &none(at, alert.name));
        }
    }
    out
}

fn head(out: &mut String, name: &str, interval: &str, series: &[(&str, &str)]) {
    line(out, &format!("  - name: {}", quoted(name)));
    line(out, &format!("    interval: {interval}\n    input_series:"));
    for (series, values) in series {
        let series = series.replace("JOB", r#"job="overlay-monitor",instance="n1:9469""#);
        line(
            out,
            &format!("      - series: '{series}'\n        values: '{values}'"),
        );
    }
    line(out, "    alert_rule_test:");
}

fn expect(out: &mut String, check: &Check) {
    line(
        out,
        &format!(
            "      - eval_time: {}\n        alertname: {}",
            check.at, check.alert
        ),
    );
    if check.fires.is_empty() {
        line(out, "        exp_alerts: []");
        return;
    }
    line(out, "        exp_alerts:");
    let Some(alert) = ALERTS.iter().find(|alert| alert.name == check.alert) else {
        return;
    };
    for (labels, summary) in check.fires {
        let severity = alert.severity.label();
        line(
            out,
            &format!(
                "          - exp_labels: {{severity: {severity}, job: overlay-monitor, {labels}}}"
            ),
        );
        line(out, "            exp_annotations:");
        let runbook_url = runbook::url(alert.name);
        for (name, text) in [
            ("summary", *summary),
            ("description", alert.means),
            ("action", alert.action),
            ("runbook_url", &runbook_url),
        ] {
            line(out, &format!("              {name}: {}", quoted(text)));
        }
    }
}
