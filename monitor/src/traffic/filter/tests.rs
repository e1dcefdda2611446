use jiff::Timestamp;
use jiff::tz::TimeZone;
use monitor_classify::{CredentialKind, Exposure, Protocol, Transport, Verdict};
use monitor_common::encapsulation::Encapsulation;

use super::*;
use crate::traffic::sample_record::{Endpoints, SampleRecord};

/// HTTP with credentials in network 4096.
fn http() -> SampleRecord {
    let ends = |source: [u8; 4], destination: [u8; 4]| {
        Some(Endpoints {
            source: source.into(),
            destination: destination.into(),
        })
    };
    SampleRecord {
        encapsulation: Encapsulation::Vxlan,
        vni: Some(4096),
        outer: ends([192, 168, 77, 1], [192, 168, 77, 2]),
        inner: ends([10, 0, 1, 7], [10, 0, 1, 3]),
        transport: Some(Transport::Tcp),
        source_port: 40000,
        destination_port: 80,
        verdict: Verdict {
            protocol: Protocol::Http,
            exposure: Exposure::Plaintext,
            credentials: vec![CredentialKind::HttpBasic],
            ..Verdict::unknown()
        },
        ..SampleRecord::new(Timestamp::from_second(100).unwrap(), "eth0", None)
    }
}

/// ESP between the same nodes.
fn esp() -> SampleRecord {
    SampleRecord {
        encapsulation: Encapsulation::Esp,
        vni: None,
        inner: None,
        transport: Some(Transport::Esp),
        spi: Some(1),
        source_port: 0,
        destination_port: 0,
        verdict: Verdict {
            protocol: Protocol::Ipsec,
            exposure: Exposure::Encrypted,
            ..Verdict::unknown()
        },
        ..http()
    }
}

fn host(text: &str) -> Filter {
    Filter {
        hosts: vec![text.parse().unwrap()],
        ..Filter::default()
    }
}

fn protocol(text: &str) -> Filter {
    Filter {
        protocols: vec![text.parse().unwrap()],
        ..Filter::default()
    }
}

#[test]
fn each_condition_admits_what_it_names_and_nothing_else() {
    let ports = |ports: &[u16]| Filter {
        ports: ports.to_vec(),
        ..Filter::default()
    };
    let vnis = |vnis: &[u32]| Filter {
        vnis: vnis.to_vec(),
        ..Filter::default()
    };
    let exposure = |exposure| Filter {
        exposures: vec![exposure],
        ..Filter::default()
    };
    let since = |second| Filter {
        since: Some(Timestamp::from_second(second).unwrap()),
        ..Filter::default()
    };
    let credentials = Filter {
        credentials: true,
        ..Filter::default()
    };
    // The filter; whether it admits HTTP; whether it admits ESP.
    let cases = [
        (Filter::default(), true, true),
        (vnis(&[4096]), true, false),
        (vnis(&[1, 4096]), true, false),
        (vnis(&[1]), false, false),
        (host("10.0.1.7"), true, false),
        (host("10.0.1.3"), true, false),
        (host("10.0.0.0/16"), true, false),
        (host("10.0.2.0/24"), false, false),
        (host("192.168.77.2"), true, true),
        (host("0.0.0.0/0"), true, true),
        (host("::/0"), false, false),
        (ports(&[80]), true, false),
        (ports(&[40000]), true, false),
        (ports(&[443, 0]), false, false),
        (protocol("http"), true, false),
        (protocol("HTTP"), true, false),
        (protocol("tcp"), true, false),
        (protocol("udp"), false, false),
        (protocol("redis"), false, false),
        (protocol("esp"), false, true),
        (protocol("ipsec"), false, true),
        (exposure(Exposure::Plaintext), true, false),
        (exposure(Exposure::Encrypted), false, true),
        (exposure(Exposure::Unknown), false, false),
        (credentials, true, false),
        (since(100), true, true),
        (since(101), false, false),
    ];
    let (http, esp) = (http(), esp());
    for (filter, admits_http, admits_esp) in cases {
        assert_eq!(filter.admits(&(&http).into()), admits_http, "{filter:?}");
        assert_eq!(filter.admits(&(&esp).into()), admits_esp, "{filter:?}");
    }
}

