//! The loaded eBPF object: its programs and maps.

use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use aya::maps::{MapData, RingBuf};
use aya::programs::{
    Program, ProgramError, SchedClassifier, TestRun, TestRunOptions, TestRunResult,
};
use aya::util::nr_cpus;
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use aya_log::EbpfLogger;
use monitor_common::direction::Direction;
use monitor_common::reason::Reason;
use monitor_common::shared::Shared;
use monitor_common::xfrm_layout::{Memory, XfrmLayout};

use super::attach;
use super::btf::Reason as Unavailable;
use super::constants;
use super::counts::Counts;
use super::esp_plan;
use super::load_errors;
use super::options::LoadOptions;
use super::size::MapSizes;
use super::table::{Table, map};
use crate::base::failure::Failure;

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/overlay-monitor.bpf.o"));

/// A program of the object, by its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// XDP for frames in several buffers (Linux 5.18 and later).
    XdpFrags,
    /// XDP for frames in one buffer.
    Xdp,
    /// TC in this direction.
    Tc(Direction),
    /// TC in this direction, on an interface without a link header.
    TcIp(Direction),
}

impl Entry {
    /// Its name in the object.
    const fn program(self) -> &'static str {
        match self {
            Entry::XdpFrags => "overlay_xdp_frags",
            Entry::Xdp => "overlay_xdp",
            Entry::Tc(Direction::Rx) => "overlay_tc_ingress",
            Entry::Tc(Direction::Tx) => "overlay_tc_egress",
            Entry::TcIp(Direction::Rx) => "overlay_tc_ingress_ip",
            Entry::TcIp(Direction::Tx) => "overlay_tc_egress_ip",
        }
    }
}

/// The object, with its maps created. Programs are loaded one by one when they are attached.
pub struct Kernel {
    ebpf: Ebpf,
    counts: Arc<Counts>,
    samples: Option<RingBuf<MapData>>,
    sizes: MapSizes,
    /// How ESP is attributed to networks on this kernel, or why it cannot be.
    pub(super) esp_plan: Result<esp_plan::Plan, Unavailable>,
    /// Whether single packets are to be timed in ESP.
    pub(super) times_packets: bool,
    /// Whether the programs that time single packets in ESP are loaded, or why they are not.
    pub(super) packet_times: Result<(), Unavailable>,
}

impl Kernel {
    /// Creates the maps, and prepares the programs for loading.
    ///
    /// # Errors
    /// A kernel failure that names the missing privilege or kernel feature, or a usage failure for invalid options.
    pub fn new(options: &LoadOptions) -> Result<Kernel, Failure> {
        raise_memlock();
        let cpus = nr_cpus().map_err(|(path, error)| {
            Failure::kernel(anyhow!(
                "cannot read the number of CPUs from {path}: {error}"
            ))
        })?;
        let sizes = MapSizes::for_cpus(cpus, options.ring_bytes);
        let sizes = sizes.of_what_is_used(options);
        let mut loader = EbpfLoader::new();
        let log_level =
            u8::from(tracing::enabled!(tracing::Level::DEBUG)) * aya_log::Level::Debug as u8;
        // It takes the kernel's BTF and all its symbols.
        let esp_plan = if options.esp_networks {
            esp_plan::Plan::new()
        } else {
            Err("it was not requested".to_owned())
        };
        let layout = esp_plan
            .as_ref()
            .map_or(XfrmLayout::UNSET, |plan| plan.layout);
        let times_esp = options.esp_timing && layout.state_type != 0;
        let config = constants::config(options, &sizes, times_esp)?;
        let seed = config.seed;
        let config = config.to_bytes();
        let layout = layout.to_bytes();
        loader.override_global("XFRM", &layout[..], true);
        let memory = esp_plan
            .as_ref()
            .map_or(Memory::default(), |plan| plan.memory);
        loader.override_global("MEMORY", &memory[..], true);
        loader.override_global("CONFIG", &config[..], true);
        loader.override_global("PORTS", options.udp_ports.bytes(), true);
        // Missing in an object that was built without the feature `log`.
        loader.override_global("AYA_LOG_LEVEL", &log_level, false);
        for (name, entries) in sizes.entries(cpus) {
            loader.map_max_entries(name, entries);
        }
        let mut ebpf = loader.load(OBJECT).map_err(load_errors::maps)?;
        let samples = ebpf.take_map("SAMPLES").ok_or_else(|| {
            Failure::kernel(anyhow!("the eBPF object has no map SAMPLES; rebuild it"))
        })?;
        Ok(Kernel {
            counts: Arc::new(Counts::new(&ebpf, cpus, &sizes, seed)?),
            samples: Some(RingBuf::try_from(samples).map_err(Failure::kernel)?),
            ebpf,
            sizes,
            esp_plan,
            times_packets: times_esp && options.esp_packet_timing,
            packet_times: Err("it was not requested".to_owned()),
        })
    }

