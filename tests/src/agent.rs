//! The agent as a process in a host of the lab.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use monitor_lab::{Host, Process};

/// The built agent, beside this test's own program.
#[must_use]
pub fn program() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push("overlay-monitor");
    assert!(
        path.exists(),
        "{} is not built: run `cargo xtask build`, or test with `cargo xtask test`",
        path.display()
    );
    path
}

/// `overlay-monitor run` on a host, serving its metrics there.
pub struct Agent<'a> {
    host: &'a Host,
    /// The process; stopped when this is dropped.
    pub process: Process,
}

impl<'a> Agent<'a> {
    /// Starts the agent, and waits until it serves.
    #[must_use]
    pub fn start(host: &'a Host, arguments: &[&str]) -> Agent<'a> {
        let mut command = host.command(program().to_str().unwrap()).unwrap();
        command
            .arg("run")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let process = host.spawn(command).unwrap();
        let agent = Agent { host, process };
        let deadline = Instant::now() + Duration::from_secs(60);
        while agent.get("/healthz").is_none() {
            assert!(Instant::now() < deadline, "the agent does not serve");
            std::thread::sleep(Duration::from_millis(50));
        }
        agent
    }

    /// The body of a page; `None` unless the answer is 200.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<String> {
        self.host
            .run(
                "curl",
                &[
                    "-sf",
                    "--max-time",
                    "30",
                    &format!("http://127.0.0.1:9469{path}"),
                ],
            )
            .ok()
    }

    /// The value of a metric, by its name and labels as they are exported; 0 if it is not there.
    #[must_use]
    pub fn metric(&self, name: &str) -> u64 {
        let page = self.get("/metrics").unwrap();
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Packets and bytes of a VNI on `eth0` in a direction.
    #[must_use]
    pub fn vni(&self, vni: u32, direction: &str) -> (u64, u64) {
        let labels = format!(
            r#"{{interface="eth0",direction="{direction}",encapsulation="vxlan",vni="{vni}"}}"#
        );
        (
            self.metric(&format!("overlay_packets_total{labels}")),
            self.metric(&format!("overlay_bytes_total{labels}")),
        )
    }
}
