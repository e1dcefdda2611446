//! Gets a Debian kernel and makes it bootable, in the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::initrd;
use crate::paths::Ctx;
use crate::proc::{run_with_progress, say};
use crate::setup::unpack::{self, Source};

/// Kernels that Debian's mirrors hold, and the release each is from.
pub(crate) const KERNELS: &[(&str, &str)] = &[
    ("5.10", "bullseye"),
    ("6.1", "bookworm"),
    ("6.12", "trixie"),
    ("7.2", "sid"),
];

/// Folders of modules that no test needs: two thirds of the size.
const NOT_NEEDED: &[&str] = &[
    "sound",
    "drivers/gpu",
    "drivers/media",
    "drivers/infiniband",
    "drivers/net/wireless",
    "drivers/scsi",
    "drivers/staging",
    "drivers/iio",
    "drivers/usb",
    "drivers/hid",
    "drivers/input",
];

/// A kernel that can be booted.
#[derive(Debug)]
pub(super) struct Kernel {
    /// `6.1.0-56-amd64`.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// `…/lib/modules`.
    pub(super) modules: PathBuf,
    pub(super) initrd: PathBuf,
}

/// The folder of one version of kernel.
fn tree(ctx: &Ctx, version: &str) -> PathBuf {
    ctx.cache().join("vm").join(version)
}

/// The kernel that is unpacked, or fetches it.
pub(super) fn ensure(
    ctx: &Ctx,
    version: &str,
    mirror: Option<&str>,
    busybox: &Path,
) -> Result<Kernel> {
    let Some((_, suite)) = KERNELS.iter().find(|(known, _)| *known == version) else {
        let known: Vec<&str> = KERNELS.iter().map(|(known, _)| *known).collect();
        bail!(
            "there is no recipe for kernel {version}; known are {}",
            known.join(", ")
        );
    };
    let tree = tree(ctx, version);
    if !tree.exists() {
        unpack::may_fetch(
            ctx,
            &format!("the kernel {version}"),
            &format!("cargo xtask vm --kernel {version} -- true"),
        )?;
    }
    unpack::once(&tree, |fresh| {
        fetch(ctx, version, suite, mirror, busybox, fresh)
    })?;
    open(&tree)
}

fn open(tree: &Path) -> Result<Kernel> {
    let damaged = || {
        format!(
            "{} is damaged; remove it and run this again",
            tree.display()
        )
    };
    let image = std::fs::read_dir(tree.join("boot"))
        .with_context(damaged)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().contains("/vmlinuz-"))
        .with_context(damaged)?;
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let release = name.trim_start_matches("vmlinuz-").to_owned();
    let modules = initrd::modules_folder(tree, &release).with_context(damaged)?;
    let modules = modules.parent().with_context(damaged)?.to_owned();
    Ok(Kernel {
        release,
        modules,
        initrd: tree.join("initrd"),
        image,
    })
}

fn fetch(
    ctx: &Ctx,
    version: &str,
    suite: &str,
    mirror: Option<&str>,
    busybox: &Path,
    fresh: &Path,
) -> Result<()> {
    let prefix = format!("linux-image-{version}.");
    let own = Source::own();
    let (source, package) = match newest(&own.names(&prefix)?, version) {
        Some(package) => (own, package),
        None => {
            let source = Source::of_suite(&ctx.cache().join("vm"), suite, mirror)?;
            let package = newest(&source.names(&prefix)?, version).with_context(|| {
                format!(
                    "Debian {suite} has no kernel {version} any more. \
                     Choose another with --kernel; 6.1 is the one the tests need."
                )
            })?;
            (source, package)
        }
    };
    say(format!(
        "fetching {package} into {}: the kernel to boot (not installed)",
        ctx.cache().display()
    ));
    let release = package.trim_start_matches("linux-image-").to_owned();
    // Newer kernels stand in packages of their own, apart from their modules.
    let mut packages = vec![package.clone()];
    for part in ["binary", "modules"] {
        let part = format!("linux-{part}-{release}");
        if source.names(&part)?.contains(&part) {
            packages.push(part);
        }
    }
    source.unpack(&package, &packages, fresh)?;

    let modules = initrd::modules_folder(fresh, &release)
        .with_context(|| format!("{package} has no modules"))?;
    for folder in NOT_NEEDED {
        std::fs::remove_dir_all(modules.join("kernel").join(folder)).ok();
    }
    let base = if modules.starts_with(fresh.join("usr")) {
        fresh.join("usr")
    } else {
        fresh.to_owned()
    };
    let mut depmod = Command::new(super::tools::sbin("depmod"));
    run_with_progress("depmod", depmod.arg("-b").arg(base).arg(&release))?;
    let archive = initrd::base(busybox, &modules)?;
    std::fs::write(fresh.join("initrd"), archive).context("cannot write the initrd")
}

/// The newest plain amd64 kernel of this version among package names.
fn newest(names: &[String], version: &str) -> Option<String> {
    let prefix = format!("linux-image-{version}.");
    names
        .iter()
        .filter_map(|name| {
            let middle = name.strip_prefix(&prefix)?.strip_suffix("-amd64")?;
            // Not the rt and cloud flavours: `…-rt-amd64`.
            if middle.ends_with("-rt") || middle.ends_with("-cloud") {
                return None;
            }
            let numbers: Vec<u32> = middle
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|part| part.parse().ok())
                .collect();
            Some((numbers, name))
        })
        .max()
        .map(|(_, name)| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_plain_kernel_is_chosen() {
        let names: Vec<String> = [
            "linux-image-6.1.0-9-amd64",
            "linux-image-6.1.0-56-amd64",
            "linux-image-6.1.0-57-rt-amd64",
            "linux-image-6.1.0-58-cloud-amd64",
            "linux-image-6.1.0-59-amd64-dbg",
            "linux-image-6.1.0-60-amd64-unsigned",
            "linux-image-6.12.117+deb12-amd64",
            "linux-image-6.12.99+deb12-amd64",
        ]
        .map(str::to_owned)
        .to_vec();
        assert_eq!(
            newest(&names, "6.1").as_deref(),
            Some("linux-image-6.1.0-56-amd64")
        );
        assert_eq!(
            newest(&names, "6.12").as_deref(),
            Some("linux-image-6.12.117+deb12-amd64")
        );
        assert_eq!(newest(&names, "5.10"), None);
    }
}
