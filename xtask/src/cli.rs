//! The command line, and the help a person learns it from.

use clap::{Parser, Subcommand};

/// Builds, tests and runs overlay-monitor from a fresh clone.
///
/// Everything that is missing is set up first: each command says in one line
/// what it installs and why. A second run installs nothing. On Debian and
/// Ubuntu this needs root; elsewhere, or with --no-install, the commands to
/// type are printed instead.
///
/// Start with `cargo xtask demo`.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// Never install anything: print the exact commands for this machine and stop
    #[arg(long, global = true)]
    pub(crate) no_install: bool,

    #[command(subcommand)]
    pub(crate) command: Task,
}

#[derive(Subcommand)]
pub(crate) enum Task {
    Build(Build),
    /// Rebuild the kernel programs and replace the committed objects
    ///
    /// Writes monitor/bpf/: the objects that the agent and the benchmark embed,
    /// and built.toml, which names the tools and digests of the sources. Run it
    /// after a change of monitor-ebpf or monitor-common and commit the result.
    /// The same tools write the same bytes in every folder.
    ///
    /// Needs a compiler for bpfel-unknown-none (the distribution's with a
    /// prebuilt core, or a rustup nightly with rust-src) and a bpf-linker of the
    /// same LLVM. Both are found or installed.
    Bpf,
    /// Build one static program, its packages for Debian and RPM, and an image
    ///
    /// Writes target/package/dist/: the program, which needs no library; packages
    /// with it, unit, configuration, man pages and completions; an OCI image; a bill
    /// of materials; and SHA256SUMS. What is in Debian's package is checked, lintian
    /// and rpmlint find nothing, and two packages of the same files have one digest.
    Package,
    TryPackage(TryPackage),
    /// Write the alerting rules, their cases, the runbook and the dashboards
    ///
    /// Writes deploy/prometheus/, deploy/grafana/ and docs/alerts.md from the
    /// tables in xtask/src/monitoring/. Commit them: `cargo xtask lint` compares
    /// them, and `cargo xtask test` runs promtool on them.
    Monitoring,
    Test(Test),
    Lint(Lint),
    Fuzz(Fuzz),
    Mutants(Mutants),
    /// Show what crosses the wire: plain overlay, encrypted, published port, TLS
    ///
    /// Builds two hosts in network namespaces, joined by an overlay with a real
    /// web server and a real Redis, and prints what the monitor saw on the wire,
    /// in four steps. Nothing of this machine's own network is touched. Where
    /// the kernel has no IPsec, steps 2 to 4 run in a virtual machine.
    Demo,
    Bench(Bench),
    Swarm(Swarm),
    TwoMachines(TwoMachines),
    Record(Record),
    Vm(Vm),
}

/// Build the binaries
///
/// The same as `cargo build --bins` for all packages but xtask. The kernel programs are
/// committed, in monitor/bpf/; `cargo xtask bpf` rebuilds them.
#[derive(clap::Args)]
pub(crate) struct Build {
    /// Optimise them
    #[arg(long)]
    pub(crate) release: bool,
}

/// Install, upgrade, stop, kill and purge Debian's package on a Debian with systemd
///
/// Boots a Debian 12 of its own in a virtual machine, by emulation, and follows
/// the README there. While the next version is installed and while the agent
/// restarts, packets of several networks cross the wire: nftables and the device
/// count them beside the agent. It ends with a table of what was compared, and
/// with exit code 1 where something is not as expected. Needs root, and what
/// `cargo xtask package` has built.
#[derive(clap::Args)]
pub(crate) struct TryPackage {
    /// The package to install [default: the one in target/package/dist]
    #[arg(long, value_name = "FILE")]
    pub(crate) deb: Option<std::path::PathBuf>,
    /// The package to upgrade to [default: the same files as a later version]
    #[arg(long, value_name = "FILE")]
    pub(crate) next: Option<std::path::PathBuf>,
    /// Packets that cross during the upgrade; a fourth of them during the restart
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub(crate) packets: u64,
    /// Which kernel: 5.10, 6.1, 6.12 or 7.2
    #[arg(long, default_value = crate::vm::DEFAULT_KERNEL, value_name = "VERSION")]
    pub(crate) kernel: String,
    /// End everything after so many seconds
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(60..))]
    pub(crate) timeout: u64,
    /// Debian mirror, if not that of this machine
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
    /// Only boot it, and run what is typed
    #[arg(long)]
    pub(crate) shell: bool,
}

