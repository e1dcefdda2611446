//! The web configuration: TLS, client certificates and users of the endpoint, by other programs than ours.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use monitor_lab::Host;
use overlay_tests::certificates::{Certificates, USER};
use overlay_tests::process::{Ended, Monitor, PATIENCE, run, wait_until};

use super::quiet;

const TLS: &str = "tls_server_config:\n  cert_file: keys/node.crt\n  key_file: keys/node.key\n";
const MUTUAL: &str = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n";
const METRICS: &str = "https://127.0.0.1:9469/metrics";
const PASSWORD: &[&str] = &["-u", "scraper:s3cret"];

/// A folder with the agent's certificate in a folder of its own, and a web configuration.
fn prepared(text: &str) -> (Certificates, String) {
    let files = Certificates::new();
    std::fs::create_dir_all(files.folder().join("keys")).unwrap();
    files.make("keys/node", "127.0.0.1");
    let web = files.write("web.yml", text);
    (files, web)
}

fn serve<'a>(host: &'a Host, web: &str, arguments: &[&str]) -> Monitor<'a> {
    let common = ["run", "-i", "eth0", "--docker", "off", "--web-config", web];
    let mut monitor = Monitor::start(host, &[&common, arguments].concat());
    monitor.wait_for("it serves", |monitor| {
        monitor.err().contains("serving https")
    });
    monitor
}

/// Status that curl gets; 0 without an answer.
fn status(host: &Host, files: &Certificates, arguments: &[&str], url: &str) -> u16 {
    let mut command = host.command("curl").unwrap();
    command.args([
        "-s",
        "-o",
        "/dev/null",
        "--noproxy",
        "*",
        "--max-time",
        "20",
    ]);
    command.args(["-w", "%{http_code}", "--cacert", &files.path("ca.crt")]);
    let output = command.args(arguments).arg(url).output().unwrap();
    String::from_utf8(output.stdout).unwrap().parse().unwrap()
}

fn health(host: &Host, arguments: &[&str]) -> Ended {
    run(host, &[&["health"], arguments].concat())
}

#[test]
fn users_and_their_passwords() {
    let lab = quiet();
    let host = lab.node1();
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n";
    let (files, web) = prepared(&format!("{TLS}{USER}{headers}"));
    let mut agent = serve(host, &web, &[]);
    let status = |arguments: &[&str], path: &str| {
        let url = format!("https://127.0.0.1:9469{path}");
        status(host, &files, arguments, &url)
    };
    assert_eq!(status(PASSWORD, "/metrics"), 200);
    for path in ["/metrics", "/networks", "/", "/events", "/nowhere"] {
        assert_eq!(status(&[], path), 401, "{path}");
    }
    for user in ["scraper:guess", "scraper:", "other:s3cret", ":"] {
        assert_eq!(status(&["-u", user], "/metrics"), 401, "{user}");
        assert_eq!(status(&["-u", user], "/-/healthy"), 401, "{user}");
    }
    // A probe has no password, and learns yes or no.
    let mut curl = vec!["-s", "-i", "--noproxy", "*", "-k"];
    let ready = "https://127.0.0.1:9469/-/ready";
    curl.push(ready);
    let answer = host.run("curl", &curl).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nok\n"),
        "{answer}"
    );
    assert!(answer.contains("x-frame-options: deny"), "{answer}");
    curl.extend(PASSWORD);
    let answer = host.run("curl", &curl).unwrap();
    assert!(answer.contains("ok: eth0"), "{answer}");
    let ended = health(host, &["--ready", "--web-config", &web]);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), "ok\n"),
        "{ended:?}"
    );
    // Without TLS there is no answer.
    assert_eq!(health(host, &[]).code, Some(1));
    // By the configuration of the agent; and the agent lives where its files are not valid any more.
    let config = files.write("config.toml", &format!("web_config = '{web}'\n"));
    let alive = |is_noted: bool| {
        let ended = health(host, &["--config", &config]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(
            ended.err.contains("it is passed over"),
            is_noted,
            "{ended:?}"
        );
    };
    alive(false);
    let _ = files.write("web.yml", "tls_server_config: [\n");
    alive(true);
    agent.stop();
    // A port that nobody has is no agent.
    assert_eq!(health(host, &["--config", &config]).code, Some(1));
}

