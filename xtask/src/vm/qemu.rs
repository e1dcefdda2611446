//! Starts QEMU, moves the output of the command, and ends in time.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::proc::printable;

/// From the command's end until the machine is off.
const OFF: Duration = Duration::from_secs(10);

/// How long a run may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Until the guest is ready. One that is not by then will not be any more.
    pub(super) boot: Duration,
    /// All of it.
    pub(super) all: Duration,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The command's own exit code.
    Exit(u8),
    /// The time given was over.
    TimedOut,
}

/// The guest's kernel died of a breakpoint of its own.
///
/// A kernel that changes its code while it runs (a program is attached to one of its functions) puts a breakpoint
/// there for a moment. QEMU's emulation can come upon it when it has long been taken away again: a known race of its
/// translator, which says nothing about the kernel, nor about what was attached.
#[derive(Debug)]
pub(crate) struct StaleBreakpoint(pub(crate) String);

impl std::fmt::Display for StaleBreakpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the emulated processor came upon a breakpoint that the kernel had already taken away; that is a race in \
             QEMU's emulation.\n  The console's last lines:\n{}",
            self.0
        )
    }
}

impl std::error::Error for StaleBreakpoint {}

/// What a kernel says that dies of a breakpoint.
const BREAKPOINT: &str = "int3: 0000 [#";
/// The instruction.
const INT3: &str = "cc";

/// Whether a kernel's console says that it died of a breakpoint that is not in its memory any more. The line `Code:`
/// shows the bytes around the next instruction, which is marked: `… 55 <48> 89 …`. A breakpoint that is still there
/// is a fault of the kernel, or of what we attached.
fn is_stale_breakpoint(console: &str) -> bool {
    let Some((_, oops)) = console.split_once(BREAKPOINT) else {
        return false;
    };
    let code = oops.lines().find_map(|line| line.split_once("Code: "));
    let before = code.and_then(|(_, bytes)| bytes.split_once('<'));
    let last = before.and_then(|(bytes, _)| bytes.split_whitespace().next_back());
    last.is_some_and(|byte| byte != INT3)
}

