//! Finds a compiler for `bpfel-unknown-none`.
//!
//! rustup ships no `core` for this target. Two ways round that: a nightly with
//! the `rust-src` component builds `core` itself; a distribution's compiler
//! brings it prebuilt.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::packages::Package;
use super::{apt, linker};
use crate::paths::Ctx;
use crate::proc::{capture, say};

/// The target of the kernel programs.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// Oldest compiler that takes the kernel programs: `rust-version` in their Cargo.toml.
const OLDEST: (u32, u32) = (1, 95);

/// A compiler that can build for [`TARGET`].
#[derive(Debug)]
pub(crate) struct Compiler {
    pub(crate) rustc: PathBuf,
    /// The cargo to call it through.
    pub(crate) cargo: PathBuf,
    pub(crate) version: Version,
    /// Whether it must build `core` itself.
    pub(crate) build_std: bool,
}

/// What `rustc -vV` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Its first line, which names the commit.
    pub(crate) line: String,
    /// `1.96.0` or `1.97.0-nightly`.
    pub(crate) release: String,
    /// `22.1.8`.
    pub(crate) llvm: String,
    pub(crate) llvm_major: u32,
}

impl Version {
    /// Asks a compiler.
    pub(crate) fn of(rustc: &Path) -> Result<Self> {
        let mut cmd = Command::new(rustc);
        // What `cargo run` sets for its own toolchain misleads another one.
        cmd.env_remove("LD_LIBRARY_PATH")
            .env_remove("RUSTUP_TOOLCHAIN");
        let text = capture(cmd.arg("-vV"))?;
        Self::parse(&text)
            .with_context(|| format!("`{} -vV` does not look like rustc's", rustc.display()))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim().to_owned())
        };
        let llvm = field("LLVM version")?;
        Some(Self {
            line: text.lines().next()?.trim().to_owned(),
            release: field("release")?,
            llvm_major: llvm.split('.').next()?.parse().ok()?,
            llvm,
        })
    }
}

/// `(major, minor)` at the start of a version of rustc or of its package.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What is to be installed for the eBPF build, worked out beforehand.
pub(crate) struct Wanted {
    pub(crate) packages: Vec<Package>,
    pub(crate) llvm_major: u32,
}

/// The compiler that is there, if any.
pub(crate) fn find() -> Option<Compiler> {
    distribution().or_else(nightly)
}

/// Installs nothing itself: names the packages of the best compiler that apt knows.
pub(crate) fn wanted_from_apt() -> Option<Wanted> {
    let search = capture(Command::new("apt-cache").args([
        "search",
        "--names-only",
        "^libstd-rust.*-dev-bpf$",
    ]))
    .ok()?;
    let std_packages = search
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let (_, std, compiler) = std_packages
        .filter_map(|std| {
            let compiler = compiler_package(std)?;
            let version = major_minor(&apt::candidate(&compiler)?)?;
            (version >= OLDEST).then(|| (version, std.to_owned(), compiler))
        })
        .max()?;
    let depends = capture(Command::new("apt-cache").args([
        "depends",
        "--recurse",
        "--no-recommends",
        "--no-suggests",
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        "--no-enhances",
        &compiler,
    ]))
    .ok()?;
    let llvm_major = llvm_of_depends(&depends)?;
    if !linker::can_link(llvm_major) {
        return None;
    }
    Some(Wanted {
        packages: vec![
            Package::new(
                compiler,
                "a Rust compiler for the kernel programs, beside rustup's",
            ),
            Package::new(
                std,
                "Rust's core library for eBPF, which rustup does not have",
            ),
        ],
        llvm_major,
    })
}

/// `libstd-rust-web-dev-bpf` belongs to `rustc-web`.
fn compiler_package(std: &str) -> Option<String> {
    let middle = std.strip_prefix("libstd-rust-")?.strip_suffix("dev-bpf")?;
    Some(match middle.trim_end_matches('-') {
        "" => "rustc".to_owned(),
        flavour => format!("rustc-{flavour}"),
    })
}

/// The package with the clippy of a distribution's compiler (`rust-web-clippy`
/// for `rustc-web`), if it has the same version.
pub(crate) fn clippy_package(compiler: &Compiler) -> Option<Package> {
    let owner = capture(Command::new("dpkg-query").arg("-S").arg(&compiler.rustc)).ok()?;
    let (owner, _) = owner.split_once(':')?;
    let middle = owner.strip_prefix("rustc")?.trim_start_matches('-');
    let name = if middle.is_empty() {
        "rust-clippy".to_owned()
    } else {
        format!("rust-{middle}-clippy")
    };
    let version = apt::candidate(&name)?;
    version
        .starts_with(&compiler.version.release)
        .then(|| Package::new(name, "checks the kernel programs, with their own compiler"))
}

fn llvm_of_depends(depends: &str) -> Option<u32> {
    depends.lines().find_map(|line| {
        let digits: String = line
            .split_once("libllvm")?
            .1
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().ok()
    })
}

