//! xtask in the place of rustc: it changes arguments that cargo offers no setting for.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Makes xtask act as rustc, with what it is to change.
const MODE: &str = "OVERLAY_XTASK_AS_RUSTC";

/// LLVM's coverage for libFuzzer: counters of edges, and what comparisons compare. Sanitizers are left out, as they take
/// a nightly compiler: Rust's own checks find what goes wrong, with assertions and overflow checks switched on.
const COVERAGE: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// `-C metadata` of every crate becomes its name and version. Cargo derives it, and so the names of symbols, from
    /// the absolute path of a package outside of the workspace's folder; the kernel programs must be the same bytes
    /// wherever the clone is.
    Metadata,
    /// The crates of the workspace are instrumented for libFuzzer; those that they depend on are shared with other
    /// builds.
    Coverage,
}

impl Change {
    const ALL: [Change; 2] = [Change::Metadata, Change::Coverage];

    fn name(self) -> &'static str {
        match self {
            Change::Metadata => "metadata",
            Change::Coverage => "coverage",
        }
    }

    /// The variable by which cargo takes a wrapper.
    fn variable(self) -> &'static str {
        match self {
            Change::Metadata => "RUSTC_WRAPPER",
            Change::Coverage => "RUSTC_WORKSPACE_WRAPPER",
        }
    }

    /// Has `cargo` call rustc through this program.
    pub(crate) fn apply(self, cargo: &mut Command) -> Result<()> {
        let us = std::env::current_exe().context("cannot find this program's own file")?;
        cargo.env(self.variable(), us).env(MODE, self.name());
        Ok(())
    }

    /// The arguments, changed.
    fn change(self, mut arguments: Vec<OsString>, version: &str) -> Vec<OsString> {
        let after = |word: &str| {
            let at = arguments.iter().position(|argument| argument == word)?;
            arguments.get(at + 1).cloned()
        };
        // Without a name it is a question to the compiler.
        let Some(name) = after("--crate-name").filter(|name| name != "___") else {
            return arguments;
        };
        match self {
            Change::Metadata => {
                for argument in &mut arguments {
                    if argument.as_encoded_bytes().starts_with(b"metadata=") {
                        *argument = OsString::from("metadata=");
                        argument.push(&name);
                        argument.push("-");
                        argument.push(version);
                    }
                }
            }
            // A build script has no engine to link with.
            Change::Coverage if name != "build_script_build" => {
                arguments.extend(COVERAGE.iter().map(OsString::from));
            }
            Change::Coverage => {}
        }
        arguments
    }
}

/// Becomes rustc if cargo started us in its place; `None` otherwise.
pub(crate) fn act() -> Option<ExitCode> {
    let mode = std::env::var(MODE).ok()?;
    let change = Change::ALL
        .into_iter()
        .find(|change| change.name() == mode)?;
    let mut arguments = std::env::args_os().skip(1);
    let rustc = arguments.next()?;
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let arguments = change.change(arguments.collect(), &version);
    let error = Command::new(&rustc).args(arguments).exec();
    eprintln!("xtask: cannot start {}: {error}", rustc.display());
    Some(ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn metadata_is_replaced_and_nothing_else() {
        assert_eq!(
            Change::Metadata.change(
                words("--crate-name core_x lib.rs -C metadata=1f2e -C extra-filename=-1f2e"),
                "0.1.0"
            ),
            words("--crate-name core_x lib.rs -C metadata=core_x-0.1.0 -C extra-filename=-1f2e"),
        );
    }

    #[test]
    fn crates_are_instrumented_and_build_scripts_are_not() {
        let changed = |text: &str| Change::Coverage.change(words(text), "");
        assert!(changed("--crate-name monitor lib.rs").contains(&"-Cpasses=sancov-module".into()));
        for other in [
            "-vV",
            "- --crate-name ___ --print=cfg",
            "--crate-name build_script_build b.rs",
        ] {
            assert_eq!(changed(other), words(other));
        }
    }
}
