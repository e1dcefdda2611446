//! The kernel programs and their maps, as typed functions over aya.
//!
//! The only module that knows map names and program names.

mod errors;
mod size;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, anyhow};
use aya::maps::{Map, MapData, PerCpuArray, PerCpuHashMap, PerCpuValues, RingBuf};
use aya::programs::{
    Program, ProgramError, SchedClassifier, TestRun, TestRunOptions, TestRunResult,
};
use aya::util::nr_cpus;
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use aya_log::EbpfLogger;
use monitor_common::config::{Config, HostFlows, Ports};
use monitor_common::key::{Count, CounterKey, CpuState, EspCount, EspKey, ReasonKey};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;

use crate::failure::Failure;

pub use size::{MapSizes, MapUse};

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/overlay-monitor.bpf.o"));

/// What the programs are loaded with; constant while they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Sample one packet in this many; 1 is every packet, 0 none.
    pub sample_every: u32,
    /// First payload packets to sample of each inner flow and direction; 0 none.
    pub flow_samples: u32,
    /// Bytes to keep of each sampled frame.
    pub snap: u32,
    /// Whether traffic outside any overlay is watched too.
    pub host_flows: HostFlows,
    /// The ports for [`HostFlows::Ports`]; else ignored.
    pub host_ports: Vec<u16>,
    /// UDP ports of VXLAN.
    pub vxlan_ports: Vec<u16>,
    /// Size of the sample ring in bytes: a power of two and a multiple of the page size.
    pub ring_bytes: u32,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            sample_every: 1000,
            flow_samples: 3,
            snap: 256,
            host_flows: HostFlows::Off,
            host_ports: Vec::new(),
            vxlan_ports: vec![monitor_common::wire::vxlan::PORT],
            ring_bytes: 1 << 20,
        }
    }
}

impl LoadOptions {
    fn config(&self) -> Result<Config, Failure> {
        let ports = |ports: &[u16], what: &str| {
            format!(
                "{what} {ports:?}: give 1 to {} ports, none of them 0",
                Ports::<4>::PLACES
            )
        };
        let vxlan_ports = Ports::new(&self.vxlan_ports)
            .ok_or_else(|| Failure::usage(anyhow!(ports(&self.vxlan_ports, "VXLAN ports"))))?;
        let host_ports = if self.host_flows == HostFlows::Ports {
            Ports::new(&self.host_ports).ok_or_else(|| {
                Failure::usage(anyhow!(
                    "host ports {:?}: give 1 to {} ports, none of them 0",
                    self.host_ports,
                    monitor_common::config::HOST_PORTS
                ))
            })?
        } else {
            Config::UNSET.host_ports
        };
        Ok(Config {
            seed: random_words(),
            sample_every: self.sample_every,
            flow_samples: self.flow_samples,
            snap: self.snap,
            host_flows: self.host_flows as u32,
            vxlan_ports,
            host_ports,
        })
    }
}

/// Words that nobody outside can guess. `RandomState` is keyed by the operating system's randomness.
fn random_words() -> [u64; 4] {
    std::array::from_fn(|n| RandomState::new().hash_one(n))
}

/// A program of the object, by the hook that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// XDP for frames in several buffers (5.18 and later).
    XdpFrags,
    /// XDP for frames in one buffer.
    Xdp,
    /// TC of this direction.
    Tc(Direction),
}

impl Entry {
    const fn program(self) -> &'static str {
        match self {
            Entry::XdpFrags => "overlay_xdp_frags",
            Entry::Xdp => "overlay_xdp",
            Entry::Tc(Direction::Rx) => "overlay_tc_ingress",
            Entry::Tc(Direction::Tx) => "overlay_tc_egress",
        }
    }
}

