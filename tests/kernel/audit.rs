//! What an audit says of real traffic: what can be read, by whom, how much of it; in each form, with no secret in any of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use monitor_lab::{CLIENT, Lab, Publish, WEB};
use overlay_tests::process::{Monitor, command, finish, program, run, wait_until};
use overlay_tests::terminal::Terminal;
use overlay_tests::tshark;
use overlay_tests::wire::Pair;
use serde_json::Value;

/// The application's network.
const VNI: u64 = 4096;
/// What must be in no report.
const SECRET: &str = "correct-horse-battery";

/// A folder of one test, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("overlay-monitor-audit-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The application of the lab, published.
fn lab(publish: Publish) -> Lab {
    let mut lab = Lab::builder().quiet(true).build().unwrap();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    lab.publish(publish).unwrap();
    lab
}

/// Audits node1 until the traffic is over, and gives the process, ended.
fn audit<'a>(lab: &'a Lab, more: &[&str], traffic: impl FnOnce()) -> Monitor<'a> {
    let arguments = ["audit", "-i", "eth0", "--docker", "off", "--duration", "1h"];
    let mut monitor = Monitor::start(lab.node1(), &[&arguments, more].concat());
    monitor.wait_for("it watches", |monitor| monitor.err().contains("watching"));
    traffic();
    monitor.signal(libc::SIGINT);
    let (status, _) = monitor.wait();
    assert_eq!(status.code(), Some(0), "{}", monitor.err());
    monitor
}

fn objects(lines: &str) -> Vec<Value> {
    let parsed = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    parsed.collect()
}

/// What the report has on a protocol in a place.
fn exposure<'a>(objects: &'a [Value], place: &str, protocol: &str) -> &'a Value {
    let of = |at: &&Value| {
        at["type"] == "exposure" && at["place"] == place && at["protocol"] == protocol
    };
    let found = objects.iter().find(of);
    found.unwrap_or_else(|| panic!("no {protocol} in {place}: {objects:#?}"))
}

fn sum(objects: &[Value], vni: Option<u64>, field: &str) -> u64 {
    let of = |at: &&Value| at["type"] == "exposure" && at["vni"].as_u64() == vni;
    let all = objects.iter().filter(of);
    all.map(|at| at[field].as_u64().unwrap()).sum()
}

/// A log-in with a password, from the client's container to the web app.
fn log_in(lab: &Lab) {
    let url = format!("http://{}/account", lab.container(WEB).unwrap().address());
    let user = format!("admin:{SECRET}");
    let arguments = [
        "-s",
        "--noproxy",
        "*",
        "--max-time",
        "30",
        "-u",
        &user,
        &url,
    ];
    lab.container(CLIENT)
        .unwrap()
        .run("curl", &arguments)
        .unwrap();
}

