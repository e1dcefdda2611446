//! Docker's own daemon, in namespaces: nothing of the machine's is seen or touched by it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use monitor_lab::{Host, Process};

use crate::process::wait_until;

/// An empty folder, removed when this is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes something")]
    pub fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("overlay-docker-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Starts containerd, waits for its socket, and becomes the daemon. Docker would give a containerd that it starts itself
/// 15 s, which are few on a busy emulated machine.
///
/// What a killed daemon left is removed. Its process ids, and those of its containerd, are another namespace's: a thread
/// of the new daemon may have the same number, and be taken for containerd.
const SCRIPT: &str = r#"set -e
mount -t tmpfs tmpfs /run
cd "$1"
rm -rf pid exec containerd.sock
printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' > containerd.toml
containerd --config containerd.toml --root "$1/containerd" --state "$1/exec/containerd" --address "$1/containerd.sock" &
until [ -S containerd.sock ]; do kill -0 $!; sleep 0.1; done
exec "$0" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" --host "unix://$1/docker.sock" \
    --containerd "$1/containerd.sock" --storage-driver vfs --bridge none --iptables=false
"#;

/// The daemon on a host of the lab, with its files in a folder.
pub struct Dockerd<'a> {
    host: &'a Host,
    folder: &'a Folder,
    process: Process,
}

impl<'a> Dockerd<'a> {
    /// Where it listens, in its folder.
    pub const SOCKET: &'static str = "docker.sock";

    /// Starts it on what is in the folder, and waits until it answers.
    ///
    /// In mount and process namespaces of its own (and the host's network), with a `/run` of its own, without
    /// firewall rules and bridge; with the namespaces everything of it ends.
    #[must_use]
    pub fn start(host: &'a Host, folder: &'a Folder) -> Dockerd<'a> {
        let (program, tree) = program();
        let mut command = host.command("unshare").unwrap();
        command.args([
            "--mount",
            "--propagation=private",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        command
            .args(["sh", "-c", SCRIPT])
            .arg(&program)
            .arg(&folder.0);
        if let Some(tree) = tree {
            surround(&mut command, &tree);
        }
        let log = File::create(folder.0.join("log")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut daemon = Dockerd {
            host,
            folder,
            process: host.spawn(command).unwrap(),
        };
        wait_until("Docker's daemon answers", || {
            if let Some(ended) = daemon.process.child.try_wait().unwrap() {
                panic!("{ended}: {}", daemon.log());
            }
            daemon.request("GET", "/_ping", "").0 == 200
        });
        daemon
    }

    /// Status and body of a request of its API.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let socket = self.folder.path(Dockerd::SOCKET);
        let url = format!("http://docker{path}");
        let arguments = [
            "-s",
            "--max-time",
            "60",
            "--unix-socket",
            &socket,
            "-X",
            method,
            "-H",
            "Content-Type: application/json",
            "-d",
            body,
            "-w",
            "\n%{http_code}",
            &url,
        ];
        // It fails until the daemon listens.
        let Ok(answer) = self.host.run("curl", &arguments) else {
            return (0, String::new());
        };
        let (body, status) = answer.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// Makes a Swarm of this one node.
    pub fn swarm(&self, options: &str) {
        let address = self.host.address();
        let body =
            format!(r#"{{"ListenAddr":"{address}:2377","AdvertiseAddr":"{address}"{options}}}"#);
        let (status, said) = self.request("POST", "/swarm/init", &body);
        assert_eq!(status, 200, "{said}: {}", self.log());
    }

    /// Makes an overlay network. `options` are those of the driver, as JSON.
    pub fn network(&self, name: &str, options: &str) {
        let body = format!(
            r#"{{"Name":"{name}","Driver":"overlay","Attachable":true,"Options":{{{options}}}}}"#
        );
        let (status, said) = self.request("POST", "/networks/create", &body);
        assert_eq!(status, 201, "{said}: {}", self.log());
    }

    /// Removes a network.
    pub fn remove(&self, name: &str) {
        let (status, said) = self.request("DELETE", &format!("/networks/{name}"), "");
        assert_eq!(status, 204, "{said}: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.0.join("log")).unwrap_or_default()
    }
}

/// The daemon, and the tree that it was unpacked into if it is not installed.
fn program() -> (PathBuf, Option<PathBuf>) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let installed = std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join("dockerd"))
        .find(|program| program.is_file());
    if let Some(program) = installed {
        return (program, None);
    }
    // Where `cargo xtask test` unpacks it.
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let tree = cache
        .or_else(home)
        .unwrap_or_default()
        .join("overlay-monitor/docker");
    let program = ["usr/sbin/dockerd", "usr/bin/dockerd"]
        .map(|below| tree.join(below))
        .into_iter()
        .find(|program| program.is_file());
    let program = program.unwrap_or_else(|| {
        panic!("there is no dockerd: test with `cargo xtask test`, which fetches Docker's engine, or install docker.io")
    });
    (program, Some(tree))
}

/// Lets programs of an unpacked tree find each other and their libraries.
fn surround(command: &mut Command, tree: &Path) {
    let below = |folders: &[&str]| -> Vec<PathBuf> {
        folders.iter().map(|folder| tree.join(folder)).collect()
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = below(&["usr/sbin", "usr/bin", "sbin", "bin"]);
    let programs = programs.into_iter().chain(std::env::split_paths(&path));
    let mut libraries = Vec::new();
    for folder in below(&["usr/lib", "lib"]) {
        let inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
        libraries.extend(
            inside
                .map(|entry| entry.path())
                .filter(|path| path.is_dir()),
        );
    }
    command
        .env("PATH", std::env::join_paths(programs).unwrap())
        .env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap());
}
