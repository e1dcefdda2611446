use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::base::failure::FailureKind;
use crate::host::described_network::Requirement;
use crate::policy::State;
use crate::surface::prometheus::Instance;
use crate::surface::report::{Report, ReportFormat, render};

/// A name that would do harm on a terminal and in a page.
const HOSTILE: &str = "a\u{1b}[2J<img src=x onerror=hacked=1>\u{202e}";

fn scope() -> Scope {
    Scope {
        server: "https://prometheus.example".to_owned(),
        job: "overlay-monitor".to_owned(),
        to: Timestamp::from_second(1_000_086_400).unwrap(),
        nodes: 3,
        ..Scope::default()
    }
}

fn present(node: &str, state: State) -> PresentNetwork {
    PresentNetwork {
        node: Instance::new(node),
        vni: 4096,
        name: "app1".to_owned(),
        required: Some(Requirement::Required),
        state: Some(state),
        is_violated: false,
        readable_share: None,
        readable: BTreeSet::new(),
    }
}

/// A fleet in which all can be seen that can be wrong.
fn now() -> FleetNow {
    let violated = PresentNetwork {
        is_violated: true,
        readable_share: Some(1e-9),
        readable: ["http".to_owned(), "redis".to_owned()].into(),
        ..present("node1:9469", State::Mixed)
    };
    let hostile = PresentNetwork {
        name: HOSTILE.to_owned(),
        required: Some(Requirement::Optional),
        ..present(HOSTILE, State::Cleartext)
    };
    let missing = Missing {
        node: Instance::new("node3:9469"),
        why: "its target is down".to_owned(),
    };
    FleetNow {
        scope: Scope {
            missing: vec![missing],
            warnings: vec!["a store did not answer".to_owned()],
            ..scope()
        },
        rows: vec![violated, present("node2:9469", State::Idle), hostile],
    }
}

fn covered(node: &str) -> NetworkHistory {
    let mut row = NetworkHistory {
        node: Instance::new(node),
        vni: 4096,
        name: "app1".to_owned(),
        ..NetworkHistory::default()
    };
    row.states[State::Encrypted as usize] = Duration::from_secs(80_000);
    row.states[State::Idle as usize] = Duration::from_secs(6_400);
    row
}

fn history(rows: Vec<NetworkHistory>) -> FleetHistory {
    FleetHistory {
        scope: scope(),
        from: Timestamp::from_second(1_000_000_000).unwrap(),
        tolerated: Duration::from_secs(30),
        rows,
    }
}

/// A network with everything that keeps it from being proven.
fn imperfect() -> NetworkHistory {
    let mut row = covered(HOSTILE);
    row.name = HOSTILE.to_owned();
    row.states[State::Unknown as usize] = Duration::from_secs(31);
    row.states[State::Mixed as usize] = Duration::from_secs(60);
    row.undescribed = Duration::from_secs(7);
    let hole = |from: i64, seconds: i64| Hole {
        from: Timestamp::from_second(1_000_000_000 + from).unwrap(),
        to: Timestamp::from_second(1_000_000_000 + from + seconds).unwrap(),
        uncovered: Duration::from_secs(seconds.unsigned_abs()),
    };
    row.holes = vec![hole(600, 600), hole(5_000, 30)];
    row
}

fn violated() -> NetworkHistory {
    let mut row = covered("node2:9469");
    row.states[State::Cleartext as usize] = Duration::from_secs(60);
    row.cleartext = Some(CleartextSeen {
        packets: 3,
        bytes: 372,
        after: Timestamp::from_second(1_000_040_000).unwrap(),
        until: Timestamp::from_second(1_000_040_015).unwrap(),
        peers: (1..=10).map(|n| IpAddr::from([192, 168, 77, n])).collect(),
    });
    row
}