/// Check format, warnings, imports, licences and the committed objects
///
/// rustfmt and clippy (warnings are errors) over the workspace and the kernel
/// programs; the committed objects against their sources; and, by cargo-deny,
/// licences and advisories of every dependency in both lock files (deny.toml).
#[derive(clap::Args)]
pub(crate) struct Lint {
    /// Only look for imports that point upward between layers or in a circle
    #[arg(long)]
    pub(crate) imports: bool,
}

/// Run a command on another kernel, in a virtual machine
///
/// Boots a Debian kernel in QEMU, by emulation, so that no KVM is needed. The
/// command sees this machine's own files, in the current folder, as root;
/// whatever it writes is lost at the end. Its output and exit code are passed
/// on (124: out of time). There is no network but what it makes itself.
///
/// Kernels: 5.10 (Debian 11), 6.1 (12), 6.12 (13), 7.2 (unstable). Kernel and
/// QEMU are unpacked below ~/.cache/overlay-monitor, not installed.
///
/// Examples:
///   cargo xtask vm -- uname -r
///   cargo xtask vm --kernel 5.10 -- target/debug/overlay-monitor check
///   cargo xtask vm                              an interactive shell
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Vm {
    /// Which kernel: 5.10, 6.1, 6.12 or 7.2
    #[arg(long, default_value = crate::vm::DEFAULT_KERNEL, value_name = "VERSION")]
    pub(crate) kernel: String,
    /// Memory in MB; it holds the files that the command writes, too
    #[arg(long, default_value_t = 2048, value_name = "MB", value_parser = clap::value_parser!(u32).range(256..))]
    pub(crate) memory: u32,
    /// Number of processors
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) cpus: u32,
    /// End it after so many seconds, with exit code 124
    #[arg(long, default_value_t = 900, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// Set a variable for the command (PATH, HOME, CI, TERM, RUST_LOG, RUST_BACKTRACE and
    /// CARGO_TARGET_DIR are passed on anyway)
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    /// Use KVM instead of emulation
    #[arg(long)]
    pub(crate) kvm: bool,
    /// Let the machine's clock count its instructions, on one processor: what it measures of CPU time then does not depend on what
    /// else runs here
    #[arg(long, conflicts_with_all = ["kvm", "cpus"])]
    pub(crate) count_instructions: bool,
    /// Debian mirror for kernels that this machine's package sources do not have
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
    /// The command and its arguments; none: a shell
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Build everything and run all tests
///
/// Lint, unit tests, examples of the documentation, command-line tests, tests
/// with real packets in network namespaces on this kernel, and a short fuzzing
/// run. Beside them, on a Debian kernel in a virtual machine: the tests that
/// need ESP, VLANs or bonds, and a few others. Needs root. Tables at the end say
/// where the time went, which tests were slowest, and what passed on which
/// kernel; the last line is `N passed, N failed`.
///
/// Examples:
///   cargo xtask test --quick
///   cargo xtask test --matrix
///   cargo xtask test --kernels 5.10 --only kernel_walk,kernel_attach --vm-only
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Test {
    /// Leave out the virtual machine, fuzzing, and all of lint but format, rules and the committed objects
    #[arg(long, conflicts_with_all = ["kernels", "matrix", "vm_only", "only"])]
    pub(crate) quick: bool,
    /// Run all tests that can run there on these kernels of the virtual machine, separated by
    /// commas [default: some tests, on 6.1]
    #[arg(long, value_delimiter = ',', value_name = "VERSIONS")]
    pub(crate) kernels: Option<Vec<String>>,
    /// As --kernels with every kernel that the virtual machine can boot
    #[arg(long, conflicts_with_all = ["kernels", "no_vm"])]
    pub(crate) matrix: bool,
    /// Leave out the virtual machine
    #[arg(long, conflicts_with_all = ["kernels", "only"])]
    pub(crate) no_vm: bool,
    /// Leave out everything but the virtual machine
    #[arg(long, conflicts_with = "no_vm")]
    pub(crate) vm_only: bool,
    /// In the virtual machine only these test programs, separated by commas (kernel_walk, vm_esp, …)
    #[arg(long, value_delimiter = ',', value_name = "PROGRAMS")]
    pub(crate) only: Vec<String>,
    /// Only tests whose name contains this; lint and fuzzing are left out
    pub(crate) filter: Option<String>,
}

