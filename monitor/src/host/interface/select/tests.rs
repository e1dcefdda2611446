use super::*;

fn link(index: u32, name: &str, kind: Kind) -> Link {
    Link {
        name: name.to_owned(),
        other_names: Vec::new(),
        index,
        hardware: 1,
        kind,
        lower: None,
        master: None,
        xdp: None,
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

/// A host with a bond of two NICs, VLANs on it, a bridge for containers on one of those, and a third NIC.
fn host() -> Vec<Link> {
    let loopback = Link {
        hardware: 772,
        ..link(1, "lo", Kind::Device)
    };
    let tunnel = Link {
        hardware: 65534,
        ..link(10, "tun0", Kind::Tun)
    };
    let infiniband = Link {
        hardware: 32,
        ..link(11, "ib0", Kind::Device)
    };
    vec![
        loopback,
        member(4, link(2, "eth0", Kind::Device)),
        member(4, link(3, "eth1", Kind::Device)),
        link(4, "bond0", Kind::Bond),
        member(6, over(4, link(5, "bond0.5", Kind::Vlan))),
        link(6, "br0", Kind::Bridge),
        member(6, link(7, "veth1", Kind::Veth)),
        link(8, "vxlan0", Kind::Overlay),
        link(9, "eth2", Kind::Device),
        tunnel,
        infiniband,
        over(9, link(12, "eth2.7", Kind::Vlan)),
        over(12, link(13, "eth2.7.8", Kind::Vlan)),
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
        // The other half of the bond is not lost with it.
        (&["bond0", "eth0"], &["eth0", "eth1"], 1),
        (&["bond0.5", "eth0"], &["eth0", "eth1"], 1),
        (&["br0"], &["br0"], 0),
        (&["br0", "bond0"], &["bond0"], 1),
        // Nor is a bridge's way to the wire.
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
fn the_default_route_leads_to_the_wires() {
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
            "without a route it is watched on"
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
fn a_bridge_without_an_uplink_is_watched_itself_unless_it_has_but_one_port() {
    let one = [
        link(1, "br0", Kind::Bridge),
        member(1, link(2, "veth1", Kind::Veth)),
    ];
    assert_eq!(
        names_of(&selection(&["default"]).resolve(&one, &[1])),
        ["veth1"]
    );
    let two = [&one[..], &[member(1, link(3, "veth2", Kind::Veth))]].concat();
    assert_eq!(
        names_of(&selection(&["default"]).resolve(&two, &[1])),
        ["br0"]
    );
}

#[test]
fn a_name_is_not_lost_sight_of_and_a_glob_goes_by_names() {
    let mut links = host();
    let mut by_name = selection(&["eth2"]);
    let mut by_glob = selection(&["eth2*"]);
    assert_eq!(names_of(&by_name.resolve(&links, &[])), ["eth2"]);
    assert_eq!(names_of(&by_glob.resolve(&links, &[])), ["eth2"]);
    links.retain(|link| link.kind != Kind::Vlan);
    links.iter_mut().find(|link| link.index == 9).unwrap().name = "wan0".to_owned();
    let renamed = by_name.resolve(&links, &[]);
    assert_eq!(names_of(&renamed), ["wan0"]);
    assert!(renamed.notes[0].contains("eth2 is now called wan0"));
    let none = by_glob.resolve(&links, &[]);
    assert_eq!((names_of(&none), none.missing.len()), (vec![], 0));
    assert!(none.notes[0].contains("no interface matches eth2*"));

    // The name goes to another interface: that one is meant now.
    links.push(link(20, "eth2", Kind::Device));
    assert_eq!(by_name.resolve(&links, &[]).interfaces[0].index, 20);
    links.retain(|link| link.index != 20);
    let gone = by_name.resolve(&links, &[]);
    assert_eq!(
        (names_of(&gone), gone.missing.clone()),
        (vec![], vec!["eth2".to_owned()])
    );
}

#[test]
fn what_is_named_must_be_there_and_understood_at_the_start() {
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
