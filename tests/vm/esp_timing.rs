//! The time of encryptions and decryptions, as the agent estimates it from samples, against what the kernel's own tracer of
//! functions measures of each call.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};
use monitor_lab::{CLIENT, Lab, WEB};
use overlay_tests::agent::{Agent, rows, seconds, value};
use overlay_tests::process::wait_until;
use overlay_tests::wire::Pair;

/// Where the kernel's tracer is controlled.
const TRACING: &str = "/sys/kernel/tracing";
/// Payloads of datagrams, and the class of what ESP carries of them: UDP, VXLAN and the inner headers are 58 bytes.
const SIZES: [(usize, &str); 2] = [(100, "256"), (1_400, "2048")];
/// A function of the kernel that each packet passes and that does next to nothing: what the tracer measures of it is the tracer.
const TRIVIAL: &str = "ip_send_check";
/// Datagrams between two looks at the clock.
const FEW: u64 = 64;
/// How long packets are timed at a time, by samples and by the tracer.
const WINDOW: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(1)];
/// Samples of each direction and size.
const SAMPLES: u64 = 300;
/// Windows of each direction and size, at most.
const ROUNDS: u32 = 60;
/// How far both may be apart, beside the error of the samples.
const APART: f64 = 0.1;

/// The tests trace and count what the whole kernel does.
static ALONE: Mutex<()> = Mutex::new(());

/// Sends datagrams of one size for a time, and returns how many.
fn flood(pair: &Pair, from: usize, length: usize, time: Duration) -> u64 {
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < time {
        pair.send(from, (0..FEW).map(|_| length));
        sent += FEW;
    }
    sent
}