impl Test {
    /// Whether no test is left out that a usual run has.
    pub(crate) fn is_whole(&self) -> bool {
        let is_part = self.quick || self.no_vm || self.vm_only || self.kernels.is_some();
        !is_part && self.only.is_empty() && self.filter.is_none()
    }
}

/// Fuzz everything that parses untrusted input
///
/// Targets for every classifier, for capture files and `read`, samples, the two
/// configuration files, and answers of Docker, of the kernel about firewall
/// rules, of Prometheus and of an agent, under libFuzzer, guided by the
/// coverage of instrumented code with assertions and overflow checks. They
/// begin with the recorded fixtures and continue from earlier runs
/// (target/fuzz/corpus). Each input is held to bounds of memory and of time.
/// Findings are kept in target/fuzz/found, and the exit code is 1.
///
/// Examples:
///   cargo xtask fuzz                            a short run, as in the tests
///   cargo xtask fuzz --seconds 3600
///   cargo xtask fuzz --only read --only classify-redis
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Fuzz {
    /// Run for about this long; each target gets its share, of at least a second
    #[arg(long, default_value_t = Fuzz::SHORT, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) seconds: u64,
    /// Run so many inputs instead, in all; each target gets its share
    #[arg(long, conflicts_with = "seconds", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    pub(crate) iterations: Option<u64>,
    /// Only this target; may be repeated
    #[arg(long, value_name = "TARGET")]
    pub(crate) only: Vec<String>,
    /// Targets that run at a time [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = parallel)]
    pub(crate) jobs: Option<usize>,
}

impl Fuzz {
    /// Seconds of a short run.
    pub(crate) const SHORT: u64 = 60;
}

/// Change the code in one place at a time, and look whether a test notices
///
/// A random sample of the changes that cargo-mutants knows, in each area:
/// common, classify, traffic, policy, exposure, books. A table says how many
/// were noticed, and names the others; where one in twenty or more was not, the
/// exit code is 1. What each run printed is kept in target/mutants. Takes hours:
/// the tests are compiled again for each change.
///
/// Examples:
///   cargo xtask mutants common classify
///   cargo xtask mutants --seed 2 --sample 100 policy
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Mutants {
    /// Chooses the sample
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Changes to try in each area; some of them will not compile
    #[arg(long, default_value_t = 60, value_name = "N", value_parser = sample)]
    pub(crate) sample: usize,
    /// Leave out the test programs that see what unit tests do not notice; they take minutes for each change
    #[arg(long)]
    pub(crate) unit_only: bool,
    /// Only these areas
    pub(crate) areas: Vec<String>,
}

fn sample(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(sample @ 1..=1000) => Ok(sample),
        _ => Err("give 1 to 1000".to_owned()),
    }
}

fn parallel(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=256) => Ok(jobs),
        _ => Err("give 1 to 256".to_owned()),
    }
}

