//! What comes and goes: interfaces, networks of the configuration, networks of Docker.

use std::fmt;
use std::path::PathBuf;

use monitor_lab::Host;
use overlay_tests::agent::Agent;
use overlay_tests::dockerd::Dockerd;
use overlay_tests::frame::{overlay, redis_command};
use overlay_tests::process::wait_until;
use overlay_tests::wire::Raw;

use super::keys;

/// A network that is described all the time.
pub(super) const STEADY: u32 = 50_000;
/// Packets that cross each interface that comes.
const CROSS: u64 = 50;
/// Their network.
const CROSSING: u32 = STEADY + 1;
/// The first of the networks that reloads describe.
const RELOADED: u32 = STEADY + 100;
/// So many of them are described at a time.
const AT_A_TIME: u32 = 3;

/// Interfaces that come and go.
pub(super) struct Interfaces<'a> {
    host: &'a Host,
    come: u32,
}

impl<'a> Interfaces<'a> {
    pub(super) fn new(host: &'a Host) -> Interfaces<'a> {
        Interfaces { host, come: 0 }
    }

    /// One comes, is watched, receives packets, all of which are counted, and goes.
    pub(super) fn come_and_go(&mut self, agent: &Agent<'_>) {
        let ip = |line: String| {
            let words: Vec<&str> = line.split_whitespace().collect();
            self.host.run("ip", &words).unwrap();
        };
        self.come += 1;
        let (name, other) = (format!("hot{}", self.come), format!("far{}", self.come));
        ip(format!("link add {name} type veth peer name {other}"));
        ip(format!("link set {name} up"));
        ip(format!("link set {other} up"));
        let up = format!(r#"overlay_hook_up{{interface="{name}",direction="rx"}} 1"#);
        wait_until("the interface is watched", || agent.metrics().contains(&up));
        let wire = Raw::open(self.host, &other);
        let frame = overlay(CROSSING, &redis_command());
        for _ in 0..CROSS {
            while wire.send_until_full(std::slice::from_ref(&frame)) == 0 {}
        }
        let count = || agent.vni_on(&name, CROSSING, "rx").0;
        wait_until("they were counted", || count() >= CROSS);
        assert_eq!(count(), CROSS, "{name}");
        drop(wire);
        ip(format!("link del {name}"));
        wait_until("the interface is not watched any more", || {
            !agent
                .metrics()
                .contains(&format!(r#"overlay_hook_up{{interface="{name}""#))
        });
    }
}

impl fmt::Display for Interfaces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} interfaces came and went", self.come)
    }
}

/// Networks that come and go.
pub(super) struct Networks {
    socket: String,
    file: PathBuf,
    reloads: u32,
    added: u32,
}

impl Networks {
    /// Where the agent listens.
    pub(super) const PORT: u16 = 9469;

    /// None but the steady one in the configuration file, which names Docker's socket.
    pub(super) fn new(socket: &str) -> Networks {
        let name = format!("overlay-soak-{}.toml", std::process::id());
        let networks = Networks {
            socket: socket.to_owned(),
            file: std::env::temp_dir().join(name),
            reloads: 0,
            added: 0,
        };
        networks.write();
        networks
    }

    pub(super) fn file(&self) -> &str {
        self.file.to_str().unwrap()
    }

    /// Writes the file with the networks of the present round; it is replaced as editors do.
    fn write(&self) {
        let mut text = format!(
            "listen = '127.0.0.1:{}'\ninterfaces = ['eth0', 'hot*']\ndocker = '{}'\nforget_after = 20\n\
             unknown_networks = 100\n[[network]]\nvni = {STEADY}\nname = 'steady'\nencrypted = 'optional'\n\
             [[network]]\nvni = {CROSSING}\nencrypted = 'optional'\n",
            Networks::PORT,
            self.socket
        );
        if keys::ARE_THERE {
            text += &format!("[[network]]\nvni = {}\nencrypted = 'required'\n", keys::VNI);
        }
        for n in 0..AT_A_TIME {
            let vni = RELOADED + (self.reloads + n) % 1000;
            text += &format!("[[network]]\nvni = {vni}\nencrypted = 'required'\n");
        }
        let new = self.file.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
    }

    /// The file names other networks than before, and the agent takes them over.
    pub(super) fn reload(&mut self, agent: &mut Agent<'_>) {
        self.reloads += 1;
        self.write();
        agent.monitor.signal(libc::SIGHUP);
        let last = RELOADED + (self.reloads + AT_A_TIME - 1) % 1000;
        wait_until("the networks are taken over", || {
            let (_, page) = agent.ask("/networks").unwrap();
            page.contains(&format!(r#""vni":{last},"#))
        });
    }

    /// Docker gets another network; every second one is encrypted.
    pub(super) fn add_to(&mut self, daemon: &Dockerd<'_>, agent: &mut Agent<'_>) {
        self.added += 1;
        let name = self.name();
        let options = if self.added.is_multiple_of(2) {
            r#""encrypted":"""#
        } else {
            ""
        };
        daemon.network(&name, options);
        self.says(agent, "was added");
    }

    /// It goes.
    pub(super) fn remove_from(&mut self, daemon: &Dockerd<'_>, agent: &mut Agent<'_>) {
        daemon.remove(&self.name());
        self.says(agent, "was removed");
    }

    /// The daemon has been restarted so many times, and the agent has noticed.
    pub(super) fn answers_again(&self, agent: &mut Agent<'_>, restarts: u32) {
        let line = "Docker answers again";
        agent.monitor.wait_for(line, |monitor| {
            monitor.err().matches(line).count() == restarts as usize
        });
    }

    fn name(&self) -> String {
        format!("soak{}", self.added)
    }

    fn says(&self, agent: &mut Agent<'_>, what: &str) {
        let name = format!("Docker: network {} (", self.name());
        agent.monitor.wait_for(what, |monitor| {
            let log = monitor.err();
            let mut lines = log.lines();
            lines.any(|line| line.contains(&name) && line.contains(what))
        });
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.file));
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reloads; {} networks of Docker",
            self.reloads, self.added
        )
    }
}
