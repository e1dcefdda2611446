//! Output of child processes, read line by line on threads, so that a child never blocks on a full pipe.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use monitor_lab::Process;

/// Longest line in bytes; a longer one is split.
const LINE: u64 = 64 * 1024;
/// Lines of standard error that are kept: the last ones.
const KEPT: usize = 64;

/// Lines of a pipe until it is closed.
pub(super) fn lines(pipe: impl Read + Send + 'static) -> impl Iterator<Item = String> + Send {
    let mut pipe = BufReader::new(pipe);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match pipe.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(
                String::from_utf8_lossy(&line)
                    .trim_end_matches('\n')
                    .to_owned(),
            ),
        }
    })
}

/// Standard error of a process.
pub(super) struct Errors {
    lines: mpsc::Receiver<String>,
    kept: Kept,
}

/// The last lines of standard error, once the process has ended.
pub(super) struct Kept(JoinHandle<Vec<String>>);

impl Errors {
    /// Starts to read the standard error of a process, which must be a pipe.
    pub(super) fn of(process: &mut Process) -> anyhow::Result<Errors> {
        let pipe = process.child.stderr.take();
        Ok(Errors::read(lines(
            pipe.context("standard error is not a pipe")?,
        )))
    }

    fn read(input: impl Iterator<Item = String> + Send + 'static) -> Errors {
        let (sender, lines) = mpsc::sync_channel(KEPT);
        let reader = thread::spawn(move || {
            let mut kept = Vec::new();
            for line in input {
                if kept.len() == KEPT {
                    kept.remove(0);
                }
                kept.push(line.clone());
                // Fails once the receiver is dropped. The pipe must be read all the same.
                let _ = sender.send(line);
            }
            kept
        });
        Errors {
            lines,
            kept: Kept(reader),
        }
    }

    /// Waits until the process prints a line that shows that it is ready.
    ///
    /// # Errors
    /// When there is no such line within `patience`, or the process closes its standard error. The message quotes
    /// what `program` printed.
    pub(super) fn wait_for(
        self,
        program: &str,
        patience: Duration,
        is_ready: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Kept> {
        let end = Instant::now() + patience;
        let mut printed = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if is_ready(&line) => return Ok(self.kept),
                Ok(line) => printed.push(line),
                Err(RecvTimeoutError::Timeout) => bail!(
                    "{program} was not ready within {patience:?}; it printed: {}",
                    printed.join("; ")
                ),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{program} ended early: {}", printed.join("; "))
                }
            }
        }
    }

    /// Reads on without waiting for a line.
    pub(super) fn keep(self) -> Kept {
        self.kept
    }
}

impl Kept {
    /// The last lines. Waits until the process has closed its standard error.
    pub(super) fn lines(self) -> Vec<String> {
        self.0.join().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_split() {
        let long = vec![b'a'; usize::try_from(LINE).unwrap() + 1];
        let split: Vec<usize> = lines(std::io::Cursor::new(long))
            .map(|line| line.len())
            .collect();
        assert_eq!(split, [usize::try_from(LINE).unwrap(), 1]);
    }

    #[test]
    fn a_process_that_is_never_ready_is_quoted() {
        let wait = |printed: &[&str]| {
            let printed: Vec<String> = printed.iter().map(|line| (*line).to_owned()).collect();
            let errors = Errors::read(printed.into_iter());
            errors.wait_for("tool", Duration::from_secs(60), |line| {
                line.starts_with("watching")
            })
        };
        let error = wait(&["warning: a", "error: b"]).err().unwrap().to_string();
        assert_eq!(error, "tool ended early: warning: a; error: b");
        let kept = wait(&["hint", "watching eth0", "more"]).unwrap();
        assert_eq!(kept.lines(), ["hint", "watching eth0", "more"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let errors = Errors::read((0..200).map(|number| number.to_string()));
        let kept = errors.keep().lines();
        assert_eq!((kept.len(), kept[0].as_str()), (KEPT, "136"));
    }
}
