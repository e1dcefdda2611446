//! What the kernel answers about firewall rules, and what other programs serve: Prometheus, and an agent on another node.

use std::time::Duration;

use monitor::host::firewall::Answer;
use monitor::surface::live::Reading;
use monitor::surface::prometheus;
use monitor::surface::top::{Board, frame};
use monitor_common::wire::VNI_MAX;

use crate::printed::lines;

/// Rules name networks that can exist.
fn rules(answer: Answer, input: &[u8]) {
    let rules = answer.rules(input);
    for set in [&rules.marked, &rules.refused] {
        assert!(!set.has(VNI_MAX + 1), "{set:?}");
    }
}

pub(crate) fn nf_tables(input: &[u8]) {
    rules(Answer::NfTables, input);
}

/// The first byte says of which version of IP the chain is.
pub(crate) fn ip_tables(input: &[u8]) {
    match input.split_first() {
        Some((0, chain)) => rules(Answer::IpTables, chain),
        Some((_, chain)) => rules(Answer::Ip6Tables, chain),
        None => {}
    }
}

/// An answer is read, or refused in words that can be shown; the name of a node can be shown as well.
pub(crate) fn prometheus(input: &[u8]) {
    match prometheus::parse(input) {
        Ok(answer) => {
            for series in &answer.series {
                lines(series.instance().to_string().as_bytes());
                assert!(series.vni().is_none_or(|vni| vni <= VNI_MAX));
            }
        }
        Err(error) => {
            let words = error.to_string();
            assert!(!words.contains(char::is_control), "{words:?}");
        }
    }
}

/// The pages of an agent, with a zero between them: what `top --url` draws of them has no control character.
pub(crate) fn pages(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (networks, metrics) = text.split_once('\0').unwrap_or((&text, ""));
    let mut board = Board::default();
    for seconds in 1..3 {
        match Reading::read(Duration::from_secs(seconds), networks, metrics) {
            Ok(reading) => board.read(reading),
            Err(error) => board.miss(error.to_string()),
        }
        let drawn = frame(&board, 80, 24).expect("it is drawn into memory");
        lines(drawn.as_bytes());
    }
}
