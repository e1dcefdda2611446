//! A report written to a file.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::render::{Report, ReportFormat, render};
use crate::base::failure::Failure;
use crate::surface::private_file::Replacement;
use monitor_classify::text::escape;

/// A file that a report will be written to.
pub struct OutputFile {
    format: ReportFormat,
    replacement: Replacement,
    path: PathBuf,
}

impl OutputFile {
    /// Prepares the file beside its place: what is there stays until there is a report. It is readable by its owner only,
    /// because it shows who communicates with whom.
    ///
    /// # Errors
    /// A usage failure if its name has no known extension, a runtime failure if it cannot be written.
    pub fn open(path: &Path) -> Result<OutputFile, Failure> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let format = match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("html" | "htm") => ReportFormat::Html,
            Some("json" | "jsonl") => ReportFormat::Json,
            Some("txt") => ReportFormat::Text,
            _ => {
                return Err(Failure::usage(anyhow!(
                    "--output {}: the extension selects the format; name it .html, .json or .txt",
                    shown(path)
                )));
            }
        };
        let replacement = Replacement::create(path).map_err(|error| failed(path, &error))?;
        Ok(OutputFile {
            format,
            replacement,
            path: path.to_owned(),
        })
    }

    /// Writes the report in place of the file's content.
    ///
    /// # Errors
    /// A runtime failure that names the file.
    pub fn write(self, report: &impl Report) -> Result<(), Failure> {
        let page = render(report, self.format)?;
        let written = self.replacement.write(page.as_bytes());
        written.map_err(|error| failed(&self.path, &error))
    }
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes(), 200)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::runtime(anyhow!("cannot write {}: {error}", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::audit;
    use super::*;
    use crate::base::failure::FailureKind;
    use crate::policy::{Requirement, State};

    #[test]
    fn a_report_replaces_an_older_one_and_no_empty_file_is_left() {
        let folder =
            std::env::temp_dir().join(format!("overlay-monitor-output-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let audit = audit(Requirement::Required, State::Encrypted);
        for (name, begins) in [
            ("a.txt", "node1, 60 s"),
            ("a.json", "{\"type\""),
            ("a.html", "<!doctype html>"),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, "x".repeat(100_000)).unwrap();
            drop(OutputFile::open(&path).unwrap());
            assert_eq!(std::fs::metadata(&path).unwrap().len(), 100_000);
            OutputFile::open(&path).unwrap().write(&audit).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with(begins) && !text.contains("xxx"), "{text}");
        }
        let fresh = folder.join("fresh.html");
        drop(OutputFile::open(&fresh).unwrap());
        assert!(!fresh.exists());
        for (path, kind) in [
            (folder.join("report.doc"), FailureKind::Usage),
            (folder.join("nowhere/report.html"), FailureKind::Runtime),
        ] {
            let failure = OutputFile::open(&path).err().unwrap();
            assert_eq!(failure.kind, kind, "{failure}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
