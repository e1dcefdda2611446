//! Causes, each made for real on an encrypted overlay.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use monitor::host::ipsec::{self, SecurityAssociation};
use monitor::policy::cause::spi::{self, Form};
use monitor_lab::{CLIENT, Host, Lab, MARK, WEB};
use overlay_tests::agent::{Agent, rows};
use overlay_tests::process::run;
use overlay_tests::wire::bound;

fn encrypted() -> Lab {
    Lab::builder().encrypted(true).quiet(true).build().unwrap()
}

fn shell(host: &Host, line: &str) -> String {
    host.run("sh", &["-c", line]).unwrap()
}

fn agent<'a>(host: &'a Host, arguments: &[&str]) -> Agent<'a> {
    Agent::start(host, &[&["--docker", "off"], arguments].concat())
}

fn states(host: &Host) -> Vec<SecurityAssociation> {
    host.enter(ipsec::associations).unwrap().unwrap()
}

/// Sends a datagram each 2 ms from one container to the other, and back, while `work` is done.
fn with_traffic<T>(lab: &Lab, work: impl FnOnce() -> T) -> T {
    let (client, web) = (lab.container(CLIENT).unwrap(), lab.container(WEB).unwrap());
    thread::scope(|scope| {
        // Dropped at the end of the work, also when it panics.
        let going = Arc::new(());
        let send = |from: &Host, to: &Host| {
            let address = to.address();
            let socket = bound(from, (from.address(), 9000));
            let going = Arc::downgrade(&going);
            scope.spawn(move || {
                while going.strong_count() > 0 {
                    // What cannot be sent for the moment is part of some accidents.
                    drop(socket.send_to(&[7; 400], (address, 9000)));
                    thread::sleep(Duration::from_millis(2));
                }
            });
        };
        send(client, web);
        send(web, client);
        work()
    })
}

/// Waits until the log of the agent on a host says something, while there is traffic.
fn says(lab: &Lab, agent: &mut Agent<'_>, what: &str) {
    with_traffic(lab, || {
        agent
            .monitor
            .wait_for(what, |monitor| monitor.err().contains(what));
    });
}

fn hexadecimal(text: &str) -> u32 {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn states_are_read_as_ip_shows_them() {
    let lab = encrypted();
    let host = lab.node1();
    with_traffic(&lab, || thread::sleep(Duration::from_secs(1)));
    // Later ones would count in one of the two readings.
    thread::sleep(Duration::from_millis(500));
    let ours: BTreeMap<u32, (String, u64, u64)> = states(host)
        .into_iter()
        .map(|state| {
            assert_eq!(state.reqid, MARK);
            assert_eq!(state.algorithms, ["rfc4106(gcm(aes))"]);
            assert!(!state.is_readable() && !state.udp && !state.extended_sequence);
            let form = spi::form(state.source, state.destination, state.spi);
            assert_eq!(form, Some(Form::Mapped), "{state:?}");
            (
                state.spi,
                (state.source.to_string(), state.packets, state.bytes),
            )
        })
        .collect();
    let text = shell(host, "ip -s xfrm state");
    let theirs: BTreeMap<u32, (String, u64, u64)> = format!("\n{text}")
        .split("\nsrc ")
        .skip(1)
        .map(|state| {
            let after = |word: &str| {
                let rest = state.split_once(word).unwrap().1;
                rest.split([' ', '(']).next().unwrap().to_owned()
            };
            let current = state
                .split_once("lifetime current:")
                .unwrap()
                .1
                .trim_start();
            let bytes = current.split('(').next().unwrap().parse().unwrap();
            let packets = current.split_once("(bytes), ").unwrap().1;
            let packets = packets.split('(').next().unwrap().parse().unwrap();
            let source = state.split(' ').next().unwrap().to_owned();
            (hexadecimal(&after("spi ")), (source, packets, bytes))
        })
        .collect();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 4);
    assert!(
        ours.values().any(|(_, packets, _)| *packets > 10),
        "{ours:?}"
    );
    let sent = states(host)
        .into_iter()
        .find(|state| state.source == host.address())
        .unwrap();
    assert_eq!(sent.sequence_sent, sent.packets);
}

