//! xtask in the place of rustc, for the kernel programs.
//!
//! Cargo derives `-C metadata`, which ends up in symbol names, from the absolute path of a package outside of the
//! workspace's folder. The wrapper replaces it by the crate's name and version, so that the objects are the same bytes
//! wherever the clone is.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Makes xtask act as the wrapper.
const MODE: &str = "OVERLAY_XTASK_AS_RUSTC";

/// Has `cargo` call rustc through this program.
pub(super) fn wrap(cargo: &mut Command) -> Result<()> {
    let us = std::env::current_exe().context("cannot find this program's own file")?;
    cargo.env("RUSTC_WRAPPER", us).env(MODE, "1");
    Ok(())
}

/// Becomes rustc if cargo started us in its place; `None` otherwise.
pub(crate) fn act() -> Option<ExitCode> {
    std::env::var_os(MODE)?;
    let mut arguments = std::env::args_os().skip(1);
    let rustc = arguments.next()?;
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let arguments = stable(arguments.collect(), &version);
    let error = Command::new(&rustc).args(arguments).exec();
    eprintln!("xtask: cannot start {}: {error}", rustc.display());
    Some(ExitCode::FAILURE)
}

/// The arguments, with a `metadata=…` that does not depend on any path.
fn stable(mut arguments: Vec<OsString>, version: &str) -> Vec<OsString> {
    let after = |word: &str| {
        let at = arguments.iter().position(|argument| argument == word)?;
        arguments.get(at + 1).cloned()
    };
    let Some(name) = after("--crate-name") else {
        return arguments;
    };
    for argument in &mut arguments {
        if starts_with(argument, "metadata=") {
            *argument = OsString::from("metadata=");
            argument.push(&name);
            argument.push("-");
            argument.push(version);
        }
    }
    arguments
}

fn starts_with(argument: &OsStr, start: &str) -> bool {
    argument.as_encoded_bytes().starts_with(start.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_metadata_is_replaced() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(
            stable(
                words("--crate-name core_x lib.rs -C metadata=1f2e -C extra-filename=-1f2e"),
                "0.1.0"
            ),
            words("--crate-name core_x lib.rs -C metadata=core_x-0.1.0 -C extra-filename=-1f2e"),
        );
        assert_eq!(stable(words("-vV"), ""), words("-vV"));
    }
}
