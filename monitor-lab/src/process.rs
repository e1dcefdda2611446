//! Child processes that cannot outlive the lab.

use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// Makes the kernel kill the child when the thread that started it ends (PR_SET_PDEATHSIG, prctl(2)).
pub(crate) fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    // SAFETY: between fork and exec only system calls are made.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before the system call.
            if rustix::process::getppid() == Some(parent) {
                Ok(())
            } else {
                Err(io::ErrorKind::NotConnected.into())
            }
        });
    }
}

type Job = (Command, mpsc::SyncSender<io::Result<Child>>);

/// The one thread that starts the lab's children. "Parent death" is the end of the *thread* that forked
/// (prctl(2)), so a child that a short-lived thread starts would be killed when that thread ends.
pub(crate) struct Spawner(Mutex<mpsc::Sender<Job>>);

impl Spawner {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("lab-spawner".to_owned())
            .spawn(move || {
                for (mut command, answer) in queue {
                    // The caller has gone, so no one else would end the child.
                    if let Err(mpsc::SendError(Ok(mut child))) = answer.send(command.spawn()) {
                        let _ = child.kill();
                        let _ = child.wait();
                    }
                }
            })?;
        Ok(Arc::new(Self(Mutex::new(jobs))))
    }

    /// Starts `command`, which must carry [`die_with_parent`].
    pub(crate) fn spawn(self: &Arc<Self>, command: Command) -> io::Result<Process> {
        let name = command.get_program().to_string_lossy().into_owned();
        let (answer, child) = mpsc::sync_channel(1);
        let gone = || io::Error::other("the thread that starts the lab's programs has ended");
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send((command, answer))
            .map_err(|_| gone())?;
        let child = child.recv().map_err(|_| gone())??;
        Ok(Process {
            child,
            name,
            _spawner: Arc::clone(self),
        })
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}

/// A running program of the lab. It is killed when this is dropped or when the lab ends.
#[derive(Debug)]
pub struct Process {
    /// The child, for its pipes and its process id. To wait for its end use [`Process::stop`].
    pub child: Child,
    name: String,
    // Keeps the thread alive that started the child: its end would kill the child.
    _spawner: Arc<Spawner>,
}

impl Process {
    /// The program that was started, as a path or name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the end. Sends SIGKILL after `patience`.
    ///
    /// # Errors
    /// `TimedOut` when SIGKILL was needed, or the error of a system call.
    pub fn stop(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // The child was not reaped yet, so the process id is still its own.
            rustix::process::kill_process(pid, Signal::INT)?;
        }
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.child.kill()?;
        self.child.wait()?;
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "{} did not end within {patience:?} of SIGINT and was killed",
                self.name
            ),
        ))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
