//! The time of single packets.

use std::sync::Arc;

use aya::programs::{Program, loaded_links};
use aya::util::KernelVersion;
use aya::{Btf, Ebpf, EbpfLoader};
use monitor::kernel::{Attribution, Kernel, LoadOptions};
use monitor_common::config::Config;

use super::*;

/// One packet in so many is timed, for half a minute from the agent's first one in ESP on.
const EVERY: u64 = 8;
/// Buckets by which the medians may be apart, on a machine where one function takes twice as long in the next second.
const APART: usize = 2;
/// The longest time that packets are sent: the agent's own ends while packets are still timed.
const LONGEST: Duration = Duration::from_secs(20);

/// Packets that were timed, by bucket, each with the longest time in it; and the sum of their times in seconds.
#[derive(Debug)]
struct Timed {
    buckets: Vec<(f64, u64)>,
    seconds: f64,
}

impl Timed {
    /// Those of a direction and a size on a page.
    fn of(page: &str, direction: &str, size: &str) -> Timed {
        let labels = format!(r#"direction="{direction}",size="{size}""#);
        let sum = format!("overlay_esp_packet_seconds_sum{{{labels}}}");
        let is_mine = |line: &&str| {
            line.starts_with("overlay_esp_packet_seconds_bucket") && line.contains(&labels)
        };
        let mut below = 0;
        let buckets = page.lines().filter(is_mine).map(|line| {
            let limit = line.split('"').nth(1).unwrap();
            let limit = limit.parse().unwrap_or(f64::INFINITY);
            let packets: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            let own = packets - below;
            below = packets;
            (limit, own)
        });
        Timed {
            buckets: buckets.collect(),
            seconds: seconds(page, &sum).unwrap_or_default(),
        }
    }

    fn packets(&self) -> u64 {
        self.buckets.iter().map(|(_, packets)| packets).sum()
    }

    /// The bucket of a time in seconds.
    fn bucket(&self, time: f64) -> usize {
        let is_below = |(limit, _): &(f64, u64)| *limit < time;
        self.buckets.partition_point(is_below)
    }

    /// The bucket of the packet in the middle.
    fn median(&self) -> usize {
        let mut left = self.packets() / 2;
        let mut buckets = self.buckets.iter();
        let is_there = |(_, packets): &(f64, u64)| {
            let is_there = *packets > left;
            left = left.saturating_sub(*packets);
            is_there
        };
        buckets.position(is_there).unwrap()
    }

    /// What came since another reading.
    fn since(self, before: &Timed) -> Timed {
        let earlier = |at: usize| before.buckets.get(at).map_or(0, |(_, packets)| *packets);
        let buckets = self.buckets.into_iter().enumerate();
        Timed {
            buckets: buckets
                .map(|(at, (limit, packets))| (limit, packets - earlier(at)))
                .collect(),
            seconds: self.seconds - before.seconds,
        }
    }
}

/// Whether this kernel can attach a tracing program only once.
fn is_too_old() -> bool {
    KernelVersion::current().unwrap() < KernelVersion::new(5, 13, 0)
}

/// Samples are taken all the same.
fn no_packet_is_timed(lab: &Lab, pair: &Pair) {
    let agent = Agent::start(lab.node1(), &[]);
    wait_until("samples are taken", || {
        flood(pair, 0, 100, Duration::from_secs(1));
        timed(&agent.metrics(), "tx", "256").0 > 0
    });
    flood(pair, 0, 100, Duration::from_secs(3));
    let page = agent.metrics();
    assert!(!page.contains("overlay_esp_packet_seconds_"), "{page}");
}

/// Buckets say a time to a factor of two: to compare means, let many packets pass where the machine's clock counts instructions.
#[test]
fn single_packets_take_as_long_as_the_tracer_of_functions_says() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = lab();
    let ends = [WEB, CLIENT].map(|name| lab.container(name).unwrap());
    let pair = Pair::new(ends[0], ends[1], 5_000);
    if is_too_old() {
        return no_packet_is_timed(&lab, &pair);
    }
    for (from, direction, functions) in [
        (0, "tx", ["crypto_aead_encrypt", "esp_output"]),
        (1, "rx", ["crypto_aead_decrypt", "esp_input"]),
    ] {
        for (length, size) in SIZES {
            let agent = Agent::start(lab.node1(), &[]);
            let now = || Timed::of(&agent.metrics(), direction, size);
            wait_until("packets are timed", || {
                flood(&pair, from, length, Duration::from_millis(500));
                now().packets() > 0
            });
            let (before, begun, mut sent) = (now(), Instant::now(), 0);
            while begun.elapsed() < duration(TIME).min(LONGEST) {
                sent += flood(&pair, from, length, Duration::from_secs(1));
            }
            let times = now().since(&before);
            drop(agent);
            // The whole call of ESP begins before the cipher's, and ends after it.
            let [cipher, whole] = functions.map(|function| {
                let [mut traced, mut trivial] = traced(function, || {
                    flood(&pair, from, length, WINDOW[1]);
                });
                let [_, tracer] = means(&mut trivial);
                let means = means(&mut traced).map(|mean| mean - tracer);
                (means, traced[traced.len() / 2] - tracer)
            });
            let us = |time: f64| format!("{:.1} us", time * 1e6);
            println!(
                "{direction}, up to {size} bytes: {} ({} of {sent} packets); the tracer has {} for {}, and {} for {}; with \
                 interrupts {} and {}; {:?}",
                us(times.seconds / times.packets() as f64),
                times.packets(),
                us(cipher.0[1]),
                functions[0],
                us(whole.0[1]),
                functions[1],
                us(cipher.0[0]),
                us(whole.0[0]),
                times.buckets,
            );
            let expected = sent / EVERY;
            assert!(
                (expected / 2..=expected * 2).contains(&times.packets()),
                "{direction}, {size}: {} of {sent}",
                times.packets()
            );
            let [least, most] = [cipher.1, whole.1].map(|time| times.bucket(time));
            let median = times.median();
            assert!(
                least <= median + APART && median <= most + APART,
                "{direction}, {size}: medians of {} and {}",
                us(cipher.1),
                us(whole.1)
            );
        }
    }

