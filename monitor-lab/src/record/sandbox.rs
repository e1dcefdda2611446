//! A copy of this machine's file system that nothing outlives: servers write to `/etc`, `/var` and `/run`
//! as they like.
//!
//! `unshare` makes new mount, process, IPC and host name spaces; inside, `/` is an overlay of the machine's
//! own over a tmpfs. When the first process in it ends, the kernel kills all the others, daemons too, and
//! drops what they wrote.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{FileType, Mode, makedev, mknodat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
};

use crate::error::{Context, Error, Result};
use crate::process::die_with_parent;

/// Where the tmpfs is mounted, in the new mount namespace only.
const TMPFS: &str = "/tmp";
/// The recording's folder, inside.
pub(super) const FOLDER: &str = "/srv/record";
/// Where the fixtures' folder is seen inside.
pub(super) const OUTPUT: &str = "/srv/fixtures";
/// Device nodes that programs may expect, with their numbers (Documentation/admin-guide/devices.txt).
const DEVICES: &[(&str, u32, u32)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
    ("net/tun", 10, 200),
];

/// Starts this very program once more in a sandbox, with `arguments`, and waits. `folder` is where it may
/// write what shall stay. The tree `over` lies over the machine's files: programs that are not installed.
///
/// # Errors
/// When it cannot be started, or fails.
pub fn run_in_sandbox(arguments: &[&str], folder: &Path, over: Option<&Path>) -> Result<()> {
    let over = over.map(Path::as_os_str).unwrap_or_default();
    let program = env::current_exe().context(|| "finding this program's path".to_owned())?;
    let mut command = Command::new("unshare");
    die_with_parent(&mut command);
    let status = command
        .args([
            "--mount",
            "--pid",
            "--ipc",
            "--uts",
            "--fork",
            "--kill-child",
        ])
        .arg("--")
        .arg(program)
        .args(arguments)
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("FIXTURES", folder)
        .env("OVER", over)
        .stdin(Stdio::null())
        .status()
        .context(|| "starting unshare".to_owned())?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Usage("the recording failed".to_owned()))
    }
}

/// Makes the sandbox around this process, which [`run_in_sandbox`] started: everything after it sees the
/// copy. Gives the path of the fixtures' folder.
pub(super) fn enter() -> Result<std::path::PathBuf> {
    let folder = env::var_os("FIXTURES")
        .ok_or_else(|| Error::Usage("only `overlay-lab record` starts this".to_owned()))?;
    let doing = |what: &'static str| move || format!("making a sandbox: {what}");
    // What is mounted from here on is this process' own.
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .context(doing("private mounts"))?;
    let root = Path::new("/tmp/root");
    // The fixtures may lie below what is covered next.
    let output =
        fs::File::open(&folder).context(|| format!("opening {}", Path::new(&folder).display()))?;
    mount("tmpfs", TMPFS, "tmpfs", MountFlags::empty(), None).context(doing("tmpfs"))?;
    for name in ["upper", "work", "root"] {
        fs::create_dir(Path::new(TMPFS).join(name)).context(doing("folders"))?;
    }
    mount(
        "overlay",
        root,
        "overlay",
        MountFlags::empty(),
        Some(c"lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work"),
    )
    .context(doing("overlay"))?;
    mount("proc", root.join("proc"), "proc", MountFlags::empty(), None).context(doing("/proc"))?;
    mount_bind_recursive("/sys", root.join("sys")).context(doing("/sys"))?;
    for place in ["run", "dev", "tmp"] {
        mount(
            "tmpfs",
            root.join(place),
            "tmpfs",
            MountFlags::empty(),
            None,
        )
        .context(doing("tmpfs"))?;
    }
    devices(&root.join("dev"))?;
    for place in [FOLDER, OUTPUT] {
        fs::create_dir_all(root.join(place.trim_start_matches('/'))).context(doing("folders"))?;
    }
    let own = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&output));
    mount_bind(own, root.join(OUTPUT.trim_start_matches('/'))).context(doing("the output"))?;
    rustix::process::chroot(root).context(doing("chroot"))?;
    rustix::process::chdir(FOLDER).context(doing("chdir"))?;
    rustix::system::sethostname(b"server").context(doing("host name"))?;
    fs::set_permissions("/tmp", std::os::unix::fs::PermissionsExt::from_mode(0o1777))
        .context(doing("/tmp"))?;
    if let Some(over) = env::var_os("OVER").filter(|over| !over.is_empty()) {
        lay_over(Path::new(&over))?
    }
    Ok(OUTPUT.into())
}

/// Copies a tree over the files here. A folder of it may be a symbolic link here, as `/lib` is; so not as one
/// more layer of the overlay.
fn lay_over(tree: &Path) -> Result<()> {
    let mut tar = Command::new("sh");
    tar.args([
        "-c",
        "tar -C \"$1\" -c . | tar -C / -x --keep-directory-symlink",
        "sh",
    ])
    .arg(tree);
    let status = tar.status().context(|| "starting tar".to_owned())?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Usage(format!(
            "{} could not be copied into the sandbox",
            tree.display()
        )))
    }
}

/// A `/dev` of its own: a socket or node that a server puts there must not stay on the machine.
fn devices(dev: &Path) -> Result<()> {
    let doing = || "making a sandbox: /dev".to_owned();
    for folder in ["pts", "shm", "net"] {
        fs::create_dir(dev.join(folder)).context(doing)?;
    }
    let mode = Mode::from_raw_mode(0o666);
    for (name, major, minor) in DEVICES {
        let path = dev.join(name);
        mknodat(
            rustix::fs::CWD,
            &path,
            FileType::CharacterDevice,
            mode,
            makedev(*major, *minor),
        )
        .context(doing)?;
        // mknod minds the umask.
        rustix::fs::chmod(&path, mode).context(doing)?;
    }
    let terminals = Some(c"newinstance,ptmxmode=0666,mode=620,gid=5");
    mount(
        "devpts",
        dev.join("pts"),
        "devpts",
        MountFlags::empty(),
        terminals,
    )
    .context(doing)?;
    mount("tmpfs", dev.join("shm"), "tmpfs", MountFlags::empty(), None).context(doing)?;
    let links = [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    for (name, target) in links {
        symlink(target, dev.join(name)).context(doing)?;
    }
    Ok(())
}
