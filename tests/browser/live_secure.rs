//! The page at `/` over TLS, for who knows the password.

use monitor_lab::Lab;
use overlay_tests::browser::Browser;
use overlay_tests::certificates::{Certificates, USER};
use overlay_tests::process::Monitor;

use super::assert_untroubled;
use super::live::{says, wait};

#[test]
fn the_page_is_live_over_tls_for_who_knows_the_password() {
    let mut lab = Lab::builder().quiet(true).build().unwrap();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    let files = Certificates::new();
    files.make("node", "127.0.0.1");
    let web = files.write(
        "web.yml",
        &format!("tls_server_config:\n  cert_file: node.crt\n  key_file: node.key\n{USER}"),
    );
    let node = lab.node1();
    let arguments = ["run", "-i", "eth0", "--docker", "off", "--require", "4096"];
    let served = ["--listen", "127.0.0.1:9469", "--web-config", &web];
    let mut monitor = Monitor::start(node, &[&arguments[..], &served].concat());
    monitor.wait_for("it serves", |monitor| monitor.err().contains("serving"));
    lab.http_get(5).unwrap();

    let mut stranger = Browser::start_on(node);
    let refused = stranger.tries("https://scraper:s3cret@127.0.0.1:9469/");
    assert_eq!(refused.as_deref(), Some("net::ERR_CERT_AUTHORITY_INVALID"));
    drop(stranger);

    let mut browser = Browser::start_trusting(node, &files.fingerprint("node"));
    let refused = browser.tries("https://127.0.0.1:9469/");
    let text = browser.value("document.body.innerText");
    assert!(
        refused.is_some() && !text.as_str().unwrap().contains("4096"),
        "{refused:?}: {text}"
    );
    let open = browser.tries("https://scraper:s3cret@127.0.0.1:9469/");
    assert_eq!(open, None);
    wait(
        &mut browser,
        "live",
        "document.getElementById('live').textContent === 'Live.'",
    );
    wait(&mut browser, "the violation", &says("VNI 4096"));
    let is_secure = "location.protocol === 'https:' && window.isSecureContext";
    assert_eq!(browser.value(is_secure), true);
    assert_untroubled(&mut browser);
}
