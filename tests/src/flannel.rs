//! A Flannel-like overlay between the nodes of a lab, with real servers: the devices, addresses and routes that Flannel
//! makes on a node, in the node's own namespace.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;

use monitor_lab::{Host, Lab, Process};

use crate::process::wait_until;

/// Flannel's VNI.
pub const VNI: u32 = 1;
/// Flannel's UDP port of VXLAN: the kernel's default, not the one of RFC 7348.
pub const PORT: u16 = 8472;

/// The overlay, with nginx and Redis behind node2's address in it.
pub struct Flannel {
    // Ended before the folder that they write to is removed.
    _nginx: Process,
    _redis: Process,
    folder: PathBuf,
}

impl Flannel {
    /// Makes the devices, and starts the servers.
    #[must_use]
    pub fn start(lab: &Lab) -> Flannel {
        let nodes = [lab.node1(), lab.node2()];
        for (node, (here, there)) in nodes.into_iter().zip([(1, 2), (2, 1)]) {
            connect(node, here, there);
        }
        let folder = std::env::temp_dir().join(format!("overlay-flannel-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let address = "10.42.2.1";
        std::fs::write(
            folder.join("nginx.conf"),
            format!(
                "daemon off; master_process off; pid nginx.pid; error_log stderr; events {{}}\n\
                 http {{ access_log off; server {{ listen {address}:80; \
                 location / {{ default_type text/plain; return 200 'hello\\n'; }} }} }}\n"
            ),
        )
        .unwrap();
        let path = folder.to_str().unwrap();
        let nginx = ["-p", path, "-c", "nginx.conf", "-e", "stderr"];
        let redis = [
            "--bind",
            address,
            "--port",
            "6379",
            "--protected-mode",
            "no",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            path,
        ];
        let flannel = Flannel {
            _nginx: spawn(lab.node2(), "nginx", &nginx),
            _redis: spawn(lab.node2(), "redis-server", &redis),
            folder,
        };
        for port in [80, 6379] {
            let to = SocketAddr::new(address.parse::<IpAddr>().unwrap(), port);
            wait_until("the servers answer", || {
                let connected = lab.node2().enter(|| TcpStream::connect(to));
                connected.unwrap().is_ok()
            });
        }
        flannel
    }

    /// A request with a password, and a command of Redis, from node1 to node2.
    pub fn talk(&self, lab: &Lab) {
        let arguments = [
            "-s",
            "--noproxy",
            "*",
            "--max-time",
            "30",
            "-u",
            "admin:correct-horse-battery",
            "http://10.42.2.1/account",
        ];
        assert_eq!(lab.node1().run("curl", &arguments).unwrap(), "hello\n");
        let arguments = ["-h", "10.42.2.1", "SET", "session", "correct-horse-battery"];
        assert_eq!(lab.node1().run("redis-cli", &arguments).unwrap(), "OK\n");
    }
}

impl Drop for Flannel {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(host: &Host, program: &str, arguments: &[&str]) -> Process {
    let mut command = host.command(program).unwrap();
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    host.spawn(command).unwrap()
}

/// What Flannel makes on a node, as `ip` and `bridge` take it.
fn connect(node: &Host, here: u8, there: u8) {
    let mac = |node: u8| format!("02:00:0a:2a:0{node}:00");
    for (program, line) in [
        (
            "ip",
            format!(
                "link add flannel.1 mtu 1450 address {} type vxlan id {VNI} dev eth0 local 192.168.77.{here} dstport \
                 {PORT} nolearning",
                mac(here)
            ),
        ),
        ("ip", format!("addr add 10.42.{here}.0/32 dev flannel.1")),
        ("ip", "link set flannel.1 up".to_owned()),
        (
            "ip",
            "link add cni0 mtu 1450 type bridge mcast_snooping 0".to_owned(),
        ),
        ("ip", format!("addr add 10.42.{here}.1/24 dev cni0")),
        ("ip", "link set cni0 up".to_owned()),
        (
            "ip",
            format!("route add 10.42.{there}.0/24 via 10.42.{there}.0 dev flannel.1 onlink"),
        ),
        (
            "ip",
            format!(
                "neigh replace 10.42.{there}.0 lladdr {} dev flannel.1 nud permanent",
                mac(there)
            ),
        ),
        (
            "bridge",
            format!(
                "fdb replace {} dev flannel.1 dst 192.168.77.{there} self permanent",
                mac(there)
            ),
        ),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        node.run(program, &arguments).unwrap();
    }
}
