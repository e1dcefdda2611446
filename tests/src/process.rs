//! `overlay-monitor` as a process in a host of the lab, with what it prints.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use monitor_lab::{Host, Process};

use crate::reached;

/// How long a test waits for anything. Long, since an emulated machine is slow; a wait ends as soon as it happens. A
/// build for many runs in which tests are meant to fail sets less.
pub const PATIENCE: Duration = Duration::from_secs(match option_env!("OVERLAY_TEST_PATIENCE") {
    Some(seconds) => match u64::from_str_radix(seconds, 10) {
        Ok(seconds) => seconds,
        Err(_) => panic!("OVERLAY_TEST_PATIENCE is a number of seconds"),
    },
    None => 300,
});

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

/// Memory of a process that is in RAM, in KiB.
#[must_use]
pub fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// Waits until something is so; fails, saying what, when it does not become so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A command of the agent that ran to its end.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// How long it ran.
    pub took: Duration,
}

/// A command line of the agent on a host, not yet started. It finds no program, as it starts none.
#[must_use]
pub fn command(host: &Host, arguments: &[&str]) -> Command {
    let mut command = host.command(program().to_str().unwrap()).unwrap();
    command.args(arguments).env("PATH", "");
    command
}

/// Runs a command line of the agent on a host to its end.
#[must_use]
pub fn run(host: &Host, arguments: &[&str]) -> Ended {
    finish(command(host, arguments))
}

/// Runs a command to its end.
#[must_use]
pub fn finish(mut command: Command) -> Ended {
    let start = Instant::now();
    reached::command_line(command.get_args());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let ended = Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        took: start.elapsed(),
    };
    if command.get_program() == program() {
        reached::exit_code(ended.code);
    }
    reached::text(&ended.out);
    reached::text(&ended.err);
    ended
}

/// What comes out of a pipe, as it comes.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn new(mut pipe: impl Read + Send + 'static) -> Stream {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                to.lock().unwrap().extend(&buffer[..n]);
            }
        });
        Stream {
            bytes,
            reader: Some(reader),
        }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    /// The rest, once the process has ended.
    fn join(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

/// A running command of the agent. Killed when this is dropped.
pub struct Monitor<'a> {
    /// Where it runs.
    pub host: &'a Host,
    process: Process,
    out: Stream,
    err: Stream,
}

impl<'a> Monitor<'a> {
    /// Starts a command line of the agent.
    #[must_use]
    pub fn start(host: &'a Host, arguments: &[&str]) -> Monitor<'a> {
        Monitor::spawn(host, command(host, arguments))
    }

    /// Starts a command line of the agent that a test has prepared with [`command`].
    #[must_use]
    pub fn spawn(host: &'a Host, mut command: Command) -> Monitor<'a> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        reached::command_line(command.get_args());
        let mut process = host.spawn(command).unwrap();
        let out = Stream::new(process.child.stdout.take().unwrap());
        let err = Stream::new(process.child.stderr.take().unwrap());
        Monitor {
            host,
            process,
            out,
            err,
        }
    }

    /// Starts `tail`, and waits until it watches.
    #[must_use]
    pub fn tail(host: &'a Host, arguments: &[&str]) -> Monitor<'a> {
        let mut monitor = Monitor::start(host, &[&["tail", "-i", "eth0"], arguments].concat());
        monitor.wait_for("it watches", |monitor| monitor.err().contains("watching"));
        monitor
    }

    /// Waits for something while it runs.
    pub fn wait_for(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        wait_until(what, || {
            // Asked first: what it printed before it ended counts.
            let ended = self.process.child.try_wait().unwrap();
            let so = is_so(self);
            assert!(
                so || ended.is_none(),
                "{what}: it ended before ({ended:?}): {}",
                self.err()
            );
            so
        });
    }

    /// Whole lines of standard output so far, once there are as many.
    pub fn lines(&mut self, at_least: usize) -> Vec<String> {
        let count = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        self.wait_for(&format!("{at_least} lines"), |monitor| {
            count(&monitor.out.so_far()) >= at_least
        });
        let text = self.out();
        let end = text.rfind('\n').map_or(0, |at| at + 1);
        text[..end].lines().map(str::to_owned).collect()
    }

    /// Standard output so far.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8(self.out.so_far()).unwrap()
    }

    /// Standard error so far.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8(self.err.so_far()).unwrap()
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: i32) {
        assert!(
            self.signal_while_it_runs(signal),
            "it ended: {}",
            self.err()
        );
    }

    /// The same, unless it has ended; whether it had not.
    pub fn signal_while_it_runs(&mut self, signal: i32) -> bool {
        if !self.runs() {
            return false;
        }
        let id = i32::try_from(self.id()).unwrap();
        // SAFETY: a child that is not waited for yet, so the number is still its own.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0);
        true
    }

    /// Waits for its end, and gives status and time it took from here.
    pub fn wait(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        let mut status = None;
        wait_until("it ends", || {
            status = self.process.child.try_wait().unwrap();
            status.is_some()
        });
        let took = start.elapsed();
        self.out.join();
        self.err.join();
        reached::exit_code(status.and_then(|status| status.code()));
        (status.unwrap(), took)
    }

    /// Ends it as a service manager would, and insists on a clean end.
    pub fn stop(&mut self) {
        self.signal(libc::SIGTERM);
        let (status, _) = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.err());
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.signal(libc::SIGKILL);
        assert_eq!(self.wait().0.signal(), Some(libc::SIGKILL));
    }
}

impl Drop for Monitor<'_> {
    fn drop(&mut self) {
        reached::text(&String::from_utf8_lossy(&self.out.so_far()));
        reached::text(&String::from_utf8_lossy(&self.err.so_far()));
        if std::thread::panicking() {
            eprintln!("the agent on {} said:\n{}", self.host.name(), self.err());
        }
    }
}
