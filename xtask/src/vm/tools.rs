//! QEMU and busybox: the machine's own, or unpacked into the cache. Installing
//! QEMU could displace other packages of it, and needs root.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::Ctx;
use crate::proc::say;
use crate::setup::unpack::{self, Source};
use crate::setup::{apt, os};

const QEMU: &str = "qemu-system-x86_64";

/// How to start QEMU.
pub(super) struct Qemu {
    program: PathBuf,
    /// The unpacked tree, if it is not installed.
    tree: Option<PathBuf>,
}

impl Qemu {
    /// A command that finds its own libraries, modules and firmware.
    pub(super) fn command(&self) -> Command {
        let mut cmd = Command::new(&self.program);
        // `cargo run` sets it for Rust's libraries.
        cmd.env_remove("LD_LIBRARY_PATH");
        if let Some(tree) = &self.tree {
            let libraries = tree.join("usr/lib/x86_64-linux-gnu");
            let mut path = OsString::from(&libraries);
            path.push(":");
            path.push(tree.join("lib/x86_64-linux-gnu"));
            cmd.env("LD_LIBRARY_PATH", path)
                .env("QEMU_MODULE_DIR", libraries.join("qemu"));
            for below in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
                cmd.arg("-L").arg(tree.join(below));
            }
        }
        cmd
    }
}

/// Finds QEMU or fetches it.
pub(super) fn qemu(ctx: &Ctx) -> Result<Qemu> {
    if let Some(program) = on_path(QEMU) {
        return Ok(Qemu {
            program,
            tree: None,
        });
    }
    let tree = ctx.cache().join("vm/qemu");
    if !tree.exists() {
        unpack::may_fetch(
            ctx,
            "QEMU",
            &format!(
                "{}apt-get install --no-install-recommends qemu-system-x86",
                sudo()
            ),
        )?;
    }
    unpack::once(&tree, |fresh| {
        say(format!(
            "fetching qemu-system-x86 and its libraries into {}: they run the virtual machine (not installed)",
            ctx.cache().display()
        ));
        fresh_lists("qemu-system-x86")?;
        Source::own().unpack(
            "qemu-system-x86",
            &unpack::closure(&["qemu-system-x86"])?,
            fresh,
        )
    })?;
    let program = tree.join("usr/bin").join(QEMU);
    if !program.exists() {
        bail!(
            "{} is damaged; remove it and run this again",
            tree.display()
        );
    }
    Ok(Qemu {
        program,
        tree: Some(tree),
    })
}

/// Finds a static busybox or fetches it: the guest runs it before it has libraries.
pub(crate) fn busybox(ctx: &Ctx) -> Result<PathBuf> {
    let tree = ctx.cache().join("vm/busybox");
    if !tree.exists() {
        unpack::may_fetch(ctx, "a static busybox", "cargo xtask vm -- true")?;
    }
    unpack::once(&tree, |fresh| {
        fresh_lists("busybox-static")?;
        Source::own().unpack("busybox-static", &["busybox-static".to_owned()], fresh)
    })?;
    ["bin/busybox", "usr/bin/busybox"]
        .iter()
        .map(|below| tree.join(below))
        .find(|path| path.exists())
        .with_context(|| {
            format!(
                "{} is damaged; remove it and run this again",
                tree.display()
            )
        })
}

/// Fetches the machine's package lists if they do not know `package`.
fn fresh_lists(package: &str) -> Result<()> {
    if apt::candidate(package).is_some() {
        return Ok(());
    }
    if !os::is_root() {
        bail!("the package lists do not know {package}; run `sudo apt-get update` first");
    }
    apt::update()
}

fn sudo() -> &'static str {
    if os::is_root() { "" } else { "sudo " }
}

/// A program of the system's, which may be missing on an ordinary user's PATH.
pub(super) fn sbin(name: &str) -> PathBuf {
    on_path(name).unwrap_or_else(|| Path::new("/sbin").join(name))
}

pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}
