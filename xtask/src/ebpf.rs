//! Builds the kernel programs, for another target by another compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::{Ctx, read, write_atomic};
use crate::proc::{isolated_cargo, run, say};
use crate::setup::compiler::{self, Compiler, TARGET};
use crate::setup::{apt, linker};

/// The programs' own workspace.
const FOLDER: &str = "monitor-ebpf";
/// Where the objects end up, whatever `CARGO_TARGET_DIR` says: the crate that
/// embeds them looks here.
const OBJECTS: &str = "target/bpf";
/// Binary targets of the eBPF package and the object files made of them.
const BINARIES: &[(&str, &str)] = &[
    ("overlay-monitor-bpf", "overlay-monitor.bpf.o"),
    ("overlay-bench-bpf", "overlay-bench.bpf.o"),
];

/// Compiler flags of the kernel programs. The one place to tune them.
fn flags(arch: &str, llvm_major: u32) -> Vec<String> {
    let mut flags = vec![
        // aya-ebpf chooses the layout of pt_regs by this.
        format!("--cfg=bpf_target_arch=\"{arch}\""),
        // BTF is made of the debug information.
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // v3 has 32-bit registers and jumps; kernels since 5.1 know it.
        "-Ctarget-cpu=v3".to_owned(),
    ];
    if llvm_major >= 22 {
        // One load for a field of a header, wherever it lies; older ones load it byte by byte.
        flags.push("-Clink-arg=--cpu-features=+allows-misaligned-mem-access".to_owned());
    }
    flags
}

/// A compiler and a linker of the same LLVM.
pub(crate) struct Tools {
    pub(crate) compiler: Compiler,
    linker: PathBuf,
}

/// Finds the tools; installs what is missing, all asked for at once.
pub(crate) fn tools(ctx: &Ctx) -> Result<Tools> {
    let mut compiler = compiler::find();
    if let Some(found) = &compiler
        && let Some(linker) = linker::find(ctx, found.version.llvm_major)
    {
        return Ok(Tools {
            compiler: compiler.take().context("just found")?,
            linker,
        });
    }

    let mut packages = Vec::new();
    let llvm = if let Some(found) = &compiler {
        Some(found.version.llvm_major)
    } else {
        let mut wanted = compiler::wanted_from_apt();
        if wanted.is_none() && ctx.install && crate::setup::os::is_root() {
            // A fresh machine has no package lists.
            apt::update().ok();
            wanted = compiler::wanted_from_apt();
        }
        wanted.map(|wanted| {
            packages.extend(wanted.packages);
            wanted.llvm_major
        })
    };
    let llvm = match llvm {
        Some(llvm) => llvm,
        None => {
            compiler::install_nightly(ctx)?;
            compiler = compiler::find();
            compiler
                .as_ref()
                .context("the new nightly cannot be used")?
                .version
                .llvm_major
        }
    };
    let ready = linker::find(ctx, llvm);
    let mut then = Vec::new();
    if ready.is_none() {
        packages.extend(linker::packages(llvm));
        then.push(linker::command(ctx, llvm));
    }
    apt::ensure(ctx, &packages, &then)?;

    let compiler = compiler.or_else(compiler::find).with_context(|| {
        format!("the packages are installed, but no compiler for {TARGET} appeared in /usr/bin")
    })?;
    let llvm = compiler.version.llvm_major;
    let linker = match linker::find(ctx, llvm) {
        Some(linker) => linker,
        None => linker::install(ctx, llvm)?,
    };
    Ok(Tools { compiler, linker })
}

