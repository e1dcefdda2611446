//! Writes what was measured where people and programs look for it. Nothing of these files is typed by hand.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::report::Report;
use super::{svg, table};

/// Writes `benchmarks.md`, `benchmarks.svg` and `benchmarks.json` into a folder.
pub(super) fn write(folder: &Path, report: &Report) -> anyhow::Result<()> {
    file(&folder.join("benchmarks.md"), &markdown(report))?;
    file(&folder.join("benchmarks.svg"), &svg::draw(report))?;
    file(&folder.join("benchmarks.json"), &json(report)?)
}

/// Writes a file, and says so.
pub(super) fn file(path: &Path, content: &str) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("bench: wrote {}", path.display());
    Ok(())
}

/// The report as JSON, with a newline at the end.
pub(super) fn json(report: &Report) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

fn markdown(report: &Report) -> String {
    let mut text = format!(
        "# What overlay-monitor costs\n\n{}\n\n{}\n\n![The same as a plot](benchmarks.svg)\n",
        table::wrapped(
            "Written by `cargo xtask bench --docs docs`, never by hand; the same as JSON in \
             [benchmarks.json](benchmarks.json). Every number is a median over rounds, with the interval that \
             holds it in 95 of 100 tries. A goal is met when the whole interval is on its right side, and not \
             resolved when it lies within the interval. \"Within the noise\" means that the difference to nothing \
             could not be told from none."
        ),
        table::wrapped(&format!("The machine, on {}", report.machine.describe()))
    );
    for part in &report.parts {
        text.push('\n');
        text.push_str(&table::markdown(part));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::report::tests::report;

    #[test]
    fn the_document_names_the_machine_and_has_every_part() {
        let report = report();
        let text = markdown(&report);
        assert!(text.contains(&report.machine.processor) && text.contains(&report.machine.kernel));
        for part in &report.parts {
            assert!(text.contains(&format!("## {}", part.title)));
        }
        let json: serde_json::Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["parts"][0]["rows"][0]["verdict"], "met");
    }
}
