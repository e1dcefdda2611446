//! A service manager as far as the agent uses it: it reads what the agent reports, keeps descriptors, and passes them to the
//! next process (`sd_notify(3)`, `sd_listen_fds(3)`).

use std::fs::File;
use std::io::{IoSliceMut, Read, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use monitor_lab::Host;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::process::{Monitor, program};

/// How long the manager lets the agent wait until it has read all.
const BARRIER: Duration = Duration::from_millis(200);

/// Descriptors in the order in which they came, with their names.
type Kept = Vec<(String, OwnedFd)>;

/// The manager; it reads until it is dropped.
pub struct ServiceManager {
    path: PathBuf,
    kept: Arc<Mutex<Kept>>,
}

impl ServiceManager {
    /// One that listens at a path of its own.
    #[must_use]
    pub fn start(name: &str) -> ServiceManager {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        drop(std::fs::remove_file(&path));
        let socket = UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let kept = Arc::<Mutex<Kept>>::default();
        // It ends when nobody else has the list.
        let list = Arc::clone(&kept);
        std::thread::spawn(move || {
            while Arc::strong_count(&list) > 1 {
                read(&socket, &list);
            }
        });
        ServiceManager { path, kept }
    }

    /// Names of what is kept, sorted.
    #[must_use]
    pub fn kept(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        let mut names: Vec<_> = kept.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// Closes everything that is kept.
    pub fn close(&self) {
        self.kept.lock().unwrap().clear();
    }

    /// What a kept file holds.
    #[must_use]
    pub fn file(&self, name: &str) -> Vec<u8> {
        let kept = self.kept.lock().unwrap();
        let (_, descriptor) = kept.iter().find(|(at, _)| at == name).unwrap();
        let mut file = File::from(descriptor.try_clone().unwrap());
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Replaces a kept file.
    pub fn replace(&self, name: &str, bytes: &[u8]) {
        let kept = self.kept.lock().unwrap();
        let (_, descriptor) = kept.iter().find(|(at, _)| at == name).unwrap();
        let file = File::from(descriptor.try_clone().unwrap());
        file.set_len(0).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).unwrap();
    }

    /// Starts the agent on a host, with what is kept from the process before it.
    #[must_use]
    pub fn run<'a>(&self, host: &'a Host, arguments: &[&str]) -> Monitor<'a> {
        Monitor::spawn(host, self.command(host, arguments))
    }

    /// The command line of [`ServiceManager::run`].
    #[must_use]
    pub fn command(&self, host: &Host, arguments: &[&str]) -> Command {
        // The process id is known to the process alone.
        let script = "LISTEN_PID=$$; export LISTEN_PID; exec \"$0\" \"$@\"";
        let mut command = host.command("/bin/sh").unwrap();
        command
            .args(["-c", script, program().to_str().unwrap()])
            .args(arguments)
            .env("NOTIFY_SOCKET", &self.path);
        let kept: Kept = self
            .kept
            .lock()
            .unwrap()
            .iter()
            .map(|(name, descriptor)| (name.clone(), descriptor.try_clone().unwrap()))
            .collect();
        if kept.is_empty() {
            return command;
        }
        let names: Vec<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
        command
            .env("LISTEN_FDS", kept.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"));
        // SAFETY: between fork and exec it calls only fcntl(2) and dup2(2).
        unsafe { command.pre_exec(move || pass(&kept)) };
        command
    }
}

impl Drop for ServiceManager {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// Makes the descriptors those from 3 on of the next program.
fn pass(kept: &Kept) -> std::io::Result<()> {
    const FIRST: RawFd = 3;
    // Out of the way of the numbers that they get.
    const AWAY: RawFd = 500;
    for (at, (_, descriptor)) in (0..).zip(kept) {
        // SAFETY: plain system calls on numbers.
        let done = unsafe { libc::dup3(descriptor.as_raw_fd(), AWAY + at, libc::O_CLOEXEC) };
        if done < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    for at in (0..).take(kept.len()) {
        // SAFETY: as above. The new number is open in the next program.
        if unsafe { libc::dup2(AWAY + at, FIRST + at) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Reads one report, if there is one.
fn read(socket: &UnixDatagram, kept: &Mutex<Kept>) {
    let mut text = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut text)];
    let Ok(received) = recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) else {
        return;
    };
    let descriptors: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    let text = String::from_utf8_lossy(&text[..received.bytes]).into_owned();
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name));
    let name = field("FDNAME=").unwrap_or("stored").to_owned();
    let mut kept = kept.lock().unwrap();
    if field("FDSTORE=") == Some("1") {
        // As systemd does unless it is not to poll.
        let is_polled = field("FDPOLL=") != Some("0");
        let descriptors = descriptors
            .into_iter()
            .filter(|descriptor| !(is_polled && is_in_error(descriptor)));
        let descriptors: Vec<OwnedFd> = descriptors.collect();
        kept.extend(descriptors.into_iter().map(|fd| (name.clone(), fd)));
    } else if field("FDSTOREREMOVE=") == Some("1") {
        kept.retain(|(at, _)| *at != name);
    }
    if field("BARRIER=") == Some("1") {
        // One that has other work, too.
        std::thread::sleep(BARRIER);
    }
    // The descriptor of a barrier is closed here.
}

/// Whether poll(2) finds an error, or that the other end is closed.
fn is_in_error(descriptor: &OwnedFd) -> bool {
    let mut ends = [PollFd::new(descriptor, PollFlags::empty())];
    poll(&mut ends, Some(&Timespec::default())).is_ok_and(|found| found != 0)
}