/// Text of a report that is the same in all time zones and of a release.
fn masked(text: &str) -> String {
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n', '<', ',']) {
        let is_time = |separator| {
            let end = word.find([' ', '\n', '<', ',']).unwrap_or(word.len());
            let parts: Vec<_> = word[..end].trim_end_matches('.').split(separator).collect();
            parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok())
        };
        if is_time('-') {
            out.push_str("DATE ");
        } else if is_time(':') {
            out.push_str("TIME");
            out.push_str(&word[word.find([' ', '\n', '<', ',']).unwrap_or(word.len())..]);
        } else {
            out.push_str(word);
        }
    }
    out
}

#[test]
fn nothing_of_a_hostile_name_reaches_a_terminal_or_a_page() {
    let history = history(vec![imperfect(), violated()]);
    for (name, text) in [
        ("now", render(&now(), ReportFormat::Text).unwrap()),
        ("history", render(&history, ReportFormat::Text).unwrap()),
        ("now_page", render(&now(), ReportFormat::Html).unwrap()),
        (
            "history_page",
            render(&history, ReportFormat::Html).unwrap(),
        ),
        ("now_json", now().json().unwrap()),
        ("history_json", history.json().unwrap()),
    ] {
        let harms = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.chars().any(harms), "{text}");
        if name.ends_with("page") {
            assert!(!text.contains("<img"), "{text}");
            // The style is that of every page.
            let body = &text[text.find("<body>").unwrap()..];
            insta::assert_snapshot!(name, masked(body));
        } else {
            insta::assert_snapshot!(name, masked(&text));
        }
    }
}

#[test]
fn a_verdict_is_proven_only_if_nothing_is_missing() {
    let proven = history(vec![covered("node1"), covered("node2")]);
    assert_eq!(proven.verdict(), Verdict::Proven);
    assert!(proven.outcome().is_ok());
    let kind = |fleet: &FleetHistory| fleet.outcome().unwrap_err().kind;

    let not = history(vec![covered("node1"), imperfect()]);
    assert_eq!(not.verdict(), Verdict::NotProven);
    assert_eq!(kind(&not), FailureKind::Undecided);
    // The hole that is not tolerated, the unknown time, and cleartext that no violation counted.
    assert_eq!(not.doubts().len(), 3, "{:?}", not.doubts());

    let both = history(vec![imperfect(), violated()]);
    assert_eq!(both.verdict(), Verdict::Violated);
    assert_eq!(kind(&both), FailureKind::Violation);
    assert!(both.violations()[0].contains("app1 (VNI 4096) on node2:9469: 3 packets (372 B)"));

    let mut warned = proven.clone();
    warned.scope.warnings.push("partial".to_owned());
    assert_eq!(warned.verdict(), Verdict::NotProven);
    assert_eq!(history(Vec::new()).verdict(), Verdict::NotProven);
    let mut idle = covered("node1");
    idle.states = [Duration::ZERO; 5];
    idle.states[State::Idle as usize] = Duration::from_secs(86_400);
    // One node without traffic is no doubt, all of them are: the VNI may be wrong.
    assert_eq!(
        history(vec![idle.clone(), covered("node2")]).verdict(),
        Verdict::Proven
    );
    assert_eq!(history(vec![idle]).verdict(), Verdict::NotProven);
}

#[test]
fn a_fleet_is_as_required_only_if_all_is_known() {
    let fine = FleetNow {
        scope: scope(),
        rows: vec![present("node1", State::Encrypted)],
    };
    assert!(fine.outcome().is_ok());
    let kind = |fleet: &FleetNow| fleet.outcome().unwrap_err().kind;
    assert_eq!(kind(&now()), FailureKind::Violation);
    let idle = FleetNow {
        rows: vec![present("node1", State::Idle)],
        ..fine.clone()
    };
    assert_eq!(kind(&idle), FailureKind::Undecided);
    let none = FleetNow {
        scope: Scope {
            nodes: 0,
            ..scope()
        },
        rows: Vec::new(),
    };
    assert_eq!(kind(&none), FailureKind::Undecided);
}
