//! Every package that xtask may install, and why. The only list.

/// A distribution package that is needed.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) why: String,
}

impl Package {
    pub(crate) fn new(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            why: why.into(),
        }
    }
}

/// What the lab, the demo and the tests run.
const LAB: &[(&str, &str)] = &[
    (
        "iproute2",
        "makes network namespaces, VXLAN links and IPsec states",
    ),
    ("redis-server", "the lab's database, a real one"),
    ("nginx", "the lab's web server, plain and TLS, a real one"),
    ("curl", "the lab's HTTP client"),
    ("openssl", "makes the lab's certificate"),
    (
        "nftables",
        "counts the same packets independently, to check our counts",
    ),
    (
        "ethtool",
        "turns segmentation offload off where counts are compared",
    ),
];

/// What only the tests run.
const TESTS: &[(&str, &str)] = &[
    (
        "tshark",
        "decodes the same packets independently, to check our parser",
    ),
    (
        "iperf3",
        "sends streams through the lab whose packets are counted",
    ),
    (
        "iptables",
        "makes rules as Docker does, which `check` must find",
    ),
];

/// What the benchmark runs beside the lab.
const BENCH: &[(&str, &str)] = &[
    ("iperf3", "sends over the overlay as fast as it can"),
    ("tcpdump", "watches the same traffic, for comparison"),
];

/// What the virtual machine needs of this one. QEMU, busybox and the kernel
/// are only unpacked into the cache, not installed.
const VM: &[(&str, &str)] = &[
    ("kmod", "depmod here and modprobe in the virtual machine"),
    ("xz-utils", "newer Debian kernels compress their modules"),
];

fn list(table: &[(&str, &str)]) -> Vec<Package> {
    table
        .iter()
        .map(|(name, why)| Package::new(*name, *why))
        .collect()
}

/// Packages of the lab and the demo.
pub(crate) fn lab() -> Vec<Package> {
    list(LAB)
}

/// Packages of the tests, which use the lab.
pub(crate) fn tests() -> Vec<Package> {
    [list(LAB), list(TESTS)].concat()
}

/// Packages of the benchmark.
pub(crate) fn bench() -> Vec<Package> {
    [list(LAB), list(BENCH)].concat()
}

/// Packages of the virtual machine.
pub(crate) fn vm() -> Vec<Package> {
    list(VM)
}

/// Packages that `cargo install bpf-linker` needs for this LLVM.
pub(crate) fn bpf_linker(llvm: u32) -> Vec<Package> {
    vec![
        Package::new(format!("llvm-{llvm}-dev"), "the LLVM that bpf-linker links"),
        Package::new(format!("libpolly-{llvm}-dev"), "part of that LLVM"),
        Package::new("zlib1g-dev", "LLVM needs it"),
        Package::new("libzstd-dev", "LLVM needs it"),
        Package::new("g++", "LLVM is C++, bpf-linker links its library"),
    ]
}
