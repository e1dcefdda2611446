//! The lab with one recording in it.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::host::Host;
use crate::lab::{CLIENT as CLIENT_HOST, Lab, WEB as SERVER_HOST};
use crate::process::Process;
use crate::record::sandbox::FOLDER;
use crate::record::{CLIENT, Recording, SERVER, Server};

/// How long a server may take to come up: some are Java or Erlang, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long setup and clients may run, in seconds, for `timeout`.
const LIMIT: &str = "180";
/// After the last client: time for connections to close.
const SETTLE: Duration = Duration::from_millis(500);

/// Certificate authority and a certificate for `server.test`, EC and small.
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

/// Plays a recording in a lab of its own, and gives what crossed the wire: the pcap file of tcpdump.
pub(super) fn play(recording: &Recording) -> Result<Vec<u8>> {
    let lab = Lab::builder().quiet(true).build()?;
    let (server, client) = (lab.container(SERVER_HOST)?, lab.container(CLIENT_HOST)?);
    flood(&lab)?;
    script(server, "certificates", CERTIFICATES)?;
    script(server, "setup", &recording.setup)?;
    let mut tap = tap(lab.node1())?;
    let mut servers = Vec::new();
    for (index, plan) in recording.server.iter().enumerate() {
        servers.push(start(server, index, plan)?);
    }
    let outcome = script(client, "client", &recording.client);
    thread::sleep(SETTLE);
    tap.stop(Duration::from_secs(5))
        .context(|| "stopping tcpdump".to_owned())?;
    if outcome.is_err() {
        for index in 0..servers.len() {
            eprintln!("server {index} said:\n{}", tail(&format!("server{index}")));
        }
    }
    outcome?;
    fs::read("wire.pcap").context(|| "reading what tcpdump wrote".to_owned())
}

/// Broadcast and multicast go to the other node too: DHCP, mDNS and LLMNR need it. Docker does not do this.
fn flood(lab: &Lab) -> Result<()> {
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

fn tap(node: &Host) -> Result<Process> {
    let log = "/tmp/tcpdump.log";
    let file = File::create(log).context(|| format!("making {log}"))?;
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
                message: format!("it is not up after {PATIENCE:?}"),
            });
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(process)
}

fn start(host: &Host, index: usize, plan: &Server) -> Result<Process> {
    let name = format!("server{index}");
    let file = File::create(format!("log/{name}")).context(|| "making a log".to_owned())?;
    let second = file.try_clone().context(|| "making a log".to_owned())?;
    let mut command = shell(host, &plan.run)?;
    command.stdin(Stdio::null()).stdout(file).stderr(second);
    let mut process = host.spawn(command)?;
    let listening = |kind: &str, port: u16| {
        host.run("ss", &["-Hln", kind, &format!("sport = :{port}")])
            .is_ok_and(|text| !text.is_empty())
    };
    let up = || match (plan.tcp, plan.udp, &plan.check) {
        (Some(port), None, None) => listening("-t", port),
        (None, Some(port), None) => listening("-u", port),
        (None, None, Some(check)) => shell(host, check)
            .and_then(|mut command| command.output().context(|| "checking".to_owned()))
            .is_ok_and(|output| output.status.success()),
        // Refused when the recording was read.
        _ => false,
    };
    let failed = |what: String| Error::Service {
        name: plan.run.trim().to_owned(),
        message: format!("{what}; it said: {}", tail(&name)),
    };
    let end = Instant::now() + PATIENCE;
    while !up() {
        let ended = process
            .child
            .try_wait()
            .context(|| format!("waiting for {name}"))?;
        if let Some(status) = ended {
            return Err(failed(format!("it ended ({status})")));
        }
        if Instant::now() > end {
            return Err(failed(format!("it is not up after {PATIENCE:?}")));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(process)
}

/// Runs a script to its end.
fn script(host: &Host, name: &str, text: &str) -> Result<()> {
    let mut command = host.command("timeout")?;
    command.args([LIMIT, "sh", "-eu", "-c", text]);
    surroundings(&mut command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .context(|| format!("starting sh on {}", host.name()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Error::Command {
        command: format!("the {name} script"),
        host: host.name().to_owned(),
        message: format!(
            "{}\n{}",
            output.status,
            last_lines(&String::from_utf8_lossy(&said))
        ),
    })
}

fn shell(host: &Host, text: &str) -> Result<Command> {
    let mut command = host.command("sh")?;
    command.args(["-eu", "-c", text]);
    surroundings(&mut command);
    Ok(command)
}

fn surroundings(command: &mut Command) {
    command
        .current_dir(FOLDER)
        .env("HOME", FOLDER)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("SERVER", SERVER)
        .env("CLIENT", CLIENT);
}

fn tail(log: &str) -> String {
    last_lines(&fs::read_to_string(format!("log/{log}")).unwrap_or_default())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
