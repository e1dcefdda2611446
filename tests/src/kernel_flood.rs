//! A flood without a wire: test runs of a program that is attached, in the kernel, each on another flow. So it sees several
//! times the packets that a machine can send.

use std::ffi::CString;
use std::path::Path;
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::{PerCpuArray, PerCpuValues, ProgramArray};
use aya::programs::{ProgramFd, SchedClassifier, TestRun, TestRunOptions};
use aya::util::nr_cpus;
use monitor_common::bench::Varied;
use monitor_lab::Host;

/// Runs in one system call.
const BATCH: u32 = 50_000;

/// A frame, and how each run differs: flow N of `flows` is in VNI `vni + (N & vni_mask)`.
pub struct Flood<'a> {
    /// A TCP segment in VXLAN, all of IPv4, without options and tags.
    pub frame: &'a [u8],
    /// Number of flows, drawn at random.
    pub flows: u32,
    /// The first VNI.
    pub vni: u32,
    /// The number of VNIs, a power of two, less one.
    pub vni_mask: u32,
}

impl Flood<'_> {
    /// Runs an attached TC program on one CPU as often as that can, as if the packets had come in by a device of a
    /// host, until the time is over. Returns how often. `seed` is another one in each thread.
    #[must_use]
    pub fn run(
        &self,
        host: &Host,
        device: &str,
        program: &ProgramFd,
        seed: u64,
        time: Duration,
    ) -> u64 {
        /// Offsets of VNI and inner source address: behind Ethernet, IPv4 and UDP, and that once more.
        const VNI: u32 = 14 + 20 + 8 + 4;
        const SOURCE: u32 = 14 + 20 + 8 + 8 + 14 + 12;
        let object =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../monitor/bpf/overlay-bench.bpf.o");
        let mut ebpf = Ebpf::load(&std::fs::read(object).unwrap()).unwrap();
        let varied = Varied {
            random: seed,
            vni_at: VNI,
            flow_at: SOURCE,
            flows: self.flows,
            vni_base: self.vni,
            vni_mask: self.vni_mask,
            ifindex: 0,
            burst: 1,
            left: 0,
            flow: 0,
            padding: 0,
        };
        let mut element: PerCpuArray<_, [u8; Varied::SIZE]> =
            PerCpuArray::try_from(ebpf.take_map("VARIED").unwrap()).unwrap();
        let each_cpu = vec![varied.to_bytes(); nr_cpus().unwrap()];
        let each_cpu = PerCpuValues::try_from(each_cpu).unwrap();
        element.set(0, each_cpu, 0).unwrap();
        let mut next = ProgramArray::try_from(ebpf.take_map("NEXT_TC").unwrap()).unwrap();
        let vary: &mut SchedClassifier = ebpf.program_mut("vary_tc").unwrap().try_into().unwrap();
        // Loaded first: the array takes only the type of the first program that uses it.
        vary.load().unwrap();
        next.set(0, program, 0).unwrap();
        // `ifindex` of `struct __sk_buff`, and what is before it.
        let device = CString::new(device).unwrap();
        let mut context = [0; 44];
        host.enter(|| {
            // SAFETY: the call only reads the name.
            let ifindex = unsafe { libc::if_nametoindex(device.as_ptr()) };
            assert_ne!(ifindex, 0);
            context[40..].copy_from_slice(&ifindex.to_ne_bytes());
            let end = Instant::now() + time;
            let mut runs = 0;
            while Instant::now() < end {
                let options = TestRunOptions {
                    data_in: Some(self.frame),
                    ctx_in: Some(&context),
                    repeat: BATCH,
                    ..TestRunOptions::default()
                };
                let result = vary.test_run(options).unwrap();
                // TC_ACT_UNSPEC; `vary_tc` returns it too where the tail call fails, which the counts show.
                assert_eq!(result.return_value, u32::MAX);
                runs += u64::from(BATCH);
            }
            runs
        })
        .unwrap()
    }
}