#[test]
fn what_is_readable_is_reported_with_endpoints_amount_and_advice() {
    let lab = lab(Publish::Plain);
    let folder = Folder::new("plain");
    let files = ["report.html", "report.txt", "samples.pcapng"].map(|name| folder.file(name));
    let [html, plain, samples] = &files;
    let arguments = [
        "--format",
        "json",
        "--output",
        text(html),
        "--output",
        text(plain),
        "--write",
        text(samples),
    ];
    let monitor = audit(&lab, &arguments, || {
        lab.http_get(10).unwrap();
        log_in(&lab);
        lab.http_get_published(3).unwrap();
    });
    let out = monitor.out();
    let all = objects(&out);
    let redis = exposure(&all, "network", "redis");
    assert_eq!(redis["vni"], VNI);
    assert_eq!(redis["exposure"], "plaintext");
    let talk = &redis["conversations"][0];
    assert_eq!(
        (&talk["src"], &talk["dst"], &talk["dst_port"]),
        (&"10.0.1.7".into(), &"10.0.1.3".into(), &6379.into())
    );
    assert!(redis["advice"][0].as_str().unwrap().contains("tls-port"));
    let http = exposure(&all, "network", "http");
    assert_eq!(http["credentials"], serde_json::json!(["http_basic"]));
    let talk = &http["conversations"][0];
    assert_eq!(
        (&talk["src"], &talk["dst"], &talk["dst_port"]),
        (&"10.0.1.9".into(), &"10.0.1.7".into(), &80.into())
    );
    // The published port is the host's own wire.
    let published = exposure(&all, "host", "http");
    let talk = &published["conversations"][0];
    assert_eq!(
        (&talk["src"], &talk["dst"], &talk["dst_port"]),
        (&"192.168.77.2".into(), &"192.168.77.1".into(), &80.into())
    );
    assert_eq!(published["vni"], Value::Null);

    // Every packet of the network is in exactly one row: as many as crossed the wire.
    let network = all.iter().find(|at| at["type"] == "network").unwrap();
    let cleartext = |field: &str| network["cleartext"][field].as_u64().unwrap();
    for (field, rx, tx) in [
        ("packets", "rx_packets", "tx_packets"),
        ("bytes", "rx_bytes", "tx_bytes"),
    ] {
        assert_eq!(
            sum(&all, Some(VNI), field),
            cleartext(rx) + cleartext(tx),
            "{out}"
        );
    }
    let of_network = all
        .iter()
        .filter(|at| at["vni"] == VNI && at["type"] == "exposure");
    let shares = of_network
        .map(|at| at["share"].as_f64().unwrap())
        .sum::<f64>();
    assert!((shares - 1.0).abs() < 1e-6, "{shares}");
    let last = all.last().unwrap();
    assert_eq!(last["lower_bound"], false);
    let readable = last["bytes"]["readable"].as_u64().unwrap();
    assert!(readable > sum(&all, Some(VNI), "bytes") / 2, "{out}");

    // The same in the other forms.
    let page = std::fs::read_to_string(html).unwrap();
    let report = std::fs::read_to_string(plain).unwrap();
    for part in [
        "10.0.1.3:6379",
        "http_basic",
        "VNI 4096",
        "HINCRBY ip",
        "192.168.77.1:80",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
        assert!(report.contains(part), "no {part} in {report}");
    }
    println!("{report}");
    for path in &files {
        assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o600);
    }
    let encoded = "YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5";
    for said in [&out, &page, &report, &monitor.err()] {
        assert!(!said.contains(SECRET) && !said.contains(encoded), "{said}");
    }

    // The samples, as Wireshark sees them.
    let packets = tshark::fields(samples, &["frame.comment", "ip.dst", "tcp.dstport"]);
    let has = |part: &str| packets.iter().any(|packet| packet[0].contains(part));
    assert!(
        has("redis  plaintext  ") && has("credentials: http_basic"),
        "{packets:?}"
    );
    let summary = all.last().unwrap();
    assert_eq!(summary["samples"], packets.len());
}

#[test]
fn what_is_encrypted_by_who_talks_is_not_called_readable() {
    let lab = lab(Publish::Tls);
    let monitor = audit(&lab, &["--format", "json"], || {
        lab.http_get_published(5).unwrap();
    });
    let all = objects(&monitor.out());
    let tls = exposure(&all, "host", "tls");
    assert_eq!(tls["exposure"], "encrypted");
    assert_eq!(tls["conversations"][0]["dst_port"], 443);
    assert_eq!(tls["advice"], serde_json::json!([]));
    let host = all.iter().filter(|at| at["place"] == "host");
    let readable = host.filter(|at| at["exposure"] == "plaintext").count();
    assert_eq!(readable, 0, "{}", monitor.out());
    // Behind it the overlay is as it was.
    assert_eq!(exposure(&all, "network", "redis")["exposure"], "plaintext");
}

#[test]
fn what_was_not_looked_at_is_not_called_safe() {
    let lab = lab(Publish::Plain);
    let off = audit(&lab, &["--exposure", "false"], || {
        lab.http_get(1).unwrap();
    });
    assert!(
        off.out().contains("Exposure was not watched"),
        "{}",
        off.out()
    );
    let no_host = audit(&lab, &["--host-flows", "off"], || {
        lab.http_get_published(1).unwrap();
    });
    let out = no_host.out();
    assert!(out.contains("was not watched (--host-flows off)"), "{out}");
    assert!(!out.contains("192.168.77.1:80"), "{out}");
}

