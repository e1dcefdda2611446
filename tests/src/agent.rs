//! `overlay-monitor run` in a host of the lab, and what it serves.

use monitor_lab::Host;

use crate::process::{Monitor, command};
use crate::reached;
use crate::unit;

/// The node agent, serving its metrics inside its host.
pub struct Agent<'a> {
    /// The process; killed when this is dropped.
    pub monitor: Monitor<'a>,
    device: &'a str,
    port: u16,
}

impl<'a> Agent<'a> {
    /// Starts the agent on `eth0` at its default port, and waits until it serves.
    #[must_use]
    pub fn start(host: &'a Host, arguments: &[&str]) -> Agent<'a> {
        Agent::start_at(host, 9469, arguments)
    }

    /// The same at another port, for a second one on the same host.
    #[must_use]
    pub fn start_at(host: &'a Host, port: u16, arguments: &[&str]) -> Agent<'a> {
        Agent::watch(host, port, &[&["-i", "eth0"], arguments].concat())
    }

    /// The same on another device of the host than `eth0`.
    #[must_use]
    pub fn start_on(host: &'a Host, device: &'a str, arguments: &[&str]) -> Agent<'a> {
        let mut agent = Agent::watch(host, 9469, &[&["-i", device], arguments].concat());
        agent.device = device;
        agent
    }

    /// Starts the agent with these arguments alone, which say what to watch.
    #[must_use]
    pub fn watch(host: &'a Host, port: u16, arguments: &[&str]) -> Agent<'a> {
        let listen = format!("127.0.0.1:{port}");
        let common = ["run", "--listen", &listen];
        let monitor = Monitor::start(host, &[&common, arguments].concat());
        Agent::serving(monitor, port)
    }

    /// Starts the agent with a configuration file that says all, also where it serves: on the loopback address at this port.
    #[must_use]
    pub fn configured(host: &'a Host, port: u16, file: &str) -> Agent<'a> {
        let monitor = Monitor::start(host, &["run", "--config", file]);
        Agent::serving(monitor, port)
    }

    /// As [`Agent::start`], with the environment that the unit for systemd sets.
    #[must_use]
    pub fn start_as_unit(host: &'a Host, arguments: &[&str]) -> Agent<'a> {
        let common = ["run", "-i", "eth0"];
        let mut command = command(host, &[&common, arguments].concat());
        command.envs(unit::environment());
        Agent::serving(Monitor::spawn(host, command), 9469)
    }

    /// A process that a test has started, once it serves at this port.
    #[must_use]
    pub fn serving(monitor: Monitor<'a>, port: u16) -> Agent<'a> {
        let mut agent = Agent {
            monitor,
            device: "eth0",
            port,
        };
        // It attaches after the port is open and before it says this.
        agent.monitor.wait_for("it serves", |monitor| {
            monitor.err().contains("serving http")
        });
        agent
    }

    /// Status code and body of a page; `None` without an answer.
    #[must_use]
    pub fn ask(&self, path: &str) -> Option<(u16, String)> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let arguments = [
            "-s",
            "--noproxy",
            "*",
            "--max-time",
            "60",
            "-w",
            "\n%{http_code}",
            &url,
        ];
        let answer = self.monitor.host.run("curl", &arguments).ok()?;
        let (body, status) = answer.rsplit_once('\n')?;
        Some((status.parse().unwrap(), body.to_owned()))
    }

    /// The page `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> String {
        let (status, page) = self.ask("/metrics").unwrap();
        assert_eq!(status, 200, "{page}");
        reached::page(&page);
        page
    }

    /// The value of a metric, by its name and labels as they are exported; 0 if it is not there.
    #[must_use]
    pub fn metric(&self, name: &str) -> u64 {
        value(&self.metrics(), name)
    }

    /// Packets and bytes of a VNI on its device in a direction.
    #[must_use]
    pub fn vni(&self, vni: u32, direction: &str) -> (u64, u64) {
        self.vni_on(self.device, vni, direction)
    }

    /// Packets and bytes of a VNI on an interface in a direction.
    #[must_use]
    pub fn vni_on(&self, interface: &str, vni: u32, direction: &str) -> (u64, u64) {
        let labels = format!(
            r#"{{interface="{interface}",direction="{direction}",encapsulation="vxlan",vni="{vni}"}}"#
        );
        let page = self.metrics();
        (
            value(&page, &format!("overlay_packets_total{labels}")),
            value(&page, &format!("overlay_bytes_total{labels}")),
        )
    }

    /// The hooks that it says it uses on `eth0`: for what is received, and for what is sent.
    #[must_use]
    pub fn hooks(&self) -> [String; 2] {
        let page = self.metrics();
        ["rx", "tx"].map(|direction| {
            let start =
                format!(r#"overlay_hook_info{{interface="eth0",direction="{direction}",hook=""#);
            let mut found = page
                .lines()
                .filter_map(|line| line.strip_prefix(&start)?.strip_suffix(r#""} 1"#));
            let hook = found
                .next()
                .unwrap_or_else(|| panic!("no hook for {direction} in\n{page}"));
            assert_eq!(found.next(), None, "one hook a direction");
            hook.to_owned()
        })
    }
}

/// The value of a metric in a page; 0 if it is not there.
#[must_use]
pub fn value(page: &str, name: &str) -> u64 {
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Seconds of a counter by its name and labels; `None` if it is not there.
#[must_use]
pub fn seconds(page: &str, name: &str) -> Option<f64> {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

/// Seconds of a network in each of these states, as the agent exports them.
#[must_use]
pub fn state_seconds<const N: usize>(page: &str, vni: u32, states: [&str; N]) -> [f64; N] {
    states.map(|state| {
        let labels = format!("{{vni=\"{vni}\",state=\"{state}\"}}");
        let name = format!("overlay_network_state_seconds_total{labels}");
        seconds(page, &name).unwrap_or_else(|| panic!("no {name} in\n{page}"))
    })
}

/// All rows of a metric that are not 0: labels and value.
#[must_use]
pub fn rows(page: &str, name: &str) -> Vec<(String, u64)> {
    let row = |line: &str| {
        let (labels, value) = line
            .strip_prefix(name)?
            .strip_prefix('{')?
            .rsplit_once("} ")?;
        Some((labels.to_owned(), value.parse().ok()?))
    };
    page.lines()
        .filter_map(row)
        .filter(|(_, value)| *value != 0)
        .collect()
}
