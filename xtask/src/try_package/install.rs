//! The package is installed as the README says, and runs.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::page::Page;
use super::trial::Trial;
use super::{packages, readme, traffic};
use crate::outcome::Row;
use crate::proc::say;

const STEP: &str = "install";
/// Until the first page: emulation is slow.
const LIMIT: Duration = Duration::from_secs(600);
/// The rating of the unit that the documents promise.
const RATING: f64 = 2.0;
/// Packets of the first comparison.
const FIRST: u64 = 8_000;
/// What the configuration gets beside the README's line: a network with a requirement, so that there are violations.
const NETWORK: &str = "\n[[network]]\nvni = 101\nname = \"required\"\nencrypted = \"required\"\n";

/// Follows the README, and looks at what came of it.
pub(super) fn follow_readme(trial: &mut Trial, readme: &str) -> Result<()> {
    let lines = readme::commands(readme)?;
    let shown: Vec<String> = lines.iter().map(|line| format!("    {line}")).collect();
    say(format!("the README says:\n{}", shown.join("\n")));
    let script = format!(
        "cd {}\nset -e\nbegin=$(date +%s%N)\n{}\nend=$(date +%s%N)\necho; echo took $(((end - begin) / 1000000))",
        packages::FOLDER,
        lines.join("\n")
    );
    let (code, text) = trial.machine.run(&script, LIMIT)?;
    std::fs::write(trial.folder.join("install.log"), &text)?;
    if code != 0 {
        bail!("the README's commands ended with {code}:\n{text}");
    }
    let milliseconds: f64 = text
        .lines()
        .next_back()
        .and_then(|line| line.strip_prefix("took ")?.parse().ok())
        .context("the script prints a time")?;
    let hooks = Page(text).hooks();
    trial.outcome.add(Row {
        step: STEP,
        what: "from `apt install` to the end of the first scrape; hooks that it shows attached"
            .to_owned(),
        expected: "a page; 2".to_owned(),
        found: format!("{:.1} s by emulation; {hooks}", milliseconds / 1000.0),
        holds: hooks == 2,
    });
    state(trial)?;
    rating(trial)?;
    let files = trial.machine.run("dpkg --verify overlay-monitor", LIMIT)?.1;
    trial.outcome.same(
        STEP,
        "files that differ from the package (dpkg --verify)",
        "??5?????? c /etc/overlay-monitor/config.toml",
        files.trim(),
    );
    let version = trial.version()?;
    let expected = trial.packages.version.clone();
    trial
        .outcome
        .same(STEP, "version that dpkg knows", expected, version);
    counts(trial)?;
    reload(trial)
}

/// Whether systemd and the journal are content.
fn state(trial: &mut Trial) -> Result<()> {
    let states = trial
        .machine
        .run("systemctl is-active overlay-monitor; systemctl is-enabled overlay-monitor; systemctl is-system-running", LIMIT)?
        .1;
    trial.outcome.same(
        STEP,
        "systemctl: is-active, is-enabled, is-system-running",
        "active enabled running",
        states.split_whitespace().collect::<Vec<_>>().join(" "),
    );
    let lines = journal(trial)?;
    std::fs::write(trial.folder.join("journal-install.log"), lines.join("\n"))?;
    let bad: Vec<String> = lines
        .into_iter()
        .filter(|line| line.contains(" ERROR ") || line.contains(" WARN "))
        .collect();
    trial.outcome.none(
        STEP,
        "errors and warnings of the agent in the journal",
        &bad,
    );
    let bad = trial
        .machine
        .sh("journalctl -b -q --no-pager -u overlay-monitor -p warning -o cat")?;
    let bad: Vec<String> = bad.lines().map(str::to_owned).collect();
    trial.outcome.none(
        STEP,
        "lines of the unit with priority warning or above",
        &bad,
    );
    Ok(())
}

/// What the agent has written since the boot.
fn journal(trial: &mut Trial) -> Result<Vec<String>> {
    let text = trial
        .machine
        .sh("journalctl -b -q --no-pager -u overlay-monitor -o cat")?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn rating(trial: &mut Trial) -> Result<()> {
    let text = trial
        .machine
        .sh("systemd-analyze security --no-pager overlay-monitor.service")?;
    std::fs::write(trial.folder.join("security.log"), &text)?;
    let level = text.lines().find_map(|line| {
        line.split_once("Overall exposure level for overlay-monitor.service: ")
            .map(|(_, rest)| rest)
    });
    let rating: f64 = level
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("systemd-analyze rates nothing: {text}"))?;
    trial.outcome.add(Row {
        step: STEP,
        what: "systemd-analyze security".to_owned(),
        expected: format!("at most {RATING:.1}"),
        found: format!("{rating:.1}"),
        holds: rating <= RATING,
    });
    Ok(())
}

/// A few packets, which the agent must have counted.
fn counts(trial: &mut Trial) -> Result<()> {
    let before = trial.both()?;
    traffic::send(&mut trial.machine, FIRST)?;
    let after = trial.both()?;
    trial.compare(STEP, "packets of a quiet node", &before, &after);
    Ok(())
}

/// The configuration gets a network, and the agent takes it over.
fn reload(trial: &mut Trial) -> Result<()> {
    let script = format!(
        "cat >>/etc/overlay-monitor/config.toml <<'END'\n{NETWORK}END\noverlay-monitor config check && systemctl reload overlay-monitor && sleep 3"
    );
    let (code, text) = trial.machine.run(&script, LIMIT)?;
    let page = Page::scrape(&mut trial.machine)?;
    let known = page.0.lines().any(|line| {
        line.starts_with("overlay_network_info{") && line.contains("network=\"required\"")
    });
    trial.outcome.add(Row {
        step: "reload",
        what: "exit code of config check and reload; the new network is on the page".to_owned(),
        expected: "0; yes".to_owned(),
        found: format!("{code}; {}", if known { "yes" } else { text.trim() }),
        holds: code == 0 && known,
    });
    Ok(())
}
