use super::*;

fn link(index: u32, name: &str, kind: LinkKind) -> Link {
    Link {
        name: name.to_owned(),
        other_names: Vec::new(),
        index,
        hardware: 1,
        kind,
        lower: None,
        master: None,
        xdp: None,
        overlay: None,
        mtu: 1500,
    }
}

fn over(lower: u32, link: Link) -> Link {
    Link {
        lower: Some(lower),
        ..link
    }
}

fn member(master: u32, link: Link) -> Link {
    Link {
        master: Some(master),
        ..link
    }
}

/// A host with a bond of two NICs, VLANs on it, a bridge for containers on one of these, and a third NIC.
fn host() -> Vec<Link> {
    let loopback = Link {
        hardware: 772,
        ..link(1, "lo", LinkKind::Device)
    };
    let tunnel = Link {
        hardware: 65534,
        ..link(10, "tun0", LinkKind::Tun)
    };
    let infiniband = Link {
        hardware: 32,
        ..link(11, "ib0", LinkKind::Device)
    };
    vec![
        loopback,
        member(4, link(2, "eth0", LinkKind::Device)),
        member(4, link(3, "eth1", LinkKind::Device)),
        link(4, "bond0", LinkKind::Bond),
        member(6, over(4, link(5, "bond0.5", LinkKind::Vlan))),
        link(6, "br0", LinkKind::Bridge),
        member(6, link(7, "veth1", LinkKind::Veth)),
        link(8, "vxlan0", LinkKind::Overlay),
        link(9, "eth2", LinkKind::Device),
        tunnel,
        infiniband,
        over(9, link(12, "eth2.7", LinkKind::Vlan)),
        over(12, link(13, "eth2.7.8", LinkKind::Vlan)),
    ]
}

fn selection(patterns: &[&str]) -> Selection {
    let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
    Selection::new(patterns.collect())
}

fn names_of(selected: &Selected) -> Vec<&str> {
    let names = selected.interfaces.iter().map(|at| at.name.as_str());
    names.collect()
}

#[test]
fn no_packet_is_counted_twice() {
    for (patterns, expected, notes) in [
        (&["eth2"][..], &["eth2"][..], 0),
        (&["eth2", "eth2"], &["eth2"], 0),
        (&["eth2", "eth2.7"], &["eth2"], 1),
        (&["eth2", "eth2.7.8"], &["eth2"], 1),
        (&["eth2.7.8", "eth2.7", "eth2"], &["eth2"], 2),
        (&["eth2.7"], &["eth2.7"], 0),
        (&["bond0"], &["bond0"], 0),
        (&["bond0", "bond0.5"], &["bond0"], 1),
        (&["bond0", "eth0", "eth1"], &["eth0", "eth1"], 1),
        // The bond's other NIC is added.
        (&["bond0", "eth0"], &["eth0", "eth1"], 1),
        (&["bond0.5", "eth0"], &["eth0", "eth1"], 1),
        (&["br0"], &["br0"], 0),
        (&["br0", "bond0"], &["bond0"], 1),
        // So is the bridge's path to the wire.
        (&["br0", "veth1"], &["bond0.5", "veth1"], 1),
        (&["eth*"], &["eth0", "eth1", "eth2"], 2),
        (&["*"], &["eth0", "eth1", "veth1", "eth2", "tun0"], 5),
    ] {
        let mut selection = selection(patterns);
        let selected = selection.resolve(&host(), &[]);
        assert_eq!(names_of(&selected), expected, "{patterns:?}");
        assert_eq!(
            selected.notes.len(),
            notes,
            "{patterns:?}: {:?}",
            selected.notes
        );
        assert_eq!(selected.missing, [""; 0], "{patterns:?}");
    }
}

#[test]
fn the_default_route_resolves_to_the_devices_at_the_wire() {
    for (route, expected) in [
        (&[9][..], &["eth2"][..]),
        (&[12], &["eth2"]),
        (&[4], &["eth0", "eth1"]),
        (&[6], &["eth0", "eth1"]),
        (&[9, 4], &["eth0", "eth1", "eth2"]),
        (&[10], &["tun0"]),
    ] {
        let mut selection = selection(&["default"]);
        assert!(selection.wants_routes());
        assert_eq!(names_of(&selection.resolve(&host(), route)), expected);
        let later = selection.resolve(&host(), &[]);
        assert_eq!(
            names_of(&later),
            expected,
            "without a route it stays selected"
        );
        assert_eq!(later.notes.len(), 1, "{:?}", later.notes);
    }
    let none = selection(&["default"]).resolve(&host(), &[]);
    assert_eq!(
        (names_of(&none), none.missing.clone()),
        (vec![], vec!["default".to_owned()])
    );
}

#[test]
fn a_bridge_without_an_uplink_is_watched_itself_unless_it_has_one_port() {
    let one = [
        link(1, "br0", LinkKind::Bridge),
        member(1, link(2, "veth1", LinkKind::Veth)),
    ];
    assert_eq!(
        names_of(&selection(&["default"]).resolve(&one, &[1])),
        ["veth1"]
    );
    let two = [&one[..], &[member(1, link(3, "veth2", LinkKind::Veth))]].concat();
    assert_eq!(
        names_of(&selection(&["default"]).resolve(&two, &[1])),
        ["br0"]
    );
}

#[test]
fn a_renamed_interface_stays_selected_by_name_but_not_by_glob() {
    let mut links = host();
    let mut by_name = selection(&["eth2"]);
    let mut by_glob = selection(&["eth2*"]);
    assert_eq!(names_of(&by_name.resolve(&links, &[])), ["eth2"]);
    assert_eq!(names_of(&by_glob.resolve(&links, &[])), ["eth2"]);
    links.retain(|link| link.kind != LinkKind::Vlan);
    links.iter_mut().find(|link| link.index == 9).unwrap().name = "wan0".to_owned();
    let renamed = by_name.resolve(&links, &[]);
    assert_eq!(names_of(&renamed), ["wan0"]);
    assert_eq!(renamed.notes, [""; 0]);
    let none = by_glob.resolve(&links, &[]);
    assert_eq!((names_of(&none), none.missing.len()), (vec![], 0));
    assert!(none.notes[0].contains("no interface matches eth2*"));

    // Another interface gets the name, and is selected now.
    links.push(link(20, "eth2", LinkKind::Device));
    assert_eq!(by_name.resolve(&links, &[]).interfaces[0].index, 20);
    links.retain(|link| link.index != 20);
    let gone = by_name.resolve(&links, &[]);
    assert_eq!(
        (names_of(&gone), gone.missing.clone()),
        (vec![], vec!["eth2".to_owned()])
    );
}

#[test]
fn named_interfaces_must_exist_and_be_watchable_at_the_start() {
    assert!(
        selection(&["eth0", "nothing*", "default"])
            .check(&host())
            .is_ok()
    );
    let error = selection(&["eth9"]).check(&host()).unwrap_err().to_string();
    assert!(
        error.contains("\"eth9\"") && error.contains("eth2"),
        "{error}"
    );
    let error = selection(&["ib0"]).check(&host()).unwrap_err().to_string();
    assert!(error.contains("ib0 cannot be watched"), "{error}");
}