impl Tools {
    /// A cargo command on the eBPF workspace. `extra` are more compiler flags.
    fn cargo(&self, ctx: &Ctx, verb: &str, target_dir: &Path, extra: &[&str]) -> Command {
        let mut flags = flags(
            self.compiler.version.host_arch(),
            self.compiler.version.llvm_major,
        );
        flags.extend(extra.iter().map(|flag| (*flag).to_owned()));
        let mut cmd = isolated_cargo(&self.compiler.cargo);
        cmd.current_dir(ctx.path(FOLDER))
            .args([verb, "--bins", "--locked", "--release", "--target", TARGET])
            .arg("--target-dir")
            .arg(target_dir)
            .env("RUSTC", &self.compiler.rustc)
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &self.linker)
            // aya-ebpf uses inline assembly, which is unstable for this target.
            .env("RUSTC_BOOTSTRAP", "1");
        if self.compiler.build_std {
            cmd.arg("-Zbuild-std=core");
        }
        cmd
    }

    /// Checks the programs with every warning an error: by clippy if this
    /// compiler has one, else by the compiler alone.
    pub(crate) fn lint(&self, ctx: &Ctx) -> Result<()> {
        let target_dir = ctx.path(OBJECTS).join("lint");
        let mut cmd = self.cargo(ctx, "check", &target_dir, &["-Dwarnings"]);
        match self.clippy_driver() {
            Some(driver) => {
                cmd.env("RUSTC_WORKSPACE_WRAPPER", driver);
            }
            None => say("no clippy for the eBPF compiler: its own warnings are checked"),
        }
        run(&mut cmd)
    }

    /// The clippy of the very same compiler: another one does not read its `core`.
    fn clippy_driver(&self) -> Option<PathBuf> {
        let driver = self.compiler.rustc.with_file_name("clippy-driver");
        // `clippy-driver --rustc -vV` answers as its compiler.
        let mut cmd = Command::new(&driver);
        cmd.args(["--rustc", "-vV"])
            .env_remove("LD_LIBRARY_PATH")
            .env_remove("RUSTUP_TOOLCHAIN");
        let version = compiler::Version::parse(&crate::proc::capture(&mut cmd).ok()?)?;
        (version == self.compiler.version).then_some(driver)
    }
}

/// Builds the programs and puts their objects where the agent embeds them from.
pub(crate) fn build(ctx: &Ctx) -> Result<()> {
    if !ctx.path(FOLDER).join("Cargo.toml").exists() {
        bail!(
            "{} has no {FOLDER}/Cargo.toml: is the clone complete?",
            ctx.root.display()
        );
    }
    let tools = tools(ctx)?;
    let version = &tools.compiler.version;
    say(format!(
        "building the kernel programs with rustc {} (LLVM {}, {})",
        version.release,
        version.llvm_major,
        tools.compiler.rustc.display()
    ));
    let target_dir = ctx.path(OBJECTS).join("build");
    run(&mut tools.cargo(ctx, "build", &target_dir, &[]))
        .context("the kernel programs do not build; the compiler's words are above")?;
    let declared = read(&ctx.path(FOLDER).join("Cargo.toml"))?;
    for (binary, object) in BINARIES {
        if !declared.contains(binary) {
            say(format!(
                "{FOLDER} has no binary target `{binary}`, so there is no {object}"
            ));
            continue;
        }
        publish(
            &target_dir.join(TARGET).join("release").join(binary),
            &ctx.path(OBJECTS).join(object),
        )?;
    }
    Ok(())
}

/// Builds the programs if their objects are not there at all.
pub(crate) fn ensure(ctx: &Ctx) -> Result<()> {
    if BINARIES
        .iter()
        .all(|(_, object)| ctx.path(OBJECTS).join(object).exists())
    {
        return Ok(());
    }
    build(ctx)
}

/// Copies a built object, only if it changed: cargo looks at the time of the
/// file to decide whether the embedding crate has to be built again.
fn publish(built: &Path, object: &Path) -> Result<()> {
    let fresh =
        std::fs::read(built).with_context(|| format!("the build left no {}", built.display()))?;
    if std::fs::read(object).is_ok_and(|old| old == fresh) {
        return Ok(());
    }
    write_atomic(object, &fresh)?;
    say(format!("{}: {} bytes", object.display(), fresh.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_object_keeps_its_time() {
        let folder = std::env::temp_dir().join(format!("xtask-publish-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (built, object) = (folder.join("built"), folder.join("out/object.bpf.o"));
        std::fs::write(&built, b"one").unwrap();
        publish(&built, &object).unwrap();
        let first = std::fs::metadata(&object).unwrap().modified().unwrap();
        publish(&built, &object).unwrap();
        assert_eq!(
            std::fs::metadata(&object).unwrap().modified().unwrap(),
            first
        );
        std::fs::write(&built, b"two").unwrap();
        publish(&built, &object).unwrap();
        assert_eq!(std::fs::read(&object).unwrap(), b"two");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