/// Ends QEMU whatever happens.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Runs the machine. `cmd` is complete but for the ports of the command; what
/// the command prints goes to `sink`; `None` leaves our terminal to the guest.
/// `ends` are open files that `cmd` names and QEMU needs.
pub(super) fn run(
    cmd: &mut Command,
    console: &Path,
    limits: Limits,
    sink: Option<&mut (dyn Write + Send)>,
    ends: &[RawFd],
) -> Result<End> {
    let (status, status_guest) = UnixStream::pair().context("cannot make a socket pair")?;
    let (output, output_guest) = UnixStream::pair().context("cannot make a socket pair")?;
    port(cmd, "status", status_guest.as_raw_fd());
    if sink.is_some() {
        port(cmd, "output", output_guest.as_raw_fd());
        cmd.stdin(Stdio::null()).stdout(Stdio::null());
    } else {
        cmd.args([
            "-chardev",
            "stdio,id=terminal,signal=off",
            "-device",
            "virtconsole,chardev=terminal",
        ]);
    }
    cmd.stderr(Stdio::piped());
    let own = [status_guest.as_raw_fd(), output_guest.as_raw_fd()];
    end_with_us(cmd, [&own, ends].concat());

    let start = Instant::now();
    let mut machine = Machine(cmd.spawn().context("cannot start QEMU")?);
    drop((status_guest, output_guest));
    let stderr = machine.0.stderr.take();

    std::thread::scope(|scope| {
        let complaints = scope.spawn(move || {
            let mut text = String::new();
            if let Some(stderr) = stderr {
                stderr.take(64 * 1024).read_to_string(&mut text).ok();
            }
            text
        });
        if let Some(sink) = sink {
            scope.spawn(move || copy(&output, sink));
        }
        let end = follow(&status, start, limits);
        if matches!(end, Ok(Some(End::Exit(_)))) {
            let off = Instant::now();
            while off.elapsed() < OFF && matches!(machine.0.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // Also closes the sockets, so that the threads end.
        drop(machine);
        match end? {
            Some(end) => Ok(end),
            None if is_stale_breakpoint(&text(console)) => {
                Err(StaleBreakpoint(last_lines(console)).into())
            }
            None => bail!(
                "the virtual machine went off before the command had ended.\n  \
                 QEMU says: {}\n  the console's last lines:\n{}",
                printable(complaints.join().unwrap_or_default().trim()),
                last_lines(console)
            ),
        }
    })
}

/// Reads what the guest reports until its end. `None`: it never was ready, or
/// went off before the command's end.
fn follow(status: &UnixStream, start: Instant, limits: Limits) -> Result<Option<End>> {
    let mut lines = BufReader::new(status);
    let mut line = String::new();
    let mut ready = false;
    loop {
        let limit = if ready {
            limits.all
        } else {
            limits.boot.min(limits.all)
        };
        let Some(left) = limit
            .checked_sub(start.elapsed())
            .filter(|left| !left.is_zero())
        else {
            let given_is_over = ready || limits.all <= limits.boot;
            return Ok(given_is_over.then_some(End::TimedOut));
        };
        status
            .set_read_timeout(Some(left))
            .context("cannot set a time limit")?;
        match lines.read_line(&mut line) {
            Ok(0) => return Ok(None),
            Ok(_) if line.ends_with('\n') => {
                match report(line.trim()) {
                    Report::Ready => ready = true,
                    Report::Exit(code) => return Ok(Some(End::Exit(code))),
                    Report::Unknown => {}
                }
                line.clear();
            }
            Ok(_) => {}
            Err(error)
                if [
                    ErrorKind::WouldBlock,
                    ErrorKind::TimedOut,
                    ErrorKind::Interrupted,
                ]
                .contains(&error.kind()) => {}
            // QEMU is gone.
            Err(_) => return Ok(None),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Report {
    Ready,
    Exit(u8),
    Unknown,
}

fn report(line: &str) -> Report {
    match line.split_once(' ') {
        None if line == "ready" => Report::Ready,
        Some(("exit", code)) => code.parse().map_or(Report::Unknown, Report::Exit),
        _ => Report::Unknown,
    }
}

fn copy(mut output: &UnixStream, sink: &mut dyn Write) {
    let mut buffer = vec![0; 64 * 1024];
    let mut broken = false;
    loop {
        match output.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => {
                // A reader that went away must not block the guest.
                broken = broken
                    || sink
                        .write_all(&buffer[..n])
                        .and_then(|()| sink.flush())
                        .is_err();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// The bus of the guest's ports.
pub(super) fn ports(cmd: &mut Command) {
    cmd.args(["-device", "virtio-serial-pci,max_ports=4"]);
}

/// Adds a port of the guest that is this end of a socket pair.
pub(super) fn port(cmd: &mut Command, name: &str, fd: RawFd) {
    cmd.arg("-chardev").arg(format!("socket,id={name},fd={fd}"));
    cmd.arg("-device")
        .arg(format!("virtserialport,chardev={name},name=overlay.{name}"));
}

/// Hands `fds` down, and has the kernel kill the child when we die, however we
/// die. It is bound to the calling *thread*, which must live as long as the child.
fn end_with_us(cmd: &mut Command, fds: Vec<RawFd>) {
    let parent = std::process::id();
    let prepare = move || {
        for fd in &fds {
            // SAFETY: fcntl(2) on a descriptor that is open in this process;
            // async-signal-safe, no memory is touched.
            if unsafe { libc::fcntl(*fd, libc::F_SETFD, 0) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        // SAFETY: prctl(2) and getppid(2) with plain numbers; async-signal-safe.
        unsafe {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            // We may have died between fork and prctl.
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(std::io::Error::other("the parent is gone"));
            }
        }
        Ok(())
    };
    // SAFETY: the closure only makes async-signal-safe calls and allocates nothing.
    unsafe {
        cmd.pre_exec(prepare);
    }
}

fn text(console: &Path) -> String {
    let bytes = std::fs::read(console).unwrap_or_default();
    printable(&String::from_utf8_lossy(&bytes))
}

/// The end of the guest's console, for error messages.
pub(super) fn last_lines(console: &Path) -> String {
    let text = text(console);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..]
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_breakpoint_that_is_gone_is_the_emulators() {
        let console = |byte: &str| {
            format!(
                "int3: 0000 [#1] PREEMPT SMP\nRIP: 0010:xfrm_output+0x1/0x2a0\n\
                 Code: cc cc 66 0f 1f 00 {byte} <1f> 44 00 00 41 57\n"
            )
        };
        assert!(is_stale_breakpoint(&console("0f")));
        assert!(!is_stale_breakpoint(&console("cc")));
        assert!(!is_stale_breakpoint("int3: 0000 [#1] PREEMPT SMP\n"));
        assert!(!is_stale_breakpoint("Oops: 0000 [#1]\nCode: 0f <1f>\n"));
    }

    #[test]
    fn reports_are_read() {
        assert_eq!(report("ready"), Report::Ready);
        assert_eq!(report("exit 7"), Report::Exit(7));
        assert_eq!(report("exit 300"), Report::Unknown);
        assert_eq!(report("exit"), Report::Unknown);
        assert_eq!(report(""), Report::Unknown);
    }

    #[test]
    fn a_guest_that_goes_off_early_is_distinguished_from_one_that_ends() {
        let of = |boot, all| Limits { boot, all };
        let limit = of(Duration::from_secs(5), Duration::from_secs(5));
        let (ours, mut guest) = UnixStream::pair().unwrap();
        guest.write_all(b"ready\nexit 3\n").unwrap();
        assert_eq!(
            follow(&ours, Instant::now(), limit).unwrap(),
            Some(End::Exit(3))
        );
        let (ours, mut guest) = UnixStream::pair().unwrap();
        guest.write_all(b"ready\n").unwrap();
        drop(guest);
        assert_eq!(follow(&ours, Instant::now(), limit).unwrap(), None);
        let (ours, mut guest) = UnixStream::pair().unwrap();
        guest.write_all(b"ready\n").unwrap();
        let short = Duration::from_millis(50);
        assert_eq!(
            follow(&ours, Instant::now(), of(limit.boot, short)).unwrap(),
            Some(End::TimedOut)
        );
    }
}
