//! The kernel programs run on crafted frames (`BPF_PROG_TEST_RUN`).

use aya::programs::TestRunOptions;
use monitor::kernel::{Entry, Kernel, LoadOptions};
use monitor_common::direction::Direction;

/// Interface index that the kernel gives to a test run: that of the loopback device.
pub const IFINDEX: u32 = 1;

/// Options that only count.
#[must_use]
pub fn counting() -> LoadOptions {
    LoadOptions {
        sample_every: 0,
        flow_samples: 0,
        ..LoadOptions::default()
    }
}

/// Kernel version, as `(major, minor)`.
#[must_use]
pub fn kernel_version() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Every entry point that this kernel must be able to load.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let mut all = vec![
        Entry::Xdp,
        Entry::Tc(Direction::Rx),
        Entry::Tc(Direction::Tx),
    ];
    if kernel_version() >= (5, 18) {
        all.push(Entry::XdpFrags);
    }
    all
}

/// Which way an entry point sees packets go.
#[must_use]
pub fn direction(entry: Entry) -> Direction {
    match entry {
        Entry::Xdp | Entry::XdpFrags => Direction::Rx,
        Entry::Tc(direction) | Entry::TcIp(direction) => direction,
    }
}

/// Permits as many open files as the system does: a test program holds many loads, of some 50 maps and programs each.
fn raise_open_files() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls only read or write the struct.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

/// Loads the programs afresh, with empty maps.
#[must_use]
pub fn load(options: &LoadOptions) -> Kernel {
    raise_open_files();
    let kernel = Kernel::new(options).unwrap();
    kernel.prepare_interface(IFINDEX).unwrap();
    kernel
}

/// Runs a program on a frame, `repeat` times, and insists that it passes the packet.
pub fn run(kernel: &mut Kernel, entry: Entry, frame: &[u8], repeat: u32) {
    let options = TestRunOptions {
        data_in: Some(frame),
        repeat,
        ..TestRunOptions::default()
    };
    let result = kernel.test_run(entry, options).unwrap();
    let pass = match entry {
        Entry::Xdp | Entry::XdpFrags => 2,
        // `TC_ACT_UNSPEC`: the next program decides.
        Entry::Tc(_) | Entry::TcIp(_) => u32::MAX,
    };
    assert_eq!(
        result.return_value, pass,
        "{entry:?} must pass every packet: {frame:02x?}"
    );
}