#[test]
fn a_line_says_how_far_it_is_on_a_terminal_and_only_there() {
    const SHOWN: &str = " of 3600 s, ";
    let lab = Lab::builder().quiet(true).build().unwrap();
    let arguments = |duration| {
        [
            "audit",
            "-i",
            "eth0",
            "--docker",
            "off",
            "--require",
            "4096",
            "--duration",
            duration,
        ]
    };
    let pair = Pair::new(
        lab.container(WEB).unwrap(),
        lab.container(CLIENT).unwrap(),
        5000,
    );
    let terminal = Terminal::open();
    let mut on_terminal = command(lab.node1(), &arguments("1h"));
    on_terminal
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(terminal.end());
    let mut process = lab.node1().spawn(on_terminal).unwrap();
    wait_until("it says how far it is", || terminal.text().contains(SHOWN));
    pair.send(0, [100; 20]);
    wait_until("it says what it has seen", || {
        let said = terminal.text();
        said.contains(", 1 network, ") && said.contains("% readable, 1 violation")
    });
    // SAFETY: the process is a child of ours that has not been waited for.
    unsafe { libc::kill(process.child.id().cast_signed(), libc::SIGINT) };
    let status = process.child.wait().unwrap();
    assert_eq!(status.code(), Some(1), "{}", terminal.text());
    wait_until("the violation is logged", || {
        let said = terminal.text();
        said.contains("overlay-monitor: VNI 4096 must be encrypted")
    });
    let said = terminal.text();
    // The next line overwrites it.
    let logged = |line: &&str| line.contains("violation: ") && line.contains("WARN");
    let lines: Vec<&str> = said.split('\n').filter(logged).collect();
    assert!(!lines.is_empty(), "{said:?}");
    for line in lines {
        let before = line.split("WARN").next().unwrap();
        let seen = before.rsplit("\r\x1b[K").next().unwrap();
        assert!(!seen.contains(SHOWN), "{line:?}");
    }
    let end = said.rsplit("\r\x1b[K").next().unwrap();
    assert!(!end.contains(SHOWN), "{end:?}");

    let silent = run(lab.node1(), &arguments("2s"));
    assert!(
        !silent.err.contains('\r') && !silent.err.contains(" of 2 s, "),
        "{}",
        silent.err
    );
}

#[test]
fn files_that_cannot_be_are_refused_before_anything_is_attached() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    for (flag, path, code, says) in [
        (
            "--output",
            "/tmp/report.doc",
            2,
            "name it .html, .json or .txt",
        ),
        (
            "--output",
            "/nowhere/report.html",
            4,
            "cannot write /nowhere/report.html",
        ),
        (
            "--write",
            "/nowhere/samples.pcapng",
            4,
            "cannot write /nowhere/samples.pcapng",
        ),
    ] {
        let ended = run(lab.node1(), &["audit", "-i", "eth0", flag, path]);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.err.contains(says), "{ended:?}");
        assert!(!ended.err.contains("watching"), "{ended:?}");
    }
}

/// Both kinds of files: what is there stays until everything else has worked, and only the owner reads what comes.
#[test]
fn files_are_private_follow_no_link_and_stay_until_everything_else_has_worked() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let folder = Folder::new("private");
    let [report, samples, link] = ["r.txt", "s.pcapng", "l.txt"].map(|name| folder.file(name));
    for file in [&report, &samples] {
        std::fs::write(file, "older").unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    std::os::unix::fs::symlink(&report, &link).unwrap();
    let older = |file: &Path| std::fs::read(file).unwrap() == b"older";
    let audit = |interface: &str, more: &[&str]| {
        let arguments = [
            "audit",
            "-i",
            interface,
            "--docker",
            "off",
            "--duration",
            "1s",
        ];
        run(lab.node1(), &[&arguments[..], more].concat())
    };
    let both = ["--output", text(&report), "--write", text(&samples)];
    let ended = audit("eth7", &both);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    // The programs are refused after the settings were read.
    let mut refused = lab.node1().command("setpriv").unwrap();
    let agent = program();
    refused.args(["--bounding-set=-all", "--inh-caps=-all", "--", text(&agent)]);
    refused
        .args(["audit", "-i", "eth0", "--docker", "off"])
        .args(both);
    let ended = finish(refused);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for flag in ["--output", "--write"] {
        let ended = audit("eth0", &[flag, text(&link)]);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.err.contains("it is a symbolic link"), "{ended:?}");
    }
    assert!(older(&report) && older(&samples));

    let ended = audit("eth0", &both);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for file in [&report, &samples] {
        let mode = std::fs::metadata(file).unwrap().mode();
        assert!(!older(file) && mode & 0o7777 == 0o600, "{file:?}: {mode:o}");
    }
    let left = std::fs::read_dir(&folder.0).unwrap().count();
    assert_eq!(left, 3, "no temporary file");
}
