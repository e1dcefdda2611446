//! Runs programs of the host that print its configuration and change nothing, bounded in time and output.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longest output in bytes: about 50,000 firewall rules.
const OUTPUT_MAX: u64 = 16 << 20;
/// Time limit of a program. They take milliseconds; a host whose processors are all taken may need seconds to start one.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a killed program may take to end; the kernel may hold it for longer.
const KILLED: Duration = Duration::from_millis(500);
/// How often the end of a program that has closed its output is looked for.
const POLL: Duration = Duration::from_millis(2);
/// Folders of root's programs, which `su` leaves out of `PATH`.
const SYSTEM: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// A program of this host that may be run as root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// What is run: no symbolic link, so that it is the file that was examined.
    path: PathBuf,
    /// The name by which it is called; programs with many names act by it.
    name: PathBuf,
}

impl Program {
    /// The file that is run.
    pub(super) fn into_path(self) -> PathBuf {
        self.path
    }
}

/// An installed program that only root can have put there.
pub(super) fn find(name: &str) -> Option<Program> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM.map(PathBuf::from));
    find_in(folders, name)
}

fn find_in(folders: impl Iterator<Item = PathBuf>, name: &str) -> Option<Program> {
    folders
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find_map(|name| {
            let path = fs::canonicalize(&name).ok()?;
            is_roots(&path).then_some(Program { path, name })
        })
}

/// Whether a file is executable, and no user but root can write it or replace it in its folder.
fn is_roots(path: &Path) -> bool {
    let is_safe = |meta: &Metadata| {
        let by_group = meta.mode() & 0o020 != 0 && meta.gid() != 0;
        meta.uid() == 0 && meta.mode() & 0o002 == 0 && !by_group
    };
    let folder = path.parent().and_then(|folder| fs::metadata(folder).ok());
    let file = fs::symlink_metadata(path).ok();
    file.is_some_and(|file| file.is_file() && file.mode() & 0o111 != 0 && is_safe(&file))
        && folder.is_some_and(|folder| is_safe(&folder))
}

/// What a program prints when it runs in this thread's network namespace.
///
/// # Errors
/// Why it printed nothing usable, as a message.
pub(super) fn output_of(program: &Program, arguments: &[&str]) -> Result<Vec<u8>, String> {
    output_within(TIMEOUT, program, arguments)
}

fn output_within(
    limit: Duration,
    program: &Program,
    arguments: &[&str],
) -> Result<Vec<u8>, String> {
    let deadline = Instant::now() + limit;
    let mut child = Command::new(&program.path)
        .arg0(&program.name)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A group of its own, so that what it starts ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let (send, receive) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        // The thread ends with the program and what it started, which are killed below if they do not end by themselves.
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let read = out.take(OUTPUT_MAX + 1).read_to_end(&mut text);
            drop(send.send(read.map(|_| text)));
        });
    }
    let text = receive.recv_timeout(limit);
    let whole = matches!(&text, Ok(Ok(text)) if text.len() as u64 <= OUTPUT_MAX);
    // A program may close its output and go on.
    let ended = if whole {
        wait(&mut child, deadline)
    } else {
        None
    };
    let status = match ended {
        Some(status) => Some(status),
        None => {
            kill(&mut child);
            None
        }
    };
    match (text, status) {
        (Ok(Err(error)), _) => Err(error.to_string()),
        (Ok(Ok(_)), _) if !whole => Err(format!("printed more than {} MiB", OUTPUT_MAX >> 20)),
        (Err(_), _) | (Ok(Ok(_)), None) => Err(format!("took longer than {} s", limit.as_secs())),
        (Ok(Ok(_)), Some(Err(error))) => Err(error.to_string()),
        (Ok(Ok(_)), Some(Ok(status))) if !status.success() => Err(format!("failed ({status})")),
        (Ok(Ok(text)), Some(Ok(_))) => Ok(text),
    }
}

