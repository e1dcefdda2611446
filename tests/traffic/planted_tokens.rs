//! Random tokens at random places of recorded packets: of a thousand for each protocol none is in any output.

use std::collections::BTreeMap;

use super::fixture::{Fixture, payload, records};
use super::{line, report};

/// Tokens for each protocol.
const TOKENS: u64 = 1000;
/// Kinds of tokens: letters and length, as of `token_urlsafe(16)`, `token_hex(16)`, base62 and base32.
const KINDS: [(&[u8], usize); 4] = [
    (
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        22,
    ),
    (b"0123456789abcdef", 32),
    (
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        24,
    ),
    (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 26),
];
/// Bytes of a token that none may show. A length in a message can end a name inside the token: what is left is a name of
/// that length, and of such short ones some are shown (`monitor-classify/src/secret/tests.rs` measures how many).
const HINT: usize = 13;

/// Numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % limit as u64) as usize
    }

    fn token(&mut self) -> Vec<u8> {
        let (letters, length) = KINDS[self.below(KINDS.len())];
        (0..length)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }
}

/// Puts a token in place of as many bytes of a payload: half of them where a word begins, the others anywhere.
fn plant(random: &mut Random, payload: &mut [u8], token: &[u8]) {
    let last = payload.len() - token.len();
    let begins = |at: &usize| *at == 0 || !payload[at - 1].is_ascii_alphanumeric();
    let words: Vec<usize> = (0..=last).filter(begins).collect();
    let at = if words.is_empty() || random.below(2) == 0 {
        random.below(last + 1)
    } else {
        words[random.below(words.len())]
    };
    payload[at..at + token.len()].copy_from_slice(token);
}

#[test]
fn of_a_thousand_tokens_for_each_protocol_none_is_in_any_output() {
    let fixtures = Fixture::all();
    let flows: Vec<_> = fixtures.iter().flat_map(|fixture| &fixture.flows).collect();
    // Packets of each protocol that a token fits into, as flow and number.
    let mut packets = BTreeMap::<&str, Vec<(usize, usize)>>::new();
    let longest = KINDS.iter().map(|(_, length)| *length).max().unwrap();
    for (at, flow) in flows.iter().enumerate() {
        let of = packets.entry(&flow.expected.protocols[0]).or_default();
        let fits = |(_, frame): &(usize, &Vec<u8>)| payload(frame, usize::MAX).len() >= longest;
        let fitting = flow.frames().iter().enumerate().filter(fits);
        of.extend(fitting.map(|(number, _)| (at, number)));
    }
    packets.retain(|_, packets| !packets.is_empty());
    assert!(packets.len() >= 40, "only {} protocols", packets.len());
    let mut random = Random(29);
    let mut wrong = Vec::new();
    let mut shown = 0;
    for (protocol, packets) in &packets {
        for _ in 0..TOKENS {
            let (flow, number) = packets[random.below(packets.len())];
            let flow = flows[flow];
            // With the packets before and after, which it may be joined with.
            let first = number.saturating_sub(1);
            let last = (number + 2).min(flow.frames().len());
            let mut frames = flow.frames()[first..last].to_vec();
            let token = random.token();
            let frame = &mut frames[number - first];
            let place = payload(frame, usize::MAX);
            plant(&mut random, &mut frame[place], &token);
            let token = String::from_utf8(token).unwrap();
            for record in records(&frames, usize::MAX) {
                let outputs = [
                    line(&record),
                    serde_json::to_string(&record).unwrap(),
                    format!("{record:?}"),
                    record.comment(),
                ];
                shown += usize::from(record.verdict.evidence.is_some());
                let shows = |output: &String| {
                    (0..=token.len() - HINT).any(|at| output.contains(&token[at..at + HINT]))
                };
                if outputs.iter().any(shows) {
                    wrong.push(format!("{protocol}: {token} in {}", outputs[0]));
                }
            }
        }
    }
    println!(
        "{} protocols, {TOKENS} tokens each: {shown} records with evidence",
        packets.len()
    );
    assert!(
        shown > packets.len() * TOKENS as usize,
        "little is shown: {shown}"
    );
    report::none(&wrong, "outputs with a planted token");
}