#[test]
fn its_networks_are_shown_to_who_trusts_it_and_has_a_password() {
    let lab = quiet();
    let host = lab.node1();
    let (files, web) = prepared(&format!("{TLS}{USER}"));
    let mut agent = serve(host, &web, &["--require", "4096"]);
    let user = files.write("user", "scraper:s3cret\n");
    let guess = files.write("guess", "scraper:guess\n");
    let authority = files.path("ca.crt");
    let url = "https://127.0.0.1:9469";
    for command in [
        &["top", "--once", "--url"][..],
        &["forecast", "--duration", "1s", "--url"],
    ] {
        let ask = |rest: &[&str]| run(host, &[command, rest].concat());
        let shown = ask(&[url, "--user-file", &user, "--ca-file", &authority]);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        assert!(!shown.out.is_empty(), "{shown:?}");
        for (rest, code, says) in [
            (&[url, "--ca-file", &authority][..], 4, "give --user-file"),
            (
                &[url, "--ca-file", &authority, "--user-file", &guess],
                4,
                "give --user-file",
            ),
            (&[url, "--user-file", &user], 4, "give --ca-file"),
            (
                &["http://192.0.2.1:9469", "--user-file", &user],
                2,
                "in cleartext",
            ),
        ] {
            let ended = ask(rest);
            assert_eq!(ended.code, Some(code), "{rest:?}: {ended:?}");
            assert!(ended.err.contains(says), "{rest:?}: {ended:?}");
        }
    }
    let shown = run(
        host,
        &[
            "top",
            "--once",
            "--url",
            url,
            "--user-file",
            &user,
            "--ca-file",
            &authority,
        ],
    );
    assert!(shown.out.contains("4096"), "{shown:?}");
    for command in ["top", "forecast"] {
        let ended = run(host, &[command, "-i", "eth0", "--user-file", &user]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
    }
    agent.stop();
}

#[test]
fn clients_without_a_certificate_of_the_authority_get_nothing() {
    let lab = quiet();
    let host = lab.node1();
    let (files, web) = prepared(&format!("{TLS}{MUTUAL}"));
    let mut agent = serve(host, &web, &[]);
    files.make("client", "127.0.0.1");
    let strangers = Certificates::new();
    strangers.make("client", "127.0.0.1");
    let with = |files: &Certificates| [files.path("client.crt"), files.path("client.key")];
    let ask = |pair: &[String; 2]| {
        status(
            host,
            &files,
            &["--cert", &pair[0], "--key", &pair[1]],
            METRICS,
        )
    };
    assert_eq!(ask(&with(&files)), 200);
    assert_eq!(ask(&with(&strangers)), 0);
    assert_eq!(status(host, &files, &[], METRICS), 0);
    // The agent's own certificate is good for its own probe.
    let ended = health(host, &["--web-config", &web]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    agent.stop();
}

/// The serial number of the certificate that is served.
fn serial(host: &Host) -> String {
    let command = "openssl s_client -connect 127.0.0.1:9469 </dev/null 2>/dev/null | openssl x509 -noout -serial";
    host.run("sh", &["-c", command]).unwrap()
}

#[test]
fn changed_files_are_read_again_and_a_bad_one_changes_nothing() {
    let lab = quiet();
    let host = lab.node1();
    let (files, web) = prepared(&format!("{TLS}{USER}"));
    let mut agent = serve(host, &web, &[]);
    // It has given up its privileges, and still reads both folders.
    assert!(
        agent.err().contains("files those needed") || agent.err().contains("not restricted"),
        "{}",
        agent.err()
    );
    let get = |arguments: &[&str]| status(host, &files, arguments, METRICS);
    assert_eq!(get(PASSWORD), 200);
    let first = serial(host);
    files.make("keys/node", "127.0.0.1");
    wait_until("the new certificate is served", || serial(host) != first);
    let second = serial(host);
    assert_eq!(get(PASSWORD), 200);

    for bad in [
        // Cut off by an editor that writes in place.
        String::new(),
        "tls_server_config: [\n".to_owned(),
        format!("{TLS}basic_auth_users: {{scraper: s3cret}}\n"),
        format!("{TLS}rate_limit: {{}}\n"),
        "tls_server_config: {cert_file: nowhere.crt, key_file: keys/node.key}\n".to_owned(),
        // The key of another certificate.
        "tls_server_config: {cert_file: ca.crt, key_file: keys/node.key}\n".to_owned(),
    ] {
        let before = agent.err().matches("web configuration is refused").count();
        let _ = files.write("web.yml", &bad);
        agent.wait_for("the error is logged", |agent| {
            agent.err().matches("web configuration is refused").count() > before
        });
        assert_eq!((get(PASSWORD), get(&[])), (200, 401), "{bad}");
        assert_eq!(serial(host), second, "{bad}");
    }
    // An error is logged once, not at each look.
    let logged = agent.err().matches("web configuration is refused").count();
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(
        agent.err().matches("web configuration is refused").count(),
        logged
    );
    assert!(!agent.err().contains("s3cret"), "{}", agent.err());

    // A part of a file that is valid, until the rest is written.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(7) {
        let _ = files.write("web.yml", TLS);
        std::thread::sleep(Duration::from_millis(700));
        let _ = files.write("web.yml", &format!("{TLS}{USER}"));
        assert_eq!(get(&[]), 401);
        std::thread::sleep(Duration::from_millis(100));
    }

    // Without users: no password is asked for, none that was verified counts, and the log warns.
    let _ = files.write("web.yml", TLS);
    wait_until("no password is needed", || get(&[]) == 200);
    agent.wait_for("it is warned of", |agent| {
        agent.err().contains("the endpoint answers to anyone")
    });
    // Another hash.
    let other = "basic_auth_users:\n  scraper: $2b$04$.....................................................";
    let _ = files.write("web.yml", &format!("{TLS}{other}\n"));
    wait_until("the old password is refused", || get(PASSWORD) == 401);
    agent.stop();
}

#[test]
fn clients_without_a_password_hold_no_place() {
    let lab = quiet();
    let host = lab.node1();
    let (_files, web) = prepared(USER);
    let common = ["run", "-i", "eth0", "--docker", "off", "--web-config", &web];
    let mut agent = Monitor::start(host, &common);
    agent.wait_for("it serves", |agent| agent.err().contains("serving http"));
    let mut held = Vec::new();
    for _ in 0..300 {
        let stream = host.enter(|| TcpStream::connect("127.0.0.1:9469"));
        let mut stream = stream.unwrap().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:9469\r\n\r\n")
            .unwrap();
        held.push(stream);
    }
    let url = "http://127.0.0.1:9469/metrics";
    let mut curl = vec!["-s", "-o", "/dev/null", "-w", "%{http_code}"];
    curl.extend(PASSWORD);
    curl.push(url);
    let start = Instant::now();
    assert_eq!(host.run("curl", &curl).unwrap(), "200");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    for mut stream in held {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        // A client that asks again and again would hold its place.
        let is_last = answer.to_lowercase().contains("connection: close");
        assert!(answer.starts_with("HTTP/1.1 401") && is_last, "{answer:?}");
    }
    agent.stop();
}

#[test]
fn slow_handshakes_are_cut_and_keep_no_scraper_out() {
    let lab = quiet();
    let host = lab.node1();
    let (files, web) = prepared(&format!("{TLS}{USER}"));
    let mut agent = serve(host, &web, &[]);
    let connect = || {
        let stream = host.enter(|| TcpStream::connect("127.0.0.1:9469"));
        let mut stream = stream.unwrap().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The start of a handshake.
        stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
        stream
    };
    let mut slow = connect();
    let start = Instant::now();
    let mut answer = Vec::new();
    let _ = slow.read_to_end(&mut answer);
    let took = start.elapsed();
    assert!(answer.is_empty(), "{answer:?}");
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(10)).contains(&took),
        "{took:?}"
    );

    let held: Vec<TcpStream> = (0..600).map(|_| connect()).collect();
    let start = Instant::now();
    assert_eq!(status(host, &files, PASSWORD, METRICS), 200);
    println!(
        "scraped in {:?} beside {} half-open handshakes",
        start.elapsed(),
        held.len()
    );
    let open = std::fs::read_dir(format!("/proc/{}/fd", agent.id()))
        .unwrap()
        .count();
    assert!(open < 400, "{open} descriptors");
    // Places become free only after two seconds by themselves.
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    agent.stop();
}

#[test]
fn a_bad_file_at_the_start_is_an_error_and_config_check_finds_it() {
    let lab = quiet();
    let host = lab.node1();
    let (files, web) = prepared(&format!("{TLS}  client_allowed_sans: [a]\n"));
    let ended = run(host, &["run", "-i", "eth0", "--web-config", &web]);
    assert!(
        ended.code == Some(2) && ended.err.contains("client_allowed_sans"),
        "{ended:?}"
    );
    let ended = run(
        host,
        &["run", "-i", "eth0", "--web-config", &files.path("nowhere")],
    );
    assert!(
        ended.code == Some(2) && ended.err.contains("cannot read"),
        "{ended:?}"
    );
    let check = |text: &str| {
        let _ = files.write("web.yml", text);
        let file = files.write(
            "config.toml",
            &format!("interfaces = ['eth0']\nweb_config = '{web}'\n"),
        );
        run(host, &["config", "check", "--config", &file])
    };
    let ended = check(&format!("{TLS}  min_version: TLS11\n"));
    assert!(
        ended.code == Some(2) && ended.err.contains("TLS11"),
        "{ended:?}"
    );
    let ended = check(TLS);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
