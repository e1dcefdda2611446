//! Options of `overlay-lab demo`, and the order of what it prints.

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use monitor_lab::Error;

use super::render::{self, Style};
use super::steps::{STEPS, Step};
use super::summary::Row;
use super::{checks, observe};
use crate::cli::monitor_program;

/// Options of `overlay-lab demo`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Steps to show: one (2), a range (1-4) or a list (1,3)
    #[arg(long, default_value = "1-4", value_parser = parse_steps)]
    steps: Steps,
    /// Path of overlay-monitor [default: beside this program]
    #[arg(long, value_name = "PATH")]
    monitor: Option<PathBuf>,
    /// Write the rows of the table to a file, for --after, instead of printing the table
    #[arg(long, value_name = "FILE")]
    hand_on: Option<PathBuf>,
    /// Begin the table with the rows that --hand-on wrote
    #[arg(long, value_name = "FILE")]
    after: Option<PathBuf>,
    /// Write what was seen in each step to step-N.json in a folder, for the snapshot tests
    #[arg(long, value_name = "FOLDER", hide = true)]
    keep_seen: Option<PathBuf>,
}

/// Numbers of the steps to show, from 1, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Steps(Vec<usize>);

fn parse_steps(text: &str) -> Result<Steps, String> {
    let number = |text: &str| match text.trim().parse::<usize>() {
        Ok(number) if (1..=STEPS.len()).contains(&number) => Ok(number),
        _ => Err(format!(
            "`{text}` is not a step: the steps are 1 to {}",
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
    let monitor = monitor_program::find(arguments.monitor.as_deref())?;
    match show_steps(arguments, &monitor, style()) {
        // The reader of a pipe has closed it: that is not a failure of the demo.
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

/// Colour on a terminal, unless `NO_COLOR` is set (no-color.org).
fn style() -> Style {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stdout().is_terminal() && !refused {
        Style::Colour
    } else {
        Style::Plain
    }
}

/// Prints at once. Not by `print!`, which panics when the reader has closed the pipe.
fn print(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn show_steps(arguments: &Arguments, monitor: &Path, style: Style) -> anyhow::Result<ExitCode> {
    let mut rows: Vec<Row> = match &arguments.after {
        Some(file) => fs::read(file)
            .map_err(anyhow::Error::from)
            .and_then(|text| Ok(serde_json::from_slice(&text)?))
            .with_context(|| format!("reading {}", file.display()))?,
        None => Vec::new(),
    };
    let mut no_esp = None;
    for step in arguments.steps.0.iter().map(|number| &STEPS[number - 1]) {
        print(&render::heading(step, style))?;
        match show_step(step, monitor, arguments.keep_seen.as_deref(), style) {
            Ok(row) => rows.push(row),
            Err(error) => match error.downcast_ref::<Error>() {
                Some(missing @ Error::NoEsp(_)) => {
                    print(&render::not_shown(style))?;
                    no_esp.get_or_insert_with(|| missing.to_string());
                    rows.push(Row::not_shown(step));
                }
                _ => return Err(error.context(format!("step {} ({})", step.number, step.title))),
            },
        }
    }
    let code = if rows.iter().all(|row| row.passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    match &arguments.hand_on {
        Some(file) => {
            fs::write(file, serde_json::to_vec(&rows)?)
                .with_context(|| format!("writing {}", file.display()))?;
            print("\n")?;
        }
        None => print(&render::summary(&rows, no_esp.as_deref(), style))?,
    }
    Ok(code)
}

/// Sets a step up, sends its requests, and prints what was seen and whether that was expected.
fn show_step(
    step: &Step,
    monitor: &Path,
    keep_seen: Option<&Path>,
    style: Style,
) -> anyhow::Result<Row> {
    let commands = render::commands(step, observe::REQUESTS, style);
    let seen = observe::observe(step, monitor, || print(&commands))?;
    if let Some(folder) = keep_seen {
        let file = folder.join(format!("step-{}.json", step.number));
        fs::write(&file, serde_json::to_string(&seen)? + "\n")
            .with_context(|| format!("writing {}", file.display()))?;
    }
    let checks = checks::compare(step, &seen);
    print(&render::result(&seen, &checks, style))?;
    Ok(Row::new(
        step,
        &seen,
        checks.iter().all(|check| check.passed),
    ))
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
