//! A scrape over TLS with a password, and what anyone on the path reads of it.

use std::time::Duration;

use monitor_lab::{Host, Lab};
use overlay_tests::certificates::{Certificates, USER};
use overlay_tests::process::{Monitor, wait_until};
use overlay_tests::prometheus::{query, spawn, try_query};

/// A name that is on every page of metrics.
const ON_EACH_PAGE: &str = "overlay_build_info";

fn serve<'a>(host: &'a Host, port: u16, arguments: &[&str]) -> Monitor<'a> {
    let listen = format!("{}:{port}", host.address());
    let common = ["run", "-i", "eth0", "--docker", "off", "--listen", &listen];
    let mut monitor = Monitor::start(host, &[&common, arguments].concat());
    monitor.wait_for("it serves", |monitor| monitor.err().contains("serving"));
    monitor
}

#[test]
fn prometheus_scrapes_by_https_with_a_password_and_nothing_of_it_is_readable() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (prometheus, node) = (lab.node1(), lab.node2());
    let files = Certificates::new();
    files.make("node", &node.address().to_string());
    let web = files.write(
        "web.yml",
        &format!("tls_server_config:\n  cert_file: node.crt\n  key_file: node.key\n{USER}"),
    );
    let mut secure = serve(node, 9469, &["--web-config", &web]);
    // What a capture of cleartext shows, for comparison.
    let mut open = serve(node, 9471, &[]);
    assert!(
        open.err().contains("is served without TLS and to anyone"),
        "{}",
        open.err()
    );
    assert!(!secure.err().contains("is served"), "{}", secure.err());

    let target = |port: u16| {
        format!(
            "static_configs: [{{targets: [\"{}:{port}\"]}}]",
            node.address()
        )
    };
    let job =
        |name: &str, rest: &str| format!("  - job_name: {name}\n    scrape_interval: 1s\n{rest}");
    let tls = format!(
        "    scheme: https\n    tls_config: {{ca_file: {}}}\n",
        files.path("ca.crt")
    );
    let user =
        |password: &str| format!("    basic_auth: {{username: scraper, password: {password}}}\n");
    let configuration = format!(
        "scrape_configs:\n{}    {}\n{}    {}\n{}    {}\n{}    {}\n",
        job("secure", &(tls.clone() + &user("s3cret"))),
        target(9469),
        job("anonymous", &tls),
        target(9469),
        job("wrong", &(tls.clone() + &user("guess"))),
        target(9469),
        job("open", ""),
        target(9471),
    );
    let configuration = files.write("prometheus.yml", &configuration);
    let capture = files.path("capture.pcap");
    let tcpdump = ["-i", "eth0", "-s", "0", "-U", "-w", &capture, "tcp"].map(str::to_owned);
    let sniffing = spawn(node, "tcpdump", &tcpdump);
    wait_until("tcpdump captures", || std::fs::metadata(&capture).is_ok());
    std::thread::sleep(Duration::from_millis(500));
    let _prometheus = spawn(
        prometheus,
        "prometheus",
        &[
            format!("--config.file={configuration}"),
            format!("--storage.tsdb.path={}", files.path("series")),
            "--web.listen-address=127.0.0.1:9090".to_owned(),
        ],
    );
    let value = |expression: &str| query(prometheus, expression).first().cloned();
    wait_until("both pages are scraped several times", || {
        ["secure", "open"].iter().all(|job| {
            let scraped = format!("count_over_time({ON_EACH_PAGE}{{job=\"{job}\"}}[1h])");
            let found = try_query(prometheus, &scraped).unwrap_or_default();
            found
                .first()
                .is_some_and(|count| count.parse::<u32>().unwrap() >= 5)
        })
    });
    for job in ["anonymous", "wrong"] {
        assert_eq!(
            value(&format!("max_over_time(up{{job=\"{job}\"}}[1h])")).as_deref(),
            Some("0"),
            "{job}"
        );
        assert_eq!(
            value(&format!("count({ON_EACH_PAGE}{{job=\"{job}\"}})")),
            None,
            "{job}"
        );
    }
    // The status that Prometheus got.
    let targets =
        overlay_tests::prometheus::ask(prometheus, "http://127.0.0.1:9090/api/v1/targets", "")
            .unwrap();
    for target in targets["data"]["activeTargets"].as_array().unwrap() {
        let (job, error) = (
            target["labels"]["job"].as_str().unwrap(),
            target["lastError"].as_str().unwrap(),
        );
        match job {
            "secure" | "open" => assert_eq!(error, "", "{job}"),
            _ => assert!(error.contains("401 Unauthorized"), "{job}: {error}"),
        }
    }
    // Prometheus goes on, and so would the capture.
    drop(sniffing);
    let count = |filter: &str| {
        let found = node.run("tshark", &["-n", "-r", &capture, "-Y", filter]);
        found.unwrap().lines().count()
    };
    let shows =
        |port: u16, text: &str| count(&format!("tcp.port == {port} && frame contains \"{text}\""));
    assert!(
        count("tcp.port == 9469 && tls") > 20,
        "the scrapes over TLS are in the capture"
    );
    assert!(shows(9471, "/metrics") > 0, "cleartext is found");
    // A page is compressed: as HTTP, tshark unpacks it.
    let names = |port: u16| {
        let decode = format!("tcp.port=={port},http");
        let filter = format!("tcp.port == {port} && http.file_data contains \"{ON_EACH_PAGE}\"");
        let found = node.run(
            "tshark",
            &["-n", "-r", &capture, "-d", &decode, "-Y", &filter],
        );
        found.unwrap().lines().count()
    };
    assert!(names(9471) > 0, "a name is found where it is readable");
    assert_eq!(names(9469), 0);
    for text in ["overlay_", "process_", "scraper", "s3cret", "/metrics"] {
        assert_eq!(shows(9469, text), 0, "{text}");
    }
    secure.stop();
    open.stop();
}
