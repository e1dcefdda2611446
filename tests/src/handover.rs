//! Agents that follow one another on a host, while packets cross.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monitor_lab::{Host, Lab};

use crate::agent::{Agent, rows, value};
use crate::attached::{attached, tc};
use crate::flood;
use crate::frame::{esp, ethernet, ipv4, overlay, redis_command, tcp, udp, vxlan};
use crate::process::{Monitor, wait_until};
use crate::scale::in_vm;
use crate::service_manager::ServiceManager;
use crate::wire::Raw;

/// Networks that nothing describes.
const VNIS: std::ops::Range<u32> = 5000..5008;
/// A network that must be encrypted, and is not.
const VIOLATED: u32 = 6000;
/// A network with flows that show credentials.
const WITH_CREDENTIALS: u32 = 7000;
/// Packets a second.
const RATE: u32 = 4_000;

/// Two nodes and a wire without packets of their own.
#[must_use]
pub fn lab() -> Lab {
    Lab::builder().quiet(true).build().unwrap()
}

/// One of each kind of packet.
fn kinds() -> Vec<Vec<u8>> {
    let mut kinds: Vec<_> = VNIS.map(|vni| overlay(vni, &redis_command())).collect();
    kinds.push(overlay(VIOLATED, &redis_command()));
    kinds.push(ethernet(0x0800, &ipv4(50, &[], &esp(0x77, 1))));
    // Without the flag that makes the VNI valid.
    let mut header = vxlan(7, &redis_command());
    header[0] = 0;
    kinds.push(ethernet(
        0x0800,
        &ipv4(17, &[], &udp(49_152, 4789, &header)),
    ));
    kinds
}

/// Sends packets of all kinds in turn from `eth0` for a time, and returns how many of each.
#[must_use]
pub fn send(host: &Host, time: Duration) -> usize {
    let kinds = kinds();
    let of_each = time.as_secs() as usize * RATE as usize / kinds.len();
    flood::at_a_rate(host, "eth0", of_each * kinds.len(), time, |at| {
        kinds[at % kinds.len()].clone()
    });
    of_each
}

/// What is attached to `eth0`; filters without the token of their owner.
#[must_use]
pub fn in_place(host: &Host) -> Vec<String> {
    let all = attached(host).into_iter();
    all.map(|at| match at.split_once("overlay-monitor/") {
        Some((hook, token)) => format!("{hook}{}", token.trim_start_matches(|c| c != '/')),
        None => at,
    })
    .collect()
}

/// The counters of a page that a process does not begin anew.
fn counters(page: &str) -> BTreeMap<String, f64> {
    let counters = page
        .lines()
        .filter(|line| !line.starts_with(['#', ' ']) && !line.starts_with("process_"))
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(name, _)| name.split('{').next().unwrap().ends_with("_total"));
    counters
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Those that are lower, or missing, after than before.
fn lower(before: &str, after: &str) -> Vec<String> {
    let after = counters(after);
    let lower = counters(before).into_iter().filter_map(|(name, before)| {
        let after = after.get(&name);
        let is_lower = after.is_none_or(|after| *after < before);
        (is_lower && before != 0.0).then(|| format!("{name}: {before}, then {after:?}"))
    });
    lower.collect()
}

/// Ends the agent so that the next goes on from it. As systemd does, SIGTERM follows at once, here again and again: it must
/// disturb nothing, whatever the agent waits for.
pub fn hand_over(agent: &mut Monitor) {
    agent.signal(libc::SIGUSR1);
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(20));
        if !agent.signal_while_it_runs(libc::SIGTERM) {
            break;
        }
    }
    let (status, _) = agent.wait();
    assert_eq!(status.code(), Some(0), "{}", agent.err());
    assert!(agent.err().contains("stay attached"), "{}", agent.err());
}

const ARGUMENTS: [&str; 8] = [
    "run",
    "-i",
    "eth0",
    "--docker",
    "off",
    "--require",
    "6000",
    "--hook",
];

/// The next agent on `eth0`, by this hook, with what the manager keeps.
#[must_use]
pub fn next<'a>(manager: &ServiceManager, host: &'a Host, hook: &str) -> Agent<'a> {
    let arguments = [&ARGUMENTS[..], &[hook]].concat();
    let agent = Agent::serving(manager.run(host, &arguments), 9469);
    let received_by = if hook == "xdp" { "xdp" } else { tc() };
    assert_eq!(agent.hooks(), [received_by, tc()]);
    agent
}

