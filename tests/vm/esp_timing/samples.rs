//! The time that samples estimate.

use super::*;

#[test]
fn samples_say_how_long_encryption_takes_as_the_tracer_of_functions_does() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = lab();
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
            let (mut calls, mut trivial) = (Vec::new(), Vec::new());
            let begun = Instant::now();
            while begun.elapsed() < duration(TIME) {
                let before = timed(&agent.metrics(), direction, size);
                let sent = flood(&pair, from, length, WINDOW[0]);
                let after = timed(&agent.metrics(), direction, size);
                assert_eq!(after.0 - before.0, sent, "{direction}, {size}");
                packets += sent;
                samples += after.1 - before.1;
                sampled += after.2 - before.2;
                let mut sent = 0;
                let [of_esp, of_trivial] = traced(function, || {
                    sent = flood(&pair, from, length, WINDOW[1]);
                });
                assert_eq!(of_esp.len() as u64, sent, "calls of {function}");
                calls.extend(of_esp);
                trivial.extend(of_trivial);
            }
            assert!(samples > 0, "{direction}, {size}");
            let (all, [_, tracer]) = (means(&mut calls), means(&mut trivial));
            let [with_interrupts, whole] = all.map(|mean| mean - tracer);
            let sampled = sampled / packets as f64;
            let error = 1.0 / (samples as f64).sqrt();
            println!(
                "{direction}, up to {size} bytes: {:.1} us sampled ({packets} packets, {samples} samples, +- {:.1} %); the tracer \
                 has {:.1} us, and {:.1} us with interrupts ({} calls)",
                sampled * 1e6,
                error * 100.0,
                whole * 1e6,
                with_interrupts * 1e6,
                calls.len(),
            );
            let margin = APART + 3.0 * error;
            assert!(sampled > whole * (1.0 - margin), "{direction}, {size}");
            assert!(
                sampled < with_interrupts * (1.0 + margin),
                "{direction}, {size}"
            );
        }
    }

    // Packets that arrive long after they were sent, while the CPU has little else to do.
    let delay = [
        "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "50ms",
    ];
    lab.node2().run("tc", &delay).unwrap();
    let (direction, size) = ("rx", SIZES[1].1);
    let before = timed(&agent.metrics(), direction, size);
    let begun = Instant::now();
    while begun.elapsed() < duration(TIME) * 2 {
        pair.send(1, [SIZES[1].0; 32]);
    }
    let after = timed(&agent.metrics(), direction, size);
    let (packets, samples) = (after.0 - before.0, after.1 - before.1);
    let mean = (after.2 - before.2) / packets as f64;
    println!(
        "{direction}, late: {:.1} us sampled ({packets} packets, {samples} samples)",
        mean * 1e6
    );
    assert!(samples > 5, "{samples} samples");

    // Nothing else has a row, and the other node's packets are not this one's.
    let page = agent.metrics();
    assert_eq!(rows(&page, "overlay_esp_crypto_packets_total").len(), 4);
    wait_until("sampling ends after a silence", || {
        let before = runs();
        thread::sleep(Duration::from_secs(2));
        runs() == before
    });
}

/// ESP over IPv6 has functions of its own in the kernel.
#[test]
fn encryption_over_ipv6_is_timed() {
    const DATAGRAMS: usize = 32;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = lab();
    protect_ipv6(&lab);
    let agent = Agent::start(lab.node1(), &[]);
    let datagrams = vec![vxlan(99, &redis_command()); DATAGRAMS];
    let back = [ADDRESSES[1], ADDRESSES[0]];
    let ways = [
        ("tx", lab.node1(), ADDRESSES, "esp6_output"),
        ("rx", lab.node2(), back, "esp6_input"),
    ];
    for (direction, host, addresses, function) in ways {
        let flood = |time: Duration| {
            let (begun, mut sent) = (Instant::now(), 0);
            while begun.elapsed() < time {
                send(host, addresses, &datagrams);
                sent += DATAGRAMS as u64;
            }
            sent
        };
        let now = || timed(&agent.metrics(), direction, "128");
        wait_until("samples are taken", || {
            flood(Duration::from_millis(200));
            now().0 > 0
        });
        let before = now();
        let sent = flood(duration(TIME) * 2);
        let after = now();
        let [mut calls, _] = traced(function, || {
            flood(WINDOW[1]);
        });
        let [with_interrupts, whole] = means(&mut calls);
        let (packets, samples) = (after.0 - before.0, after.1 - before.1);
        assert_eq!(packets, sent, "{direction}");
        assert!(samples > 0, "{direction}");
        let sampled = (after.2 - before.2) / packets as f64;
        let error = 1.0 / (samples as f64).sqrt();
        println!(
            "IPv6, {direction}: {:.1} us sampled ({packets} packets, {samples} samples, +- {:.1} %); the tracer has {:.1} us with \
             itself, and {:.1} us with interrupts ({} calls)",
            sampled * 1e6,
            error * 100.0,
            whole * 1e6,
            with_interrupts * 1e6,
            calls.len(),
        );
        // What the tracer takes itself is in its time: these packets pass no function that does nothing.
        let margin = APART + 3.0 * error;
        assert!(sampled > whole / 2.0 * (1.0 - margin), "{direction}");
        assert!(sampled < with_interrupts * (1.0 + margin), "{direction}");
    }
}
