//! `overlay-lab demo`: what can be read on the wire, in four steps.

mod agent;
mod checks;
pub(super) mod metrics;
mod observe;
mod screen;
mod steps;

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use monitor_lab::Error;

use self::screen::{Row, Screen};
use self::steps::{STEPS, Step};

/// Options of `overlay-lab demo`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Steps to show: one (2), a range (1-4) or a list (1,3)
    #[arg(long, default_value = "1-4", value_parser = parse_steps)]
    steps: Steps,
    /// The overlay-monitor to watch with; default: the one next to this program
    #[arg(long, value_name = "PATH")]
    monitor: Option<PathBuf>,
    /// Writes what the steps showed to a file, for --after, instead of a table
    #[arg(long, value_name = "FILE")]
    hand_on: Option<PathBuf>,
    /// Puts what --hand-on wrote before the rest into the table
    #[arg(long, value_name = "FILE")]
    after: Option<PathBuf>,
}

/// Numbers of the steps to show.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Steps(Vec<usize>);

fn parse_steps(text: &str) -> Result<Steps, String> {
    let number = |text: &str| match text.trim().parse::<usize>() {
        Ok(number) if (1..=STEPS.len()).contains(&number) => Ok(number),
        _ => Err(format!(
            "`{text}` is no step; they are 1 to {}",
            STEPS.len()
        )),
    };
    let mut steps = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((first, last)) => steps.extend(number(first)?..=number(last)?),
            None => steps.push(number(part)?),
        }
    }
    if steps.is_empty() {
        return Err(format!("`{text}` is an empty range"));
    }
    steps.sort_unstable();
    steps.dedup();
    Ok(Steps(steps))
}

/// Shows the steps, then a table of what they showed.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let monitor = match &arguments.monitor {
        Some(path) => path.clone(),
        None => neighbour()?,
    };
    if !monitor.is_file() {
        bail!(
            "there is no program {}: name the overlay-monitor with --monitor PATH",
            monitor.display()
        );
    }
    // Whole, for a name without a folder would be looked for in PATH.
    let monitor = monitor
        .canonicalize()
        .with_context(|| format!("finding {}", monitor.display()))?;
    let mut screen = Screen::new();
    match show(arguments, &monitor, &mut screen) {
        // Whoever reads us has seen enough.
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(ExitCode::SUCCESS)
        }
        outcome => outcome,
    }
}

fn show(
    arguments: &Arguments,
    monitor: &std::path::Path,
    screen: &mut Screen,
) -> anyhow::Result<ExitCode> {
    let mut rows: Vec<Row> = match &arguments.after {
        Some(file) => std::fs::read(file)
            .map_err(anyhow::Error::from)
            .and_then(|text| Ok(serde_json::from_slice(&text)?))
            .with_context(|| format!("reading {}", file.display()))?,
        None => Vec::new(),
    };
    let mut no_esp = None;
    for step in arguments.steps.0.iter().map(|number| &STEPS[number - 1]) {
        screen.title(step.number, step.title)?;
        screen.paragraph(step.setup)?;
        match shown(step, monitor, screen) {
            Ok(row) => rows.push(row),
            Err(error) => match error.downcast_ref::<Error>() {
                Some(missing @ Error::NoEsp(_)) => {
                    screen.check(false, "Not shown: this kernel has no ESP (IPsec)")?;
                    no_esp.get_or_insert_with(|| missing.to_string());
                    rows.push(Row::not_shown(step));
                }
                _ => return Err(error.context(format!("step {} ({})", step.number, step.title))),
            },
        }
    }
    let good = rows.iter().all(|row| row.good);
    let code = if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    if let Some(file) = &arguments.hand_on {
        std::fs::write(file, serde_json::to_vec(&rows)?)
            .with_context(|| format!("writing {}", file.display()))?;
        screen.paragraph(&[])?;
        return Ok(code);
    }
    screen.table(&rows)?;
    match (&no_esp, good) {
        (Some(reason), _) => screen.paragraph(&[reason])?,
        (None, true) => screen.paragraph(&["Every step showed what it must."])?,
        (None, false) => screen
            .paragraph(&["Some steps did not show what they must: see the lines marked ✘."])?,
    }
    Ok(code)
}

/// One step: set up, watch, send, judge.
fn shown(step: &Step, monitor: &std::path::Path, screen: &mut Screen) -> anyhow::Result<Row> {
    let seen = observe::observe(step, monitor, screen)?;
    let checks = checks::judge(step, &seen);
    for check in &checks {
        screen.check(check.good, &check.text)?;
    }
    Ok(Row::new(step, &seen, checks.iter().all(|check| check.good)))
}

/// `overlay-monitor` in the folder of this program.
pub(super) fn neighbour() -> anyhow::Result<PathBuf> {
    let current = env::current_exe().context("finding this program's path")?;
    let path = current.with_file_name("overlay-monitor");
    if !path.is_file() {
        bail!(
            "overlay-monitor is not next to {}: build both with `cargo xtask build`, or name it with --monitor PATH",
            current.display()
        );
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbers_ranges_and_lists() {
        let steps = |text| parse_steps(text).map(|steps| steps.0);
        assert_eq!(steps("1-4").unwrap(), [1, 2, 3, 4]);
        assert_eq!(steps("3").unwrap(), [3]);
        assert_eq!(steps("4,1-2,2").unwrap(), [1, 2, 4]);
        for wrong in [
            "",
            "0",
            "5",
            "2-9",
            "4-1",
            "a",
            "1-",
            "1,,2",
            "99999999999999999999",
        ] {
            assert!(steps(wrong).is_err(), "{wrong}");
        }
    }
}