/// The first accident: CVE-2023-28841 by hand.
#[test]
fn a_marking_rule_that_is_removed_is_named_on_both_sides() {
    let lab = encrypted();
    let arguments = ["--require", "4096"];
    let mut one = agent(lab.node1(), &arguments);
    let mut two = agent(lab.node2(), &arguments);
    with_traffic(&lab, || thread::sleep(Duration::from_secs(2)));
    assert!(
        !one.monitor.err().contains("violation"),
        "{}",
        one.monitor.err()
    );
    shell(lab.node1(), "nft flush chain inet overlay-lab encrypt");
    says(
        &lab,
        &mut one,
        "the rule that marks this network's datagrams for IPsec is missing",
    );
    says(
        &lab,
        &mut two,
        "that node encrypts with this one and sent cleartext",
    );
    let log = two.monitor.err();
    assert!(log.contains("(192.168.77.1; dropped here)"), "{log}");
    one.monitor.stop();
    two.monitor.stop();
}

#[test]
fn a_state_that_is_gone_is_named_with_its_spi() {
    let lab = encrypted();
    let host = lab.node1();
    let mut agent = agent(host, &[]);
    with_traffic(&lab, || thread::sleep(Duration::from_secs(1)));
    let sent = states(lab.node2())
        .into_iter()
        .find(|state| state.source == lab.node2().address())
        .unwrap();
    let known = states(host);
    assert!(known.iter().any(|state| state.spi == sent.spi));
    shell(
        host,
        &format!(
            "ip xfrm state delete src 192.168.77.2 dst 192.168.77.1 proto esp spi {:#x}",
            sent.spi
        ),
    );
    says(
        &lab,
        &mut agent,
        "ESP arrives for which this host has no association",
    );
    let spi = format!("SPI {:#010x} from 192.168.77.2", sent.spi);
    assert!(
        agent.monitor.err().contains(&spi),
        "{}",
        agent.monitor.err()
    );
    // The kernel says so too.
    let check = run(host, &["check", "-i", "eth0", "--docker", "off"]);
    assert!(check.out.contains("XfrmInNoStates "), "{check:?}");
    agent.monitor.stop();
}

/// node2 gets the SPI of the other form, as an engine that computes it so would: each drops the other's packets.
#[test]
fn an_engine_with_the_other_formula_is_named() {
    let lab = encrypted();
    let (one, two) = (lab.node1().address(), lab.node2().address());
    let mut agent = agent(lab.node1(), &[]);
    let spi = spi::spi(two, 1, one, Form::Short);
    let key = "0x000102030405060708090a0b0c0d0e0f00000001";
    shell(
        lab.node2(),
        &format!(
            "ip xfrm state add src {two} dst {one} proto esp spi {spi:#x} reqid {MARK} mode transport replay-window 0 \
             aead 'rfc4106(gcm(aes))' {key} 64 && \
             ip xfrm policy update src {two} dst {one} proto udp dport 4789 dir out mark {MARK:#x} mask 0xffffffff \
             tmpl src {two} dst {one} proto esp spi {spi:#x} reqid {MARK} mode transport"
        ),
    );
    says(
        &lab,
        &mut agent,
        "that node computes its SPIs by another formula, so each node drops the other's packets",
    );
    let log = agent.monitor.err();
    assert!(log.contains("(192.168.77.2: of 4-byte addresses"), "{log}");
    agent.monitor.stop();
}

