//! `cargo xtask vm`: a command on another kernel, on this machine's own root or on another.

mod initrd;
pub(crate) mod kernel;
mod qemu;
pub(crate) mod remote;
pub(crate) mod tools;

use std::io::{IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub(crate) use qemu::StaleBreakpoint;

use crate::cli;
use crate::paths::{Ctx, make_dir};
use crate::proc::{capture, quote, say};
use crate::setup::{apt, packages};

/// The exit code of timeout(1).
const TIMED_OUT: u8 = 124;
/// Priority of a machine that others go before. At 10 two compilers left it a tenth of a processor, and its tests ran out of time.
const NICENESS: u8 = 4;

/// Until the command of a guest begins, where two compilers run beside it.
const BOOT: Duration = Duration::from_secs(120);
/// The same where systemd starts it, on a root that is unpacked first.
const BOOT_OF_SYSTEMD: Duration = Duration::from_secs(400);

/// Modules that programs expect to be loaded before they use them; all others
/// the kernel loads when they are asked for. One that it lacks is passed over.
const LOAD: &[&str] = &["esp4", "esp6", "xfrm_user", "vxlan", "veth", "tun"];

/// Variables of ours that the command sees too.
const PASSED: &[&str] = &[
    "PATH",
    "HOME",
    "CI",
    "TERM",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "CARGO_TARGET_DIR",
];

/// What to run, and where.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) kernel: String,
    pub(crate) memory: u32,
    pub(crate) cpus: u32,
    pub(crate) kvm: bool,
    /// Whether its clock counts instructions.
    pub(crate) count_instructions: bool,
    pub(crate) timeout: Duration,
    pub(crate) mirror: Option<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: PathBuf,
    /// Empty: an interactive shell.
    pub(crate) command: Vec<String>,
    /// Whether other programs of this machine go first.
    pub(crate) nice: bool,
    /// The guest's host name.
    pub(crate) name: String,
    /// An archive of tar with the guest's root, whose systemd is process 1 there. `None`: this machine's root, without systemd.
    pub(crate) root: Option<PathBuf>,
    /// Folders whose files lie over the guest's root, the first on top.
    pub(crate) trees: Vec<PathBuf>,
    /// Modules to load beside [`LOAD`].
    pub(crate) load: Vec<String>,
    /// A network card whose wire is in our hands.
    pub(crate) wire: Option<Wire>,
    /// The other end of the guest's port `overlay.control`.
    pub(crate) control: Option<Arc<UnixStream>>,
}

/// The guest's `eth0`.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    /// QEMU's end: each frame after its length in 32 bits, big endian. Without
    /// segmentation or checksum offload: these are the frames of the wire.
    pub(crate) end: Arc<UnixStream>,
    pub(crate) mac: String,
}

impl Job {
    /// `command` in `folder` on the kernel that everything is tested with.
    pub(crate) fn new(folder: &Path, command: &[&str]) -> Self {
        Self {
            kernel: DEFAULT_KERNEL.to_owned(),
            memory: 2048,
            cpus: 2,
            kvm: false,
            count_instructions: false,
            timeout: Duration::from_secs(900),
            mirror: None,
            env: Vec::new(),
            folder: folder.to_owned(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            nice: false,
            name: "overlay-vm".to_owned(),
            root: None,
            trees: Vec::new(),
            load: Vec::new(),
            wire: None,
            control: None,
        }
    }
}

/// Debian 12's: it has ESP, and no TCX, so both ways to attach are exercised.
pub(crate) const DEFAULT_KERNEL: &str = "6.1";

/// `cargo xtask vm`; the result is the exit code.
pub(crate) fn main(ctx: &Ctx, args: cli::Vm) -> Result<u8> {
    let interactive = args.command.is_empty();
    if interactive && !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        bail!(
            "an interactive shell needs a terminal; give a command: `cargo xtask vm -- uname -r`"
        );
    }
    let folder = std::env::current_dir().context("the current folder is gone")?;
    let job = Job {
        kernel: args.kernel,
        memory: args.memory,
        cpus: if args.count_instructions {
            1
        } else {
            args.cpus
        },
        kvm: args.kvm,
        count_instructions: args.count_instructions,
        timeout: Duration::from_secs(args.timeout),
        mirror: args.mirror,
        env: args.env,
        command: args.command,
        ..Job::new(&folder, &[])
    };
    run(ctx, &job, &mut std::io::stdout())
}

/// Sets up what the machine needs, without booting it.
pub(crate) fn prepare(ctx: &Ctx, kernel: &str, mirror: Option<&str>) -> Result<()> {
    parts(ctx, kernel, mirror).map(|_| ())
}

fn parts(ctx: &Ctx, version: &str, mirror: Option<&str>) -> Result<(tools::Qemu, kernel::Kernel)> {
    if std::env::consts::ARCH != "x86_64" {
        bail!(
            "the virtual machine is an x86_64 one, and this is {}",
            std::env::consts::ARCH
        );
    }
    apt::ensure(ctx, &packages::vm(), &[])?;
    let busybox = tools::busybox(ctx)?;
    let kernel = kernel::ensure(ctx, version, mirror, &busybox)?;
    Ok((tools::qemu(ctx)?, kernel))
}

