//! The time of encryptions and decryptions against what the kernel's own tracer of functions measures of each call: as the agent
//! estimates it from samples, and that of single packets. `OVERLAY_TEST_SECONDS=200` takes enough samples for an error of some
//! percent.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod packets;
mod samples;

use std::fs;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};
use monitor_lab::{CLIENT, Lab, WEB};
use overlay_tests::agent::{Agent, rows, seconds, value};
use overlay_tests::associations::{ENDS, gcm, ip, protect, send, tunnel};
use overlay_tests::frame::{redis_command, vxlan};
use overlay_tests::process::wait_until;
use overlay_tests::scale::duration;
use overlay_tests::wire::Pair;

/// Where the kernel's tracer is controlled.
const TRACING: &str = "/sys/kernel/tracing";
/// Payloads of datagrams, and the class of what ESP carries of them: UDP, VXLAN and the inner headers are 58 bytes.
const SIZES: [(usize, &str); 2] = [(100, "256"), (1_300, "2048")];
/// Addresses of the nodes that [`protect_ipv6`] gives.
const ADDRESSES: [&str; 2] = ["fd00:77::1", "fd00:77::2"];
/// A function of the kernel that each packet passes and that does next to nothing: what the tracer measures of it is the tracer.
const TRIVIAL: &str = "ip_send_check";
/// How long packets are timed at a time, by samples and by the tracer.
const WINDOW: [Duration; 2] = [Duration::from_secs(2), Duration::from_millis(500)];
/// How long each direction and size is timed, where nothing else is asked for. Then the error of the samples is large.
const TIME: Duration = Duration::from_secs(6);
/// How far both may be apart, beside the error of the samples.
const APART: f64 = 0.1;

/// The tests trace and count what the whole kernel does.
static ALONE: Mutex<()> = Mutex::new(());

/// The first attempts may fail where the machine's clock counts instructions: time without any is skipped, so that the kernel
/// gives up to wait for its modules.
fn lab() -> Lab {
    let build = || Lab::builder().encrypted(true).quiet(true).build();
    build().or_else(|_| build()).or_else(|_| build()).unwrap()
}

/// Gives the nodes IPv6 addresses, between which ESP protects what no device of the lab sends.
fn protect_ipv6(lab: &Lab) {
    for (host, address) in [lab.node1(), lab.node2()].into_iter().zip(ADDRESSES) {
        host.run("sysctl", &["-qw", "net.ipv6.conf.eth0.disable_ipv6=0"])
            .unwrap();
        ip(host, &format!("addr add {address}/64 dev eth0 nodad"));
    }
    protect(lab, ADDRESSES, 0x6000, &gcm());
}

/// Sends datagrams of one size for a time, and returns how many. Pauses of changing length keep packets and samples from having
/// one pace, which they would where the machine's clock counts instructions.
fn flood(pair: &Pair, from: usize, length: usize, time: Duration) -> u64 {
    let (begun, mut sent) = (Instant::now(), 0_u64);
    while begun.elapsed() < time {
        let few = 1 + sent * 7 % 31;
        pair.send(from, (0..few).map(|_| length));
        sent += few;
        let pause = Duration::from_micros(sent * 379 % 1_500);
        let begun = Instant::now();
        while begun.elapsed() < pause {}
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

/// The seconds of each call of a function and of [`TRIVIAL`] while `load` runs, as the kernel's tracer measures them. It traces
/// nothing that these call, so that it adds only what it takes itself.
fn traced(function: &str, load: impl FnOnce()) -> [Vec<f64>; 2] {
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
    [function, TRIVIAL].map(|name| {
        // A call during which a soft interrupt called the other function has a line for its beginning and one for its end.
        let is_whole = |line: &&str| line.contains(name) && !line.ends_with('{');
        let mine = trace.lines().filter(is_whole);
        // ` 0) + 12.345 us    |  esp_output [esp4]();`, with a mark where it took long.
        let times = mine.map(|line| {
            let (before, _) = line.split_once(" us ").unwrap_or_else(|| panic!("{line}"));
            let microseconds = before.split_whitespace().last().unwrap();
            microseconds.parse::<f64>().unwrap() * 1e-6
        });
        times.collect()
    })
}

/// The mean, and the mean of the calls that nothing has interrupted. An interrupt takes far longer than a call in a machine that
/// is emulated, and so does the time that other programs of its host take; of these the samples have a part.
fn means(times: &mut [f64]) -> [f64; 2] {
    times.sort_unstable_by(f64::total_cmp);
    let most = 2.0 * times[times.len() / 2];
    let whole = &times[..times.partition_point(|time| *time <= most)];
    [&*times, whole].map(|times| times.iter().sum::<f64>() / times.len() as f64)
}

#[test]
fn nothing_is_timed_where_it_is_switched_off() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = lab();
    let ends = [WEB, CLIENT].map(|name| lab.container(name).unwrap());
    let pair = Pair::new(ends[0], ends[1], 5_000);
    let file = std::env::temp_dir().join("overlay-esp-timing.toml");
    for (key, is_sampled) in [("esp_timing", false), ("esp_packet_timing", true)] {
        fs::write(&file, format!("interfaces = [\"eth0\"]\n{key} = false\n")).unwrap();
        let agent = Agent::configured(lab.node1(), 9_469, file.to_str().unwrap());
        for _ in 0..3 {
            flood(&pair, 0, 1_000, Duration::from_secs(1));
        }
        let page = agent.metrics();
        let has = |name: &str| page.contains(name);
        assert!(has("overlay_esp_network_packets_total"), "{page}");
        assert_eq!(
            has("overlay_esp_crypto_packets_total{"),
            is_sampled,
            "{page}"
        );
        assert!(!has("overlay_esp_packet_seconds_"), "{page}");
    }
}
