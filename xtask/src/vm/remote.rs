//! A virtual machine that runs the scripts we send it.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Job;
use crate::paths::Ctx;
use crate::proc::printable;

/// Default time that a script may take: emulation is slow.
const PATIENCE: Duration = Duration::from_secs(120);
/// Until the guest answers.
const BOOT: Duration = Duration::from_secs(420);
/// What we keep of a script's output.
const PRINTED: usize = 4 << 20;

/// A virtual machine that runs. Dropping it switches the machine off.
pub(crate) struct Remote {
    name: String,
    control: BufReader<UnixStream>,
    machine: Option<JoinHandle<Result<u8>>>,
    scripts: u64,
}

impl Remote {
    /// Starts the machine; [`Remote::ready`] waits for it. Its command and its port are ours.
    pub(crate) fn boot(ctx: &Ctx, job: Job) -> Result<Self> {
        let (control, guest) = UnixStream::pair().context("cannot make a socket pair")?;
        let name = job.name.clone();
        let script = include_str!("remote.sh");
        let job = Job {
            command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            control: Some(Arc::new(guest)),
            ..job
        };
        let ctx = ctx.clone();
        // The kernel ends QEMU when this thread ends. It owns the job, and with
        // it our copies of QEMU's ends: when both are gone we read the end.
        let machine = std::thread::spawn(move || super::run(&ctx, &job, &mut std::io::stderr()));
        Ok(Self {
            name,
            control: BufReader::new(control),
            machine: Some(machine),
            scripts: 0,
        })
    }

    /// Waits until the guest takes scripts.
    pub(crate) fn ready(&mut self) -> Result<()> {
        let end = Instant::now() + BOOT;
        let mut line = Vec::new();
        if self.line(&mut line, end)? && line == b"ready\n" {
            return Ok(());
        }
        // Its end says why.
        if let Some(Ok(Err(error))) = self.machine.take().map(JoinHandle::join) {
            return Err(error.context(format!("{} did not come up", self.name)));
        }
        bail!("{} did not come up", self.name)
    }

    /// Runs a script of bash and returns what it printed, both streams
    /// together; an error if its exit code is not 0.
    pub(crate) fn sh(&mut self, script: &str) -> Result<String> {
        let (code, text) = self.run(script, PATIENCE)?;
        if code != 0 {
            let first = script.trim().lines().next().unwrap_or_default();
            bail!(
                "on {} `{first}` ended with {code}: {}",
                self.name,
                printable(text.trim())
            );
        }
        Ok(text)
    }

    /// Runs a script; its exit code and what it printed.
    pub(crate) fn run(&mut self, script: &str, limit: Duration) -> Result<(u8, String)> {
        self.scripts += 1;
        let end = format!("--- {} of {} ---", self.scripts, std::process::id());
        let message = format!("{end}\n{}\n{end}\n", script.trim_end());
        self.control
            .get_mut()
            .write_all(message.as_bytes())
            .with_context(|| format!("{} is gone", self.name))?;
        let deadline = Instant::now() + limit;
        let mut text = Vec::new();
        loop {
            let start = text.len();
            if !self.line(&mut text, deadline)? {
                bail!("{} went off", self.name);
            }
            let last = String::from_utf8_lossy(&text[start..]);
            if let Some(code) = last.strip_prefix(&end) {
                let code = code.trim().parse().unwrap_or(u8::MAX);
                // The newline before the end is ours.
                text.truncate(start.saturating_sub(1));
                return Ok((code, String::from_utf8_lossy(&text).into_owned()));
            }
            if text.len() > PRINTED {
                bail!("a script on {} printed too much", self.name);
            }
        }
    }

    /// Appends one line; false at the end of the port.
    fn line(&mut self, text: &mut Vec<u8>, deadline: Instant) -> Result<bool> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("{} did not answer in time", self.name);
            }
            self.control.get_ref().set_read_timeout(Some(left))?;
            match self.control.read_until(b'\n', text) {
                Ok(0) => return Ok(false),
                Ok(_) if text.last() == Some(&b'\n') => return Ok(true),
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error).with_context(|| format!("{} is gone", self.name)),
            }
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.control.get_mut().write_all(b"off\n").ok();
        let end = Instant::now() + Duration::from_secs(10);
        while let Some(machine) = &self.machine {
            if machine.is_finished() || Instant::now() > end {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
