//! The first file system of the guest: busybox, the modules it mounts the
//! machine's root with, and the job.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::paths::read;
use crate::proc::capture;

/// What the guest needs to find its root and its ports.
const BOOT_MODULES: &[&str] = &[
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "virtio_console",
];

/// A cpio archive in the format `newc` that the kernel unpacks
/// (Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    files: u32,
}

impl Archive {
    pub(super) fn folder(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    pub(super) fn file(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.entry(name, 0o100_000 | mode, data);
    }

    /// The finished archive. Several may follow each other in one file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.files += 1;
        let fields: [usize; 13] = [
            self.files as usize, // inode
            mode as usize,
            0, // uid
            0, // gid
            1, // links
            0, // mtime
            data.len(),
            0, // device, twice
            0,
            0, // special file, twice
            0,
            name.len() + 1,
            0, // check sum
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    fn pad(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }
}

/// The part that is the same for every run on this kernel. `modules` is
/// `…/lib/modules/RELEASE`, already with its `modules.dep`.
pub(super) fn base(busybox: &Path, modules: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in [
        "bin", "dev", "proc", "sys", "lower", "rw", "newroot", "modules", "job",
    ] {
        archive.folder(folder);
    }
    let binary =
        std::fs::read(busybox).with_context(|| format!("cannot read {}", busybox.display()))?;
    archive.file("bin/busybox", 0o755, &binary);
    let mut order = String::new();
    for path in load_order(&read(&modules.join("modules.dep"))?, BOOT_MODULES) {
        let name = module_name(&path);
        archive.file(
            &format!("modules/{name}.ko"),
            0o644,
            &module(&modules.join(&path))?,
        );
        order.push_str(&name);
        order.push('\n');
    }
    archive.file("modules/order", 0o644, order.as_bytes());
    Ok(archive.finish())
}

/// The module's object code, whatever it is compressed with.
fn module(path: &Path) -> Result<Vec<u8>> {
    let program = match path.extension().unwrap_or_default().to_str() {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return std::fs::read(path).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut cmd = Command::new(program);
    let out = crate::proc::output(cmd.arg("-dc").arg(path))?;
    if !out.status.success() {
        // For its error text.
        capture(Command::new(program).arg("-t").arg(path))?;
    }
    Ok(out.stdout)
}

/// `kernel/net/9p/9pnet.ko.xz` is `9pnet`; dashes and underscores are alike.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.split(".ko")
        .next()
        .unwrap_or_default()
        .replace('-', "_")
}

/// Paths of `wanted` and of what they depend on, dependencies first. A module
/// that is built into the kernel stands nowhere and is left out.
fn load_order(modules_dep: &str, wanted: &[&str]) -> Vec<String> {
    let mut order = Vec::new();
    for name in wanted {
        let line = modules_dep
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(path, _)| module_name(path) == *name);
        if let Some((path, depends)) = line {
            // depmod lists the nearest first, so that the last is to be loaded first.
            for path in depends.split_whitespace().rev().chain([path]) {
                if !order.iter().any(|known| known == path) {
                    order.push(path.to_owned());
                }
            }
        }
    }
    order
}

/// The folder `…/lib/modules/RELEASE` below an unpacked kernel: the only one there.
pub(super) fn modules_folder(tree: &Path) -> Option<PathBuf> {
    ["lib/modules", "usr/lib/modules"]
        .iter()
        .filter_map(|below| std::fs::read_dir(tree.join(below)).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.join("kernel").is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_is_what_cpio_expects() {
        let mut archive = Archive::default();
        archive.file("ab", 0o644, b"hello");
        let bytes = archive.finish();
        assert!(bytes.starts_with(b"07070100000001000081A4"));
        // 110 bytes of header, name and zero, filled to 4; data filled to 4.
        assert_eq!(&bytes[110..113], b"ab\0");
        assert_eq!(&bytes[116..124], b"hello\0\0\0");
        assert!(bytes[124..].starts_with(b"070701"));
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let dep = "kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
            kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/drivers/virtio/virtio-ring.ko.xz\n\
            kernel/net/9p/9pnet.ko.xz:\n";
        assert_eq!(
            load_order(dep, &["9pnet_virtio", "9p", "builtin"]),
            [
                "kernel/drivers/virtio/virtio-ring.ko.xz",
                "kernel/net/9p/9pnet.ko.xz",
                "kernel/net/9p/9pnet_virtio.ko.xz",
                "kernel/fs/netfs/netfs.ko.xz",
                "kernel/fs/9p/9p.ko.xz",
            ]
        );
        assert_eq!(
            module_name("kernel/drivers/virtio/virtio-ring.ko.xz"),
            "virtio_ring"
        );
    }
}
