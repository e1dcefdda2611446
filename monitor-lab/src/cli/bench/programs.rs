//! The benchmark's own kernel programs, and test runs of them and of the monitor's.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use aya::maps::{Map, MapData, PerCpuArray, PerCpuValues};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::xdp::{XdpLink, XdpMode};
use aya::programs::{
    LinkOrder, Program, ProgramError, TcAttachType, TestRun, TestRunAttrs, TestRunOptions,
    TestRunResult,
};
use aya::{Ebpf, include_bytes_aligned};
use monitor::kernel::{Entry, Kernel, bpf};
use monitor_common::bench::Varied;
use monitor_common::direction::Direction;
use monitor_lab::Host;

use super::packets::Frame;
use super::pin;

static OBJECT: &[u8] = include_bytes_aligned!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../monitor/bpf/overlay-bench.bpf.o"
));

/// Where packets are seen: a type of kernel program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    /// XDP, for frames in one buffer.
    Xdp,
    /// XDP with frags, for frames in several buffers.
    XdpFrags,
    /// TC at ingress.
    Tc,
}

impl Hook {
    /// All of them.
    pub(super) const ALL: [Hook; 3] = [Hook::Xdp, Hook::XdpFrags, Hook::Tc];

    /// Text for tables.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Hook::Xdp => "XDP",
            Hook::XdpFrags => "XDP frags",
            Hook::Tc => "TC",
        }
    }

    /// The monitor's program.
    pub(super) const fn entry(self) -> Entry {
        match self {
            Hook::Xdp => Entry::Xdp,
            Hook::XdpFrags => Entry::XdpFrags,
            Hook::Tc => Entry::Tc(Direction::Rx),
        }
    }

    /// The name of a program that is not the monitor's.
    const fn reference(self, which: Reference) -> &'static str {
        match (which, self) {
            (Reference::Floor, Hook::Xdp) => "floor_xdp",
            (Reference::Floor, Hook::XdpFrags) => "floor_xdp_frags",
            (Reference::Floor, Hook::Tc) => "floor_tc",
            (Reference::LookUp, Hook::Xdp) => "reference_xdp",
            (Reference::LookUp, Hook::XdpFrags) => "reference_xdp_frags",
            (Reference::LookUp, Hook::Tc) => "reference_tc",
            (Reference::ThreeHashes, Hook::Xdp) => "hashes_xdp",
            (Reference::ThreeHashes, Hook::XdpFrags) => "hashes_xdp_frags",
            (Reference::ThreeHashes, Hook::Tc) => "hashes_tc",
        }
    }

    const fn vary(self) -> &'static str {
        match self {
            Hook::Xdp => "vary_xdp",
            Hook::XdpFrags => "vary_xdp_frags",
            Hook::Tc => "vary_tc",
        }
    }

    const fn next(self) -> &'static str {
        match self {
            Hook::Xdp => "NEXT_XDP",
            Hook::XdpFrags => "NEXT_XDP_FRAGS",
            Hook::Tc => "NEXT_TC",
        }
    }
}

/// A program with which the monitor's is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// An empty program.
    Floor,
    /// A program with one look-up in a per-CPU hash and one addition.
    LookUp,
    /// A program that counts the packet by three look-ups in hash maps.
    ThreeHashes,
}

/// The program that a test run measures.
pub(super) enum Target<'a> {
    /// Not the monitor's.
    Reference(Reference),
    /// The monitor's program.
    Monitor(&'a mut Kernel),
}

/// How the packets of a run differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variety {
    /// Number of inner flows, drawn at random.
    pub(super) flows: u32,
    /// Number of VNIs of these flows: a power of two.
    pub(super) vnis: u32,
    /// Packets of a flow that come one after the other.
    pub(super) burst: u32,
}

impl Variety {
    /// So many flows in so many VNIs; each packet is of another one.
    pub(super) const fn at_random(flows: u32, vnis: u32) -> Variety {
        Variety {
            flows,
            vnis,
            burst: 1,
        }
    }

    /// The same in bursts of so many packets of a flow.
    pub(super) const fn in_bursts(self, burst: u32) -> Variety {
        Variety { burst, ..self }
    }
}

/// An attached empty program. It is detached when this is dropped.
#[expect(dead_code, reason = "held for their Drop, which detaches")]
pub(super) enum Link {
    Xdp(XdpLink),
    Tc(SchedClassifierLink),
}

/// The benchmark's object, loaded.
pub(super) struct Programs {
    ebpf: Ebpf,
    varied: PerCpuArray<MapData, [u8; Varied::SIZE]>,
}