    // Others use the same cipher meanwhile: a tunnel between the nodes.
    tunnel(&lab);
    let agent = Agent::start(lab.node1(), &[]);
    let all = || {
        let page = agent.metrics();
        let counts = rows(&page, "overlay_esp_packet_seconds_count");
        counts.into_iter().map(|(_, packets)| packets).sum::<u64>()
    };
    let ends = ENDS.map(|end| end.to_string());
    let wire = || lab.node1().device_stats("eth0").unwrap().tx_packets;
    let (begun, before, wire_before, mut few) = (Instant::now(), all(), wire(), 0);
    while begun.elapsed() < Duration::from_secs(10) {
        few += 2;
        pair.send(0, [100]);
        pair.send(1, [100]);
        for _ in 0..4 {
            send(lab.node1(), [&ends[0], &ends[1]], &vec![vec![0; 900]; 16]);
            send(lab.node2(), [&ends[1], &ends[0]], &vec![vec![0; 900]; 16]);
        }
    }
    let (timed, carried) = (all() - before, wire() - wire_before);
    println!("{timed} timed of {few} packets, beside {carried} sent in all");
    assert!(carried > few * 10, "{carried} packets");
    assert!(timed > 0, "packets are timed");
    assert!(timed < few / 2, "{timed} timed of {few} packets");

    let attached = || {
        let mine = loaded_programs().flatten().filter(|program| {
            // The kernel keeps 15 bytes of a name.
            ["overlay_encrypt", "overlay_decrypt"]
                .map(Some)
                .contains(&program.name_as_str())
        });
        let mine: Vec<u32> = mine.map(|program| program.id()).collect();
        let links = loaded_links().flatten();
        links
            .filter(|link| mine.contains(&link.program_id()))
            .count()
    };
    assert_eq!(attached(), 2, "while packets are timed");
    wait_until("the programs are detached after a silence", || {
        attached() == 0
    });
}