/// The loaded object. Programs are loaded one by one, when something attaches them.
pub struct Kernel {
    ebpf: Ebpf,
    counters: PerCpuHashMap<MapData, [u8; CounterKey::SIZE], [u8; Count::SIZE]>,
    esp: PerCpuHashMap<MapData, [u8; EspKey::SIZE], [u8; EspCount::SIZE]>,
    reasons: PerCpuHashMap<MapData, [u8; ReasonKey::SIZE], u64>,
    state: PerCpuArray<MapData, [u8; CpuState::SIZE]>,
    samples: Option<RingBuf<MapData>>,
    sizes: MapSizes,
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
        let mut loader = EbpfLoader::new();
        let log_level =
            u8::from(tracing::enabled!(tracing::Level::DEBUG)) * aya_log::Level::Debug as u8;
        loader.override_global("CONFIG", &config[..], true);
        // Not there in an object that was built without the feature `log`.
        loader.override_global("AYA_LOG_LEVEL", &log_level, false);
        for (name, entries) in sizes.entries() {
            loader.map_max_entries(name, entries);
        }
        let mut ebpf = loader.load(OBJECT).map_err(errors::load)?;
        Ok(Kernel {
            counters: map(&mut ebpf, "COUNTERS")?,
            esp: map(&mut ebpf, "ESP")?,
            reasons: map(&mut ebpf, "REASONS")?,
            state: map(&mut ebpf, "STATE")?,
            samples: Some(map(&mut ebpf, "SAMPLES")?),
            ebpf,
            sizes,
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
        let entry = Entry::Tc(direction);
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

    /// Makes room for what a packet on this interface must always find: "other", and each reason.
    ///
    /// # Errors
    /// A kernel failure, if a map is full.
    pub fn prepare_interface(&mut self, ifindex: u32) -> Result<(), Failure> {
        const NO_EXIST: u64 = 1;
        let added = |result: Result<(), aya::maps::MapError>| match result {
            Err(aya::maps::MapError::SyscallError(error))
                if error.io_error.raw_os_error() == Some(libc::EEXIST) =>
            {
                Ok(())
            }
            other => other
                .context("cannot prepare the maps for an interface")
                .map_err(Failure::kernel),
        };
        for direction in Direction::ALL {
            for encapsulation in Encapsulation::ALL {
                let key = CounterKey::other(ifindex, direction, encapsulation).to_bytes();
                added(
                    self.counters
                        .insert(key, per_cpu([0; Count::SIZE])?, NO_EXIST),
                )?;
            }
            let key = EspKey::other(ifindex, direction).to_bytes();
            added(
                self.esp
                    .insert(key, per_cpu([0; EspCount::SIZE])?, NO_EXIST),
            )?;
            for reason in Reason::ALL {
                let key = ReasonKey::new(ifindex, direction, *reason).to_bytes();
                added(self.reasons.insert(key, per_cpu(0u64)?, NO_EXIST))?;
            }
        }
        Ok(())
    }

    /// Interfaces that all rows can be made for that [`Kernel::prepare_interface`] makes.
    #[must_use]
    pub fn interface_capacity(&self) -> usize {
        self.sizes.reasons as usize / (Direction::ALL.len() * Reason::ALL.len())
    }

    /// Removes rows that nothing counts in any more.
    ///
    /// # Errors
    /// A runtime failure, if a map refuses.
    pub fn forget(
        &mut self,
        counters: impl Iterator<Item = CounterKey>,
        esp: impl Iterator<Item = EspKey>,
        reasons: impl Iterator<Item = ReasonKey>,
    ) -> Result<(), Failure> {
        for key in counters {
            removed(self.counters.remove(&key.to_bytes()))?;
        }
        for key in esp {
            removed(self.esp.remove(&key.to_bytes()))?;
        }
        for key in reasons {
            removed(self.reasons.remove(&key.to_bytes()))?;
        }
        Ok(())
    }

    /// Packets and bytes per interface, direction, encapsulation and VNI, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn counters(&self) -> Result<HashMap<CounterKey, Count>, Failure> {
        sum(
            self.counters.iter(),
            |key| CounterKey::from_bytes(&key),
            |total: &mut Count, value| {
                let value = Count::from_bytes(value);
                total.packets += value.packets;
                total.bytes += value.bytes;
            },
        )
    }

    /// Packets, bytes and sequence range per security association, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn esp(&self) -> Result<HashMap<EspKey, EspCount>, Failure> {
        sum(
            self.esp.iter(),
            |key| EspKey::from_bytes(&key),
            |total: &mut EspTotal, value| {
                let value = EspCount::from_bytes(value);
                if value.packets == 0 {
                    return;
                }
                let before = total.0.packets != 0;
                total.0.sequence_min = if before {
                    total.0.sequence_min.min(value.sequence_min)
                } else {
                    value.sequence_min
                };
                total.0.sequence_max = total.0.sequence_max.max(value.sequence_max);
                total.0.packets += value.packets;
                total.0.bytes += value.bytes;
            },
        )
        .map(|all| all.into_iter().map(|(key, total)| (key, total.0)).collect())
    }

