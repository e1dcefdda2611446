//! The files of `--docs`: Markdown, plot and JSON. No part of them is edited by hand.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::part::Report;
use super::{plot, tables};

/// Writes `benchmarks.md`, `benchmarks.svg` and `benchmarks.json` to a folder.
pub(crate) fn write(folder: &Path, report: &Report) -> anyhow::Result<()> {
    write_file(&folder.join("benchmarks.md"), &markdown(report))?;
    write_file(&folder.join("benchmarks.svg"), &plot::draw(report))?;
    write_file(&folder.join("benchmarks.json"), &json(report)?)
}

/// Writes a file and prints its path to standard error.
pub(crate) fn write_file(path: &Path, content: &str) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// The report as JSON, with a newline at the end.
pub(crate) fn json(report: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

fn markdown(report: &Report) -> String {
    let mut text = format!(
        "# What overlay-monitor costs\n\n{}\n\n{}\n\n![The same as a plot](benchmarks.svg)\n",
        tables::wrapped(
            "Written by `cargo xtask bench --docs docs`, not by hand; [benchmarks.json](benchmarks.json) has the same \
             numbers. Every number is a median over rounds, with its 95 % confidence interval. A goal is met when the \
             whole interval is on its right side, and not resolved when it is within the interval. \"Within the noise\" \
             means that the interval contains the value of no effect."
        ),
        tables::wrapped(&format!("The machine, on {}", report.machine.describe()))
    );
    if let Some(warning) = report.machine.warning() {
        let warning = tables::wrapped(&format!("**{warning}**"));
        text.push_str(&format!("\n{warning}\n"));
    }
    for part in &report.parts {
        text.push('\n');
        text.push_str(&tables::markdown(part));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::part::tests::report;
    use super::*;

    #[test]
    fn the_document_names_the_machine_and_has_every_part() {
        let mut report = report();
        let text = markdown(&report);
        // The lines are wrapped.
        let words: Vec<&str> = text.split_whitespace().collect();
        let words = words.join(" ");
        assert!(
            words.contains(&report.machine.processor) && words.contains(&report.machine.kernel)
        );
        for part in &report.parts {
            assert!(text.contains(&format!("## {}", part.title)));
        }
        report.machine.load = 100.0;
        assert!(markdown(&report).contains("**The machine was not quiet"));
        report.machine.load = 0.0;
        assert!(!markdown(&report).contains("not quiet"));
        let json: serde_json::Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["parts"][0]["rows"][0]["verdict"], "met");
    }
}
