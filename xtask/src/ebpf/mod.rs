//! Builds the kernel programs. Their objects are committed, so that a build of user space needs no LLVM.

mod record;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::as_rustc::Change;
use crate::paths::{Ctx, make_dir, read, write_atomic};
use crate::proc::{capture, isolated_cargo, run, say};
use crate::setup::compiler::{self, Compiler, TARGET};
use crate::setup::{apt, linker};
use record::Record;

/// The programs' own workspace.
const FOLDER: &str = "monitor-ebpf";
/// The crate whose sources the programs share with user space.
const SHARED: &str = "monitor-common";
/// Folder of the committed objects.
const COMMITTED: &str = "monitor/bpf";
/// Describes them, in the same folder.
const RECORD: &str = "built.toml";
/// Folder of what the build leaves, whatever `CARGO_TARGET_DIR` says.
const WORK: &str = "target/bpf";
/// Binary targets of the eBPF package and the object files made of them.
const BINARIES: &[(&str, &str)] = &[
    ("overlay-monitor-bpf", "overlay-monitor.bpf.o"),
    ("overlay-bench-bpf", "overlay-bench.bpf.o"),
];

/// Compiler flags of the kernel programs. The one place to tune them.
fn flags(llvm_major: u32) -> Vec<String> {
    let mut flags = vec![
        // aya-ebpf chooses the layout of pt_regs by this. No program reads pt_regs, so the objects are the same for
        // every processor.
        "--cfg=bpf_target_arch=\"x86_64\"",
        // BTF is made of the debug information.
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        // v3 has 32-bit registers and jumps; kernels since 5.1 know it.
        "-Ctarget-cpu=v3",
    ];
    if llvm_major >= FIRST_LLVM_WITH_MISALIGNED_ACCESS {
        // One load for a field of a header, wherever it lies; older versions load it byte by byte.
        flags.push("-Clink-arg=--cpu-features=+allows-misaligned-mem-access");
    }
    flags.into_iter().map(str::to_owned).collect()
}

/// The first LLVM whose BPF back end has that feature.
const FIRST_LLVM_WITH_MISALIGNED_ACCESS: u32 = 22;

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
    fn cargo(&self, ctx: &Ctx, verb: &str, target_dir: &Path, extra: &[String]) -> Command {
        let flags = [&flags(self.compiler.version.llvm_major), extra].concat();
        let mut cmd = self.bare_cargo(ctx, verb);
        cmd.args(["--bins", "--locked", "--release", "--target", TARGET])
            .arg("--target-dir")
            .arg(target_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &self.linker)
            // aya-ebpf uses inline assembly, which is unstable for this target.
            .env("RUSTC_BOOTSTRAP", "1");
        if self.compiler.build_std {
            cmd.arg("-Zbuild-std=core");
        }
        cmd
    }

    fn bare_cargo(&self, ctx: &Ctx, verb: &str) -> Command {
        let mut cmd = isolated_cargo(&self.compiler.cargo);
        cmd.current_dir(ctx.path(FOLDER))
            .arg(verb)
            .env("RUSTC", &self.compiler.rustc);
        cmd
    }

    /// Replaces the folders of this machine in what the compiler writes. BTF names the source files.
    fn remapped(&self, ctx: &Ctx) -> Result<Vec<String>> {
        let mut cmd = self.bare_cargo(ctx, "metadata");
        cmd.args(["--format-version", "1", "--locked"]);
        let metadata: Value = serde_json::from_str(&capture(&mut cmd)?)
            .context("`cargo metadata` printed no JSON")?;
        // The name of this folder depends on where packages are downloaded from.
        let downloaded: BTreeSet<&Path> = metadata["packages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|package| !package["source"].is_null())
            .filter_map(|package| {
                Path::new(package["manifest_path"].as_str()?)
                    .parent()?
                    .parent()
            })
            .collect();
        let mut sysroot = Command::new(&self.compiler.rustc);
        sysroot
            .env_remove("LD_LIBRARY_PATH")
            .env_remove("RUSTUP_TOOLCHAIN")
            .args(["--print", "sysroot"]);
        let sysroot = capture(&mut sysroot)?;
        let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust");
        let folders = [
            (ctx.root.as_path(), "/overlay-monitor"),
            (&library, "/rustc"),
        ];
        let folders = folders
            .into_iter()
            .chain(downloaded.into_iter().map(|folder| (folder, "/registry")));
        Ok(folders
            .map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()))
            .collect())
    }

    /// `llvm-strip` of the linker's LLVM.
    fn strip(&self) -> Command {
        let mut cmd = Command::new(format!("llvm-strip-{}", self.compiler.version.llvm_major));
        cmd.env_remove("LD_LIBRARY_PATH");
        cmd
    }

    /// The versions that decide about the bytes of an object.
    fn versions(&self) -> Result<record::Tools> {
        let first = |text: String| text.lines().next().unwrap_or_default().trim().to_owned();
        let mut linker = Command::new(&self.linker);
        linker.env_remove("LD_LIBRARY_PATH").arg("--version");
        let strip = capture(self.strip().arg("--version"))?;
        let strip = strip.lines().find(|line| line.contains("version"));
        Ok(record::Tools {
            rustc: self.compiler.version.line.clone(),
            llvm: self.compiler.version.llvm.clone(),
            linker: first(capture(&mut linker)?),
            strip: strip.unwrap_or_default().trim().to_owned(),
        })
    }

    /// Checks the programs with every warning an error: by clippy if this
    /// compiler has one, else by the compiler alone.
    pub(crate) fn lint(&self, ctx: &Ctx) -> Result<()> {
        let target_dir = ctx.path(WORK).join("lint");
        let mut cmd = self.cargo(ctx, "check", &target_dir, &["-Dwarnings".to_owned()]);
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
        let version = compiler::Version::parse(&capture(&mut cmd).ok()?)?;
        (version == self.compiler.version).then_some(driver)
    }

    /// Builds the programs into `folder`, stripped of everything but code, maps and BTF.
    fn build(&self, ctx: &Ctx, folder: &Path) -> Result<Record> {
        let version = &self.compiler.version;
        say(format!(
            "building the kernel programs with rustc {} (LLVM {}, {})",
            version.release,
            version.llvm_major,
            self.compiler.rustc.display()
        ));
        let target_dir = ctx.path(WORK).join("build");
        let mut cmd = self.cargo(ctx, "build", &target_dir, &self.remapped(ctx)?);
        Change::Metadata.apply(&mut cmd)?;
        run(&mut cmd)
            .context("the kernel programs do not build; see the compiler's errors above")?;
        let release = target_dir.join(TARGET).join("release");
        let mut inputs: BTreeSet<PathBuf> = [FOLDER, SHARED]
            .map(|package| ctx.path(package).join("Cargo.toml"))
            .into();
        inputs.insert(ctx.path(FOLDER).join("Cargo.lock"));
        let mut objects = Vec::new();
        for (binary, object) in BINARIES {
            let object = folder.join(object);
            let mut strip = self.strip();
            strip.arg("--strip-debug").arg(release.join(binary));
            capture(strip.arg("-o").arg(&object)).context("cannot strip the kernel programs")?;
            objects.push(object);
            let rule = read(&release.join(binary).with_extension("d"))?;
            inputs.extend(record::sources_of_rule(&rule));
        }
        let inputs: Vec<PathBuf> = inputs.into_iter().collect();
        Record::new(
            ctx,
            self.versions()?,
            &flags(version.llvm_major),
            &objects,
            &inputs,
        )
    }
}

