//! The page of a real agent that has seen traffic of all its networks.

use monitor_lab::{Host, Lab};
use overlay_tests::frame::{NODES, ethernet, ipv4, ipv4_between, udp, vxlan};
use overlay_tests::process::Monitor;
use overlay_tests::prometheus::Folder;
use overlay_tests::wire::Raw;

use overlay_tests::prometheus::nodes::{SYSLOG, serving};

/// Where the tables are.
pub(super) const DOCUMENT: &str = "docs/scale.md";
/// VNI of the first network.
pub(super) const FIRST: u32 = 5_000;
/// What Prometheus asks for.
const OPENMETRICS: &str = "Accept: application/openmetrics-text; version=1.0.0";

/// A page as it was served.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) content_type: String,
    pub(super) text: String,
}

impl Text {
    /// Rows of the page.
    pub(super) fn series(&self) -> usize {
        let rows = self.text.lines().filter(|line| !line.starts_with('#'));
        rows.count()
    }
}

/// The networks of a configuration file.
pub(super) fn described(networks: u32) -> String {
    let table = |n: u32| {
        let vni = FIRST + n;
        format!("[[network]]\nvni = {vni}\nname = \"network-{n}\"\nencrypted = \"required\"\n")
    };
    let head = "interfaces = [\"eth0\"]\ndocker = \"off\"\nlisten = \"127.0.0.1:9469\"\n";
    head.to_owned() + &(0..networks).map(table).collect::<String>()
}

/// A real agent, and both ends of its wire.
pub(super) struct Page<'a> {
    host: &'a Host,
    networks: u32,
    wires: [Raw; 2],
    _agent: Monitor<'a>,
}

impl<'a> Page<'a> {
    /// Starts the agent of node1 with this configuration.
    pub(super) fn start(lab: &'a Lab, folder: &Folder, configuration: &str) -> Page<'a> {
        let host = lab.node1();
        let file = folder.file("config.toml", configuration);
        let agent = serving(Monitor::start(host, &["run", "--config", &file]));
        Page {
            host,
            networks: configuration.matches("[[network]]").count() as u32,
            wires: [host, lab.node2()].map(|host| Raw::open(host, "eth0")),
            _agent: agent,
        }
    }

    /// Three datagrams of syslog in each network, each way.
    pub(super) fn traffic(&self) {
        let inner = ethernet(0x0800, &ipv4(17, &[], &udp(514, 514, SYSLOG)));
        let ways = [NODES, (NODES.1, NODES.0)];
        for (wire, (from, to)) in self.wires.iter().zip(ways) {
            for vni in (FIRST..).take(self.networks as usize) {
                let outer = udp(50_000, 4_789, &vxlan(vni, &inner));
                let frame = ethernet(0x0800, &ipv4_between(from, to, 17, &[], &outer));
                let frames = vec![frame; 3];
                let mut left = &frames[..];
                while !left.is_empty() {
                    left = &left[wire.send_until_full(left)..];
                }
            }
        }
    }

    /// The page now.
    pub(super) fn read(&self) -> Text {
        let printed = self.curl(&["-w", "\n%{content_type}"]);
        let (text, content_type) = printed.rsplit_once('\n').unwrap();
        Text {
            content_type: content_type.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Bytes of the page when it is compressed.
    pub(super) fn compressed(&self) -> usize {
        let header = ["-H", "Accept-Encoding: gzip", "-o", "/dev/null"];
        let size = self.curl(&[&header[..], &["-w", "%{size_download}"]].concat());
        size.parse().unwrap()
    }

    fn curl(&self, arguments: &[&str]) -> String {
        let common = ["-s", "--noproxy", "*", "-H", OPENMETRICS];
        let url = ["http://127.0.0.1:9469/metrics"];
        let arguments = [&common[..], arguments, &url].concat();
        self.host.run("curl", &arguments).unwrap()
    }
}

/// The machine that was measured, and the day.
pub(super) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split(':').nth(1));
        value.unwrap_or("unknown").trim().to_owned()
    };
    let version = std::process::Command::new("prometheus")
        .arg("--version")
        .output()
        .unwrap();
    let version = [version.stdout, version.stderr].concat();
    let version = String::from_utf8(version).unwrap();
    let version = version.split(' ').nth(2).unwrap_or("unknown").to_owned();
    let now = jiff::Timestamp::now().to_string();
    format!(
        "\n{}. Linux {}, {} CPUs of {}, {} of memory, load {} at the end. Prometheus {version}.\n",
        &now[..10],
        read("/proc/sys/kernel/osrelease").trim(),
        std::thread::available_parallelism().map_or(1, usize::from),
        field(&read("/proc/cpuinfo"), "model name"),
        field(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/loadavg").split(' ').next().unwrap(),
    )
}
