//! `overlay-monitor check`: what this machine can and cannot do, and what that breaks.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::anyhow;
use monitor_common::label::Direction;

use crate::attach;
use crate::cli::CheckArgs;
use crate::failure::{Failure, Kind};
use crate::interface::Interface;
use crate::kernel::{Entry, Kernel, LoadOptions};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It works.
    Works,
    /// It does not, and something is worse for it.
    Limited,
    /// It does not, and nothing works without it.
    Missing,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Works => "ok",
            Outcome::Limited => "limited",
            Outcome::Missing => "MISSING",
        })
    }
}

struct Finding {
    outcome: Outcome,
    what: String,
    means: String,
}

/// Prints the findings.
///
/// # Errors
/// A failure with exit code 3 if programs cannot be loaded, 1 if an interface cannot be watched.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let mut interfaces = Vec::new();
    for name in &args.interfaces {
        interfaces.push(Interface::by_name(name)?);
    }
    let mut findings = vec![kernel_version()];
    let loaded = programs(&mut findings);
    findings.push(jit());
    findings.push(btf());
    findings.push(esp());
    for interface in &interfaces {
        findings.push(xdp(interface));
    }
    let mut out = io::stdout().lock();
    for finding in &findings {
        let line = writeln!(
            out,
            "{:<8} {:<28} {}",
            finding.outcome, finding.what, finding.means
        );
        match line {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Failure::runtime(error)),
        }
    }
    loaded?;
    if findings
        .iter()
        .any(|finding| finding.outcome == Outcome::Missing)
    {
        return Err(Failure {
            kind: Kind::Violation,
            error: anyhow!("something that is needed is missing, see above"),
        });
    }
    Ok(())
}

fn works(what: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding {
        outcome: Outcome::Works,
        what: what.into(),
        means: means.into(),
    }
}

fn limited(what: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding {
        outcome: Outcome::Limited,
        what: what.into(),
        means: means.into(),
    }
}

fn missing(what: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding {
        outcome: Outcome::Missing,
        what: what.into(),
        means: means.into(),
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn kernel_version() -> Finding {
    let release = read("/proc/sys/kernel/osrelease");
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 10) {
        works(format!("Linux {release}"), "5.10 or later")
    } else {
        missing(
            format!("Linux {release}"),
            "too old: 5.10 is the oldest that is supported",
        )
    }
}

/// Loads every program, which is the only honest test; nothing is attached.
fn programs(findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let mut kernel = match Kernel::new(&LoadOptions::default()) {
        Ok(kernel) => kernel,
        Err(failure) => {
            findings.push(missing("eBPF maps", failure.to_string()));
            return Err(Failure::kernel(anyhow!(
                "eBPF programs cannot be loaded, see above"
            )));
        }
    };
    for direction in Direction::ALL {
        if let Err(failure) = kernel.load(Entry::Tc(direction)) {
            findings.push(missing("eBPF programs for TC", failure.to_string()));
            return Err(Failure::kernel(anyhow!(
                "eBPF programs cannot be loaded, see above"
            )));
        }
    }
    findings.push(works(
        "eBPF programs for TC",
        "packets can be counted in both directions",
    ));
    findings.push(if attach::has_tcx(&mut kernel) {
        works("TCX links", "our programs are first, and go when the process goes")
    } else {
        limited(
            "no TCX links (Linux 6.6)",
            "TC filters are used: after kill -9 they stay until the next start or `overlay-monitor detach`",
        )
    });
    findings.push(
        match (kernel.load(Entry::XdpFrags), kernel.load(Entry::Xdp)) {
            (Ok(()), _) => works(
                "eBPF programs for XDP",
                "--hook xdp can be used, at any MTU",
            ),
            (Err(_), Ok(())) => limited(
                "XDP without frags",
                "--hook xdp is refused by drivers at a jumbo MTU (Linux 5.18)",
            ),
            (Err(_), Err(failure)) => {
                limited("no XDP", format!("--hook xdp falls back to TC: {failure}"))
            }
        },
    );
    Ok(())
}

fn jit() -> Finding {
    match read("/proc/sys/net/core/bpf_jit_enable").as_str() {
        "1" | "2" => works("eBPF JIT", "programs run as machine code"),
        "" => limited(
            "eBPF JIT unknown",
            "/proc/sys/net/core/bpf_jit_enable cannot be read",
        ),
        _ => limited(
            "no eBPF JIT",
            "every packet costs several times as much: sysctl net.core.bpf_jit_enable=1",
        ),
    }
}

fn btf() -> Finding {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        works(
            "BTF of the kernel",
            "its structures are known (not needed yet)",
        )
    } else {
        limited(
            "no BTF of the kernel",
            "CONFIG_DEBUG_INFO_BTF: ESP cannot be attributed to networks, only to peers",
        )
    }
}

/// Said of the host, not of us: ESP is counted all the same.
fn esp() -> Finding {
    let encrypts = "this host can encrypt overlays";
    if loaded_modules().iter().any(|module| module == "esp4") {
        return works("IPsec ESP in the kernel", encrypts);
    }
    match configured("CONFIG_INET_ESP") {
        Some(true) => works("IPsec ESP in the kernel", encrypts),
        Some(false) => limited(
            "no IPsec ESP in the kernel",
            "this host cannot encrypt overlays (CONFIG_INET_ESP)",
        ),
        None => limited(
            "IPsec ESP unknown",
            "the kernel's configuration cannot be read, and esp4 is not loaded",
        ),
    }
}

fn loaded_modules() -> Vec<String> {
    let text = read("/proc/modules");
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Whether an option of the running kernel is built in or a module; `None` if its configuration cannot be
/// found. (`/proc/config.gz` is compressed; what unpacks it is on every host that has it.)
fn configured(option: &str) -> Option<bool> {
    let release = read("/proc/sys/kernel/osrelease");
    let mut text = read(&format!("/boot/config-{release}"));
    if text.is_empty() {
        let unpacked = std::process::Command::new("zcat")
            .arg("/proc/config.gz")
            .output()
            .ok()?;
        text = String::from_utf8(unpacked.stdout)
            .ok()
            .filter(|text| !text.is_empty())?;
    }
    let set = |value: &str| text.lines().any(|line| line == format!("{option}={value}"));
    Some(set("y") || set("m"))
}

fn xdp(interface: &Interface) -> Finding {
    let what = format!("interface {}", interface.name);
    match attach::xdp_program(interface) {
        Ok(None) => works(what, "no other XDP program is on it"),
        Ok(Some(program)) => limited(
            what,
            format!(
                "XDP program {program} is on it: --hook xdp falls back to TC, and does not count what that one drops"
            ),
        ),
        Err(error) => limited(
            what,
            format!("cannot tell whether an XDP program is on it: {error}"),
        ),
    }
}
