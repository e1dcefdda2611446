//! `cargo xtask monitoring`: writes what Prometheus and Grafana take, and the runbook, from the tables here.

mod cases;
mod dashboards;
mod rules;
mod runbook;
mod text;
mod yaml;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::Ctx;
use crate::proc::{run, say};

/// Rules for Prometheus, and cases for them.
const RULES: &str = "deploy/prometheus/overlay-monitor.rules.yml";
const CASES: &str = "deploy/prometheus/overlay-monitor.test.yml";

/// All files that are written, by their path from the root.
fn files() -> Vec<(String, String)> {
    let mut files = vec![
        (RULES.to_owned(), yaml::rules()),
        (CASES.to_owned(), cases::file()),
        (runbook::PATH.to_owned(), runbook::page()),
    ];
    files.extend(dashboards::files());
    files
}

/// Writes all files.
pub(crate) fn write(ctx: &Ctx) -> Result<()> {
    for (path, text) in files() {
        let to = ctx.root.join(&path);
        let folder = to.parent().map(PathBuf::from).unwrap_or_default();
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&to, text))
            .with_context(|| format!("cannot write {}", to.display()))?;
        say(format!("wrote {path}"));
    }
    Ok(())
}

/// Compares the files with the tables.
pub(crate) fn check(ctx: &Ctx) -> Result<()> {
    for (path, text) in files() {
        let found = std::fs::read_to_string(ctx.root.join(&path)).unwrap_or_default();
        if found != text {
            bail!("{path} is not what the tables say: run `cargo xtask monitoring`, and commit it");
        }
    }
    Ok(())
}

/// Prometheus' own tool checks the rules, and runs the cases: alerts that fire, and that must not.
pub(crate) fn test(ctx: &Ctx) -> Result<()> {
    for (what, file) in [("check", RULES), ("test", CASES)] {
        let mut promtool = Command::new("promtool");
        promtool.args([what, "rules"]).arg(ctx.root.join(file));
        run(&mut promtool)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
        for alert in rules::ALERTS {
            let mut fires = [false, false];
            let checks = cases::CASES.iter().flat_map(|case| case.checks);
            for check in checks.filter(|check| check.alert == alert.name) {
                fires[usize::from(!check.fires.is_empty())] = true;
            }
            assert_eq!(fires, [true, true], "{}", alert.name);
        }
    }

    #[test]
    fn names_are_used_once_and_texts_are_whole_sentences() {
        let mut names: Vec<&str> = rules::ALERTS.iter().map(|alert| alert.name).collect();
        names.extend(rules::RECORDED.iter().map(|series| series.name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for alert in rules::ALERTS {
            for text in [alert.means, alert.action] {
                assert!(text.ends_with('.'), "{text}");
            }
            assert!(!alert.summary.ends_with('.'), "{}", alert.summary);
        }
    }
}