/// Waits for the end of a program until a moment.
fn wait(child: &mut Child, until: Instant) -> Option<io::Result<ExitStatus>> {
    loop {
        match child.try_wait().transpose() {
            Some(status) => return Some(status),
            None if Instant::now() >= until => return None,
            None => std::thread::sleep(POLL),
        }
    }
}

/// Kills a program and what it has started.
fn kill(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // SAFETY: a system call without memory. The child is not waited for yet, so the group's number is still its own.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
    drop(wait(child, Instant::now() + KILLED));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time limit of these tests.
    const LIMIT: Duration = Duration::from_secs(3);

    fn shell(script: &str) -> Result<Vec<u8>, String> {
        output_within(LIMIT, &find("sh").unwrap(), &["-c", script])
    }

    #[test]
    fn output_is_bounded_in_time_and_size() {
        assert_eq!(shell("echo a").unwrap(), b"a\n");
        assert!(shell("exit 3").unwrap_err().contains("failed"));
        assert!(shell("exec sleep 60").unwrap_err().contains("took longer"));
        assert!(shell("exec yes").unwrap_err().contains("printed more"));
        assert_eq!(find("no-such-program-of-ours"), None);
    }

    /// It ends in any case, and so does what it has started.
    #[test]
    fn a_program_that_closes_its_output_is_waited_for_no_longer() {
        let begun = Instant::now();
        let error = shell("exec >&- 2>&-; sleep 60").unwrap_err();
        assert!(error.contains("took longer"), "{error}");
        let id = std::env::temp_dir().join(format!("overlay-monitor-child-{}", std::process::id()));
        let script = format!("sleep 60 & echo $! > {}", id.display());
        let error = shell(&script).unwrap_err();
        assert!(error.contains("took longer"), "{error}");
        assert!(begun.elapsed() < 3 * LIMIT, "{:?}", begun.elapsed());
        let child = fs::read_to_string(&id).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        let is_gone = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        while !is_gone() {
            assert!(begun.elapsed() < 4 * LIMIT, "what it has started goes on");
            std::thread::sleep(POLL);
        }
        fs::remove_file(id).unwrap();
    }

    #[test]
    fn only_a_program_of_root_that_others_cannot_write_is_run() {
        use std::os::unix::fs::{PermissionsExt, chown, symlink};
        let folder = |name: &str| {
            let id = std::process::id();
            let path = std::env::temp_dir().join(format!("overlay-monitor-programs-{id}-{name}"));
            fs::create_dir_all(&path).unwrap();
            let mode = if name == "open" { 0o777 } else { 0o755 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let (own, open, linked) = (folder("own"), folder("open"), folder("linked"));
        let program = own.join("program");
        let found = |folder: &PathBuf| find_in([folder.clone()].into_iter(), "program");
        assert_eq!(found(&own), None);
        fs::write(&program, "#!/bin/sh\necho \"$0\"\n").unwrap();
        for (mode, runs) in [
            (0o644, false),
            (0o757, false),
            (0o755, true),
            (0o775, true),
            (0o555, true),
        ] {
            fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(found(&own).is_some(), runs, "{mode:o}");
        }
        assert!(output_of(&found(&own).unwrap(), &[]).is_ok());
        symlink(&program, linked.join("program")).unwrap();
        let through = found(&linked).unwrap();
        assert_eq!(
            (through.path, through.name),
            (fs::canonicalize(&program).unwrap(), linked.join("program"))
        );
        fs::copy(&program, open.join("program")).unwrap();
        assert_eq!(found(&open), None, "others can replace it");
        // The first in PATH is passed over, the next one is run.
        let folders = [open.clone(), PathBuf::from("relative"), own.clone()];
        assert!(find_in(folders.into_iter(), "program").is_some());
        // Root alone can give a file away.
        if chown(&program, Some(65534), None).is_ok() {
            assert_eq!(found(&own), None, "its owner can write it");
        }
        fs::remove_file(&program).unwrap();
        fs::create_dir(&program).unwrap();
        assert_eq!(found(&own), None, "a folder");
        for folder in [own, open, linked] {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}
