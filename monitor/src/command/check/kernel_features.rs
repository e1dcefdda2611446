//! The kernel of this host and its features.

use super::finding::{Check, Finding, limited, missing, works};
use crate::base::kernel_config::{Built, Configuration};
use crate::base::procfs::{has_module, read};

pub(super) fn kernel_version() -> Finding {
    let release = read("/proc/sys/kernel/osrelease");
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 10) {
        works(
            Check::KernelVersion,
            format!("Linux {release}"),
            "5.10 or later",
        )
    } else {
        missing(
            Check::KernelVersion,
            format!("Linux {release}"),
            "too old: 5.10 is the oldest supported version",
        )
    }
}

pub(super) fn jit() -> Finding {
    match read("/proc/sys/net/core/bpf_jit_enable").as_str() {
        "1" | "2" => works(
            Check::Jit,
            "eBPF JIT",
            "programs are compiled to machine code",
        ),
        "" => limited(
            Check::Jit,
            "eBPF JIT unknown",
            "/proc/sys/net/core/bpf_jit_enable cannot be read",
        ),
        _ => limited(
            Check::Jit,
            "no eBPF JIT",
            "each packet costs several times as much; run sysctl net.core.bpf_jit_enable=1",
        ),
    }
}

/// A property of the host, not of the agent: ESP is counted in any case.
pub(super) fn esp() -> Finding {
    let encrypts = "this host can encrypt overlays";
    if has_module("esp4") {
        return works(Check::KernelEsp, "IPsec ESP in the kernel", encrypts);
    }
    match Configuration::read().map(|configuration| configuration.option("CONFIG_INET_ESP")) {
        Some(Built::In | Built::Module) => {
            works(Check::KernelEsp, "IPsec ESP in the kernel", encrypts)
        }
        Some(Built::No) => limited(
            Check::KernelEsp,
            "no IPsec ESP in the kernel",
            "this host cannot encrypt overlays: its kernel lacks CONFIG_INET_ESP",
        ),
        None => limited(
            Check::KernelEsp,
            "IPsec ESP unknown",
            "the kernel's configuration cannot be read, and esp4 is not loaded",
        ),
    }
}