/// Packets, samples and seconds of a direction and a size.
fn timed(page: &str, direction: &str, size: &str) -> (u64, u64, f64) {
    let labels = format!(r#"{{direction="{direction}",size="{size}"}}"#);
    let of = |name: &str| format!("overlay_esp_crypto_{name}_total{labels}");
    let time = seconds(page, &of("seconds")).unwrap_or_default();
    (
        value(page, &of("packets")),
        value(page, &of("samples")),
        time,
    )
}

/// How often the program of the events ran.
fn runs() -> u64 {
    let mine = loaded_programs().flatten().filter(|program| {
        // The kernel keeps 15 bytes of a name.
        program.name_as_str() == Some("overlay_esp_tim")
    });
    mine.map(|program| program.run_count()).sum()
}

fn control(file: &str, text: &str) {
    fs::write(format!("{TRACING}/{file}"), text)
        .unwrap_or_else(|error| panic!("{file} = {text}: {error}"));
}

/// Calls of a function and of [`TRIVIAL`] while `load` runs, each with the seconds in them, as the kernel's tracer measures each
/// call. It traces nothing that these call, so that it adds only what it takes itself.
fn traced(function: &str, load: impl FnOnce()) -> [(u64, f64); 2] {
    control("tracing_on", "0");
    control("buffer_size_kb", "16384");
    control("set_ftrace_filter", &format!("{function} {TRIVIAL}"));
    control("current_tracer", "function_graph");
    control("trace", "");
    control("tracing_on", "1");
    load();
    control("tracing_on", "0");
    let trace = fs::read_to_string(format!("{TRACING}/trace")).unwrap();
    control("current_tracer", "nop");
    control("set_ftrace_filter", "");
    let mut all = [(0, 0.0); 2];
    for (name, (calls, time)) in [function, TRIVIAL].into_iter().zip(&mut all) {
        // ` 0) + 12.345 us    |  esp_output [esp4]();`, with a mark where it took long.
        for line in trace.lines().filter(|line| line.contains(name)) {
            // A call that another one interrupts has its time on a line of its own.
            let Some((before, _)) = line.split_once(" us ") else {
                continue;
            };
            let microseconds = before.split_whitespace().last().unwrap();
            *time += microseconds.parse::<f64>().unwrap() * 1e-6;
            *calls += 1;
        }
    }
    all
}

#[test]
fn samples_say_how_long_encryption_takes_as_the_tracer_of_functions_does() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::builder().encrypted(true).quiet(true).build().unwrap();
    let ends = [WEB, CLIENT].map(|name| lab.container(name).unwrap());
    let pair = Pair::new(ends[0], ends[1], 5_000);
    let agent = Agent::start(lab.node1(), &[]);
    let _stats = enable_stats(Stats::RunTime).unwrap();
    let crypto = |page: &str| {
        let is_of_crypto = |line: &&str| line.starts_with("overlay_esp_crypto_");
        page.lines().filter(is_of_crypto).count()
    };
    assert_eq!(crypto(&agent.metrics()), 0);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(runs(), 0, "nothing is sampled before there is ESP");

    for (from, direction, function) in [(0, "tx", "esp_output"), (1, "rx", "esp_input")] {
        for (length, size) in SIZES {
            let before = timed(&agent.metrics(), direction, size);
            wait_until("samples are taken", || {
                flood(&pair, from, length, Duration::from_millis(200));
                timed(&agent.metrics(), direction, size).0 > before.0
            });
            let (mut packets, mut samples, mut sampled) = (0, 0, 0.0);
            let (mut calls, mut measured, mut own) = (0, 0.0, 0.0);
            let mut rounds = 0;
            while samples < SAMPLES && rounds < ROUNDS {
                let before = timed(&agent.metrics(), direction, size);
                let sent = flood(&pair, from, length, WINDOW[0]);
                let after = timed(&agent.metrics(), direction, size);
                assert_eq!(after.0 - before.0, sent, "{direction}, {size}");
                packets += sent;
                samples += after.1 - before.1;
                sampled += after.2 - before.2;
                let mut in_window = 0;
                let [(of_esp, time), (of_trivial, of_tracer)] = traced(function, || {
                    in_window = flood(&pair, from, length, WINDOW[1]);
                });
                let last = timed(&agent.metrics(), direction, size);
                println!(
                    "round {rounds}: {sent} packets {:?} samples in {:?}; {in_window} packets {} samples in {:?}, {of_esp} calls {time:.3} s, {of_trivial} trivial {of_tracer:.3} s",
                    after.1 - before.1,
                    WINDOW[0],
                    last.1 - after.1,
                    WINDOW[1]
                );
                assert_eq!(of_esp, in_window, "calls of {function}");
                assert_ne!(of_trivial, 0, "calls of {TRIVIAL}");
                calls += of_esp;
                measured += time;
                // What the tracer itself takes is in the time of each call.
                own += of_tracer / of_trivial as f64 * of_esp as f64;
                rounds += 1;
            }
            println!(
                "traced {:.1} us, of which the tracer takes {:.1} us",
                measured * 1e6 / calls as f64,
                own * 1e6 / calls as f64
            );
            measured -= own;
            let [sampled, measured] = [sampled / packets as f64, measured / calls as f64];
            let error = 1.0 / (samples as f64).sqrt();
            println!(
                "{direction}, up to {size} bytes: {:.1} us sampled ({packets} packets, {samples} samples, +- {:.1} %), {:.1} us \
                 traced ({calls} calls): {:+.1} %",
                sampled * 1e6,
                error * 100.0,
                measured * 1e6,
                (sampled / measured - 1.0) * 100.0
            );
            let apart = (sampled / measured - 1.0).abs();
            assert!(apart < APART + 3.0 * error, "{direction}, {size}: {apart}");
        }
    }

    // Nothing else has a row, and the other node's packets are not this one's.
    let page = agent.metrics();
    assert_eq!(rows(&page, "overlay_esp_crypto_packets_total").len(), 4);
    wait_until("sampling ends after a silence", || {
        let before = runs();
        thread::sleep(Duration::from_secs(2));
        runs() == before
    });
}

#[test]
fn nothing_is_timed_where_it_is_switched_off() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::builder().encrypted(true).quiet(true).build().unwrap();
    let ends = [WEB, CLIENT].map(|name| lab.container(name).unwrap());
    let pair = Pair::new(ends[0], ends[1], 5_000);
    let file = std::env::temp_dir().join("overlay-esp-timing.toml");
    fs::write(&file, "interfaces = [\"eth0\"]\nesp_timing = false\n").unwrap();
    let agent = Agent::configured(lab.node1(), 9_469, file.to_str().unwrap());
    for _ in 0..3 {
        flood(&pair, 0, 1_000, Duration::from_secs(1));
    }
    let page = agent.metrics();
    assert!(page.contains("overlay_esp_network_packets_total"), "{page}");
    assert!(
        !page.contains("overlay_esp_crypto_seconds_total{"),
        "{page}"
    );
}
