//! Forecasts whose bytes and MTU are added up by hand.

use super::super::forecasts::Forecasts;
use super::super::output::{lines, text};
use super::super::record::tests::recorded;
use super::*;

/// Frames of this length, so many a second.
fn traffic(packets: f64, length: f64) -> Traffic {
    Traffic {
        node: "node1".to_owned(),
        vni: 4096,
        network: Some("app1-network".to_owned()),
        packets_per_second: packets,
        bytes_per_second: packets * length,
    }
}

#[test]
fn bytes_and_mtu_follow_from_the_formats() {
    // ESP header 8, IV 8, trailer 2, padding 0 to 3, ICV 8.
    let small = Forecast::of(traffic(1000.0, 156.0), None, 1500);
    assert_eq!(small.mtu, [1450, 1424]);
    assert_eq!(small.cores, None);
    assert!((small.added[0] - 26.0 / 156.0).abs() < 1e-9, "{small:?}");
    // Of packets of 92 bytes at most 1 in 15 can have been full, and grow by 1.9 %.
    assert!(
        small.added[1] >= 29.0 / 156.0 && small.added[1] < 30.0 / 156.0,
        "{small:?}"
    );
    let full = Forecast::of(traffic(1000.0, 1514.0), None, 1500);
    assert!((full.added[0] - 26.0 / 1514.0).abs() < 1e-9, "{full:?}");
    // Segments of 1,410 become 1,384, and each costs its headers once more.
    let most = (29.0 + (1410.0 / 1384.0 - 1.0) * f64::from(DOCKER.frame(40))) / 1514.0;
    assert!((full.added[1] - most).abs() < 1e-6, "{full:?} {most}");
    assert_eq!(
        Forecast::of(traffic(1.0, 100.0), None, 9000).mtu,
        [8950, 8924]
    );
}

#[test]
fn the_cpu_time_is_that_of_the_bench_for_the_node_that_does_half_of_it() {
    let bench = recorded();
    // As many packets, inside of 540 bytes, as the bench had: encrypted by one node and decrypted by another.
    let length = 540.0 + f64::from(Carrier::Vxlan.frame(0));
    let forecast = Forecast::of(traffic(1000.0, length), Some(&bench), 1500);
    let cores = forecast.cores.unwrap();
    let whole = bench.model.seconds(1000.0, 540_000.0);
    assert!((cores.value - whole.value / 2.0).abs() < 1e-12);
    assert!(cores.low <= cores.value && cores.value <= cores.high);
    let twice = Forecast::of(traffic(2000.0, length), Some(&bench), 1500);
    assert!((twice.cores.unwrap().value - 2.0 * cores.value).abs() < 1e-9);
}

#[test]
fn nothing_in_a_counter_makes_it_panic() {
    for (packets, bytes) in [(0.0, 0.0), (1e300, 1e300), (1.0, 1e18), (1e12, 1.0)] {
        let mut odd = traffic(1.0, 1.0);
        (odd.packets_per_second, odd.bytes_per_second) = (packets, bytes);
        let odd = Forecast::of(odd, Some(&recorded()), 576);
        drop(lines(&Forecasts::of(vec![odd.traffic], Some(recorded()), 576)).unwrap());
    }
}

#[test]
fn the_text_says_how_it_was_computed() {
    let of = |bench| {
        let traffic = vec![traffic(52_000.0, 985.6)];
        text(&Forecasts::of(traffic, bench, 1500))
    };
    insta::assert_snapshot!("benched", of(Some(recorded())));
    insta::assert_snapshot!("without_a_bench", of(None));
    insta::assert_snapshot!("nothing_to_encrypt", text(&Forecasts::default()));
}
