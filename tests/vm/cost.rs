//! What the programs that attribute ESP cost, on a kernel with ESP: a part of a packet's way from one container to another,
//! all in one run, since times mean nothing from one machine to the next.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};
use monitor::kernel::Attribution;
use monitor::kernel::{Kernel, LoadOptions};
use monitor_lab::{CLIENT, Host, Lab, WEB};
use overlay_tests::wire::Pair;

/// Datagrams of a round, and rounds of each kind.
const PACKETS: u64 = 2_000;
const ROUNDS: usize = 7;
/// The part of a packet's whole way that the programs may take.
const MOST: f64 = 0.1;

/// Begins to attribute the ESP of a host; ends when it is dropped.
fn attribute(host: &Host) -> Kernel {
    let kernel = host.enter(|| {
        let options = LoadOptions {
            esp_networks: true,
            ..LoadOptions::default()
        };
        let mut kernel = Kernel::new(&options).unwrap();
        assert_eq!(kernel.attribute_esp(), Attribution::Exact);
        kernel
    });
    kernel.unwrap()
}

/// Runs, and time in them, of the programs that attribute ESP: of those that end and those that begin.
fn runs() -> BTreeMap<String, (u64, Duration)> {
    let mut all = BTreeMap::<String, (u64, Duration)>::new();
    for program in loaded_programs() {
        let Ok(program) = program else { continue };
        let name = program.name_as_str().unwrap_or_default().to_owned();
        // The kernel keeps 15 bytes of a name.
        if name.starts_with("overlay_esp_") {
            let sum = all.entry(name).or_default();
            sum.0 += program.run_count();
            sum.1 += program.run_time();
        }
    }
    all
}

/// How long a datagram takes from container to container.
fn way(pair: &Pair, from: usize) -> Duration {
    let start = Instant::now();
    pair.send(from, (0..PACKETS).map(|_| 1000));
    start.elapsed() / u32::try_from(PACKETS).unwrap()
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

#[test]
fn attribution_costs_a_small_part_of_what_a_packet_costs() {
    let lab = Lab::builder().encrypted(true).quiet(true).build().unwrap();
    let ends = [WEB, CLIENT].map(|name| lab.container(name).unwrap());
    let pair = Pair::new(ends[0], ends[1], 5000);
    way(&pair, 0);

    // With them and without, in turns.
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(way(&pair, 0));
        let kernel = attribute(lab.node1());
        with.push(way(&pair, 0));
        drop(kernel);
    }
    let (with, without) = (median(with), median(without));
    println!(
        "a packet's way: {without:?} without, {with:?} with them: {:.3}",
        with.as_secs_f64() / without.as_secs_f64()
    );

    // The time in them, by the kernel's own clock.
    let _stats = enable_stats(Stats::RunTime).unwrap();
    let _kernel = attribute(lab.node1());
    for (from, name, what) in [
        (0, "overlay_esp_sen", "sent here"),
        (1, "overlay_esp_rec", "received here"),
    ] {
        let before = runs();
        let whole = way(&pair, from);
        let after = runs();
        for (program, (runs, time)) in &after {
            let (runs, time) = (runs - before[program].0, *time - before[program].1);
            if runs == 0 {
                continue;
            }
            // Each packet passes each point once, on either node.
            assert_eq!(runs, PACKETS, "{program}");
            let each = time.as_secs_f64() / runs as f64;
            let part = each / whole.as_secs_f64();
            let here = if program.starts_with(name) {
                what
            } else {
                "of another node"
            };
            println!(
                "{program}, {here}: {:.0} ns a packet, {:.2} % of its way",
                each * 1e9,
                100.0 * part
            );
            assert!(part < MOST, "{program}: {part}");
        }
        assert!(
            after
                .iter()
                .any(|(program, (runs, _))| program.starts_with(name)
                    && *runs - before[program].0 == PACKETS)
        );
    }
}
