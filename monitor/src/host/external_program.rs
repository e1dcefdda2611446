//! Runs programs of the host that print its configuration and change nothing, bounded in time and output.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Longest output in bytes: about 50,000 firewall rules.
const OUTPUT_MAX: u64 = 16 << 20;
/// Time limit of a program.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Folders of root's programs, which `su` leaves out of `PATH`.
const SYSTEM: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// The path of an installed program.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .chain(SYSTEM.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// What a program prints when it runs in this thread's network namespace.
///
/// # Errors
/// Why it printed nothing usable, as a message.
pub(super) fn output_of(program: PathBuf, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let mut child = Command::new(&program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let (send, receive) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        // The thread ends with the program, which is killed below if it does not end by itself.
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let read = out.take(OUTPUT_MAX + 1).read_to_end(&mut text);
            drop(send.send(read.map(|_| text)));
        });
    }
    let text = receive.recv_timeout(TIMEOUT);
    let whole = matches!(&text, Ok(Ok(text)) if text.len() as u64 <= OUTPUT_MAX);
    if !whole {
        drop(child.kill());
    }
    // Its output is closed or it was killed, so this returns at once.
    let status = child.wait().map_err(|error| error.to_string())?;
    match text {
        Err(_) => Err(format!("took longer than {} s", TIMEOUT.as_secs())),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(_)) if !whole => Err(format!("printed more than {} MiB", OUTPUT_MAX >> 20)),
        Ok(Ok(_)) if !status.success() => Err(format!("failed ({status})")),
        Ok(Ok(text)) => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Vec<u8>, String> {
        output_of(find("sh").unwrap(), &["-c", script])
    }

    #[test]
    fn output_is_bounded_in_time_and_size() {
        assert_eq!(shell("echo a").unwrap(), b"a\n");
        assert!(shell("exit 3").unwrap_err().contains("failed"));
        assert!(shell("exec sleep 60").unwrap_err().contains("took longer"));
        assert!(shell("exec yes").unwrap_err().contains("printed more"));
        assert_eq!(find("no-such-program-of-ours"), None);
    }
}
