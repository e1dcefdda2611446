//! `check -i`: the findings on an interface beside the choice of hook.

use super::{ip, quiet};
use monitor_lab::Host;
use overlay_tests::attached::has_tcx;
use overlay_tests::process::run;

/// Makes an interface without Ethernet headers, of a kind that this kernel has.
pub(crate) fn raw_ip(host: &Host) -> &'static str {
    let ipip = "link add t0 type ipip local 192.168.77.1 remote 192.168.77.2";
    let words: Vec<&str> = ipip.split_whitespace().collect();
    if host.run("ip", &words).is_err() {
        ip(host, "tuntap add dev t0 mode tun");
    }
    "t0"
}

#[test]
fn kind_hooks_and_costs_are_reported() {
    let lab = quiet();
    let host = lab.node1();
    ip(host, "link add b0 type bridge");
    let check = run(
        host,
        &[
            "check",
            "-i",
            "eth0",
            "-i",
            raw_ip(host),
            "-i",
            "b?",
            "-i",
            "q*",
        ],
    );
    assert_eq!(check.code, Some(0), "{check:?}");
    let line = |start: &str| {
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut lines = check.out.lines().map(squeezed);
        let found = lines.find(|line| line.contains(start));
        found.unwrap_or_else(|| panic!("no {start:?} in\n{}", check.out))
    };
    let hook = if has_tcx() { "TCX" } else { "clsact" };
    for (start, parts) in [
        ("interface eth0", &["veth, Ethernet"][..]),
        ("--hook auto on eth0", &[hook, "in both directions, first"]),
        ("--hook xdp on eth0", &["disables TSO and USO of its peer"]),
        ("interface t0", &["raw IP (no Ethernet header)"]),
        ("--hook xdp on t0", &["limited", "falls back to TC"]),
        ("interface b0", &["bridge, Ethernet"]),
        ("--hook xdp on b0", &["limited", "no native XDP"]),
        ("selection", &["no interface matches q* now"]),
    ] {
        let found = line(start);
        assert!(parts.iter().all(|part| found.contains(part)), "{found}");
    }
}