#[test]
fn different_conditions_must_all_hold() {
    let both = |port| Filter {
        ports: vec![port],
        ..protocol("http")
    };
    assert!(both(80).admits(&(&http()).into()));
    assert!(!both(81).admits(&(&http()).into()));
    assert!(!both(80).is_empty() && Filter::default().is_empty());
}

#[test]
fn a_connection_that_is_left_out_is_that_in_both_directions() {
    let without = |one: &str, other: &str| Filter {
        without: vec![Connection::new(
            one.parse().unwrap(),
            other.parse().unwrap(),
        )],
        ..Filter::default()
    };
    for (one, other, admits) in [
        ("10.0.1.7:40000", "10.0.1.3:80", false),
        ("10.0.1.3:80", "10.0.1.7:40000", false),
        ("[::ffff:10.0.1.3]:80", "[::ffff:10.0.1.7]:40000", false),
        ("10.0.1.3:40000", "10.0.1.7:80", true),
        ("10.0.1.7:40001", "10.0.1.3:80", true),
    ] {
        let filter = without(one, other);
        assert_eq!(filter.admits(&(&http()).into()), admits, "{filter:?}");
        assert!(filter.admits(&(&esp()).into()));
    }
}

#[test]
fn values_are_read_as_users_write_them() {
    for bad in [
        "",
        "host",
        "10.0.1",
        "10.0.1.7/33",
        "fd00::/129",
        "10.0.1.7/-1",
        "10.0.1.7/",
    ] {
        assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
    }
    let range: AddressRange = "fd00:1::/32".parse().unwrap();
    assert!(range.contains("fd00:1::7".parse().unwrap()));
    assert!(!range.contains("fd00:2::7".parse().unwrap()));
    let error = "htpp".parse::<ProtocolName>().unwrap_err();
    assert!(
        error.contains("tcp") && error.contains("postgresql"),
        "{error}"
    );
    for name in ProtocolName::all() {
        name.parse::<ProtocolName>().unwrap();
    }
    let now = Timestamp::from_second(1000).unwrap();
    let zone = || TimeZone::fixed(jiff::tz::offset(1));
    for (text, second) in [
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01T01:00:10", 10),
        ("1970-01-01 01:00:10", 10),
        ("5m", 700),
        ("0s", 1000),
    ] {
        let since = Since::read(text, now, zone()).unwrap();
        assert_eq!(since.0.as_second(), second, "{text}");
    }
    for bad in ["", "yesterday", "-5m", "12", "99999999999h"] {
        let error = Since::read(bad, now, zone()).unwrap_err();
        assert!(error.contains("such as 5m"), "{bad}: {error}");
    }
}

#[test]
fn a_protocol_that_is_an_encapsulation_is_found_by_its_name() {
    for (name, encapsulations) in [
        (
            "ipsec",
            &[Encapsulation::Esp, Encapsulation::EspUdp, Encapsulation::Ah][..],
        ),
        ("esp", &[Encapsulation::Esp, Encapsulation::EspUdp]),
        ("ike", &[Encapsulation::Ike]),
        ("wireguard", &[Encapsulation::Wireguard]),
    ] {
        let filter = protocol(name);
        for encapsulation in Encapsulation::ALL {
            let record = SampleRecord {
                encapsulation: *encapsulation,
                ..SampleRecord::new(Timestamp::UNIX_EPOCH, "eth0", None)
            };
            assert_eq!(
                filter.admits(&(&record).into()),
                encapsulations.contains(encapsulation),
                "{name}: {encapsulation:?}"
            );
        }
    }
}
