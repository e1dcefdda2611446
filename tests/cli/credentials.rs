//! Flows that show credentials: counted and logged by network and kind; accounts are named only if that is asked for.

use monitor_lab::Lab;
use overlay_tests::agent::{Agent, rows};
use overlay_tests::frame::{VNI, ethernet, ipv4, overlay, tcp};
use overlay_tests::process::{Monitor, finish, program, wait_until};
use overlay_tests::wire::Raw;

/// A request with these headers from a port.
fn request(port: u16, headers: &str) -> Vec<u8> {
    let request = format!("GET / HTTP/1.1\r\nHost: app\r\n{headers}\r\n");
    let segment = tcp(port, 80, request.as_bytes());
    overlay(VNI, &ethernet(0x0800, &ipv4(6, &[], &segment)))
}

#[test]
fn each_flow_with_credentials_is_counted_and_the_line_names_network_and_kinds() {
    let lab = super::quiet();
    let folder = super::folder::Folder::new("credentials");
    let config = folder.file("config.toml");
    let text = format!("[[network]]\nvni = {VNI}\nname = \"shop\"\nencrypted = \"optional\"\n");
    std::fs::write(&config, text).unwrap();
    let arguments = ["--docker", "off", "--config", config.to_str().unwrap()];
    let mut agent = Agent::start(lab.node1(), &arguments);
    let wire = Raw::open(lab.node2(), "eth0");
    let basic = "Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n";
    let mut frames = vec![request(40000, "")];
    for port in 40001..40004 {
        frames.extend([request(port, basic), request(port, basic)]);
    }
    frames.push(request(40004, "Cookie: session=4f6d2c\r\n"));
    frames.iter().for_each(|frame| wire.send(frame));
    let counted = |kind: &str, flows: u64| {
        format!("overlay_credential_flows_total{{vni=\"{VNI}\",kind=\"{kind}\"}} {flows}\n")
    };
    let mut page = String::new();
    wait_until("all flows", || {
        page = agent.metrics();
        page.contains(&counted("http_basic", 3)) && page.contains(&counted("cookie", 1))
    });
    let exposed = |page: &str, what: &str| -> u64 {
        let rows = rows(page, &format!("overlay_exposure_{what}_total"));
        let rows = rows
            .into_iter()
            .filter(|(labels, _)| labels.contains("http"));
        rows.map(|(_, value)| value).sum()
    };
    wait_until("all packets are readable", || {
        page = agent.metrics();
        exposed(&page, "packets") == frames.len() as u64
    });
    let bytes: usize = frames.iter().map(Vec::len).sum();
    assert_eq!(exposed(&page, "bytes"), bytes as u64);
    for part in [
        format!("shop (VNI {VNI}): http is readable in plaintext"),
        "; credentials: http_basic".to_owned(),
        "; credentials: cookie".to_owned(),
    ] {
        agent
            .monitor
            .wait_for(&part, |run| run.err().contains(&part));
    }
    assert!(!agent.monitor.err().contains("dXNl"));
}

/// A login of FTP.
fn login() -> Vec<u8> {
    let segment = tcp(40000, 21, b"USER alice\r\nPASS s3cr3t\r\n");
    overlay(VNI, &ethernet(0x0800, &ipv4(6, &[], &segment)))
}

/// What a command prints until it has shown a login, or its time is over.
fn prints(lab: &Lab, arguments: &[&str]) -> String {
    let wire = Raw::open(lab.node2(), "eth0");
    let mut watching = Monitor::start(lab.node1(), arguments);
    let said = |monitor: &Monitor| format!("{}{}", monitor.out(), monitor.err());
    watching.wait_for("the login", |monitor| {
        wire.send(&login());
        said(monitor).contains("USER ")
    });
    said(&watching)
}

#[test]
fn names_of_accounts_are_shown_only_if_that_is_asked_for() {
    let lab = super::quiet();
    for words in [
        "tail -i eth0",
        "audit -i eth0 --docker off --duration 8s",
        "run -i eth0 --docker off",
    ] {
        let plain = Vec::from_iter(words.split(' '));
        let open = [&plain[..], &["--show-users"]].concat();
        let masked = prints(&lab, &plain);
        assert!(
            !masked.contains("alice") && masked.contains("USER …"),
            "{words}: {masked}"
        );
        let shown = prints(&lab, &open);
        assert!(shown.contains("USER alice"), "{words}: {shown}");
        assert!(!masked.contains("s3cr3t") && !shown.contains("s3cr3t"));
    }
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/traffic/ftp.pcap");
    for form in [&[][..], &["--flows"]] {
        let read = |flags: &[&str]| {
            let mut read = std::process::Command::new(program());
            read.arg("read").args(form).args(flags).arg(recorded);
            finish(read).out
        };
        let (masked, shown) = (read(&[]), read(&["--show-users"]));
        assert!(
            !masked.contains("alice") && masked.contains("USER …"),
            "{form:?}"
        );
        assert!(shown.contains("USER alice"), "{form:?}");
    }
}
