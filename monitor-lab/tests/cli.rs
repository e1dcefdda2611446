//! The command line of `overlay-lab`: what it refuses, how, and with which exit code.

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
    assert!(error.contains("`5` is no step; they are 1 to 4"), "{error}");
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
fn a_monitor_that_ends_is_an_error_that_quotes_it() {
    let (code, out, error) = run(&["demo", "--steps", "1", "--monitor", "/bin/cat"]);
    assert_eq!(code, Some(4));
    assert!(out.contains("Step 1 of 4"), "{out}");
    // cat does not know `-i`, and says so.
    assert!(
        error.contains("ended early") && error.contains("cat:"),
        "{error}"
    );
}

#[test]
fn without_root_it_says_so() {
    // Nobody, in a user namespace of its own.
    let mut command = Command::new("unshare");
    let (code, out, error) = finish(command.args(["--user", PROGRAM, "up"]));
    assert_eq!((code, out.as_str()), (Some(3), ""), "{error}");
    assert!(error.contains("as root"), "{error}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    // Gone before the first line, so that it does not depend on who is faster.
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
