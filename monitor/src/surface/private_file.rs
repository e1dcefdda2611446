//! Files that show what others send: readable by their owner only, and never written through a symbolic link.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Mode of the files.
const MODE: u32 = 0o600;
/// Names that are tried for a temporary file.
const TRIES: u32 = 100;

/// A file that is written beside its place, and takes it once it is whole. What is there stays until then, and stays for
/// good if this is dropped before.
#[derive(Debug)]
pub(crate) struct Replacement {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Replacement {
    /// Creates the temporary file, in the folder of the file that it will replace.
    ///
    /// # Errors
    /// The file cannot be created, or what is in its place is no regular file.
    pub(crate) fn create(path: &Path) -> io::Result<Replacement> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        match fs::symlink_metadata(path) {
            Ok(there) if there.is_symlink() => return Err(is_link()),
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => {
                return Err(io::Error::other("it is no regular file; give another name"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        for _ in 0..TRIES {
            let mut temporary = OsString::from(".");
            temporary.push(name);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            temporary.push(format!(".{}-{number}.tmp", std::process::id()));
            let temporary = path.with_file_name(temporary);
            let mut options = OpenOptions::new();
            // A new file: a symbolic link of that name is an error.
            options.write(true).create_new(true).mode(MODE);
            match options.open(&temporary) {
                Ok(file) => {
                    return Ok(Replacement {
                        file,
                        temporary,
                        path: path.to_owned(),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Writes the content, and puts the file in its place.
    ///
    /// # Errors
    /// The file cannot be written or renamed; then what was in its place is unchanged.
    pub(crate) fn write(mut self, content: &[u8]) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(MODE))?;
        self.file.write_all(content)?;
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // After the rename there is nothing of this name.
        drop(fs::remove_file(&self.temporary));
    }
}

/// Opens a file to write to it as content comes, and empties it: a regular file of this user, or a pipe that has a
/// reader.
///
/// # Errors
/// The file cannot be opened, is a symbolic link, or belongs to another user.
pub(crate) fn open_stream(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Without waiting for the reader of a pipe.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    options
        .write(true)
        .create(true)
        .mode(MODE)
        .custom_flags(flags);
    let file = options
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => is_link(),
            Some(libc::ENXIO) => {
                io::Error::other("nothing reads from this pipe; start its reader first")
            }
            _ => error,
        })?;
    let there = file.metadata()?;
    if there.is_file() {
        // SAFETY: a system call without arguments.
        if there.uid() != unsafe { libc::geteuid() } {
            return Err(io::Error::other(
                "it belongs to another user, who could read it; give another name",
            ));
        }
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.set_len(0)?;
    }
    // SAFETY: the descriptor is open. No other flag that can be set was given.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

fn is_link() -> io::Error {
    io::Error::other("it is a symbolic link, which is not followed; give the file that it names")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let name = format!("overlay-monitor-private-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn names(&self) -> Vec<String> {
            let names = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> = names
                .map(|name| name.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_file_is_replaced_when_it_is_whole_and_only_its_owner_reads_it() {
        let folder = Folder::new("replaced");
        let path = folder.file("report.html");
        fs::write(&path, "older").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let replacement = Replacement::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "older");
        let before = fs::File::open(&path).unwrap();
        replacement.write(b"newer").unwrap();
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), mode(&path)),
            ("newer".to_owned(), MODE)
        );
        // Whoever had the older one open does not read the newer one.
        assert_eq!(io::read_to_string(before).unwrap(), "older");
        // Dropped without content, nothing has changed.
        drop(Replacement::create(&path).unwrap());
        drop(Replacement::create(&folder.file("none.html")).unwrap());
        assert_eq!(folder.names(), ["report.html"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
    }

    #[test]
    fn no_symbolic_link_is_followed() {
        let folder = Folder::new("links");
        let (target, link) = (folder.file("target"), folder.file("link.txt"));
        fs::write(&target, "mine").unwrap();
        symlink(&target, &link).unwrap();
        for error in [
            Replacement::create(&link).unwrap_err(),
            open_stream(&link).unwrap_err(),
        ] {
            assert!(error.to_string().contains("a symbolic link"), "{error}");
        }
        // One that appears later is replaced, not followed.
        let late = folder.file("late.txt");
        let replacement = Replacement::create(&late).unwrap();
        symlink(&target, &late).unwrap();
        replacement.write(b"report").unwrap();
        assert_eq!(fs::read_to_string(&late).unwrap(), "report");
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
        assert!(Replacement::create(Path::new("/dev/null")).is_err());
        assert!(Replacement::create(&folder.0).is_err());
    }

    #[test]
    fn a_stream_is_of_its_owner_alone() {
        let folder = Folder::new("stream");
        let path = folder.file("samples.pcapng");
        fs::write(&path, "x".repeat(1000)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        open_stream(&path).unwrap().write_all(b"new").unwrap();
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), mode(&path)),
            ("new".to_owned(), MODE)
        );
        let null = mode(Path::new("/dev/null"));
        open_stream(Path::new("/dev/null")).unwrap();
        assert_eq!(
            mode(Path::new("/dev/null")),
            null,
            "a device keeps its mode"
        );
        // Root alone can give a file away.
        if std::os::unix::fs::chown(&path, Some(65534), None).is_ok() {
            let error = open_stream(&path).unwrap_err();
            assert!(error.to_string().contains("another user"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        }
    }
}
