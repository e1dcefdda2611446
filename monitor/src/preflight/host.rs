//! What this host's kernel is and has.

use std::fs;
use std::path::Path;

use super::finding::{Finding, limited, missing, works};

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

pub(super) fn kernel_version() -> Finding {
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

pub(super) fn jit() -> Finding {
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

pub(super) fn btf() -> Finding {
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
pub(super) fn esp() -> Finding {
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
