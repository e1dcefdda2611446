//! The agent as a service manager runs it: what it reports, and with which privileges it works.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use monitor_lab::Host;
use overlay_tests::attached::attached;
use overlay_tests::frame::{VNI, overlay, redis_command};
use overlay_tests::process::{Ended, Monitor, PATIENCE, command, finish, program};
use overlay_tests::unit::{UNIT, values};
use overlay_tests::wire::Raw;

use super::quiet;

/// The next report to the service manager.
fn report(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// The agent, to be started under a service manager.
fn agent(host: &Host) -> Command {
    let listen = ["--listen", "127.0.0.1:0"];
    let watch = ["run", "-i", "eth0", "--docker", "off"];
    command(host, &[&watch[..], &listen].concat())
}

/// Starts the agent under a service manager that listens at this socket, and reads its reports from start to end.
fn reports_to(host: &Host, socket: &UnixDatagram, name: &str) {
    /// What the manager permits, in microseconds.
    const SILENCE: u64 = 1_500_000;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = agent(host);
    command
        .env("NOTIFY_SOCKET", name)
        .env("WATCHDOG_USEC", SILENCE.to_string());
    let mut monitor = Monitor::spawn(host, command);
    let ready = report(socket);
    assert!(
        ready.starts_with("READY=1\nSTATUS=watching eth0 rx"),
        "{ready}"
    );
    assert!(!attached(host).is_empty(), "it was ready before it watched");
    for _ in 0..4 {
        let begun = Instant::now();
        assert_eq!(report(socket), "WATCHDOG=1");
        assert!(begun.elapsed() < Duration::from_micros(SILENCE));
    }
    let other = || loop {
        let report = report(socket);
        if report != "WATCHDOG=1" {
            return report;
        }
    };
    monitor.signal(libc::SIGHUP);
    let reloading = other();
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    assert!(
        since.is_some_and(|time| time.parse::<u64>().is_ok()),
        "{reloading}"
    );
    assert_eq!(other(), ready);
    monitor.stop();
    assert_eq!(other(), "STOPPING=1");
}

#[test]
fn a_service_manager_gets_start_watchdog_and_end() {
    let lab = quiet();
    let host = lab.node1();
    let folder = Folder::new("notify");
    let path = folder.0.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    reports_to(host, &socket, path.to_str().unwrap());

    // Abstract names are those of the network namespace.
    let name = format!("overlay-tests-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = host
        .enter(|| UnixDatagram::bind_addr(&address).unwrap())
        .unwrap();
    reports_to(host, &socket, &format!("@{name}"));
}

#[test]
fn the_watchdog_of_another_process_is_not_fed() {
    let lab = quiet();
    let host = lab.node1();
    let folder = Folder::new("other");
    let path = folder.0.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = agent(host);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_PID", "1")
        .env("WATCHDOG_USEC", "30000");
    let mut monitor = Monitor::spawn(host, command);
    assert!(report(&socket).starts_with("READY=1\n"));
    std::thread::sleep(Duration::from_secs(1));
    monitor.stop();
    assert_eq!(report(&socket), "STOPPING=1");
}

#[test]
fn the_unit_is_exposed_little_and_names_what_the_agent_takes() {
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).arg(UNIT);
        finish(command)
    };
    // Tenths.
    let security = analyze(&["security", "--offline=true", "--threshold=20"]);
    assert_eq!(security.code, Some(0), "{}", security.out);
    // It complains of nothing but what is not installed on this machine.
    let verified = analyze(&["verify", "--man=no"]);
    let others: Vec<&str> = verified
        .err
        .lines()
        .filter(|line| !line.contains("Command /usr/bin/overlay-monitor is not executable"))
        .collect();
    assert_eq!(others, [""; 0]);
}

#[test]
fn the_unit_starts_nothing_that_a_small_debian_lacks() {
    for key in ["ExecStart", "ExecStop", "ExecReload"] {
        for command in values(key) {
            // In front of the path: how systemd runs it.
            let path = command.trim_start_matches(['-', '+', ':', '@', '!']);
            let program = path.split(' ').next().unwrap();
            let known = ["/usr/bin/overlay-monitor", "/bin/sh"];
            assert!(known.contains(&program), "{key}={command}");
        }
    }
}

/// A copy of the agent that any user may run.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("overlay-service-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Folder(path)
    }

    fn agent(&self) -> PathBuf {
        let path = self.0.join("overlay-monitor");
        std::fs::copy(program(), &path).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A command of the agent as a user of its own, with these capabilities alone.
fn confined(host: &Host, agent: &Path, capabilities: &str, arguments: &[&str]) -> Command {
    let sets: String = capabilities
        .split_whitespace()
        .map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase()))
        .collect();
    let mut command = host.command("setpriv").unwrap();
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--no-new-privs",
    ]);
    for set in ["inh-caps", "ambient-caps", "bounding-set"] {
        command.arg(format!("--{set}=-all{sets}"));
    }
    command.arg(agent).args(arguments);
    command
}

#[test]
fn the_agent_works_as_a_user_with_the_capabilities_of_the_unit_and_check_names_them() {
    let [ambient] = &values("AmbientCapabilities")[..] else {
        panic!("one line")
    };
    assert_eq!(
        values("CapabilityBoundingSet"),
        std::slice::from_ref(ambient)
    );
    let lab = quiet();
    let host = lab.node1();
    let folder = Folder::new("confined");
    let agent = folder.agent();
    let run = ["run", "-i", "eth0", "--docker", "off"];
    let mut monitor = Monitor::spawn(host, confined(host, &agent, ambient, &run));
    monitor.wait_for("it serves", |monitor| monitor.err().contains("serving"));
    let wire = Raw::open(lab.node2(), "eth0");
    for _ in 0..10 {
        wire.send(&overlay(VNI, &redis_command()));
    }
    let page = host
        .run(
            "curl",
            &["-s", "--noproxy", "*", "http://127.0.0.1:9469/metrics"],
        )
        .unwrap();
    let counted = format!(
        "overlay_packets_total{{interface=\"eth0\",direction=\"rx\",encapsulation=\"vxlan\",vni=\"{VNI}\"}} 10\n"
    );
    assert!(page.contains(&counted), "{page}");
    monitor.stop();
    assert_eq!(attached(host), [""; 0]);

    let check = |capabilities: &str| -> Ended {
        finish(confined(
            host,
            &agent,
            capabilities,
            &["check", "--docker", "off"],
        ))
    };
    let held = check(ambient).out;
    assert!(
        held.contains("ok       capabilities: CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON "),
        "{held}"
    );
    let lacking = check("CAP_BPF CAP_NET_ADMIN");
    assert_eq!(lacking.code, Some(3), "{}", lacking.err);
    assert!(
        lacking
            .out
            .contains("grant CAP_PERFMON as well, or run as root"),
        "{}",
        lacking.out
    );
}
