use std::time::Duration;

use super::*;
use crate::surface::live::Reading;

/// The pages of an agent at a second: a violated network, an encrypted one, one that only the wire knows, and one whose
/// name would do harm.
fn reading(second: u64) -> Reading {
    let network = |vni: u32, name: &str, required: &str, state: &str| {
        format!(
            r#"{{"type":"network","node":"node1","vni":{vni},"network":{name},"required":{required},"state":"{state}","doubts":[]}}"#
        )
    };
    let networks = [
        network(7, "null", "null", "cleartext"),
        network(4096, r#""app1""#, r#""required""#, "mixed"),
        network(4097, r#""app2""#, r#""required""#, "encrypted"),
        network(4098, r#""a\u001b[2J\u202ename that is much longer than its column""#, r#""optional""#, "idle"),
        r#"{"type":"violation","node":"node1","vni":4096,"breach":"cleartext","direction":"tx","active":true,"packets":3,"bytes":372,"peers":[{"address":"192.168.77.2","packets":3,"bytes":372}],"causes":["the rule that marks this network's datagrams is missing"]}"#.to_owned(),
    ]
    .join("\n");
    let sent = 1_000 * second * (second % 7);
    let metrics = format!(
        "overlay_hook_up{{interface=\"eth0\",direction=\"rx\"}} 1\n# TYPE overlay_bytes_total counter\n\
         overlay_bytes_total{{interface=\"eth0\",direction=\"tx\",encapsulation=\"vxlan\",vni=\"4096\"}} {sent}\n\
         overlay_bytes_total{{interface=\"eth0\",direction=\"rx\",encapsulation=\"vxlan\",vni=\"4096\"}} {second}\n\
         overlay_esp_network_bytes_total{{direction=\"rx\",vni=\"4097\"}} {}\n\
         overlay_exposure_bytes_total{{direction=\"tx\",vni=\"4096\",protocol=\"redis\",exposure=\"plaintext\"}} 300\n\
         overlay_exposure_bytes_total{{direction=\"tx\",vni=\"4096\",protocol=\"tls\",exposure=\"encrypted\"}} 700\n\
         overlay_bytes_total{{vni=\"4096\",direction=\"tx\"}} NaN\nnonsense\noverlay_bytes_total{{vni=\"4096\n",
        second * 2_000_000
    );
    Reading::read(Duration::from_secs(second), &networks, &metrics).unwrap()
}

fn drawn(board: &Board, columns: u16, rows: u16) -> String {
    frame(board, columns, rows).unwrap()
}

fn board() -> Board {
    let mut board = Board::default();
    (0..90).for_each(|second| board.read(reading(second)));
    board
}

#[test]
fn frames_of_five_sizes() {
    for (columns, rows) in [(40, 12), (72, 16), (80, 24), (120, 30), (200, 60)] {
        let mut board = board();
        let text = drawn(&board, columns, rows);
        assert_eq!(text.lines().count(), usize::from(rows));
        assert!(text.starts_with("! 1 network VIOLATED"), "{text}");
        assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
        insta::assert_snapshot!(format!("table_{columns}x{rows}"), text);
        assert!(press(&mut board, Key::Enter));
        let text = drawn(&board, columns, rows);
        assert!(text.contains("192.168.77.2"), "{text}");
        insta::assert_snapshot!(format!("network_{columns}x{rows}"), text);
    }
}

#[test]
fn a_frame_of_any_size_can_be_drawn() {
    let mut board = board();
    for help in [false, true] {
        board.is_help = help;
        for columns in 1..=90 {
            for rows in [1, 2, 3, 4, 12] {
                let text = drawn(&board, columns, rows);
                assert_eq!(text.lines().count(), usize::from(rows));
            }
        }
    }
}

#[test]
fn keys_select_sort_filter_pause_and_leave() {
    let mut board = board();
    let order = |board: &Board| Vec::from_iter(board.rows().iter().map(|row| row.vni));
    assert_eq!(order(&board), [4096, 7, 4097, 4098]);
    press(&mut board, Key::Character('s'));
    assert_eq!(order(&board)[0], 4097);
    press(&mut board, Key::Down);
    press(&mut board, Key::Enter);
    assert_eq!(board.opened, Some(4096));
    assert!(press(&mut board, Key::Escape));
    assert_eq!(board.opened, None);
    // While a filter is typed, q is a letter.
    for key in "/app2q".chars().map(Key::Character).chain([Key::Back]) {
        assert!(press(&mut board, key));
    }
    press(&mut board, Key::Enter);
    assert_eq!(order(&board), [4097]);
    // What is wrong is said although the filter hides it.
    assert!(drawn(&board, 80, 24).starts_with("! 1 network VIOLATED"));
    press(&mut board, Key::Escape);
    assert_eq!(order(&board).len(), 4);
    press(&mut board, Key::Character('p'));
    board.read(reading(500));
    assert_eq!(board.live.last().at, Duration::from_secs(89));
    assert!(drawn(&board, 80, 24).contains("PAUSED"));
    assert!(!press(&mut board, Key::Character('q')));
}

#[test]
fn a_counter_that_begins_again_has_no_negative_rate() {
    let mut board = board();
    board.read(Reading {
        at: Duration::from_secs(90),
        ..reading(1)
    });
    assert!(
        board
            .rows()
            .iter()
            .all(|row| row.rate.iter().all(|at| *at >= 0.0))
    );
}

#[test]
fn what_is_no_page_of_an_agent_is_an_error() {
    for page in ["<html>", "{\"type\":\"other\"}", "\u{1b}[2J"] {
        let error = Reading::read(Duration::ZERO, page, "").unwrap_err();
        assert!(error.to_string().contains("check --url"), "{error}");
    }
    let mut board = Board::default();
    board.read(Reading::read(Duration::ZERO, "", "").unwrap());
    assert!(drawn(&board, 80, 24).starts_with("? BLIND: no interface"));
    board.read(Reading::read(Duration::ZERO, "", "overlay_hook_up{} 1").unwrap());
    assert!(drawn(&board, 80, 24).starts_with("+ no violation"));
    board.miss("refused".to_owned());
    assert!(drawn(&board, 80, 24).starts_with("? NO ANSWER: refused"));
}
