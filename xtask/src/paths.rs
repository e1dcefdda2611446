//! Where things are, and whether we may install what is missing.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// What every command needs to know.
#[derive(Clone)]
pub(crate) struct Ctx {
    /// The workspace's folder.
    pub(crate) root: PathBuf,
    /// False with `--no-install`: print the commands instead of running them.
    pub(crate) install: bool,
}

impl Ctx {
    pub(crate) fn new(install: bool) -> Result<Self> {
        // Cargo sets the variable to the package's folder at run time, which is right after a move too.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package
            .parent()
            .context("the xtask package has no folder above it")?
            .canonicalize()
            .with_context(|| format!("cannot find the workspace of {}", package.display()))?;
        Ok(Self { root, install })
    }

    /// A file or folder below the workspace.
    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
    }

    /// Folder of what is slow to get and the same for every clone: tools and
    /// kernels. `$XDG_CACHE_HOME` or `~/.cache`, else below `target`.
    pub(crate) fn cache(&self) -> PathBuf {
        let absolute = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|p| p.is_absolute())
        };
        absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .map_or_else(
                || self.path("target/cache"),
                |base| base.join("overlay-monitor"),
            )
    }
}

/// Creates a folder and the ones above it.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Replaces a file by a rename, so that no reader sees half of it.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().context("a file needs a folder")?;
    make_dir(parent)?;
    let fresh = path.with_extension(format!("new.{}", std::process::id()));
    std::fs::write(&fresh, bytes).with_context(|| format!("cannot write {}", fresh.display()))?;
    std::fs::rename(&fresh, path).with_context(|| format!("cannot write {}", path.display()))
}
