//! A folder in memory that needs no clean-up.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::error::{Context, Result};

/// A tmpfs that is not mounted anywhere. Paths into it go through the lab's file descriptor. The kernel frees it when
/// the last descriptor is closed, also when the lab is killed.
#[derive(Debug)]
pub(crate) struct Scratch(OwnedFd);

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        let mount = || {
            let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_create(&context)?;
            fsmount(
                &context,
                FsMountFlags::FSMOUNT_CLOEXEC,
                MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID,
            )
        };
        mount()
            .map(Self)
            .context(|| "creating a tmpfs for the services' files".to_owned())
    }

    /// Path of `name` in it, for this process and others while the lab lives.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!(
            "/proc/{}/fd/{}/{name}",
            std::process::id(),
            self.0.as_raw_fd()
        ))
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, content).context(|| format!("writing {name} to the lab's tmpfs"))?;
        Ok(path)
    }

    /// Creates a folder and returns its path.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(&path).context(|| format!("creating {name} in the lab's tmpfs"))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_memory_and_in_no_mount_table() {
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let scratch = Scratch::new().unwrap();
        let path = scratch.write("a", "content").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "content");
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
        drop(scratch);
        assert!(!path.exists());
    }
}