impl Programs {
    /// Loads the maps of the object. Each program is loaded when it is first used.
    pub(super) fn load() -> anyhow::Result<Programs> {
        let mut ebpf = Ebpf::load(OBJECT)
            .context("cannot load the benchmark's own eBPF programs (this needs root)")?;
        let varied = ebpf
            .take_map("VARIED")
            .context("the eBPF object of the benchmark has no map VARIED")?;
        Ok(Programs {
            ebpf,
            varied: PerCpuArray::try_from(varied)?,
        })
    }

    /// Nanoseconds per packet, measured by the kernel around its loop, in whole nanoseconds. (A clock in user space would
    /// include the set-up of the run, which takes milliseconds for XDP.) With `variety` the time includes varying the
    /// packet.
    pub(super) fn time(
        &mut self,
        hook: Hook,
        target: Target<'_>,
        frame: &Frame,
        variety: Option<Variety>,
        packets: u32,
    ) -> anyhow::Result<f64> {
        let options = TestRunOptions {
            data_in: Some(&frame.bytes),
            repeat: packets,
            ..TestRunOptions::default()
        };
        // Where there is no variety it says where VNI and flow stand.
        self.vary(frame, variety.unwrap_or(Variety::at_random(1, 1)), 0)?;
        let result = match (variety, target) {
            (Some(_), target) => {
                self.set_tail_call(hook, target)?;
                run(self.program(hook.vary())?, options)?
            }
            (None, Target::Reference(which)) => run(self.program(hook.reference(which))?, options)?,
            (None, Target::Monitor(kernel)) => kernel.test_run(hook.entry(), options)?,
        };
        nanoseconds(hook, &result)
    }

    /// As [`Programs::time`], while other CPUs run the same program on packets of the same kind. Also returns the share of
    /// that time in which the others were in their programs.
    pub(super) fn time_beside(
        &mut self,
        hook: Hook,
        target: Target<'_>,
        frame: &Frame,
        variety: Variety,
        packets: u32,
        others: &[usize],
    ) -> anyhow::Result<(f64, f64)> {
        self.vary(frame, variety, 0)?;
        self.set_tail_call(hook, target)?;
        let program = &*self.program(hook.vary())?;
        /// The others run so many times as long at once, because the set-up of a run takes milliseconds.
        const LONGER: u32 = 8;
        let run = |repeat| {
            let options = TestRunOptions {
                data_in: Some(&frame.bytes),
                repeat,
                ..TestRunOptions::default()
            };
            nanoseconds(hook, &run(program, options)?)
        };
        let (begun, over) = (Barrier::new(others.len() + 1), AtomicBool::new(false));
        thread::scope(|scope| {
            let other = |cpu: usize| -> anyhow::Result<f64> {
                let first = pin::to(cpu).and_then(|()| run(packets));
                begun.wait();
                first?;
                let (mut inside, start) = (0.0, Instant::now());
                while !over.load(Ordering::Relaxed) {
                    let many = packets.saturating_mul(LONGER);
                    inside += run(many)? * f64::from(many) * 1e-9;
                }
                Ok(inside / start.elapsed().as_secs_f64())
            };
            let others: Vec<_> = others
                .iter()
                .map(|cpu| scope.spawn(move || other(*cpu)))
                .collect();
            begun.wait();
            let measured = run(packets);
            over.store(true, Ordering::Relaxed);
            let mut least = 1.0f64;
            for other in others {
                least = least.min(other.join().map_err(|_| anyhow!("a thread panicked"))??);
            }
            Ok((measured?, least))
        })
    }

    /// Sends `packets` live frames through the interface `ifindex` of the calling thread's network namespace. Returns the
    /// nanoseconds per frame, which include the work of the receiver.
    pub(super) fn send(
        &mut self,
        frame: &Frame,
        variety: Variety,
        ifindex: u32,
        packets: u32,
    ) -> anyhow::Result<f64> {
        /// The kernel's default batch (TEST_XDP_BATCH_SIZE in net/bpf/test_run.c); a veth ring holds four of them.
        const BATCH: u32 = 64;
        self.vary(frame, variety, ifindex)?;
        let options = TestRunOptions {
            data_in: Some(&frame.bytes),
            repeat: packets,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::default()
        };
        let result = run(self.program("send_xdp")?, options)
            .context("cannot send live frames (Linux 5.18 and later)")?;
        Ok(result.duration.as_secs_f64() * 1e9)
    }

    /// Attaches an empty program to the ingress of an interface of the calling thread's network namespace. Only for an
    /// interface of the lab, because it does not check for a program that is attached already.
    pub(super) fn attach_floor(&mut self, hook: Hook, interface: &str) -> anyhow::Result<Link> {
        Ok(match self.program(hook.reference(Reference::Floor))? {
            Program::Xdp(program) => {
                let id = program.attach(interface, XdpMode::Driver)?;
                Link::Xdp(program.take_link(id)?)
            }
            Program::SchedClassifier(program) => {
                let first = TcAttachOptions::TcxOrder(LinkOrder::first());
                let id = program
                    .attach_with_options(interface, TcAttachType::Ingress, first)
                    .context("cannot attach an empty program by TCX (Linux 6.6 and later)")?;
                Link::Tc(program.take_link(id)?)
            }
            _ => bail!("this type of program cannot be attached"),
        })
    }