/// Measure what the monitor costs
///
/// Builds optimised binaries and starts `overlay-lab bench` with the rest of
/// the line; without any, all of it. It prints first how long that should
/// take: let nothing else run meanwhile. The lines of a packet's cost are nanoseconds
/// above an empty program, as medians with their intervals.
///
///   kernel   in the programs: one hot packet, many flows, many VNIs, IPv6
///   cpus     the same while two CPUs count at once
///   live     on a veth pair: the monitor, nftables and tcpdump, in turn
///   iperf    what is left of the rate of TCP and UDP over an overlay
///   agent    time of a scrape, memory, CPU time while many flows begin
///   classify what each classifier takes for the recorded payloads
///   read     a capture file, beside tcpdump and tshark (only if named)
///   encryption what it costs to encrypt an overlay on this machine: plain
///            VXLAN, ESP, WireGuard, TLS (only if named; at most 15 minutes);
///            with --listen and --to HOST between two machines
///
/// Examples:
///   cargo xtask bench
///   cargo xtask bench kernel --only 'TC: IPv4 VXLAN' --runs 41
///   cargo xtask bench --docs docs          writes docs/benchmarks.{md,svg,json}
///   cargo xtask bench encryption --quick
///   cargo xtask bench -- --help            all options
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Bench {
    /// Arguments of `overlay-lab bench`, such as `kernel` or `--docs docs`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
}

/// Check the monitor against a real Docker Swarm
///
/// Two virtual machines on a private wire, each with the distribution's Docker
/// engine or that of another Debian release, become a Swarm of two nodes. The agent runs there from the stack in
/// deploy/swarm and the image that `cargo xtask package` has built. The story:
/// an overlay network with a web app and Redis, plain; the same encrypted; the published port; then three
/// accidents: the marking rule is lost, cleartext is injected, keys rotate. A
/// table at the end compares the monitor's reports with the frames on the wire;
/// where they differ the exit code is 1. Takes ten to twenty minutes and 8 GB of
/// memory. Docker is unpacked below ~/.cache/overlay-monitor, not installed.
///
/// Debian 12's engine is 20.10, trixie's 26.1 and sid's 28.5 or later. They get the
/// stack for their version, and come with the libraries of their release.
///
/// The frames of the wire are kept in target/swarm/wire.pcap, the logs of the
/// nodes beside it.
#[derive(clap::Args)]
pub(crate) struct Swarm {
    /// End everything after so many seconds
    #[arg(long, default_value_t = 1800, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(60..))]
    pub(crate) timeout: u64,
    /// Docker's engine of this Debian release, in place of the distribution's
    #[arg(long, value_name = "RELEASE", value_parser = ["trixie", "sid"])]
    pub(crate) engine: Option<String>,
    /// Only set the Swarm up, and run what is typed: `node1 docker node ls`
    #[arg(long)]
    pub(crate) shell: bool,
}

/// Measure encryption between two virtual machines, and kill either at any moment
///
/// Two virtual machines on a private wire run `overlay-lab bench encryption`, one
/// with --listen and one with --to: by macvlan, then by ipvlan. Both reports are
/// compared with each other and with the frames on the wire. Then either process
/// is killed by SIGKILL at moments from the first connection to the end. Each
/// machine has IPsec states and policies, firewall rules, devices and a namespace
/// of its own, which must stay as they are, and nothing else may be left. A table
/// at the end shows what was compared; where something does not hold the exit code
/// is 1. Takes about half an hour and 4 GB of memory.
///
/// The frames of the wire are kept in target/two-machines/wire.pcap, what the
/// programs printed beside it.
#[derive(clap::Args)]
pub(crate) struct TwoMachines {
    /// Debian's kernel to boot
    #[arg(long, default_value = crate::vm::DEFAULT_KERNEL)]
    pub(crate) kernel: String,
    /// End everything after so many seconds
    #[arg(long, default_value_t = 5400, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(60..))]
    pub(crate) timeout: u64,
    /// Only these parts, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = ["macvlan", "ipvlan", "kill"], default_value = "macvlan,ipvlan,kill")]
    pub(crate) only: Vec<String>,
}

/// Record real traffic of real servers as fixtures for the tests
///
/// Installs the servers (none is started on this machine), and starts each with
/// its clients in two containers of an overlay, in a copy of the file system
/// that vanishes. The beginning of every flow goes to
/// tests/fixtures/traffic/NAME.pcap, and what it is to NAME.json. Needs root.
///
/// Examples:
///   cargo xtask record                  all of them, in about five minutes
///   cargo xtask record redis postgresql
///   cargo xtask record --list
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Record {
    /// Arguments of `overlay-lab record`: names of recordings
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
}
