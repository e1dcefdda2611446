//! The kernel programs and their maps, as typed functions over aya.
//!
//! The only module that knows map names and program names.

pub mod attach;
mod btf;
mod counts;
mod errors;
mod esp_tracing;
mod options;
mod peers;
pub mod ring;
mod size;
mod table;

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
use monitor_common::label::Direction;
use monitor_common::reason::Reason;
use monitor_common::xfrm::{Memory, XfrmLayout};

use crate::base::failure::Failure;

pub use counts::Counts;
pub use esp_tracing::Attribution;
pub use options::{Caps, LoadOptions};
pub use peers::Peers;
pub use size::{MapSizes, MapUse, NETWORKS};

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/overlay-monitor.bpf.o"));

/// A program of the object, by the hook that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// XDP for frames in several buffers (5.18 and later).
    XdpFrags,
    /// XDP for frames in one buffer.
    Xdp,
    /// TC of this direction.
    Tc(Direction),
    /// TC of this direction, of an interface without a link header.
    TcIp(Direction),
}

impl Entry {
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

/// The loaded object. Programs are loaded one by one, when something attaches them.
pub struct Kernel {
    ebpf: Ebpf,
    counts: Arc<Counts>,
    samples: Option<RingBuf<MapData>>,
    sizes: MapSizes,
    /// How ESP is attributed to networks here, or why it cannot be.
    xfrm: Result<esp_tracing::Plan, btf::Reason>,
}

impl Kernel {
    /// Creates the maps and gets the programs ready to load.
    ///
    /// # Errors
    /// A kernel failure that says whether privileges or the kernel are missing, or a usage failure
    /// for options that no program can be loaded with.
    pub fn new(options: &LoadOptions) -> Result<Kernel, Failure> {
        raise_memlock();
        let config = options.config()?.to_bytes();
        let cpus = nr_cpus().map_err(|(path, error)| {
            Failure::kernel(anyhow!(
                "cannot tell the number of CPUs from {path}: {error}"
            ))
        })?;
        let sizes = MapSizes::for_cpus(cpus, options.ring_bytes);
        let sizes = if options.policy {
            sizes
        } else {
            sizes.without_policy()
        };
        let mut loader = EbpfLoader::new();
        let log_level =
            u8::from(tracing::enabled!(tracing::Level::DEBUG)) * aya_log::Level::Debug as u8;
        let xfrm = esp_tracing::Plan::new();
        let layout = xfrm.as_ref().map_or(XfrmLayout::UNSET, |plan| plan.layout);
        let layout = layout.to_bytes();
        loader.override_global("XFRM", &layout[..], true);
        let memory = xfrm.as_ref().map_or(Memory::default(), |plan| plan.memory);
        loader.override_global("MEMORY", &memory[..], true);
        loader.override_global("CONFIG", &config[..], true);
        loader.override_global("PORTS", options.services.bytes(), true);
        // Not there in an object that was built without the feature `log`.
        loader.override_global("AYA_LOG_LEVEL", &log_level, false);
        for (name, entries) in sizes.entries() {
            loader.map_max_entries(name, entries);
        }
        let mut ebpf = loader.load(OBJECT).map_err(errors::load)?;
        let samples = ebpf.take_map("SAMPLES").ok_or_else(|| {
            Failure::kernel(anyhow!("the eBPF object has no map SAMPLES: build it anew"))
        })?;
        Ok(Kernel {
            counts: Arc::new(Counts::new(&ebpf, cpus)?),
            samples: Some(RingBuf::try_from(samples).map_err(Failure::kernel)?),
            ebpf,
            sizes,
            xfrm,
        })
    }

    /// Loads a program into the kernel, unless it is loaded.
    ///
    /// # Errors
    /// A kernel failure with the end of the verifier's log, if it rejected the program.
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
            Err(error) => Err(errors::program(name, error)),
        }
    }

    fn program_mut(&mut self, name: &str) -> Result<&mut Program, Failure> {
        self.ebpf.program_mut(name).ok_or_else(|| {
            Failure::kernel(anyhow!(
                "the eBPF object has no program {name}: build it anew"
            ))
        })
    }

    /// The TC program of a direction, loaded.
    ///
    /// # Errors
    /// See [`Kernel::load`].
    pub fn tc(&mut self, direction: Direction) -> Result<&mut SchedClassifier, Failure> {
        self.classifier(Entry::Tc(direction))
    }

    /// A TC program, loaded.
    ///
    /// # Errors
    /// See [`Kernel::load`].
    pub fn classifier(&mut self, entry: Entry) -> Result<&mut SchedClassifier, Failure> {
        self.load(entry)?;
        self.program_mut(entry.program())?
            .try_into()
            .map_err(Failure::kernel)
    }

    /// File descriptor of a program, loaded.
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
    /// A kernel failure; frames of under 14 bytes are refused by the kernel itself.
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
                    "not a program that can be run on a frame"
                )));
            }
        };
        result.context("BPF_PROG_TEST_RUN").map_err(Failure::kernel)
    }

    /// Interfaces that all rows can be made for that [`Counts::prepare_interface`] makes.
    #[must_use]
    pub fn interface_capacity(&self) -> usize {
        self.sizes.reasons as usize / (Direction::ALL.len() * Reason::ALL.len())
    }

    /// What the programs count, for those who need nothing else of the kernel.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Sizes of the maps.
    #[must_use]
    pub fn sizes(&self) -> &MapSizes {
        &self.sizes
    }

    /// What the programs themselves log, if debug messages are wanted and the object can.
    pub fn take_log(&mut self) -> Option<EbpfLogger<&'static dyn log::Log>> {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return None;
        }
        EbpfLogger::init(&mut self.ebpf)
            .inspect_err(|error| tracing::debug!("no log of the programs: {error}"))
            .ok()
    }

    /// The sample ring; `None` if somebody has taken it.
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

/// Before 5.11 map memory counts against `RLIMIT_MEMLOCK`. Where it may not be raised the kernel
/// says so itself, when the map is created.
fn raise_memlock() {
    let unlimited = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the struct is only read.
    unsafe {
        libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited);
    }
}
