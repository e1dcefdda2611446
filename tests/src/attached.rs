//! The programs attached to an interface, ours and others', as the kernel lists them.

use std::path::Path;

use aya::programs::{ProgramError, SchedClassifier, TcAttachType};
use monitor_lab::Host;

use crate::programs::kernel_version;

/// Whether this kernel has TCX (Linux 6.6).
#[must_use]
pub fn has_tcx() -> bool {
    kernel_version() >= (6, 6)
}

/// The hook that TC programs are expected at.
#[must_use]
pub fn tc() -> &'static str {
    if has_tcx() { "tcx" } else { "clsact" }
}

/// Everything attached to `eth0` of a host: `tcx ingress NAME`, `filter egress NAME`, `xdp`, `clsact`.
#[must_use]
pub fn attached(host: &Host) -> Vec<String> {
    let mut all = Vec::new();
    for (name, at) in [
        ("ingress", TcAttachType::Ingress),
        ("egress", TcAttachType::Egress),
    ] {
        all.extend(
            tcx(host, at)
                .into_iter()
                .map(|program| format!("tcx {name} {program}")),
        );
        all.extend(
            filters(host, name)
                .into_iter()
                .map(|filter| format!("filter {name} {filter}")),
        );
    }
    let link = host
        .run("ip", &["-details", "link", "show", "dev", "eth0"])
        .unwrap();
    if link.contains("xdp") {
        all.push("xdp".to_owned());
    }
    if host
        .run("tc", &["qdisc", "show", "dev", "eth0"])
        .unwrap()
        .contains("clsact")
    {
        all.push("clsact".to_owned());
    }
    all
}

/// What TCX runs, in this order.
#[must_use]
pub fn tcx(host: &Host, at: TcAttachType) -> Vec<String> {
    if !has_tcx() {
        return Vec::new();
    }
    match host
        .enter(|| SchedClassifier::query_tcx("eth0", at))
        .unwrap()
    {
        Ok((_, programs)) => programs
            .iter()
            .map(|program| program.name_as_str().unwrap().to_owned())
            .collect(),
        // Before anybody has ever attached one.
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Vec::new()
        }
        Err(error) => panic!("{error}"),
    }
}

/// Names of the BPF filters of a hook, by preference.
#[must_use]
pub fn filters(host: &Host, hook: &str) -> Vec<String> {
    let text = host
        .run("tc", &["filter", "show", "dev", "eth0", hook])
        .unwrap();
    let name = |line: &str| {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| *word != "handle")
            .skip(2);
        words.next().map(str::to_owned)
    };
    text.lines()
        .filter(|line| line.contains(" handle "))
        .filter_map(name)
        .collect()
}

/// Puts another owner's XDP program on `eth0`: iproute2 loads an empty one, without a link.
pub fn put_foreign_xdp(host: &Host) {
    let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../monitor/bpf/overlay-bench.bpf.o");
    let program = ["object", object.to_str().unwrap(), "section", "xdp"];
    let link = ["link", "set", "dev", "eth0", "xdpdrv"];
    host.run("ip", &[&link[..], &program].concat()).unwrap();
}

/// The XDP program that is on `eth0`, by its id.
#[must_use]
pub fn xdp(host: &Host) -> Option<u32> {
    let link = host
        .run("ip", &["-details", "link", "show", "dev", "eth0"])
        .unwrap();
    let mut words = link
        .split_whitespace()
        .skip_while(|word| !word.starts_with("prog/xdp"));
    words.nth(2).map(|id| id.parse().unwrap())
}
