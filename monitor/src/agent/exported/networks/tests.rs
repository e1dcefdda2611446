use monitor_common::key::Class;

use super::*;

fn counted(rows: &[(u32, u64)]) -> Counted {
    let traffic = rows.iter().map(|(vni, packets)| Traffic {
        interface: "eth0".into(),
        direction: Direction::Rx,
        encapsulation: Encapsulation::Vxlan,
        vni: Vni::Id(*vni),
        count: Count {
            packets: *packets,
            bytes: packets * 100,
        },
    });
    Counted {
        traffic: traffic.collect(),
        ..Counted::default()
    }
}

/// Packets by VNI as exported, "other" as `None`.
fn apply(
    exported: &mut ExportedNetworks,
    rows: &[(u32, u64)],
    described: &[u32],
) -> BTreeMap<Option<u32>, u64> {
    let mut counted = counted(rows);
    exported.apply(&mut counted, |vni| described.contains(&vni));
    let rows = counted.traffic.into_iter().map(|row| {
        assert_eq!(row.count.bytes, row.count.packets * 100);
        match row.vni {
            Vni::Id(vni) => (Some(vni), row.count.packets),
            Vni::None | Vni::Other => (None, row.count.packets),
        }
    });
    rows.collect()
}

#[test]
fn a_scan_is_summed_and_what_had_series_keeps_them() {
    let mut exported = ExportedNetworks::new(2);
    let first = apply(&mut exported, &[(50, 5), (60, 6)], &[]);
    assert_eq!(first, [(Some(50), 5), (Some(60), 6)].into());
    // Lower VNIs come, and one that is described.
    let rows = [(1, 10), (2, 20), (50, 7), (60, 6), (70, 1)];
    let second = apply(&mut exported, &rows, &[70]);
    let expected = [(None, 30), (Some(50), 7), (Some(60), 6), (Some(70), 1)];
    assert_eq!(second, expected.into());
    // The rows of the scan leave: "other" stays.
    let third = apply(&mut exported, &[(50, 8), (60, 6), (70, 1)], &[70]);
    let expected = [(None, 30), (Some(50), 8), (Some(60), 6), (Some(70), 1)];
    assert_eq!(third, expected.into());
    // One of them returns, from 0.
    let fourth = apply(&mut exported, &[(1, 4), (50, 8), (60, 6)], &[]);
    assert_eq!(fourth[&None], 34);
}

#[test]
fn a_network_that_gets_series_later_takes_nothing_from_other() {
    let mut exported = ExportedNetworks::new(1);
    apply(&mut exported, &[(1, 10), (2, 20)], &[]);
    // Described now: what came before stays in "other".
    let rows = apply(&mut exported, &[(1, 10), (2, 25)], &[2]);
    assert_eq!(rows, [(None, 20), (Some(1), 10), (Some(2), 5)].into());
    // And not any more, while there is no room: its series ends, and "other" goes on.
    let rows = apply(&mut exported, &[(1, 10), (2, 28)], &[]);
    assert_eq!(rows[&Some(1)], 10);
    assert_eq!(rows[&None], 23, "the 5 packets of the series are not in it");
    // The other one leaves, and there is room: the series goes on.
    let rows = apply(&mut exported, &[(2, 30)], &[]);
    assert_eq!(rows, [(None, 23), (Some(2), 7)].into());
}

#[test]
fn no_unknown_network_has_series_where_none_may() {
    let mut exported = ExportedNetworks::new(0);
    let rows = apply(&mut exported, &[(1, 1), (2, 2), (3, 3)], &[3]);
    assert_eq!(rows, [(None, 3), (Some(3), 3)].into());
}

/// Exposure of networks, all received and of one class.
fn exposed(rows: &[(NetworkId, u64)]) -> Counted {
    let class = Class::UNKNOWN;
    let exposure = rows.iter().map(|(network, packets)| Exposed {
        key: ExposureKey::new(Direction::Rx, *network, class),
        count: Count {
            packets: *packets,
            bytes: packets * 100,
        },
    });
    Counted {
        exposure: exposure.collect(),
        ..Counted::default()
    }
}

/// Packets by network as exported.
fn apply_exposure(
    exported: &mut ExportedNetworks,
    rows: &[(NetworkId, u64)],
) -> BTreeMap<NetworkId, u64> {
    let mut counted = exposed(rows);
    exported.apply(&mut counted, |vni| vni == 1);
    let rows = counted.exposure.into_iter();
    rows.map(|row| (row.key.network(), row.count.packets))
        .collect()
}