/// Each packet is counted once, whichever process's programs counted it.
pub fn is_complete(page: &str, of_each: usize) {
    let of_each = of_each as u64;
    let frames = kinds();
    for (vni, frame) in VNIS.chain([VIOLATED]).zip(&frames) {
        let labels =
            format!(r#"{{interface="eth0",direction="rx",encapsulation="vxlan",vni="{vni}"}}"#);
        let of = |what| value(page, &format!("overlay_{what}_total{labels}"));
        assert_eq!(of("packets"), of_each, "VNI {vni}");
        assert_eq!(of("bytes"), of_each * frame.len() as u64, "VNI {vni}");
        let in_network = |(labels, _): &(String, u64)| labels.contains(&format!("vni=\"{vni}\""));
        let sum = |name| {
            let rows = rows(page, name).into_iter().filter(in_network);
            rows.map(|row| row.1).sum::<u64>()
        };
        let exposure = sum("overlay_exposure_packets_total");
        let pending = sum("overlay_exposure_pending_packets");
        assert_eq!(exposure + pending, of_each, "VNI {vni}");
    }
    // Seen from this node last, in this test.
    let last = format!(
        r#"overlay_violation_peer_timestamp_seconds{{vni="{VIOLATED}",direction="rx",peer=""#
    );
    let last: Vec<f64> = page
        .lines()
        .filter_map(|line| line.strip_prefix(&last)?.split_once("\"} ")?.1.parse().ok())
        .collect();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let is_recent = |last: &f64| (now - 600.0..now + 1.0).contains(last);
    assert!(
        last.len() == 1 && last.iter().all(is_recent),
        "{last:?}, and it is {now}"
    );
    let violation =
        format!(r#"overlay_violation_packets_total{{vni="{VIOLATED}",direction="rx"}}"#);
    assert_eq!(value(page, &violation), of_each);
    let peers = rows(page, "overlay_esp_packets_total");
    assert_eq!(
        peers.iter().map(|row| row.1).sum::<u64>(),
        of_each,
        "{peers:?}"
    );
    let esp =
        r#"overlay_packets_total{interface="eth0",direction="rx",encapsulation="esp",vni=""}"#;
    assert_eq!(value(page, esp), of_each);
    let unparsed =
        r#"overlay_unparsed_packets_total{interface="eth0",direction="rx",reason="vxlan_no_vni"}"#;
    assert_eq!(value(page, unparsed), of_each);
}

/// Ends what asks for it when it is dropped, also by a failure.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends three requests with a password, each in a flow of its own, that are not sent again.
fn show_credentials(sender: &Host) {
    let wire = Raw::open(sender, "eth0");
    for port in 40_001..40_004 {
        let request =
            b"GET / HTTP/1.1\r\nHost: app\r\nAuthorization: Basic dXNlcjpwYXNzd29yZA==\r\n\r\n";
        let packet = ipv4(6, &[], &tcp(port, 80, request));
        wire.send(&overlay(WITH_CREDENTIALS, &ethernet(0x0800, &packet)));
    }
}

/// Restarts the agent under traffic; ends with nothing attached.
pub fn goes_on(hook: &str) {
    // Each takes a minute where the verifier is emulated.
    let restarts = if in_vm() { 1 } else { 2 };
    const BETWEEN: Duration = Duration::from_secs(1);
    let lab = lab();
    let (host, sender) = (lab.node1(), lab.node2());
    let manager = ServiceManager::start(&format!("handover-{hook}"));
    let mut agent = next(&manager, host, hook);
    let before = in_place(host);
    show_credentials(sender);
    let flows =
        format!(r#"overlay_credential_flows_total{{vni="{WITH_CREDENTIALS}",kind="http_basic"}}"#);
    wait_until("flows with credentials", || agent.metric(&flows) == 3);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = Stop(&is_over);
        let sending = scope.spawn(|| {
            let mut of_each = 0;
            while !is_over.load(Ordering::Relaxed) {
                of_each += send(sender, Duration::from_secs(1));
            }
            of_each
        });
        for at in 0..restarts {
            std::thread::sleep(BETWEEN);
            let page = agent.metrics();
            hand_over(&mut agent.monitor);
            assert_eq!(in_place(host), before, "it counts without a process");
            std::thread::sleep(BETWEEN / 4);
            agent = next(&manager, host, hook);
            let log = agent.monitor.err();
            assert!(log.contains("went on from the counts of version"), "{log}");
            // Something crossed meanwhile.
            assert!(!log.contains("whose programs counted 0 packets"), "{log}");
            assert_eq!(lower(&page, &agent.metrics()), [""; 0], "restart {at}");
            let began = |page: &str| {
                let mut lines = page.lines();
                let line =
                    lines.find(|line| line.starts_with("overlay_counting_start_time_seconds "));
                line.map(str::to_owned)
                    .expect("no time at which the counters began")
            };
            assert_eq!(began(&page), began(&agent.metrics()), "the counters go on");
            assert_eq!(in_place(host), before, "each program once");
            wait_until("the manager forgets", || manager.kept().is_empty());
            // The violation is the one that the first process saw begin.
            assert!(!log.contains("must be encrypted, but cleartext"), "{log}");
        }
        drop(stop);
        let of_each = sending.join().unwrap();
        // What is pending is credited after a moment; what is counted does not change.
        std::thread::sleep(Duration::from_millis(500));
        is_complete(&agent.metrics(), of_each);
    });
    // The end of the service: the manager closes what it keeps, which is nothing.
    agent.monitor.stop();
    manager.close();
    assert_eq!(attached(host), [""; 0]);
}
