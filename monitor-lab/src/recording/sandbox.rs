//! A temporary copy of this machine's file system, in which servers may write to `/etc`, `/var` and `/run`.
//!
//! `unshare` creates mount, process, IPC and host name namespaces; inside, `/` is an overlay of the machine's file system
//! with a tmpfs as the upper layer. When the first process inside ends, the kernel kills all others, daemons too, and
//! discards the files that they wrote.

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
/// Working folder of the recording, inside.
pub(super) const FOLDER: &str = "/srv/record";
/// Where the folder for fixtures is mounted, inside.
pub(super) const OUTPUT: &str = "/srv/fixtures";
/// Device nodes that programs may open, with major and minor numbers (Documentation/admin-guide/devices.txt).
const DEVICES: &[(&str, u32, u32)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
    ("net/tun", 10, 200),
];

/// Runs this program again in a sandbox, with `arguments`, and waits for its end. Files that it writes to `folder`
/// remain. The tree `over` is copied over the machine's files: programs that are not installed.
///
/// # Errors
/// [`Error::Io`] when it cannot be started, [`Error::Usage`] when it fails; it has printed why.
pub fn run_in_sandbox(arguments: &[&str], folder: &Path, over: Option<&Path>) -> Result<()> {
    let over = over.map(Path::as_os_str).unwrap_or_default();
    let program = env::current_exe().context(|| "finding the path of this program".to_owned())?;
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

/// Moves this process, which [`run_in_sandbox`] started, into the sandbox: paths refer to the copy from then on. Returns
/// the path of the folder for fixtures inside.
pub(super) fn enter() -> Result<std::path::PathBuf> {
    let folder = env::var_os("FIXTURES").ok_or_else(|| {
        Error::Usage("the option --inside is for `overlay-lab record` itself".to_owned())
    })?;
    let doing = |what: &'static str| move || format!("creating a sandbox: {what}");
    // Mounts from here on stay in this namespace.
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .context(doing("private mounts"))?;
    let root = Path::new("/tmp/root");
    // Opened first: the next mount may cover the folder.
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
    create_devices(&root.join("dev"))?;
    for place in [FOLDER, OUTPUT] {
        fs::create_dir_all(root.join(place.trim_start_matches('/'))).context(doing("folders"))?;
    }
    let opened = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&output));
    mount_bind(opened, root.join(OUTPUT.trim_start_matches('/'))).context(doing("the output"))?;
    rustix::process::chroot(root).context(doing("chroot"))?;
    rustix::process::chdir(FOLDER).context(doing("chdir"))?;
    rustix::system::sethostname(b"server").context(doing("host name"))?;
    fs::set_permissions("/tmp", std::os::unix::fs::PermissionsExt::from_mode(0o1777))
        .context(doing("/tmp"))?;
    if let Some(over) = env::var_os("OVER").filter(|over| !over.is_empty()) {
        copy_over(Path::new(&over))?;
    }
    Ok(OUTPUT.into())
}

/// Copies a tree over the files in the sandbox. It is not one more layer of the overlay, because a folder of the tree
/// may be a symbolic link here, as `/lib` is.
fn copy_over(tree: &Path) -> Result<()> {
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

/// Fills `/dev`. The sandbox has its own, so that sockets and nodes that a server creates there do not remain.
fn create_devices(dev: &Path) -> Result<()> {
    let doing = || "creating a sandbox: /dev".to_owned();
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
        // mknod applies the umask.
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
