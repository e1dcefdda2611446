//! Keys of the configuration file do what their flags do.

use overlay_tests::agent::{Agent, value};
use overlay_tests::frame::{VNI, ethernet, ipv4, overlay, redis_command, udp};
use overlay_tests::process::wait_until;
use overlay_tests::wire::Raw;

use super::quiet;
use super::reload::File;

#[test]
fn series_samples_and_traffic_of_the_host_are_set_by_the_file() {
    let lab = quiet();
    let port = 9470;
    let file = File::new(
        "keys",
        &format!(
            "docker = 'off'\ninterfaces = ['eth0']\nlisten = '127.0.0.1:{port}'\nunknown_networks = 0\nhost_flows = 'all'\n\
             sample_every = 1\nsamples_per_second = 100\nnetwork_samples_per_second = 10\n"
        ),
    );
    let agent = Agent::configured(lab.node1(), port, file.path());
    let wire = Raw::open(lab.node2(), "eth0");
    for _ in 0..500 {
        wire.send(&overlay(VNI, &redis_command()));
    }
    let row = |vni: &str| {
        format!(
            r#"overlay_packets_total{{interface="eth0",direction="rx",encapsulation="vxlan",vni="{vni}"}}"#
        )
    };
    wait_until("they are counted", || agent.metric(&row("other")) == 500);
    let page = agent.metrics();
    assert!(!page.contains(&format!("vni=\"{VNI}\"")), "{page}");
    let samples = |page: &str, outcome: &str| {
        value(
            page,
            &format!("overlay_samples_total{{outcome=\"{outcome}\"}}"),
        )
    };
    // Each packet is chosen; a network has ten of a second on each CPU, and the frames came within a few seconds.
    let capped = samples(&page, "capped");
    assert!((300..500).contains(&capped), "{capped} of 500 are capped");
    assert_eq!(samples(&page, "sent") + capped, 500, "{page}");

    // Outside of any overlay: a share of the samples of its own.
    let plain = ethernet(0x0800, &ipv4(17, &[], &udp(1000, 2000, b"outside")));
    for _ in 0..50 {
        wire.send(&plain);
    }
    wait_until("packets of the host are exposed or not", || {
        let page = agent.metrics();
        let rows = page
            .lines()
            .filter(|line| line.starts_with("overlay_exposure_packets_total{"))
            .filter(|line| line.contains("vni=\"\""));
        rows.filter_map(|row| row.rsplit_once(' ')?.1.parse::<u64>().ok())
            .sum::<u64>()
            + value(&page, r#"overlay_exposure_pending_packets{vni=""}"#)
            >= 50
    });
}
