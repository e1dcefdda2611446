//! Plays a recording in a lab: starts its servers and clients and captures the wire.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::lab::{CLIENT as CLIENT_HOST, Lab, WEB as SERVER_HOST};
use crate::lab_host::Host;
use crate::process::Process;
use crate::recording::definition::{Recording, Server};
use crate::recording::sandbox::FOLDER;

/// Address of the server's container, on node1.
pub const SERVER: &str = "10.0.1.7";
/// Address of the client's container, on node2.
pub const CLIENT: &str = "10.0.1.9";

/// How long a server may take to start. Some are Java or Erlang programs, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the set-up and client scripts may run, in seconds: the argument of `timeout`.
const LIMIT: &str = "180";
/// Time for connections to close after the client script.
const SETTLE: Duration = Duration::from_millis(500);

/// Creates a certificate authority and a certificate for `server.test`, with EC keys because those are small.
const CERTIFICATES: &str = r#"
mkdir -p tls log
cd tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=Fixture CA' -keyout ca-key.pem -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=server.test' -keyout key.pem -out request.pem
printf 'subjectAltName=DNS:server.test,IP:10.0.1.7\n' >ext
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile ext -out cert.pem
cat cert.pem key.pem >both.pem
chmod 644 *.pem
chmod 755 /srv/record
printf '127.0.0.1 localhost\n10.0.1.7 server.test server\n10.0.1.9 client.test client\n' >/etc/hosts
printf 'nameserver 127.0.0.1\n' >/etc/resolv.conf
"#;

/// Plays a recording in a new lab and returns the capture of the wire: a pcap file of tcpdump.
pub(super) fn play(recording: &Recording) -> Result<Vec<u8>> {
    let lab = Lab::builder().quiet(true).build()?;
    let (server, client) = (lab.container(SERVER_HOST)?, lab.container(CLIENT_HOST)?);
    forward_multicast(&lab)?;
    run_script(server, "certificates", CERTIFICATES)?;
    run_script(server, "setup", &recording.setup)?;
    let mut capture = start_capture(lab.node1())?;
    let mut servers = Vec::new();
    for (index, plan) in recording.server.iter().enumerate() {
        servers.push(start_server(server, index, plan)?);
    }
    let outcome = run_script(client, "client", &recording.client);
    thread::sleep(SETTLE);
    capture
        .stop(Duration::from_secs(5))
        .context(|| "stopping tcpdump".to_owned())?;
    if outcome.is_err() {
        for index in 0..servers.len() {
            eprintln!(
                "output of server {index}:\n{}",
                log_end(&format!("server{index}"))
            );
        }
    }
    outcome?;
    fs::read("wire.pcap").context(|| "reading the capture of tcpdump".to_owned())
}

/// Makes the VXLAN devices send broadcast and multicast to the other node, which DHCP, mDNS and LLMNR need. Docker does
/// not do this.
fn forward_multicast(lab: &Lab) -> Result<()> {
    let nodes = [lab.node1(), lab.node2()];
    for overlay in lab.overlays() {
        for (sandbox, other) in overlay.sandboxes().iter().zip(nodes.iter().rev()) {
            let there = other.address().to_string();
            let all = "00:00:00:00:00:00";
            sandbox.run(
                "bridge",
                &[
                    "fdb",
                    "append",
                    all,
                    "dev",
                    "vxlan0",
                    "self",
                    "permanent",
                    "dst",
                    &there,
                ],
            )?;
        }
    }
    for container in [SERVER_HOST, CLIENT_HOST] {
        let multicast = ["route", "add", "224.0.0.0/4", "dev", "eth0"];
        lab.container(container)?.run("ip", &multicast)?;
    }
    Ok(())
}

/// Starts tcpdump on the node's wire and waits until it captures.
fn start_capture(node: &Host) -> Result<Process> {
    let log = "/tmp/tcpdump.log";
    let file = File::create(log).context(|| format!("creating {log}"))?;
    let mut command = node.command("tcpdump")?;
    command
        .args([
            "-i",
            "eth0",
            "-s",
            "0",
            "-U",
            "--immediate-mode",
            "-Z",
            "root",
            "-w",
            "wire.pcap",
        ])
        .args(["udp", "port", "4789"])
        .stdin(Stdio::null())
        .stderr(file);
    let process = node.spawn(command)?;
    let end = Instant::now() + PATIENCE;
    while !fs::read_to_string(log).is_ok_and(|text| text.contains("listening on")) {
        if Instant::now() > end {
            return Err(Error::Service {
                name: "tcpdump".to_owned(),
                message: format!("no capture within {PATIENCE:?}"),
            });
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(process)
}

/// Starts a server and waits until it is ready.
fn start_server(host: &Host, index: usize, plan: &Server) -> Result<Process> {
    let name = format!("server{index}");
    let file = File::create(format!("log/{name}")).context(|| "creating a log file".to_owned())?;
    let second = file
        .try_clone()
        .context(|| "creating a log file".to_owned())?;
    let mut command = shell(host, &plan.run)?;
    command.stdin(Stdio::null()).stdout(file).stderr(second);
    let mut process = host.spawn(command)?;
    let listening = |kind: &str, port: u16| {
        host.run("ss", &["-Hln", kind, &format!("sport = :{port}")])
            .is_ok_and(|text| !text.is_empty())
    };
    let ready = || match (plan.tcp, plan.udp, &plan.check) {
        (Some(port), None, None) => listening("-t", port),
        (None, Some(port), None) => listening("-u", port),
        (None, None, Some(check)) => shell(host, check)
            .and_then(|mut command| {
                command
                    .output()
                    .context(|| "running the check script".to_owned())
            })
            .is_ok_and(|output| output.status.success()),
        // `Recording::read` refuses other combinations.
        _ => false,
    };
    let failed = |what: String| Error::Service {
        name: plan.run.trim().to_owned(),
        message: format!("{what}; its output ends with: {}", log_end(&name)),
    };
    let end = Instant::now() + PATIENCE;
    while !ready() {
        let ended = process
            .child
            .try_wait()
            .context(|| format!("waiting for {name}"))?;
        if let Some(status) = ended {
            return Err(failed(format!("it exited ({status})")));
        }
        if Instant::now() > end {
            return Err(failed(format!("it is not ready after {PATIENCE:?}")));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(process)
}

/// Runs a script to its end.
fn run_script(host: &Host, name: &str, text: &str) -> Result<()> {
    let mut command = host.command("timeout")?;
    command.args([LIMIT, "sh", "-eu", "-c", text]);
    set_environment(&mut command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .context(|| format!("starting sh on {}", host.name()))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(Error::Command {
        command: format!("the {name} script"),
        host: host.name().to_owned(),
        message: format!(
            "{}\n{}",
            output.status,
            last_lines(&String::from_utf8_lossy(&printed))
        ),
    })
}

fn shell(host: &Host, text: &str) -> Result<Command> {
    let mut command = host.command("sh")?;
    command.args(["-eu", "-c", text]);
    set_environment(&mut command);
    Ok(command)
}

fn set_environment(command: &mut Command) {
    command
        .current_dir(FOLDER)
        .env("HOME", FOLDER)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("SERVER", SERVER)
        .env("CLIENT", CLIENT);
}

fn log_end(log: &str) -> String {
    last_lines(&fs::read_to_string(format!("log/{log}")).unwrap_or_default())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
