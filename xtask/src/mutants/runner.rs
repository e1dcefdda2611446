//! xtask as the runner of cargo's tests: it builds the agent before a test starts it, and ends unit tests at the first that
//! fails.
//!
//! `cargo test` builds the agent only for tests of its own package. Without this the tests in `tests` would run an agent
//! without the change, or none.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::proc::cargo_path;

/// Makes xtask act as the runner; its value is an option for cargo.
const MODE: &str = "OVERLAY_XTASK_AS_RUNNER";

/// Has `cargo` start every test through this program.
///
/// `option` is what cargo is given to build the agent as the test's library is built.
pub(super) fn apply(cargo: &mut Command, option: &str) -> Result<()> {
    let us = std::env::current_exe().context("cannot find this program's own file")?;
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH).replace('-', "_");
    let variable = format!("CARGO_TARGET_{}_RUNNER", target.to_uppercase());
    cargo.env(variable, us).env(MODE, option);
    Ok(())
}

/// Becomes the test if cargo started us as its runner; `None` otherwise.
pub(crate) fn act() -> Option<ExitCode> {
    let option = std::env::var_os(MODE)?;
    let mut arguments = std::env::args_os().skip(1);
    let test = arguments.next()?;
    // A unit test starts no agent.
    let starts_agents = std::env::var_os("CARGO_MANIFEST_DIR")
        .is_some_and(|folder| Path::new(&folder).ends_with("tests"));
    if starts_agents {
        let mut build = Command::new(cargo_path());
        build
            .args(["build", "--quiet", "--package", "monitor", "--bins"])
            .arg(option);
        if !build.status().is_ok_and(|status| status.success()) {
            eprintln!("xtask: cannot build the agent");
            return Some(ExitCode::FAILURE);
        }
    }
    let mut command = Command::new(&test);
    command.args(arguments).env_remove(MODE);
    let error = if starts_agents {
        // Each test that fails ends what it started itself, so none is cut short.
        command.exec()
    } else {
        match until_a_failure(&mut command) {
            Ok(code) => return Some(code),
            Err(error) => error,
        }
    };
    eprintln!("xtask: cannot start {}: {error}", test.display());
    Some(ExitCode::FAILURE)
}

/// Runs a test program, and ends it once one of its tests has failed: that says all about the change.
fn until_a_failure(command: &mut Command) -> std::io::Result<ExitCode> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child
        .stdout
        .take()
        .into_iter()
        .flat_map(|output| BufReader::new(output).lines());
    for line in output.map_while(Result::ok) {
        println!("{line}");
        if line.starts_with("test ") && line.ends_with("... FAILED") {
            child.kill()?;
        }
    }
    let is_success = child.wait()?.success();
    Ok(if is_success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