#[test]
fn a_null_cipher_and_an_mtu_that_is_too_small_are_in_check() {
    let lab = encrypted();
    let host = lab.node1();
    let check = || run(host, &["check", "-i", "eth0", "--docker", "off"]).out;
    let before = check();
    assert!(
        before.contains("4 associations (4 as Docker makes them), 1 policy"),
        "{before}"
    );
    assert!(!before.contains("NULL cipher") && !before.contains("in fragments"));
    shell(
        host,
        "ip xfrm state add src 192.168.77.1 dst 192.168.77.3 proto esp spi 0x99 mode transport \
         enc 'ecb(cipher_null)' '' auth-trunc 'hmac(sha256)' 0x00112233445566778899aabbccddeeff 128 && \
         ip link set eth0 mtu 1400",
    );
    let after = check();
    assert!(
        after.contains("SPI 0x00000099 from 192.168.77.1 to 192.168.77.3: ")
            && after.contains("NULL cipher"),
        "{after}"
    );
    assert!(
        after.contains("eth0 takes 1400 bytes, Docker sends up to 1500"),
        "{after}"
    );
}

#[test]
fn sequence_numbers_that_run_out_are_reported_in_time() {
    let lab = encrypted();
    let host = lab.node1();
    let sent = states(host)
        .into_iter()
        .find(|state| state.source == host.address())
        .unwrap();
    let mut agent = agent(host, &[]);
    let key = shell(host, "ip xfrm state")
        .split_once("aead rfc4106(gcm(aes)) ")
        .map(|(_, rest)| rest.split(' ').next().unwrap().to_owned())
        .unwrap();
    assert!(key.starts_with("0x"));
    // Of four thousand million, nine tenths.
    shell(
        host,
        &format!(
            "ip xfrm state delete src {} dst {} proto esp spi {spi:#x} && \
             ip xfrm state add src {} dst {} proto esp spi {spi:#x} reqid {MARK} mode transport replay-window 0 \
             replay-oseq 0xE6666666 aead 'rfc4106(gcm(aes))' {key} 64",
            sent.source,
            sent.destination,
            sent.source,
            sent.destination,
            spi = sent.spi
        ),
    );
    says(&lab, &mut agent, "runs out of its 2^32 sequence numbers");
    let log = agent.monitor.err();
    let said = log.lines().find(|line| line.contains("runs out")).unwrap();
    assert!(
        said.contains(&format!(
            "SPI {:#010x} to 192.168.77.2: 90 % used",
            sent.spi
        )),
        "{said}"
    );
    let page = agent.metrics();
    let ratio = page
        .lines()
        .find_map(|line| {
            line.strip_prefix(
                r#"overlay_esp_sequence_used_ratio{peer="192.168.77.2",direction="tx"} "#,
            )
        })
        .unwrap_or_else(|| panic!("{page}"));
    let ratio: f64 = ratio.parse().unwrap();
    assert!((0.9..0.91).contains(&ratio), "{ratio}");
    agent.monitor.stop();
}

#[test]
fn loss_is_estimated_from_the_gaps() {
    let lab = encrypted();
    let mut agent = agent(lab.node1(), &[]);
    // One in five, after it got its sequence number.
    shell(
        lab.node2(),
        "nft 'table inet lossy { chain out { type filter hook output priority 300; \
         ip protocol esp numgen inc mod 5 == 0 drop; }; }'",
    );
    says(
        &lab,
        &mut agent,
        "ESP packets to this node are lost on the path",
    );
    let log = agent.monitor.err();
    let said = log.lines().find(|line| line.contains("are lost")).unwrap();
    let percent = said.split_once("from 192.168.77.2: ").unwrap().1;
    let percent: f64 = percent.split(' ').next().unwrap().parse().unwrap();
    assert!((19.0..21.0).contains(&percent), "{said}");
    agent.monitor.stop();
}

#[test]
fn esp_that_never_comes_back_is_called_blocked() {
    let lab = encrypted();
    let mut agent = agent(lab.node1(), &[]);
    shell(
        lab.node2(),
        "nft 'table inet wall { chain out { type filter hook output priority 300; ip protocol esp drop; }; }'",
    );
    says(
        &lab,
        &mut agent,
        "ESP is sent to that node and none is received",
    );
    let page = agent.metrics();
    let heard = rows(&page, "overlay_esp_packets_total");
    assert!(
        heard
            .iter()
            .all(|(labels, _)| labels.contains(r#"direction="tx""#)),
        "{heard:?}"
    );
    agent.monitor.stop();
}