/// Boots, runs the job, copies its output to `sink`, and returns its exit code.
pub(crate) fn run(ctx: &Ctx, job: &Job, sink: &mut (dyn Write + Send)) -> Result<u8> {
    let (qemu, kernel) = parts(ctx, &job.kernel, job.mirror.as_deref())?;
    let work = WorkFolder::new(ctx, &job.name)?;
    let console = work.0.join("console.log");
    let initrd = work.0.join("initrd");
    let interactive = job.command.is_empty();

    let mut archive = std::fs::read(&kernel.initrd)
        .with_context(|| format!("cannot read {}", kernel.initrd.display()))?;
    archive.extend(job_archive(job, &kernel, interactive));
    std::fs::write(&initrd, archive)
        .with_context(|| format!("cannot write {}", initrd.display()))?;

    let mut cmd = qemu.command();
    if job.nice {
        cmd = niced(&cmd);
    }
    let accel = match (job.kvm, job.count_instructions) {
        (true, _) => "kvm",
        (false, true) => "tcg,thread=single",
        (false, false) => "tcg,thread=multi",
    };
    if job.count_instructions {
        // 8 ns each, about what emulation needs here. Time in which nothing runs is skipped.
        cmd.args(["-icount", "shift=3,sleep=off"]);
    }
    // Without five levels of page tables and SMAP: emulating them costs time.
    cmd.args(["-accel", accel, "-cpu", "max,-la57,-smap"])
        // Without the HPET the guest keeps time by the TSC: far fewer exits.
        .args(["-machine", "pc,hpet=off"])
        .args(["-smp", &job.cpus.to_string(), "-m", &job.memory.to_string()])
        .args([
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
        ])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(&initrd)
        .args([
            "-append",
            "console=ttyS0 quiet loglevel=4 panic=-1 cryptomgr.notests mitigations=off nokaslr tsc=reliable",
        ])
        .args([
            "-chardev",
            &format!("file,id=console,path={}", comma(&console)),
        ])
        .args(["-serial", "chardev:console"])
        .args(["-device", "virtio-rng-pci"]);
    match &job.root {
        None => shared_folder(&mut cmd, "machine", Path::new("/")),
        Some(archive) => {
            let folder = archive.parent().context("an archive is in a folder")?;
            shared_folder(&mut cmd, "archive", folder);
            shared_folder(&mut cmd, "modules", &kernel.modules);
        }
    }
    for (tag, tree) in tags(&job.trees) {
        shared_folder(&mut cmd, &tag, tree);
    }
    if let Some(wire) = &job.wire {
        cmd.arg("-netdev")
            .arg(format!("socket,id=wire,fd={}", wire.end.as_raw_fd()))
            .arg("-device")
            .arg(format!(
                "virtio-net-pci,netdev=wire,mac={},romfile=",
                wire.mac
            ));
    }
    say(format!("booting Linux {} in QEMU", kernel.release));
    let sink = if interactive { None } else { Some(sink) };
    let mut ends = Vec::new();
    ends.extend(job.wire.as_ref().map(|wire| wire.end.as_raw_fd()));
    ends.extend(job.control.as_ref().map(|end| end.as_raw_fd()));
    qemu::ports(&mut cmd);
    if let Some(control) = &job.control {
        qemu::port(&mut cmd, "control", control.as_raw_fd());
    }
    let limits = qemu::Limits {
        boot: if job.root.is_some() {
            BOOT_OF_SYSTEMD
        } else {
            BOOT
        },
        all: job.timeout,
    };
    match qemu::run(&mut cmd, &console, limits, sink, &ends) {
        Ok(qemu::End::Exit(code)) => Ok(code),
        Ok(qemu::End::TimedOut) => {
            say(format!(
                "the command was ended after {} s in the virtual machine; --timeout gives it longer",
                job.timeout.as_secs()
            ));
            Ok(TIMED_OUT)
        }
        Err(error) => Err(error.context(format!("kernel {} in QEMU", kernel.release))),
    }
}

/// The command at low priority.
fn niced(cmd: &Command) -> Command {
    let mut niced = Command::new("nice");
    niced
        .arg(format!("-n{NICENESS}"))
        .arg(cmd.get_program())
        .args(cmd.get_args());
    for (name, value) in cmd.get_envs() {
        match value {
            Some(value) => niced.env(name, value),
            None => niced.env_remove(name),
        };
    }
    niced
}

/// A folder of this machine's, read-only, under the name `tag`.
fn shared_folder(cmd: &mut Command, tag: &str, folder: &Path) {
    cmd.arg("-fsdev")
        .arg(format!(
            "local,id={tag},path={},security_model=none,readonly=on,multidevs=remap",
            comma(folder)
        ))
        .arg("-device")
        .arg(format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}"));
}

