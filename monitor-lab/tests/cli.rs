//! The command line of `overlay-lab`: error messages and exit codes.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows only functions marked #[test] as tests, not their helpers"
)]

use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_overlay-lab");

/// Exit code and both outputs.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    finish(Command::new(PROGRAM).args(arguments))
}

fn finish(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_step_that_does_not_exist_is_a_usage_error() {
    let (code, _, error) = run(&["demo", "--steps", "5"]);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("`5` is not a step: the steps are 1 to 4"),
        "{error}"
    );
}

#[test]
fn a_vni_that_does_not_exist_is_a_usage_error() {
    let (code, _, error) = run(&["up", "--vni", "16777216"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("24 bits"), "{error}");
}

#[test]
fn a_missing_monitor_is_named_with_what_to_do() {
    let (code, out, error) = run(&["demo", "--monitor", "/nonexistent"]);
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert!(
        error.contains("/nonexistent") && error.contains("--monitor PATH"),
        "{error}"
    );
}

#[test]
fn a_monitor_that_exits_is_quoted() {
    let (code, out, error) = run(&["demo", "--steps", "1", "--monitor", "/bin/cat"]);
    assert_eq!(code, Some(4));
    assert!(out.contains("Step 1 of 4"), "{out}");
    // cat exits with a message, because it has no option `-i`.
    assert!(
        error.contains("ended early") && error.contains("cat:"),
        "{error}"
    );
}

#[test]
fn without_root_the_error_asks_for_root() {
    // A user namespace without a mapping, in which the program runs as the user nobody.
    let mut command = Command::new("unshare");
    let (code, out, error) = finish(command.args(["--user", PROGRAM, "up"]));
    assert_eq!((code, out.as_str()), (Some(3), ""), "{error}");
    assert!(error.contains("as root"), "{error}");
}

#[test]
fn a_reader_that_closes_the_pipe_is_not_a_failure() {
    // Closed before the first line, so that the test does not depend on timing.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(PROGRAM)
        .args(["demo", "--steps", "1", "--monitor", "/bin/cat"])
        .stdin(Stdio::null())
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
