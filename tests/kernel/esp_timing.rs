//! The events that time encryptions: this kernel takes the program, they start and stop, and without ESP nothing is counted.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::mem;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use aya::maps::{Map, PerCpuArray, PerCpuValues};
use aya::sys::{Stats, enable_stats};
use aya::util::nr_cpus;
use monitor::kernel::{Kernel, LoadOptions};
use monitor_common::count::Total;
use monitor_common::esp_time::EspTimes;
use overlay_tests::held;

/// How long there is load.
const LOAD: Duration = Duration::from_secs(2);

/// The part of one core that all samples together may take; the goal is 0.002.
const MOST: f64 = 0.01;
/// Words of an element of the map.
const WORDS: usize = EspTimes::SIZE / 8;

/// Runs of the program, and time in it.
fn runs() -> (u64, Duration) {
    // The kernel keeps 15 bytes of a name.
    let program = held::program(std::process::id(), "overlay_esp_tim");
    (program.run_count(), program.run_time())
}

/// Sends datagrams to nobody, on the loopback, and returns how many.
fn load() -> u32 {
    let to = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = UdpSocket::bind("127.0.0.1:0").unwrap();
    from.connect(to.local_addr().unwrap()).unwrap();
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < LOAD {
        for _ in 0..64 {
            // A full buffer drops it.
            drop(from.send(&[0x2e; 1000]));
            sent += 1;
        }
    }
    sent
}

/// Lets the samples look at the stack, as on a CPU that has carried ESP: the map gets an address of IPsec, which no stack has.
fn let_them_look() {
    let data = held::map(std::process::id(), "ESP_TIMES");
    let map = Map::PerCpuArray(data);
    let mut map = PerCpuArray::<_, [u64; WORDS]>::try_from(map).unwrap();
    let mut element = [0; WORDS];
    element[mem::offset_of!(EspTimes, core) / 8] = 1;
    let all = vec![element; nr_cpus().unwrap()];
    map.set(0, PerCpuValues::try_from(all).unwrap(), 0).unwrap();
}

#[test]
fn the_events_start_and_stop_and_count_nothing_without_esp() {
    let mut kernel = Kernel::new(&LoadOptions {
        esp_networks: true,
        esp_timing: true,
        ..LoadOptions::default()
    })
    .unwrap();
    let timer = kernel.esp_timer().unwrap();
    let _stats = enable_stats(Stats::RunTime).unwrap();

    let before = runs();
    load();
    assert_eq!(runs(), before, "the events are stopped at first");

    let_them_look();
    timer.start().unwrap();
    let sent = load();
    timer.stop().unwrap();
    let after = runs();
    let taken = after.0 - before.0;
    // The sender alone is in the kernel for most of the time.
    let of_one_cpu = LOAD.as_nanos() as u64 / timer.period();
    assert!(taken >= of_one_cpu / 4, "{taken} samples in {LOAD:?}");
    let part = (after.1 - before.1).as_secs_f64() / LOAD.as_secs_f64();
    println!(
        "{taken} samples, {} datagrams: {:?} a sample, {:.4} % of a core",
        sent,
        (after.1 - before.1) / u32::try_from(taken).unwrap(),
        part * 100.0
    );
    // On a machine that others use, a sample may wait for them.
    assert!(part < MOST, "{part}");
    assert!(kernel.esp_times().unwrap().is_zero());

    load();
    assert_eq!(runs(), after, "the events are stopped again");
}