/// The names under which the guest finds its trees.
fn tags(trees: &[PathBuf]) -> impl Iterator<Item = (String, &PathBuf)> {
    trees
        .iter()
        .enumerate()
        .map(|(index, tree)| (format!("tree{index}"), tree))
}

/// QEMU's options take a comma for the end of a value.
fn comma(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// The second part of the initrd: its scripts and the job. Their folders are in the first.
fn job_archive(job: &Job, kernel: &kernel::Kernel, interactive: bool) -> Vec<u8> {
    let (rows, columns) = if interactive {
        terminal_size()
    } else {
        (24, 80)
    };
    let settings = [
        ("VM_MODULES", kernel.modules.to_string_lossy().into_owned()),
        ("VM_FOLDER", job.folder.to_string_lossy().into_owned()),
        ("VM_LOAD", {
            let extra = job.load.iter().map(String::as_str);
            let all: Vec<&str> = LOAD.iter().copied().chain(extra).collect();
            all.join(" ")
        }),
        ("VM_NAME", job.name.clone()),
        ("VM_TREES", {
            let tags: Vec<String> = tags(&job.trees).map(|(tag, _)| tag).collect();
            tags.join(" ")
        }),
        ("VM_INTERACTIVE", flag(interactive)),
        ("VM_ROOT", archive_name(job)),
        ("VM_ROWS", rows.to_string()),
        ("VM_COLUMNS", columns.to_string()),
    ];
    let settings: String = settings
        .iter()
        .map(|(name, value)| format!("{name}={}\n", quote(value)))
        .collect();
    let mut archive = initrd::Archive::default();
    archive.file("init", 0o755, include_bytes!("init.sh"));
    let stage2: &[u8] = match job.root {
        None => include_bytes!("stage2.sh"),
        Some(_) => include_bytes!("systemd.sh"),
    };
    archive.file("job/init", 0o755, stage2);
    archive.file("job/run", 0o755, include_bytes!("run.sh"));
    archive.file("job/settings", 0o644, settings.as_bytes());
    archive.file("job/command", 0o644, command_script(job).as_bytes());
    archive.finish()
}

/// Empty where the root is this machine's.
fn archive_name(job: &Job) -> String {
    let name = job.root.as_deref().and_then(Path::file_name);
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// A setting that is empty where it does not hold.
fn flag(holds: bool) -> String {
    if holds { "1" } else { "" }.to_owned()
}

/// A line of shell that becomes the command. By the full path of env(1):
/// busybox' shell would take its own `ip`, `sh`, … for the system's.
fn command_script(job: &Job) -> String {
    let passed = PASSED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let mut words: Vec<String> = ["exec", "/usr/bin/env"].map(str::to_owned).to_vec();
    words.extend(
        passed
            .chain(job.env.iter().cloned())
            .map(|(name, value)| quote(&format!("{name}={value}"))),
    );
    words.push(quote(&format!("OVERLAY_VM={}", job.kernel)));
    if job.command.is_empty() {
        words.extend(["/bin/bash", "-i"].map(str::to_owned));
    } else {
        words.extend(job.command.iter().map(|word| quote(word)));
    }
    words.join(" ") + "\n"
}

fn terminal_size() -> (u16, u16) {
    let size = capture(Command::new("stty").args(["-F", "/dev/tty", "size"])).unwrap_or_default();
    let mut numbers = size.split_whitespace().filter_map(|word| word.parse().ok());
    (numbers.next().unwrap_or(24), numbers.next().unwrap_or(80))
}

/// What the kernel of a machine that we run has printed so far.
pub(crate) fn console(ctx: &Ctx, machine: &str) -> PathBuf {
    WorkFolder::path(ctx, machine).join("console.log")
}

/// A folder for one machine, removed at its end.
struct WorkFolder(PathBuf);

impl WorkFolder {
    fn path(ctx: &Ctx, machine: &str) -> PathBuf {
        let name = format!("run-{}-{machine}", std::process::id());
        ctx.path("target/vm").join(name)
    }

    fn new(ctx: &Ctx, machine: &str) -> Result<Self> {
        let parent = ctx.path("target/vm");
        make_dir(&parent)?;
        // Those of runs that were killed.
        for entry in std::fs::read_dir(&parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some((pid, _)) = name
                .strip_prefix("run-")
                .and_then(|rest| rest.split_once('-'))
                && !Path::new("/proc").join(pid).exists()
            {
                std::fs::remove_dir_all(entry.path()).ok();
            }
        }
        let folder = Self::path(ctx, machine);
        make_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_survives_the_shell() {
        let mut job = Job::new(Path::new("/"), &["printf", "%s|", "a b", "it's", "$HOME"]);
        job.env = vec![("WORD".to_owned(), "one two".to_owned())];
        let script = command_script(&job).replace("/usr/bin/env", "/usr/bin/env -i");
        let text = capture(Command::new("sh").args(["-c", &script])).unwrap();
        assert_eq!(text, "a b|it's|$HOME|");
    }
}