/// What is encrypted and decrypted by threads of the kernel (`pcrypt`), after the call has returned.
#[test]
fn packets_that_the_kernel_leaves_to_its_threads_are_counted_apart() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if is_too_old() {
        let lab = lab();
        let ends = [WEB, CLIENT].map(|name| lab.container(name).unwrap());
        return no_packet_is_timed(&lab, &Pair::new(ends[0], ends[1], 5_000));
    }
    let modprobe = |arguments: &[&str]| Command::new("/sbin/modprobe").args(arguments).output();
    // The module that makes the instance does not stay, which is an error.
    drop(modprobe(&["tcrypt", "alg=pcrypt(rfc4106(gcm(aes)))", "type=3"]).unwrap());
    let crypto = fs::read_to_string("/proc/crypto").unwrap();
    assert!(crypto.contains(": pcrypt(rfc4106("), "{crypto}");
    let lab = lab();
    protect_ipv6(&lab);
    let agent = Agent::start(lab.node1(), &[]);
    let datagrams = vec![vxlan(99, &redis_command()); 8];
    let back = [ADDRESSES[1], ADDRESSES[0]];
    let cpus = thread::available_parallelism().unwrap().get();
    wait_until("both directions are seen", || {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            send(lab.node1(), ADDRESSES, &datagrams);
            send(lab.node2(), back, &datagrams);
        }
        let page = agent.metrics();
        let of = |direction| {
            let labels = format!(r#"{{direction="{direction}"}}"#);
            value(
                &page,
                &format!("overlay_esp_asynchronous_packets_total{labels}"),
            )
        };
        // With several CPUs a packet may be handed on on another one than the agent remembers it on.
        of("tx") > 0 && (of("rx") > 0 || cpus > 1)
    });
    let counts = rows(&agent.metrics(), "overlay_esp_packet_seconds_count");
    assert_eq!(counts, [], "none of them is timed");
    drop(agent);
    drop(lab);
    wait_until("the module is removed", || {
        modprobe(&["-r", "pcrypt"]).unwrap().status.success()
    });
}

/// The object with the programs.
const OBJECT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../monitor/bpf/overlay-monitor.bpf.o"
);
/// A function of the kernel that does next to nothing, in place of a cipher.
const FUNCTION: &str = if cfg!(target_arch = "aarch64") {
    "__arm64_sys_getpgid"
} else {
    "__x64_sys_getpgid"
};

/// The time of a call of getpgid(2), in nanoseconds: the shortest of several means, since others interrupt an emulated machine.
fn call() -> f64 {
    const CALLS: u32 = 2_000;
    let means = (0..20).map(|_| {
        let begun = Instant::now();
        for _ in 0..CALLS {
            // SAFETY: the call takes a number.
            unsafe { libc::getpgid(0) };
        }
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    });
    means.fold(f64::INFINITY, f64::min)
}

fn object() -> Ebpf {
    let config = Config {
        esp_timing: 1,
        ..Config::UNSET
    };
    let config = config.to_bytes();
    let mut loader = EbpfLoader::new();
    loader.override_global("CONFIG", &config[..], true);
    loader.load_file(OBJECT).unwrap()
}

/// What each call of a cipher pays for the packets that are timed. Where the clock counts instructions it is 0.7 and 0.9 times the
/// system call; an emulator without that clock takes longer for some instructions.
#[test]
fn a_call_that_is_not_timed_costs_a_few_system_calls_at_most() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let btf = Btf::from_sys_fs().unwrap();
    let mut ratios = [Vec::new(), Vec::new()];
    for _ in 0..7 {
        for (ratios, name) in ratios
            .iter_mut()
            .zip(["overlay_encrypted", "overlay_decrypt"])
        {
            let without = call();
            let mut ebpf = object();
            match ebpf.program_mut(name).unwrap() {
                Program::FExit(program) => {
                    program.load(FUNCTION, &btf).unwrap();
                    program.attach().unwrap();
                }
                Program::FEntry(program) => {
                    program.load(FUNCTION, &btf).unwrap();
                    program.attach().unwrap();
                }
                _ => panic!("{name}"),
            }
            let with = call();
            println!("{name}: {:.0} ns above {without:.0}", with - without);
            ratios.push((with - without) / without);
        }
    }
    for mut ratios in ratios {
        ratios.sort_unstable_by(f64::total_cmp);
        let median = ratios[ratios.len() / 2];
        assert!(median > 0.0, "the program did not run");
        assert!(median < 8.0, "{median:.2} of a system call");
    }
}

/// They are attached again every ten minutes.
#[test]
fn the_programs_can_be_attached_again_and_leave_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut kernel = Kernel::new(&LoadOptions {
        esp_networks: true,
        esp_timing: true,
        esp_packet_timing: true,
        ..LoadOptions::default()
    })
    .unwrap();
    let loaded = kernel.load_esp_attribution();
    assert_eq!(loaded, Attribution::Exact);
    let timer = match kernel.packet_timer() {
        Ok(timer) => Arc::new(timer),
        Err(reason) => {
            assert!(is_too_old() && reason.contains("5.13"), "{reason}");
            return;
        }
    };
    let links = || loaded_links().flatten().count();
    let before = links();
    for _ in 0..3 {
        let timing = timer.start().unwrap();
        assert_eq!(links(), before + 2);
        drop(timing);
        wait_until("they are detached", || links() == before);
    }
}
