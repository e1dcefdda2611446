//! Flows that show credentials: counted and logged by network and kind.

use overlay_tests::agent::Agent;
use overlay_tests::frame::{VNI, ethernet, ipv4, overlay, tcp};
use overlay_tests::process::wait_until;
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
    wire.send(&request(40000, ""));
    for port in 40001..40004 {
        wire.send(&request(port, basic));
        wire.send(&request(port, basic));
    }
    wire.send(&request(40004, "Cookie: session=4f6d2c\r\n"));
    let counted = |kind: &str, flows: u64| {
        format!("overlay_credential_flows_total{{vni=\"{VNI}\",kind=\"{kind}\"}} {flows}\n")
    };
    let mut page = String::new();
    wait_until("all flows", || {
        page = agent.metrics();
        page.contains(&counted("http_basic", 3)) && page.contains(&counted("cookie", 1))
    });
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
