//! One host of the lab: a network namespace, and what can be started in it.

use std::io::Write;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::device::{self, DeviceStats};
use crate::error::{Context, Error, Result};
use crate::netns::{self, NetNs};
use crate::process::{Process, Spawner, die_with_parent};
use crate::tools;

/// How long links may take to come up. An emulated machine is slow.
const LINK_PATIENCE: Duration = Duration::from_secs(20);

/// A host or a container: a network namespace of its own on this machine's kernel. File system, processes
/// and users are the machine's.
#[derive(Debug)]
pub struct Host {
    name: String,
    address: IpAddr,
    namespace: NetNs,
    spawner: Arc<Spawner>,
}

impl Host {
    /// An empty namespace.
    pub(crate) fn new(
        name: &str,
        address: IpAddr,
        quiet: bool,
        spawner: &Arc<Spawner>,
    ) -> Result<Self> {
        let namespace =
            NetNs::new().context(|| format!("making the network namespace of {name}"))?;
        let host = Self {
            name: name.to_owned(),
            address,
            namespace,
            spawner: Arc::clone(spawner),
        };
        if quiet {
            // Else every device that comes up sends neighbour solicitations and reports multicast groups.
            host.sysctl("net/ipv6/conf/all/disable_ipv6", "1")?;
            host.sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
        }
        Ok(host)
    }

    /// Its name, such as `node1` or `app1-web`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address on `eth0`: on the wire for a node, in the overlay for a container.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// A path under which other processes reach the namespace while the lab lives, for
    /// `nsenter --net=PATH` or `ip link … netns PATH`.
    #[must_use]
    pub fn namespace_path(&self) -> String {
        self.namespace.path()
    }

    /// The namespace's inode number, as in `net:[4026532000]` (`lsns`, `/proc/PID/ns/net`).
    ///
    /// # Errors
    /// What the kernel said to `fstat`.
    pub fn namespace_inode(&self) -> Result<u64> {
        self.namespace
            .inode()
            .context(|| format!("reading the namespace of {}", self.name))
    }

    /// A command that will run in the host's network namespace. It is killed when the thread that starts it
    /// ends: for a program that shall run on while others work use [`Host::spawn`].
    ///
    /// The program is looked for in `PATH` and root's folders. A descriptor of the namespace is taken here
    /// and closed with the command.
    ///
    /// # Errors
    /// [`Error::MissingProgram`], or what the kernel said.
    pub fn command(&self, program: &str) -> Result<Command> {
        let mut command = if program.contains('/') {
            Command::new(program)
        } else {
            Command::new(tools::find(program)?)
        };
        let namespace = self
            .namespace
            .try_clone()
            .context(|| format!("entering {}", self.name))?;
        // SAFETY: between fork and exec only one system call is made.
        unsafe { command.pre_exec(move || netns::join(namespace.as_fd())) };
        die_with_parent(&mut command);
        Ok(command)
    }

    /// Starts a command made by [`Host::command`]. It runs until the guard is dropped or the lab ends.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, command: Command) -> Result<Process> {
        let program = command.get_program().to_string_lossy().into_owned();
        self.spawner
            .spawn(command)
            .context(|| format!("starting {program} on {}", self.name))
    }

    /// Runs a program to its end and gives what it printed on standard output.
    ///
    /// # Errors
    /// [`Error::Command`] with its standard error output when it fails.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(program)?;
        command.args(arguments).stdin(Stdio::null());
        let line = format!("{program} {}", arguments.join(" "));
        let output = command
            .output()
            .context(|| format!("starting {program} on {}", self.name))?;
        self.checked(&line, &output)
    }

    /// Runs `work` on a thread of its own inside the namespace: for sockets, and for what the kernel looks
    /// up in the caller's namespace (attaching BPF programs by interface). What it opens stays good after.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.namespace
            .enter(work)
            .context(|| format!("entering {}", self.name))
    }

    /// The kernel's own counters of one of its devices.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn device_stats(&self, device: &str) -> Result<DeviceStats> {
        self.enter(|| device::stats(device))?
            .context(|| format!("reading the counters of {device} on {}", self.name))
    }

    /// Turns GRO, GSO and TSO of a device off.
    pub(crate) fn offloads_off(&self, device: &str) -> Result<()> {
        self.enter(|| device::offloads_off(device))?
            .context(|| format!("turning the offloads of {device} on {} off", self.name))
    }

    /// Writes a sysctl of the namespace. `key` is a path under `/proc/sys`.
    pub(crate) fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{key}");
        match self.enter(|| std::fs::write(&path, value))? {
            // A kernel without IPv6 has nothing to turn off.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            done => done.context(|| format!("writing {path} on {}", self.name)),
        }
    }

    /// Waits until its veth links carry frames, of which the others' ends were set up later. A link that was just set up drops what it is given until the
    /// kernel's link watch has seen the carrier, which can take it a second (net/core/link_watch.c); a
    /// bridge forwards to the port only after that.
    pub(crate) fn wait_for_links(&self) -> Result<()> {
        let end = Instant::now() + LINK_PATIENCE;
        loop {
            let arguments = ["-details", "-oneline", "link", "show", "type", "veth"];
            let links = self.run("ip", &arguments)?;
            let ready = |line: &str| {
                line.contains(" state UP ")
                    && (!line.contains("bridge_slave")
                        || line.contains("bridge_slave state forwarding"))
            };
            let mut waiting = links.lines().filter(|line| !ready(line));
            match waiting.next() {
                None => return Ok(()),
                Some(line) if Instant::now() > end => {
                    return Err(Error::Command {
                        command: "ip link set up".to_owned(),
                        host: self.name.clone(),
                        message: format!(
                            "a link did not come up in {LINK_PATIENCE:?}: {}",
                            line.trim()
                        ),
                    });
                }
                Some(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Runs many lines of `ip` or `bridge` in one process.
    pub(crate) fn batch(&self, program: &str, lines: &[String]) -> Result<()> {
        self.feed(program, &["-batch", "-"], &(lines.join("\n") + "\n"))
            .map(drop)
    }

    /// Runs a program to its end with `input` on its standard input.
    pub(crate) fn feed(&self, program: &str, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.command(program)?;
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let starting = || format!("starting {program} on {}", self.name);
        let mut child = command.spawn().context(starting)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends before it has read everything says why; that is the better message.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().context(starting)?;
        self.checked(&format!("{program} {}", arguments.join(" ")), &output)
    }

    fn checked(&self, line: &str, output: &Output) -> Result<String> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let message = match said.trim() {
            "" => output.status.to_string(),
            said => said.to_owned(),
        };
        Err(Error::Command {
            command: line.to_owned(),
            host: self.name.clone(),
            message,
        })
    }
}
