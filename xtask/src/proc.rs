//! Starts other programs: visibly, and without the variables that the outer
//! `cargo run` leaves in the environment.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How many of a failed program's last lines are shown.
const TAIL: usize = 25;
/// How often a running step says that it still runs where there is no terminal.
const STILL: Duration = Duration::from_secs(10);

/// Prints one line about what is going on to standard error.
pub(crate) fn say(line: impl AsRef<str>) {
    eprintln!("xtask: {}", line.as_ref());
}

/// The command line as one would type it in a shell.
pub(crate) fn shown(cmd: &Command) -> String {
    std::iter::once(cmd.get_program())
        .chain(cmd.get_args())
        .map(|word| quote(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// `word` so that a POSIX shell reads it as one word.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Runs `cmd` with our own standard streams; an error names the command.
pub(crate) fn run(cmd: &mut Command) -> Result<()> {
    let status = cmd
        .status()
        .with_context(|| format!("cannot start `{}`", shown(cmd)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(cmd));
    }
    Ok(())
}

/// Runs `cmd` silently and returns what it wrote; an error carries its last words.
pub(crate) fn capture(cmd: &mut Command) -> Result<String> {
    let out = output(cmd)?;
    if !out.status.success() {
        bail!(
            "`{}` failed ({}): {}",
            shown(cmd),
            out.status,
            printable(String::from_utf8_lossy(&out.stderr).trim())
        );
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs `cmd` silently, whatever its exit code.
pub(crate) fn output(cmd: &mut Command) -> Result<Output> {
    cmd.stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(cmd)))
}

/// Runs a long and talkative `cmd`: on a terminal its latest line and the time
/// stand on one line that is wiped at the end; elsewhere a line comes every ten
/// seconds. When it fails, the error carries its last lines.
pub(crate) fn run_with_progress(what: &str, cmd: &mut Command) -> Result<()> {
    let start = Instant::now();
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    cmd.stdin(Stdio::null())
        .stdout(writer.try_clone().context("cannot copy a pipe")?)
        .stderr(writer);
    let mut child = cmd
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(cmd)))?;
    // The command still holds the writing ends; without this the reader never ends.
    cmd.stdout(Stdio::null()).stderr(Stdio::null());

    let tail = Arc::new(Mutex::new(VecDeque::<String>::new()));
    let sink = Arc::clone(&tail);
    let pump = std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(n) if n > 0) {
            // A progress bar overwrites itself with carriage returns.
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end().rsplit('\r').next().unwrap_or_default();
            if !text.trim().is_empty() {
                let mut tail = sink.lock().unwrap_or_else(PoisonError::into_inner);
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(printable(text));
            }
            line.clear();
        }
    });

    let last = || {
        let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.back().cloned().unwrap_or_default()
    };
    let terminal = std::io::stderr().is_terminal();
    let mut said = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let seconds = start.elapsed().as_secs();
        if terminal {
            let line: String = format!("  {what}: {seconds} s  {}", last())
                .chars()
                .take(78)
                .collect();
            eprint!("\r\x1b[K{line}");
            std::io::stderr().flush().ok();
        } else if said.elapsed() >= STILL {
            said = Instant::now();
            eprintln!("  {what}: {seconds} s  {}", last());
        }
        std::thread::sleep(Duration::from_millis(if terminal { 200 } else { 50 }));
    };
    if terminal {
        eprint!("\r\x1b[K");
    }
    if status.success() {
        return Ok(());
    }
    pump.join().ok();
    let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    let lines: Vec<String> = tail.iter().map(|line| format!("    {line}")).collect();
    bail!(
        "{what} failed ({status}).\n  command: {}\n  its last lines:\n{}",
        shown(cmd),
        lines.join("\n")
    );
}

/// Does a job whose programs give way to all others: what they compile has no time limit, what tests wait for has one.
pub(crate) fn giving_way<T: Send>(job: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let low = scope.spawn(|| {
            // Linux keeps the niceness of each thread by itself (setpriority(2), "C library/kernel differences"), and
            // what the thread starts inherits it.
            // SAFETY: no memory is passed.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
            job()
        });
        low.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// `text` without control bytes: what other programs print may hold any.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
        .collect()
}

/// The cargo of the toolchain that runs us, for the user-space workspace. It
/// keeps the user's settings (`CARGO_TARGET_DIR`, `RUSTFLAGS`, …).
pub(crate) fn cargo() -> Command {
    let mut cmd = Command::new(cargo_path());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if is_of_one_package(&name) {
            cmd.env_remove(name.as_ref());
        }
    }
    cmd
}

/// The same cargo for a build that must not depend on the user's settings: the
/// eBPF object and tools. Only where and how cargo downloads is kept.
pub(crate) fn isolated_cargo(cargo: &std::path::Path) -> Command {
    let mut cmd = Command::new(cargo);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if disturbs_inner_build(&name) {
            cmd.env_remove(name.as_ref());
        }
    }
    cmd
}

/// Where the outer cargo is.
pub(crate) fn cargo_path() -> std::path::PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), Into::into)
}

/// Variables that cargo sets for the one package that it runs (us).
fn is_of_one_package(name: &str) -> bool {
    name == "CARGO_CRATE_NAME"
        || name == "CARGO_PRIMARY_PACKAGE"
        || ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Variables that would change an inner build for another target by another compiler.
fn disturbs_inner_build(name: &str) -> bool {
    const KEEP: &[&str] = &[
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    // `cargo run` points LD_LIBRARY_PATH at rustup's toolchain, whose
    // librustc_driver is another version than the distribution's.
    name.starts_with("RUSTC")
        || ["RUSTFLAGS", "RUSTDOC", "RUSTDOCFLAGS", "RUSTUP_TOOLCHAIN"].contains(&name)
        || name == "LD_LIBRARY_PATH"
        || (name.starts_with("CARGO_") && !KEEP.iter().any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_what_a_shell_would_take_apart() {
        assert_eq!(quote("a-b=c/d"), "a-b=c/d");
        assert_eq!(quote("two words"), "'two words'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn inner_builds_keep_only_download_settings() {
        for name in [
            "RUSTFLAGS",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTUP_TOOLCHAIN",
            "CARGO_BUILD_TARGET",
            "CARGO_TARGET_DIR",
            "CARGO_PROFILE_RELEASE_LTO",
            "LD_LIBRARY_PATH",
        ] {
            assert!(disturbs_inner_build(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_NET_OFFLINE", "PATH", "RUSTUP_HOME"] {
            assert!(!disturbs_inner_build(name), "{name}");
        }
    }

    #[test]
    fn failure_carries_the_last_lines_without_control_bytes() {
        let mut cmd = Command::new("sh");
        cmd.args(["-c", "echo first; printf 'bad \\033[31mred\\n' >&2; exit 3"]);
        let error = run_with_progress("a step", &mut cmd)
            .unwrap_err()
            .to_string();
        assert!(error.contains("first"), "{error}");
        assert!(error.contains("bad [31mred"), "{error}");
        assert!(!error.contains('\x1b'), "{error}");
    }

    #[test]
    fn progress_returns_although_the_command_holds_the_pipe() {
        run_with_progress("a step", &mut Command::new("true")).unwrap();
    }
}
