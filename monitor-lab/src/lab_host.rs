//! One host of the lab: a network namespace, and the programs that run in it.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::device::{self, DeviceStats};
use crate::error::{Context, Error, Result};
use crate::netns::{self, NetNs};
use crate::process::{Process, Spawner, die_with_parent};
use crate::tools;

/// How long links may take to carry frames. An emulated machine is slow.
const LINK_PATIENCE: Duration = Duration::from_secs(20);

/// A node, a sandbox or a container of the lab: a network namespace. File system, process ids and users are those of the
/// machine.
#[derive(Debug)]
pub struct Host {
    name: String,
    address: IpAddr,
    namespace: NetNs,
    spawner: Arc<Spawner>,
}

impl Host {
    /// Creates an empty namespace. A quiet one has no IPv6.
    pub(crate) fn new(
        name: &str,
        address: IpAddr,
        quiet: bool,
        spawner: &Arc<Spawner>,
    ) -> Result<Self> {
        let namespace =
            NetNs::new().context(|| format!("creating the network namespace of {name}"))?;
        let host = Self {
            name: name.to_owned(),
            address,
            namespace,
            spawner: Arc::clone(spawner),
        };
        if quiet {
            // With IPv6 each new device sends neighbour solicitations and multicast reports.
            host.sysctl("net/ipv6/conf/all/disable_ipv6", "1")?;
            host.sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
        }
        Ok(host)
    }

    /// The namespace in which this thread is: of the machine itself, unless the program was started in another one.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn of_this_namespace(spawner: &Arc<Spawner>) -> Result<Self> {
        let namespace = NetNs::current().context(|| "opening this network namespace".to_owned())?;
        Ok(Self {
            name: "this machine".to_owned(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            namespace,
            spawner: Arc::clone(spawner),
        })
    }

    /// The machine on which this process runs, as a host: to run programs in its network namespace.
    ///
    /// # Errors
    /// When its namespace cannot be opened.
    pub fn this_machine() -> Result<Self> {
        let spawner = Spawner::new()
            .context(|| "starting the thread that starts the lab's programs".to_owned())?;
        Self::of_this_namespace(&spawner)
    }

    /// Another namespace of this machine, by a path that names it. As long as it is held it does not end.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn in_namespace(&self, path: &Path) -> Result<Self> {
        let namespace = NetNs::at(path).context(|| format!("opening {}", path.display()))?;
        Ok(Self {
            name: path.display().to_string(),
            address: self.address,
            namespace,
            spawner: Arc::clone(&self.spawner),
        })
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

    /// A path by which other processes can enter the namespace while the lab lives: `nsenter --net=PATH`,
    /// `ip link … netns PATH`.
    #[must_use]
    pub fn namespace_path(&self) -> String {
        self.namespace.path()
    }

    /// The namespace's inode number, as in `net:[4026532000]` (`lsns`, `/proc/PID/ns/net`).
    ///
    /// # Errors
    /// When `fstat` fails.
    pub fn namespace_inode(&self) -> Result<u64> {
        self.namespace
            .inode()
            .context(|| format!("reading the namespace of {}", self.name))
    }

    /// A command that will run in the host's network namespace. The kernel kills the program when the thread that
    /// started it ends; [`Host::spawn`] starts one that may run longer.
    ///
    /// A name without `/` is looked up in `PATH` and in the folders for root's programs. The command owns a
    /// descriptor of the namespace.
    ///
    /// # Errors
    /// [`Error::MissingProgram`], or [`Error::Io`] when there is no descriptor left.
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

    /// Starts a command made by [`Host::command`]. It runs until the returned [`Process`] is dropped or the lab
    /// ends.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be started.
    pub fn spawn(&self, command: Command) -> Result<Process> {
        let program = command.get_program().to_string_lossy().into_owned();
        self.spawner
            .spawn(command)
            .context(|| format!("starting {program} on {}", self.name))
    }

    /// Runs a program to its end and returns its standard output.
    ///
    /// # Errors
    /// [`Error::Command`] with its standard error when it fails.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(program)?;
        command.args(arguments).stdin(Stdio::null());
        let line = format!("{program} {}", arguments.join(" "));
        let output = command
            .output()
            .context(|| format!("starting {program} on {}", self.name))?;
        self.check_status(&line, &output)
    }

    /// As [`Host::run`], and ends the program if it takes longer than this. The kernel ends it with this process, which
    /// it would not do for a program that timeout(1) starts.
    ///
    /// # Errors
    /// [`Error::Command`] with its standard error when it fails or takes too long.
    pub fn run_within(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<String> {
        let mut command = self.command(program)?;
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let line = format!("{program} {}", arguments.join(" "));
        let starting = || format!("starting {program} on {}", self.name);
        let child = command.spawn().context(starting)?;
        let watched = rustix::process::pidfd_open(
            Pid::from_child(&child),
            rustix::process::PidfdFlags::empty(),
        )
        .context(starting)?;
        let (ended, end) = mpsc::channel::<()>();
        let (output, late) = thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let late = end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
                if late {
                    // It may have ended in this moment.
                    let _ = rustix::process::pidfd_send_signal(&watched, Signal::KILL);
                }
                late
            });
            let output = child.wait_with_output();
            drop(ended);
            (output, watch.join().unwrap_or(false))
        });
        if late {
            return Err(Error::Command {
                command: line,
                host: self.name.clone(),
                message: format!("it was ended after {limit:?}"),
            });
        }
        self.check_status(&line, &output.context(starting)?)
    }

    /// Runs `work` on a thread inside the namespace: to open sockets, or to attach BPF programs, whose interface the
    /// kernel looks up in the caller's namespace. What `work` opens stays valid.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.namespace
            .enter(work)
            .context(|| format!("entering {}", self.name))
    }

    /// The kernel's counters of one of its devices.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no such device.
    pub fn device_stats(&self, device: &str) -> Result<DeviceStats> {
        self.enter(|| device::stats(device))?
            .context(|| format!("reading the counters of {device} on {}", self.name))
    }

    /// Turns GRO, GSO and TSO of a device off.
    pub(crate) fn disable_offloads(&self, device: &str) -> Result<()> {
        self.enter(|| device::disable_offloads(device))?
            .context(|| format!("turning the offloads of {device} on {} off", self.name))
    }

    /// Writes a sysctl of the namespace. `key` is a path under `/proc/sys`.
    pub(crate) fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{key}");
        match self.enter(|| std::fs::write(&path, value))? {
            // A kernel without IPv6 has no such sysctl and needs none.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            done => done.context(|| format!("writing {path} on {}", self.name)),
        }
    }

    /// Waits until its veth links carry frames. A new link drops frames until the kernel's link watch has noticed the
    /// carrier, which can take a second (net/core/link_watch.c); a bridge forwards to the port only then.
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

    /// Runs lines of `ip` or `bridge` in one process.
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
            // A program that exits before it has read all input prints why, which is the better message.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().context(starting)?;
        self.check_status(&format!("{program} {}", arguments.join(" ")), &output)
    }

    fn check_status(&self, line: &str, output: &Output) -> Result<String> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        let message = match stderr.trim() {
            "" => output.status.to_string(),
            printed => printed.to_owned(),
        };
        Err(Error::Command {
            command: line.to_owned(),
            host: self.name.clone(),
            message,
        })
    }
}