/// `cargo xtask bpf`: builds the programs and replaces the committed objects.
pub(crate) fn main(ctx: &Ctx) -> Result<()> {
    let fresh = Scratch::new(ctx)?;
    let record = tools(ctx)?.build(ctx, &fresh.0)?;
    let committed = ctx.path(COMMITTED);
    for (_, object) in BINARIES {
        publish(&fresh.0.join(object), &committed.join(object))?;
    }
    record.save(&committed.join(RECORD))
}

/// Fails if the committed objects are not those of the sources. They are built again where the recorded compiler can
/// be had; elsewhere the digests of the sources are compared.
pub(crate) fn check(ctx: &Ctx, tools: Option<&Tools>) -> Result<()> {
    let committed = ctx.path(COMMITTED);
    let record = Record::load(&committed.join(RECORD))?;
    record.compare(ctx, &committed, &flags(record.llvm_major()?))?;
    let Some(tools) = tools else {
        say(
            "the committed objects were not rebuilt: only the digests of their sources were compared",
        );
        return Ok(());
    };
    let here = tools.versions()?;
    if here != record.tools {
        say(format!(
            "the committed objects were not rebuilt: they are of {:?}, and here are {here:?}; the digests of their \
             sources were compared",
            record.tools
        ));
        return Ok(());
    }
    let fresh = Scratch::new(ctx)?;
    tools.build(ctx, &fresh.0)?;
    for (_, object) in BINARIES {
        let (built, committed) = (
            bytes(&fresh.0.join(object))?,
            bytes(&committed.join(object))?,
        );
        if built != committed {
            bail!(
                "{COMMITTED}/{object} differs from what its sources build to; run `cargo xtask bpf` and commit it"
            );
        }
    }
    Ok(())
}

/// A folder for the objects of one build, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(ctx: &Ctx) -> Result<Self> {
        let folder = ctx.path(WORK).join(format!("fresh-{}", std::process::id()));
        make_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Copies a built object, only if it changed: cargo decides by the time of the
/// file whether to build the crate again that embeds it.
fn publish(built: &Path, object: &Path) -> Result<()> {
    let fresh = bytes(built)?;
    if std::fs::read(object).is_ok_and(|old| old == fresh) {
        say(format!("{}: unchanged", object.display()));
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
