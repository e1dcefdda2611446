//! States of networks, and the time that they were in each.

use super::*;

/// All states, with the one of a phase first.
const STATES: [&str; 5] = ["idle", "unknown", "cleartext", "encrypted", "mixed"];

/// Seconds of the required network in each state, those in which it was watched, and the earliest and latest time of the
/// reading, in seconds since `born`.
fn times(agent: &Agent, born: Instant) -> ([f64; 5], f64, [f64; 2]) {
    let before = born.elapsed().as_secs_f64();
    let page = agent.metrics();
    let after = born.elapsed().as_secs_f64();
    let watched = format!("overlay_network_watched_seconds_total{{vni=\"{REQUIRED}\"}}");
    let watched = seconds(&page, &watched).unwrap();
    (
        state_seconds(&page, REQUIRED, STATES),
        watched,
        [before, after],
    )
}

#[test]
fn the_time_in_each_state_is_counted_and_adds_up() {
    let lab = lab();
    let spare = "link add spare0 type veth peer name spare1";
    let spare: Vec<&str> = spare.split(' ').collect();
    lab.node1().run("ip", &spare).unwrap();
    let config = networks("times");
    let arguments = [&config.arguments()[..], &["-i", "spare0"]].concat();
    let born = Instant::now();
    let mut agent = Agent::start(lab.node1(), &arguments);
    let pair = required(&lab);
    // The first evaluation, from which on a network is known.
    let (first, _, [_, known]) = times(&agent, born);
    let started = known - first.iter().sum::<f64>();
    for (phase, name) in STATES[..3].iter().enumerate() {
        match phase {
            0 => {}
            1 => drop(lab.node1().run("ip", &["link", "del", "spare0"]).unwrap()),
            _ => pair.send(0, [100]),
        }
        wait_until(name, || state(&agent.metrics(), REQUIRED) == *name);
        let (from, watched_from, [from_low, from_high]) = times(&agent, born);
        std::thread::sleep(Duration::from_secs(3));
        let (to, watched_to, [to_low, to_high]) = times(&agent, born);
        let passed: Vec<f64> = to.iter().zip(from).map(|(to, from)| to - from).collect();
        let range = to_low - from_high..=to_high - from_low;
        println!("{name}: {passed:?} s of {range:?} s");
        for (at, passed) in passed.iter().enumerate() {
            match at == phase {
                true => assert!(range.contains(passed), "{name}: {passed} not in {range:?}"),
                false => assert!(passed.abs() < 1e-6, "{name}: {passed} of {}", STATES[at]),
            }
        }
        let watched = watched_to - watched_from;
        let expected = if *name == "unknown" {
            0.0
        } else {
            passed[phase]
        };
        assert!((watched - expected).abs() < 1e-6, "{name}: {watched}");
        // No gap between the phases either.
        let sum: f64 = to.iter().sum();
        let since = to_low - started..=to_high;
        assert!(since.contains(&sum), "{name}: {sum} not in {since:?}");
        assert!(
            (sum - watched_to - to[1]).abs() < 1e-6,
            "{name}: {watched_to}"
        );
    }
    // A network without a description has no times.
    let page = agent.metrics();
    let of = |vni: u32| {
        page.contains(&format!(
            "overlay_network_watched_seconds_total{{vni=\"{vni}\"}}"
        ))
    };
    assert!(of(REQUIRED) && of(OPTIONAL) && !of(1));
    agent.monitor.stop();
}

#[test]
fn an_interface_that_is_gone_makes_a_silent_network_unknown() {
    let lab = lab();
    lab.node1()
        .run(
            "ip",
            &[
                "link", "add", "spare0", "type", "veth", "peer", "name", "spare1",
            ],
        )
        .unwrap();
    let config = networks("blind");
    let arguments = [&config.arguments()[..], &["-i", "spare0"]].concat();
    let mut agent = Agent::start(lab.node1(), &arguments);
    assert_eq!(state(&agent.metrics(), REQUIRED), "idle");
    lab.node1().run("ip", &["link", "del", "spare0"]).unwrap();
    wait_until("its state is unknown", || {
        state(&agent.metrics(), REQUIRED) == "unknown"
    });
    let (_, body) = agent.ask("/networks").unwrap();
    assert!(
        body.contains(r#""state":"unknown""#) && body.contains(r#""doubts":["blind"]"#),
        "{body}"
    );
    // Cleartext is cleartext, whatever else there may be.
    required(&lab).send(0, [100]);
    wait_until("cleartext is seen", || {
        state(&agent.metrics(), REQUIRED) == "cleartext"
    });
    agent.monitor.stop();
}