    /// Loads a program into the kernel, unless it is loaded already.
    ///
    /// # Errors
    /// A kernel failure, with the end of the verifier's log if the verifier rejected the program.
    pub fn load(&mut self, entry: Entry) -> Result<(), Failure> {
        let name = entry.program();
        let result = match self.program_mut(name)? {
            Program::Xdp(program) => program.load(),
            Program::SchedClassifier(program) => program.load(),
            _ => {
                return Err(Failure::kernel(anyhow!(
                    "program {name} of the object has an unexpected type"
                )));
            }
        };
        match result {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(()),
            Err(error) => Err(load_errors::program("load", name, error)),
        }
    }

    /// A map of the object as a table.
    pub(super) fn table<K: Shared, V: Shared>(
        &self,
        name: &'static str,
        cpus: usize,
    ) -> Result<Table<K, V>, Failure> {
        Table::new(map(&self.ebpf, name)?, name, cpus)
    }

    /// All programs by their names, loaded or not.
    pub(super) fn programs(&self) -> impl Iterator<Item = (&str, &Program)> {
        self.ebpf.programs()
    }

    /// A program by its name.
    pub(super) fn program_mut(&mut self, name: &str) -> Result<&mut Program, Failure> {
        self.ebpf.program_mut(name).ok_or_else(|| {
            Failure::kernel(anyhow!("the eBPF object has no program {name}; rebuild it"))
        })
    }

    /// Loads and returns the TC program of a direction.
    ///
    /// # Errors
    /// See [`Kernel::load`].
    pub fn tc(&mut self, direction: Direction) -> Result<&mut SchedClassifier, Failure> {
        self.classifier(Entry::Tc(direction))
    }

    /// Loads and returns a TC program.
    ///
    /// # Errors
    /// See [`Kernel::load`].
    pub fn classifier(&mut self, entry: Entry) -> Result<&mut SchedClassifier, Failure> {
        self.load(entry)?;
        self.program_mut(entry.program())?
            .try_into()
            .map_err(Failure::kernel)
    }

    /// Loads a program and returns its file descriptor.
    ///
    /// # Errors
    /// See [`Kernel::load`].
    pub fn fd(&mut self, entry: Entry) -> Result<BorrowedFd<'_>, Failure> {
        self.load(entry)?;
        let fd = match self.program_mut(entry.program())? {
            Program::Xdp(program) => program.fd(),
            Program::SchedClassifier(program) => program.fd(),
            _ => return Err(Failure::kernel(anyhow!("a program of an unexpected type"))),
        };
        Ok(fd.map_err(Failure::kernel)?.as_fd())
    }

    /// Runs a program on the bytes of a frame, in the kernel (`BPF_PROG_TEST_RUN`).
    ///
    /// # Errors
    /// A kernel failure; the kernel refuses frames of fewer than 14 bytes.
    pub fn test_run(
        &mut self,
        entry: Entry,
        options: TestRunOptions<'_>,
    ) -> Result<TestRunResult, Failure> {
        self.load(entry)?;
        let result = match self.program_mut(entry.program())? {
            Program::Xdp(program) => program.test_run(options),
            Program::SchedClassifier(program) => program.test_run(options),
            _ => {
                return Err(Failure::kernel(anyhow!(
                    "this program cannot be run on a frame"
                )));
            }
        };
        result.context("BPF_PROG_TEST_RUN").map_err(Failure::kernel)
    }

    /// Number of interfaces whose rows ([`Counts::prepare_interface`]) fit into the maps.
    #[must_use]
    pub fn interface_capacity(&self) -> usize {
        self.sizes.reasons as usize / (Direction::ALL.len() * Reason::ALL.len())
    }

    /// Whether this kernel lets a process read maps and attach programs without `CAP_BPF`: older ones ask for it in every call
    /// of bpf(2). The process must not have it.
    #[must_use]
    pub fn works_without_privileges(&self) -> bool {
        let program = self.ebpf.program(Entry::Tc(Direction::Rx).program());
        let fd = match program {
            Some(Program::SchedClassifier(program)) => program.fd(),
            _ => return false,
        };
        fd.is_ok_and(attach::may_attach) && self.counts.peers.read().is_ok()
    }

    /// The counts, which can be read without the rest.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Whether the bytes that ESP adds to packets are counted, where these are attributed to networks.
    #[must_use]
    pub fn counts_esp_overhead(&self) -> bool {
        let plan = self.esp_plan.as_ref();
        plan.is_ok_and(|plan| plan.layout.state_data != 0)
    }

    /// Sizes of the maps.
    #[must_use]
    pub fn sizes(&self) -> &MapSizes {
        &self.sizes
    }

    /// The log of the programs, if the log level is debug and the object was built with logging.
    pub fn take_log(&mut self) -> Option<EbpfLogger<&'static dyn log::Log>> {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return None;
        }
        EbpfLogger::init(&mut self.ebpf)
            .inspect_err(|error| tracing::debug!("the programs do not log: {error}"))
            .ok()
    }

    /// The sample ring; `None` if it was taken already.
    pub fn take_samples(&mut self) -> Option<RingBuf<MapData>> {
        self.samples.take()
    }
}

impl Deref for Kernel {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.counts
    }
}

/// Raises `RLIMIT_MEMLOCK`, which limits map memory before Linux 5.11. If that fails, creating the maps reports it.
fn raise_memlock() {
    let unlimited = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the call only reads the struct.
    unsafe {
        libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited);
    }
}
