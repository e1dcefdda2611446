//! Runs of `overlay-lab bench encryption` on the two nodes of a lab, and what of them is left.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use monitor_lab::{Host, Lab, Process};
use serde_json::Value;

/// An emulated machine is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Which machine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Machine {
    Listener,
    Other,
}

impl Machine {
    pub(crate) const BOTH: [Self; 2] = [Self::Listener, Self::Other];
}

fn in_vm() -> bool {
    std::env::var_os("OVERLAY_VM").is_some()
}

/// Two machines, each with a card, and with an overlay of their own: in the virtual machine an encrypted one, whose states and
/// policies must stay as they are.
pub(crate) fn lab() -> Lab {
    Lab::builder()
        .quiet(true)
        .encrypted(in_vm())
        .build()
        .unwrap()
}

/// Ways that this kernel has.
pub(crate) fn all_ways() -> &'static str {
    if in_vm() {
        "direct,vxlan,esp-aes-128-gcm,wireguard"
    } else {
        "direct,vxlan,tls"
    }
}

/// What must be as before: devices, addresses, routes, rules, associations, policies, and the station addresses that the
/// card takes frames for, among which are those of the devices on it.
pub(crate) fn state(lab: &Lab) -> Vec<String> {
    let of = |host: &Host| {
        let run = |line: &str| {
            let (program, arguments) = line.split_once(' ').unwrap();
            let arguments: Vec<&str> = arguments.split(' ').collect();
            host.run(program, &arguments).unwrap()
        };
        // Lifetimes and idle times change.
        let associations = run("ip xfrm state");
        let mut all = vec![associations, run("ip xfrm policy")];
        all.extend(
            [
                "ip -details link show",
                "ip address show",
                "ip route show table all",
                "ip rule show",
                "bridge fdb show dev eth0",
                "nft list ruleset",
            ]
            .map(run),
        );
        all
    };
    [lab.node1(), lab.node2()]
        .into_iter()
        .flat_map(of)
        .collect()
}

/// Whether all is as before.
pub(crate) fn is_gone(lab: &Lab, before: &[String]) -> bool {
    state(lab) == before
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A number of 23 bits that no other test uses at this time.
fn unique_vni() -> u32 {
    static NUMBERS: AtomicU32 = AtomicU32::new(0);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed) % 64;
    1 << 23 | (std::process::id() << 6 | number) & 0x7f_ffff
}

/// `overlay-lab` on one of the machines.
pub(crate) struct Run {
    process: RefCell<Process>,
    folder: PathBuf,
    pid: u32,
}

impl Run {
    /// The one that listens, on node1, with a VNI and SPIs that no other test has.
    pub(crate) fn listen(lab: &Lab, more: &[&str]) -> Run {
        let (vni, spi) = (unique_vni().to_string(), (unique_vni() * 16).to_string());
        let mut arguments = vec!["--listen"];
        for (option, value) in [("--vni", &vni), ("--spi", &spi)] {
            if !more.contains(&option) {
                arguments.extend([option, value]);
            }
        }
        Run::start(lab.node1(), &[&arguments, more].concat(), None)
    }

    /// The one that connects, on node2.
    pub(crate) fn connect(lab: &Lab, token: &str, ways: &str, more: &[&str]) -> Run {
        let to = lab.node1().address().to_string();
        let mut arguments = vec!["--to", &to, "--quick", "--ways", ways];
        if !more.contains(&"--runs") {
            arguments.extend(["--runs", "1", "--milliseconds", "100"]);
        }
        Run::start(lab.node2(), &[&arguments, more].concat(), Some(token))
    }

    fn start(host: &Host, arguments: &[&str], token: Option<&str>) -> Run {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let name = format!("two-machines-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        // Beside this test's folder: the test is built by two packages, and only one of them has the program.
        let test = std::env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("overlay-lab");
        let mut command = host.command(program.to_str().unwrap()).unwrap();
        command.args(["bench", "encryption"]).args(arguments);
        command.arg("--json").arg(folder.join("report.json"));
        if let Some(token) = token {
            command.env("OVERLAY_LAB_TOKEN", token);
        }
        command
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("out")).unwrap())
            .stderr(File::create(folder.join("err")).unwrap())
            // So that all programs that it starts are known by their group.
            .process_group(0);
        let process = host.spawn(command).unwrap();
        let pid = process.child.id();
        Run {
            process: RefCell::new(process),
            folder,
            pid,
        }
    }

    /// What it has printed to standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.join("err")).unwrap()
    }

    /// The token that it has printed.
    pub(crate) fn token(&self) -> String {
        let token = |said: &str| {
            let (_, rest) = said.split_once("Token, ")?;
            let (line, _) = rest.split_once('\n')?;
            Some(line.rsplit_once(' ')?.1.to_owned())
        };
        until("a token was printed", || token(&self.said()).is_some());
        token(&self.said()).unwrap()
    }

    pub(crate) fn is_running(&self) -> bool {
        let mut process = self.process.borrow_mut();
        process.child.try_wait().unwrap().is_none()
    }

    fn end(&self) -> bool {
        let limit = Duration::from_secs(20 * 60);
        let end = Instant::now() + limit;
        loop {
            let status = self.process.borrow_mut().child.try_wait().unwrap();
            if let Some(status) = status {
                return status.success();
            }
            assert!(
                Instant::now() < end,
                "not within {limit:?}: {}",
                self.said()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end, and reads its report.
    pub(crate) fn report(&self) -> Value {
        assert!(self.end(), "{}", self.said());
        serde_json::from_slice(&fs::read(self.folder.join("report.json")).unwrap()).unwrap()
    }

    /// Waits for its end, which is a failure; what it has printed.
    pub(crate) fn failure(&self) -> String {
        assert!(!self.end(), "{}", self.said());
        let said = self.said();
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    /// Kills it, and nothing that it has started.
    pub(crate) fn kill(&self) {
        self.process.borrow_mut().child.kill().unwrap();
    }

    /// The most memory that it has had, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let digits = line.unwrap().trim().trim_end_matches(" kB");
        digits.parse().unwrap()
    }

    /// Those of its programs that run, itself among them.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            // pid (name) state parent group …
            let Some((before, after)) = stat.rsplit_once(')') else {
                continue;
            };
            let fields: Vec<&str> = after.split_whitespace().collect();
            if fields[2] == self.pid.to_string() && fields[0] != "Z" {
                found.push(before.to_owned());
            }
        }
        found
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}
