//! Finds or builds a `bpf-linker` of the compiler's own LLVM: it reads the
//! compiler's bitcode, which another major version may not understand.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::packages::Package;
use super::{apt, packages};
use crate::paths::{Ctx, make_dir};
use crate::proc::{capture, isolated_cargo, run_with_progress, say};

const VERSION: &str = "0.13.0";
/// LLVM versions that this bpf-linker has features for.
const LLVM: std::ops::RangeInclusive<u32> = 21..=23;

/// Whether a linker for this LLVM can be had here: by what is known without network.
pub(super) fn can_be_had(llvm: u32) -> bool {
    LLVM.contains(&llvm)
        && (on_path(llvm).is_some() || apt::candidate(&format!("llvm-{llvm}-dev")).is_some())
}

/// Whether there is a linker for this LLVM, or one can be built.
pub(super) fn can_link(llvm: u32) -> bool {
    LLVM.contains(&llvm) || on_path(llvm).is_some()
}

/// The linker that is there, if any.
pub(crate) fn find(ctx: &Ctx, llvm: u32) -> Option<PathBuf> {
    let ours = root(ctx, llvm).join("bin/bpf-linker");
    if llvm_of(&ours) == Some(llvm) {
        return Some(ours);
    }
    on_path(llvm)
}

/// Packages to build it.
pub(crate) fn packages(llvm: u32) -> Vec<Package> {
    packages::bpf_linker(llvm)
}

/// The command to build it, as a person would type it.
pub(crate) fn command(ctx: &Ctx, llvm: u32) -> String {
    format!(
        "LLVM_PREFIX=$(llvm-config-{llvm} --prefix) cargo install {}",
        arguments(ctx, llvm).join(" ")
    )
}

/// Builds it into our cache; its packages are there.
pub(crate) fn install(ctx: &Ctx, llvm: u32) -> Result<PathBuf> {
    if !LLVM.contains(&llvm) {
        bail!(
            "the compiler for eBPF has LLVM {llvm}, and bpf-linker {VERSION} can be built for \
             LLVM {} to {}. Install another compiler, or a bpf-linker for LLVM {llvm} on PATH.",
            LLVM.start(),
            LLVM.end()
        );
    }
    say(format!(
        "building bpf-linker {VERSION} with LLVM {llvm}: it links the kernel programs (once, about a minute)"
    ));
    let prefix = capture(Command::new(format!("llvm-config-{llvm}")).arg("--prefix"))
        .with_context(|| {
            format!("llvm-{llvm}-dev is installed but its llvm-config is not usable")
        })?;
    let folder = root(ctx, llvm);
    make_dir(&folder)?;
    let mut cmd = isolated_cargo(&crate::proc::cargo_path());
    cmd.arg("install")
        .args(arguments(ctx, llvm))
        // We are in a folder with a workspace of its own settings; cargo install must not read them.
        .current_dir(&folder)
        .env("LLVM_PREFIX", prefix.trim())
        // The work is done in LLVM, which is built already: its own code needs
        // neither the last optimisation nor debug information.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    run_with_progress("cargo install bpf-linker", &mut cmd)?;
    find(ctx, llvm).with_context(|| {
        format!(
            "the bpf-linker in {} does not start or has another LLVM",
            folder.display()
        )
    })
}

fn arguments(ctx: &Ctx, llvm: u32) -> Vec<String> {
    vec![
        "bpf-linker".to_owned(),
        "--version".to_owned(),
        VERSION.to_owned(),
        "--locked".to_owned(),
        "--force".to_owned(),
        "--no-default-features".to_owned(),
        "--features".to_owned(),
        format!("llvm-{llvm}"),
        "--root".to_owned(),
        crate::proc::quote(&root(ctx, llvm).to_string_lossy()),
    ]
}

fn root(ctx: &Ctx, llvm: u32) -> PathBuf {
    ctx.cache()
        .join(format!("tools/bpf-linker-{VERSION}-llvm{llvm}"))
}

fn on_path(llvm: u32) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join("bpf-linker"))
        .find(|path| llvm_of(path) == Some(llvm))
}

/// Which LLVM a bpf-linker is linked with; `None` if it does not start.
fn llvm_of(linker: &Path) -> Option<u32> {
    if !linker.is_file() {
        return None;
    }
    let mut starts = Command::new(linker);
    capture(starts.arg("--version").env_remove("LD_LIBRARY_PATH")).ok()?;
    let mut libraries = Command::new("ldd");
    llvm_of_ldd(&capture(libraries.arg(linker).env_remove("LD_LIBRARY_PATH")).ok()?)
}

fn llvm_of_ldd(ldd: &str) -> Option<u32> {
    let rest = ldd
        .lines()
        .find_map(|line| line.trim().strip_prefix("libLLVM"))?;
    // libLLVM.so.22.1 or libLLVM-19.so.1
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_tells_the_llvm() {
        let new = "\tlinux-vdso.so.1 (0x0)\n\tlibLLVM.so.22.1 => /usr/lib/x (0x1)\n";
        assert_eq!(llvm_of_ldd(new), Some(22));
        assert_eq!(
            llvm_of_ldd("\tlibLLVM-19.so.1 => /usr/lib/x (0x1)\n"),
            Some(19)
        );
        assert_eq!(llvm_of_ldd("\tlibc.so.6 => /lib/libc.so.6 (0x1)\n"), None);
    }
}