#[test]
fn exposure_of_networks_without_series_is_summed_and_stays_when_they_leave() {
    let [described, first, second] = [1, 50, 60].map(NetworkId::vni);
    let (host, other) = (NetworkId::HOST, NetworkId::OTHER);
    let mut exported = ExportedNetworks::new(1);
    let rows = [(described, 1), (first, 5), (second, 6), (host, 7)];
    let page = apply_exposure(&mut exported, &rows);
    let expected = [(described, 1), (first, 5), (other, 6), (host, 7)];
    assert_eq!(page, expected.into());
    // They leave, with what came since the page: none of it is lost.
    for (network, last) in [(first, 8), (second, 10)] {
        let key = ExposureKey::new(Direction::Rx, network, Class::UNKNOWN);
        let last = Count {
            packets: last,
            bytes: last * 100,
        };
        exported.exposure_left(key, last);
    }
    let page = apply_exposure(&mut exported, &[(described, 1), (host, 7)]);
    let expected = [(described, 1), (other, 6 + 3 + 4), (host, 7)];
    assert_eq!(page, expected.into());
}

#[test]
fn what_waits_in_networks_without_series_is_one_row() {
    let row = |network, packets| Pending {
        network,
        packets,
        bytes: packets * 100,
    };
    let (described, host, other) = (NetworkId::vni(1), NetworkId::HOST, NetworkId::OTHER);
    let pending = [
        (described, 1),
        (NetworkId::vni(50), 5),
        (NetworkId::vni(60), 6),
        (host, 7),
    ];
    let mut counted = Counted {
        pending: pending
            .map(|(network, packets)| row(network, packets))
            .into(),
        ..Counted::default()
    };
    ExportedNetworks::new(0).apply(&mut counted, |vni| vni == 1);
    let page: Vec<_> = counted
        .pending
        .iter()
        .map(|row| (row.network, row.packets, row.bytes))
        .collect();
    assert_eq!(
        page,
        [(described, 1, 100), (host, 7, 700), (other, 11, 1_100)]
    );
}

/// Interface, VNI and packets of each row.
fn listed(exported: &mut ExportedNetworks, mut counted: Counted) -> Vec<(String, Vni, u64)> {
    exported.apply(&mut counted, |_| false);
    let rows = counted.traffic.iter();
    rows.map(|row| (row.interface.to_string(), row.vni, row.count.packets))
        .collect()
}

#[test]
fn the_sums_of_an_interface_are_those_of_its_new_name() {
    let name = |name: &str, vni, packets| (name.to_owned(), vni, packets);
    let mut exported = ExportedNetworks::new(1);
    let before = listed(&mut exported, counted(&[(1, 10), (2, 20)]));
    let expected = [name("eth0", Vni::Id(1), 10), name("eth0", Vni::Other, 20)];
    assert_eq!(before, expected);
    // One without rows.
    exported.interface_renamed("wan0", &"other".into());
    let same = listed(&mut exported, counted(&[(1, 10), (2, 20)]));
    assert_eq!(same, expected);

    exported.interface_renamed("eth0", &"other".into());
    let mut rows = counted(&[(1, 10), (2, 25)]);
    for row in &mut rows.traffic {
        row.interface = "other".into();
    }
    let after = listed(&mut exported, rows);
    let expected = [name("other", Vni::Id(1), 10), name("other", Vni::Other, 25)];
    assert_eq!(after, expected);
}

#[test]
fn networks_in_esp_have_rows_if_they_are_described_and_count() {
    let mut exported = ExportedNetworks::new(0);
    let esp = [(1, 5), (2, 0), (3, 7)].map(|(vni, packets)| EspNetwork {
        direction: Direction::Tx,
        vni,
        peer: "192.0.2.1".parse().unwrap(),
        count: EspCarried {
            packets,
            bytes: packets * 100,
            overhead: packets * 26,
        },
    });
    let mut counted = Counted {
        esp_networks: esp.to_vec(),
        ..Counted::default()
    };
    exported.apply(&mut counted, |vni| vni < 3);
    let rows = counted.esp_networks.iter();
    let rows: Vec<_> = rows.map(|row| (row.vni, row.count.packets)).collect();
    assert_eq!(rows, [(1, 5)]);
    let others = counted.esp_others.iter();
    let others: Vec<_> = others
        .map(|row| (row.direction, row.count.packets))
        .collect();
    assert_eq!(others, [(Direction::Tx, 7)]);
}