    /// Packets not understood, all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn reasons(&self) -> Result<HashMap<ReasonKey, u64>, Failure> {
        sum(
            self.reasons.iter(),
            |key| ReasonKey::from_bytes(&key),
            |total, value| *total += value,
        )
    }

    /// Samples and overflows, all CPUs added up. `countdown` is meaningless in a sum, and 0.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn state(&self) -> Result<CpuState, Failure> {
        let cpus = self
            .state
            .get(&0, 0)
            .context("map STATE")
            .map_err(Failure::runtime)?;
        let mut total = CpuState::default();
        for value in cpus.iter() {
            let value = CpuState::from_bytes(value);
            total.sent += value.sent;
            total.ring_full += value.ring_full;
            total.counters_overflow += value.counters_overflow;
            total.esp_overflow += value.esp_overflow;
            total.reasons_overflow += value.reasons_overflow;
        }
        Ok(total)
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

/// A row that is gone already is as good as removed.
fn removed(result: Result<(), aya::maps::MapError>) -> Result<(), Failure> {
    match result {
        Err(aya::maps::MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        Err(aya::maps::MapError::KeyNotFound) => Ok(()),
        other => other
            .context("cannot remove rows of an interface that is gone")
            .map_err(Failure::runtime),
    }
}

#[derive(Clone, Copy)]
struct EspTotal(EspCount);

impl Default for EspTotal {
    fn default() -> EspTotal {
        EspTotal(EspCount {
            packets: 0,
            bytes: 0,
            sequence_min: 0,
            sequence_max: 0,
        })
    }
}

/// Adds up a per-CPU map. A key that vanishes between being listed and being read is left out.
fn sum<K, V: aya::Pod, KeyOut: std::hash::Hash + Eq, Total: Default>(
    entries: impl Iterator<Item = Result<(K, PerCpuValues<V>), aya::maps::MapError>>,
    key: impl Fn(K) -> KeyOut,
    add: impl Fn(&mut Total, &V),
) -> Result<HashMap<KeyOut, Total>, Failure> {
    let mut all = HashMap::new();
    for entry in entries {
        let (raw, cpus) = entry
            .context("cannot read a map")
            .map_err(Failure::runtime)?;
        let total = all.entry(key(raw)).or_default();
        for value in cpus.iter() {
            add(total, value);
        }
    }
    Ok(all)
}

fn per_cpu<V: aya::Pod>(value: V) -> Result<PerCpuValues<V>, Failure> {
    let cpus = nr_cpus().map_err(|(path, error)| Failure::kernel(anyhow!("{path}: {error}")))?;
    PerCpuValues::try_from(vec![value; cpus]).map_err(Failure::kernel)
}

fn map<M: TryFrom<Map, Error = aya::maps::MapError>>(
    ebpf: &mut Ebpf,
    name: &str,
) -> Result<M, Failure> {
    let map = ebpf.take_map(name).ok_or_else(|| {
        Failure::kernel(anyhow!("the eBPF object has no map {name}: build it anew"))
    })?;
    M::try_from(map)
        .with_context(|| format!("map {name}"))
        .map_err(Failure::kernel)
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