/// A compiler outside of rustup's folders that has a prebuilt `core`.
fn distribution() -> Option<Compiler> {
    let mut found: Vec<PathBuf> = ["/usr/bin", "/usr/local/bin"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name == "rustc" || name.starts_with("rustc-1.")
        })
        .collect();
    found.sort();
    found.into_iter().find_map(|rustc| {
        let mut cmd = Command::new(&rustc);
        cmd.env_remove("LD_LIBRARY_PATH")
            .env_remove("RUSTUP_TOOLCHAIN");
        let sysroot = capture(cmd.args(["--print", "sysroot"])).ok()?;
        let core = Path::new(sysroot.trim())
            .join("lib/rustlib")
            .join(TARGET)
            .join("lib");
        let version = Version::of(&rustc).ok()?;
        let fits = major_minor(&version.release)? >= OLDEST && linker::can_link(version.llvm_major);
        (core.is_dir() && fits).then(|| Compiler {
            rustc,
            cargo: crate::proc::cargo_path(),
            version,
            build_std: false,
        })
    })
}

/// A nightly of rustup's that has the sources of `core`, and an LLVM for which
/// a bpf-linker can be had.
fn nightly() -> Option<Compiler> {
    let home = std::env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".rustup")))?;
    let mut toolchains: Vec<PathBuf> = std::fs::read_dir(home.join("toolchains"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("nightly")
                && path
                    .join("lib/rustlib/src/rust/library/core/Cargo.toml")
                    .exists()
        })
        .collect();
    // `nightly-2026-05-19-…` sorts before `nightly-x86_64-…`: the moving one first.
    toolchains.sort();
    toolchains.into_iter().rev().find_map(|toolchain| {
        let rustc = toolchain.join("bin/rustc");
        let version = Version::of(&rustc).ok()?;
        if !linker::can_be_had(version.llvm_major) {
            say(format!(
                "not using {}: there is no bpf-linker for its LLVM {}",
                toolchain.display(),
                version.llvm_major
            ));
            return None;
        }
        Some(Compiler {
            rustc,
            cargo: toolchain.join("bin/cargo"),
            version,
            build_std: true,
        })
    })
}

/// The way for machines whose packages have no compiler: rustup's nightly.
pub(crate) const NIGHTLY: &str =
    "rustup toolchain install nightly --profile minimal --component rust-src";

/// Installs rustup's nightly with the sources of `core`.
pub(crate) fn install_nightly(ctx: &Ctx) -> Result<()> {
    if !ctx.install {
        let update = if super::os::OsRelease::of_this_machine().is_debian_like()
            && apt::candidate("rustc").is_none()
        {
            "    apt-get update\n\n(the package lists are empty: afterwards I can name the packages), or this:\n\n"
        } else {
            ""
        };
        bail!(
            "no compiler for {TARGET} was found, and --no-install was given.\n\
             Run this, then the same xtask command again:\n\n{update}    {NIGHTLY}"
        );
    }
    say("installing a Rust nightly with its sources: no package of this system builds for eBPF");
    let mut words = NIGHTLY.split(' ');
    let mut cmd = Command::new(words.next().unwrap_or_default());
    cmd.args(words).env_remove("RUSTUP_TOOLCHAIN");
    crate::proc::run_with_progress("rustup", &mut cmd).context(
        "there is no compiler for eBPF on this machine: its packages have none \
         (`rustc-web` with `libstd-rust-web-dev-bpf` on Debian 12, `rustc` with \
         `libstd-rust-dev-bpf` later), and rustup could not fetch a nightly",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUSTC: &str = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)\n\
        binary: rustc\ncommit-hash: ac68\ncommit-date: 2026-05-25\n\
        host: x86_64-unknown-linux-gnu\nrelease: 1.96.0\nLLVM version: 22.1.8\n";

    #[test]
    fn rustc_version_is_read() {
        let version = Version::parse(RUSTC).unwrap();
        assert_eq!(version.release, "1.96.0");
        assert_eq!(version.llvm_major, 22);
        assert_eq!(version.llvm, "22.1.8");
        assert!(version.line.starts_with("rustc 1.96.0 (ac68faa20 "));
        assert_eq!(Version::parse("rustc 1.96.0\n"), None);
        assert_eq!(Version::parse(&RUSTC.replace("22.1.8", "unknown")), None);
    }

    #[test]
    fn package_versions_compare_by_number() {
        assert_eq!(major_minor("1.96.0+dfsg1-1~deb12u2"), Some((1, 96)));
        assert_eq!(major_minor("1.97.0-nightly"), Some((1, 97)));
        assert!(major_minor("1.100.0") > major_minor("1.99.0"));
        assert_eq!(major_minor("unknown"), None);
    }

    #[test]
    fn std_package_names_its_compiler() {
        assert_eq!(
            compiler_package("libstd-rust-web-dev-bpf").as_deref(),
            Some("rustc-web")
        );
        assert_eq!(
            compiler_package("libstd-rust-dev-bpf").as_deref(),
            Some("rustc")
        );
        assert_eq!(
            compiler_package("libstd-rust-1.89-dev-bpf").as_deref(),
            Some("rustc-1.89")
        );
        assert_eq!(compiler_package("libstd-rust-dev-wasm32"), None);
    }

    #[test]
    fn llvm_is_read_from_the_dependencies() {
        assert_eq!(
            llvm_of_depends("rustc-web\n  Depends: libc6\n  Depends: libllvm22\n"),
            Some(22)
        );
        assert_eq!(
            llvm_of_depends("rustc\n  Depends: libllvm19t64\n"),
            Some(19)
        );
        assert_eq!(llvm_of_depends("rustc\n  Depends: libc6\n"), None);
    }
}
