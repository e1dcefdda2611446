//! Failures to load maps and programs: what happened, why, and what to do.

use std::io;

use anyhow::anyhow;
use aya::EbpfError;
use aya::programs::ProgramError;
use caps::Capability;

use crate::base::failure::Failure;
use crate::base::privileges::Capabilities;

/// Why and what to do, if the kernel answers that privileges are missing.
const PRIVILEGES: &str = "permission denied; run as root, or with the capabilities CAP_BPF, CAP_NET_ADMIN and \
                          CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN)";

/// Why and what to do, without the capability on which the verifier's leniency depends: it refuses our programs then, each kernel
/// with a message of its own that does not name it.
const NO_PERFMON: &str = "CAP_PERFMON is missing, without which the kernel refuses these programs; grant it, or run as root";

/// Lines of the verifier's log in a message.
const LINES: usize = 12;

/// The failure to create the maps.
pub(super) fn maps(error: EbpfError) -> Failure {
    match io_cause(&error) {
        Some(code) => explain(code, "cannot create the eBPF maps", error),
        None => Failure::kernel(anyhow!(error).context("cannot read the embedded eBPF object")),
    }
}

/// The failure to load or attach a program; `tried` is the verb.
pub(super) fn program(tried: &str, name: &str, error: ProgramError) -> Failure {
    let what = format!("cannot {tried} program {name}");
    if let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = &error
    {
        let log = verifier_log.to_string();
        if !has_perfmon() {
            tracing::debug!("{what}: {io_error}: {log}");
            return Failure::kernel(anyhow!("{what}: {NO_PERFMON}"));
        }
        if !log.trim().is_empty() {
            return rejected(name, io_error, &log);
        }
        if let Some(code) = io_error.raw_os_error() {
            return explain(code, &what, io::Error::from_raw_os_error(code));
        }
    }
    match io_cause(&error) {
        Some(code) => explain(code, &what, error),
        None => Failure::kernel(anyhow!(error).context(what)),
    }
}

/// The failure of a program that the verifier rejected. The message has the end of the verifier's log, which contains
/// the error; the whole log, thousands of lines, is logged at level debug.
fn rejected(name: &str, error: &io::Error, log: &str) -> Failure {
    for line in log.lines() {
        tracing::debug!("verifier, {name}: {line}");
    }
    Failure::kernel(anyhow!(
        "the kernel's verifier rejected program {name} ({error}). Its last messages:\n{}\n\
         This is a bug in overlay-monitor; report it with the kernel's version (uname -r) and the whole log \
         (`overlay-monitor check --log debug`)",
        tail(log, LINES)
    ))
}

/// What happened, with the reason and the remedy of an error number. An error that these explain completely is only
/// logged.
fn explain(
    code: i32,
    what: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Failure {
    let why = match code {
        libc::EPERM | libc::EACCES => PRIVILEGES,
        libc::ENOSYS => "this kernel has no bpf system call (CONFIG_BPF_SYSCALL)",
        libc::ENOMEM => "not enough memory; before Linux 5.11 raise RLIMIT_MEMLOCK",
        _ => return Failure::kernel(anyhow!(error).context(what.to_owned())),
    };
    tracing::debug!("{what}: {:#}", anyhow!(error));
    Failure::kernel(anyhow!("{what}: {why}"))
}

/// The first error number of a system call in the chain of causes.
pub(super) fn io_cause(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error)
        {
            return Some(code);
        }
        next = error.source();
    }
    None
}

/// Whether this process may load tracing programs.
pub(super) fn has_perfmon() -> bool {
    Capabilities::read().has(Capability::CAP_PERFMON)
}

/// The last lines of a log that are not empty, indented.
fn tail(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut out = String::new();
    for line in &all[all.len().saturating_sub(lines)..] {
        out.push_str("  ");
        out.push_str(line);
        out.push('\n');
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_has_the_last_lines() {
        assert_eq!(tail("a\n\nb\nc\n", 2), "  b\n  c");
        assert_eq!(tail("", 2), "");
    }

    #[test]
    fn a_rejection_names_the_program_the_error_and_where_the_log_is() {
        let log: String = (0..5000).map(|n| format!("{n}: (b7) r0 = 0\n")).collect();
        let log = log + "R1 invalid mem access 'scalar'\nprocessed 5000 insns\n";
        let said = rejected("overlay_xdp", &io::Error::from_raw_os_error(13), &log).to_string();
        for part in ["overlay_xdp", "R1 invalid mem access", "check --log debug"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(said.lines().count() <= LINES + 2, "{said}");
    }
}