    fn vary(&mut self, frame: &Frame, variety: Variety, ifindex: u32) -> anyhow::Result<()> {
        let varied = |seed: u64| -> anyhow::Result<_> {
            let varied = Varied {
                random: 0x9e37_79b9_7f4a_7c15 ^ seed << 32,
                vni_at: u32::try_from(frame.vni_at)?,
                flow_at: u32::try_from(frame.flow_at)?,
                flows: variety.flows.max(1),
                vni_base: 4096,
                vni_mask: variety.vnis.next_power_of_two() - 1,
                ifindex,
                burst: variety.burst.max(1),
                left: 0,
                flow: 0,
                padding: 0,
            };
            Ok(varied.to_bytes())
        };
        let cpus = aya::util::nr_cpus().map_err(|(path, error)| {
            anyhow::Error::new(error).context(format!("cannot read {path}"))
        })?;
        // Each draws other flows.
        let each_cpu = (0..cpus as u64)
            .map(varied)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(self.varied.set(0, PerCpuValues::try_from(each_cpu)?, 0)?)
    }

    /// Makes `target` the destination of the tail call in the program that varies packets.
    fn set_tail_call(&mut self, hook: Hook, target: Target<'_>) -> anyhow::Result<()> {
        // Loaded first, because an array of programs accepts only the type of the first program that uses it.
        self.program(hook.vary())?;
        let set = |ebpf: &Ebpf, program: BorrowedFd<'_>| {
            let map = ebpf.map(hook.next());
            let Some(Map::ProgramArray(map)) = map else {
                bail!(
                    "the eBPF object of the benchmark has no map {}",
                    hook.next()
                );
            };
            set_program(map.fd().as_fd(), program)
                .with_context(|| format!("cannot put a program into {}", hook.next()))
        };
        match target {
            Target::Reference(which) => {
                let program = self.program(hook.reference(which))?.fd()?.try_clone()?;
                set(&self.ebpf, program.as_fd())
            }
            Target::Monitor(kernel) => match hook.entry() {
                Entry::Tc(direction) => set(&self.ebpf, kernel.tc(direction)?.fd()?.as_fd()),
                entry => set(&self.ebpf, kernel.fd(entry)?),
            },
        }
    }

    /// A program by its name; loads it if necessary.
    fn program(&mut self, name: &str) -> anyhow::Result<&mut Program> {
        let program = self.ebpf.program_mut(name).ok_or_else(|| {
            anyhow!("the eBPF object of the benchmark has no program {name}: rebuild it with `cargo xtask build`")
        })?;
        let loaded = match program {
            Program::Xdp(program) => program.load(),
            Program::SchedClassifier(program) => program.load(),
            _ => bail!("program {name} of the benchmark has an unexpected type"),
        };
        match loaded {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(program),
            Err(error) => Err(error).with_context(|| format!("cannot load program {name}")),
        }
    }
}

/// Index of `eth0` of a host.
pub(super) fn wire_ifindex(host: &Host) -> anyhow::Result<u32> {
    let interface = host.enter(|| monitor::base::interface::Interface::by_name("eth0"))?;
    Ok(interface?.index)
}

/// Nanoseconds per packet of a run that passed every packet.
fn nanoseconds(hook: Hook, result: &TestRunResult) -> anyhow::Result<f64> {
    // Another value means that the tail call did not reach the program.
    let passed = match hook {
        Hook::Tc => u32::MAX,
        Hook::Xdp | Hook::XdpFrags => 2,
    };
    if result.return_value != passed {
        bail!(
            "a program returned {} instead of passing the packet",
            result.return_value
        );
    }
    Ok(result.duration.as_secs_f64() * 1e9)
}

/// Runs a loaded program on a frame (BPF_PROG_TEST_RUN).
fn run(program: &Program, options: TestRunOptions<'_>) -> anyhow::Result<TestRunResult> {
    Ok(match program {
        Program::Xdp(program) => program.test_run(options)?,
        Program::SchedClassifier(program) => program.test_run(options)?,
        _ => bail!("this type of program cannot be run on a frame"),
    })
}

/// Sets the only element of an array of programs. It uses the system call, because aya takes only its own program types,
/// and the monitor's programs are private to it.
fn set_program(map: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let (key, value) = (0u32.to_ne_bytes(), program.as_raw_fd().to_ne_bytes());
    // SAFETY: keys and values of an array of programs have four bytes.
    unsafe { bpf::update(map, &key, &value, bpf::Update::Any) }
}
