//! What the kernel answered, said so that a person knows what to do.

use std::io;

use anyhow::anyhow;
use aya::EbpfError;
use aya::programs::ProgramError;

use crate::base::failure::Failure;

const PRIVILEGES: &str = "loading eBPF programs takes root, or the capabilities CAP_BPF, CAP_NET_ADMIN and \
                          CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN)";

/// Lines of the verifier's log that stand in a message.
const LINES: usize = 12;

/// Why the maps could not be created.
pub(super) fn load(error: EbpfError) -> Failure {
    match io_cause(&error) {
        Some(code) => explain(code, anyhow!(error).context("cannot create the eBPF maps")),
        None => Failure::kernel(anyhow!(error).context("cannot read the embedded eBPF object")),
    }
}

/// Why a program could not be loaded.
pub(super) fn program(name: &str, error: ProgramError) -> Failure {
    if let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = &error
    {
        let log = verifier_log.to_string();
        // Without CAP_PERFMON the verifier takes fewer programs, and says so in its own words.
        if log.contains("!root") || log.contains("CAP_PERFMON") {
            return Failure::kernel(
                anyhow!("cannot load program {name}: {io_error}").context(PRIVILEGES),
            );
        }
        if !log.trim().is_empty() {
            return rejected(name, io_error, &log);
        }
        if let Some(code) = io_error.raw_os_error() {
            let message = anyhow!("cannot load program {name}: {io_error}");
            return explain(code, message);
        }
    }
    match io_cause(&error) {
        Some(code) => explain(
            code,
            anyhow!(error).context(format!("cannot load program {name}")),
        ),
        None => Failure::kernel(anyhow!(error).context(format!("cannot load program {name}"))),
    }
}

/// The end of the verifier's log says what was wrong; the whole of it, thousands of lines, is for who asks for it.
fn rejected(name: &str, error: &io::Error, log: &str) -> Failure {
    for line in log.lines() {
        tracing::debug!("verifier, {name}: {line}");
    }
    Failure::kernel(anyhow!(
        "the kernel's verifier rejected program {name} ({error}). It said last:\n{}\n\
         This is a bug in overlay-monitor: please report it with the kernel's version (uname -r) and the whole log \
         (`overlay-monitor check --log debug`)",
        tail(log, LINES)
    ))
}

fn explain(code: i32, error: anyhow::Error) -> Failure {
    Failure::kernel(match code {
        libc::EPERM | libc::EACCES => error.context(PRIVILEGES),
        libc::ENOSYS => error.context("this kernel has no bpf system call (CONFIG_BPF_SYSCALL)"),
        libc::ENOMEM => {
            error.context("not enough memory for the eBPF maps (before Linux 5.11: RLIMIT_MEMLOCK)")
        }
        _ => error,
    })
}

/// The system call's error number, wherever it stands in the chain of causes.
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
    fn the_last_lines_of_a_log_are_what_matters() {
        assert_eq!(tail("a\n\nb\nc\n", 2), "  b\n  c");
        assert_eq!(tail("", 2), "");
    }

    #[test]
    fn a_rejection_names_the_program_and_what_was_wrong_and_where_the_rest_is() {
        let log: String = (0..5000).map(|n| format!("{n}: (b7) r0 = 0\n")).collect();
        let log = log + "R1 invalid mem access 'scalar'\nprocessed 5000 insns\n";
        let said = rejected("overlay_xdp", &io::Error::from_raw_os_error(13), &log).to_string();
        for part in ["overlay_xdp", "R1 invalid mem access", "check --log debug"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(said.lines().count() <= LINES + 2, "{said}");
    }
}
