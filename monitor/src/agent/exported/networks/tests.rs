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
