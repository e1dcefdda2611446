//! The two figures of masking, and the table of letter pairs.

use super::list;
use super::pairs::{CASES, PAIRS};
use super::token::{BOUNDARY, DIGIT, START, looks_random, symbol};

use crate::text::mask;

const NAMES: &str = include_str!("../../fixtures/names.txt");
const TRAINING: &str = include_str!("../../fixtures/training.txt");

/// A 64-bit mixer with a fixed seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// So many letters of an alphabet.
    pub(crate) fn of(&mut self, alphabet: &[u8], length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| alphabet[(self.next() % alphabet.len() as u64) as usize])
            .collect()
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
pub(crate) const URL_SAFE: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
pub(crate) const BASE62: &[u8; 62] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE36: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
pub(crate) const HEX: &[u8; 16] = b"0123456789abcdef";

/// Kinds of tokens that are in use, and a way to make one.
type Kind = (&'static str, fn(&mut Random) -> Vec<u8>);

const KINDS: [Kind; 12] = [
    ("token_urlsafe(16)", |random| random.of(URL_SAFE, 22)),
    ("nanoid", |random| random.of(URL_SAFE, 21)),
    ("base62 of 16", |random| random.of(BASE62, 16)),
    ("base32 of 16", |random| random.of(BASE32, 16)),
    ("hexadecimal of 32", |random| random.of(HEX, 32)),
    ("UUID", |random| {
        let digits = random.of(HEX, 32);
        [
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
            &digits[20..],
        ]
        .join(&b'-')
    }),
    ("JWT", |random| {
        let (payload, signature) = (random.of(URL_SAFE, 40), random.of(URL_SAFE, 43));
        [b"eyJhbGciOiJIUzI1NiJ9", &payload[..], &signature[..]].join(&b'.')
    }),
    ("base64 of 18 bytes", |random| random.of(BASE64, 24)),
    ("12 letters and digits", |random| random.of(BASE62, 12)),
    ("12 lower-case letters and digits", |random| {
        random.of(BASE36, 12)
    }),
    ("8 letters and digits", |random| random.of(BASE62, 8)),
    ("8 lower-case letters and digits", |random| {
        random.of(BASE36, 8)
    }),
];

/// Whether so much of a token is printed that it helps to guess it.
fn shows(token: &[u8]) -> bool {
    let shown = mask::key(token, 200);
    token
        .windows(6)
        .any(|part| shown.as_bytes().windows(6).any(|other| other == part))
}

#[test]
fn of_a_million_random_tokens_few_are_printed() {
    const EACH: usize = 1_000_000 / KINDS.len();
    let mut random = Random(11);
    for (name, make) in KINDS {
        let (mut printed, mut length) = (0, 0);
        for _ in 0..EACH {
            let token = make(&mut random);
            length = token.len();
            printed += usize::from(shows(&token));
        }
        let percent = printed as f64 / EACH as f64 * 100.0;
        println!("{name}: {percent:.2} % printed");
        let most = if length >= 12 { 1.0 } else { 10.0 };
        assert!(percent < most, "{name}: {percent:.2} % printed");
    }
}

#[test]
fn of_ten_thousand_names_few_are_masked() {
    let masked: Vec<&str> = NAMES
        .lines()
        .filter(|name| mask::key(name.as_bytes(), 200).contains('…'))
        .collect();
    let total = NAMES.lines().count();
    assert!(total >= 10_000);
    let percent = masked.len() as f64 / total as f64 * 100.0;
    println!(
        "{percent:.2} % of names masked: {:?}",
        &masked[..masked.len().min(60)]
    );
    assert!(percent < 5.0, "{percent:.2} % masked: {masked:?}");
}

#[test]
fn names_of_containers_and_hosts_are_shown() {
    for name in [
        "app1-network",
        "web",
        "redis-master",
        "postgres",
        "user-settings",
        "index.html",
        "checkout-service",
        "kube-system",
        "orders.created",
        "node_exporter",
        "host01",
        "shop.example.org",
        "x86_64-linux-gnu",
        "application/json",
        "2024-01-15",
        "HGETALL",
        "getUserById",
        "order_items",
        "v1beta1",
        "etcdserverpb.KV",
        "etcdserverpb.Watch",
        "Idempotency",
        "libxslt-keys.html",
        "EXAMPLE.TEST",
    ] {
        assert!(!looks_random(name.as_bytes()), "{name}");
    }
}

/// The table is made from the training names; on a difference the right one is printed.
#[test]
fn the_table_of_pairs_is_that_of_the_training_names() {
    let mut pairs = [[0.5_f64; BOUNDARY + 1]; BOUNDARY + 1];
    let mut cases = [[1.0_f64; 2]; 3];
    for name in TRAINING.lines() {
        let (mut before, mut case) = (BOUNDARY, START);
        for byte in name.bytes() {
            let symbol = symbol(byte);
            pairs[before][symbol] += 1.0;
            before = symbol;
            if symbol < DIGIT {
                let upper = usize::from(byte.is_ascii_uppercase());
                cases[case][upper] += 1.0;
                case = upper;
            } else {
                case = START;
            }
        }
        pairs[before][BOUNDARY] += 1.0;
    }
    let pairs = pairs.map(costs);
    let cases = cases.map(costs);
    let table = format!(
        "pub(super) const PAIRS: [[u8; 28]; 28] = {pairs:?};\npub(super) const CASES: [[u8; 2]; 3] = {cases:?};"
    );
    assert!(
        pairs == PAIRS && cases == CASES,
        "src/secret/pairs.rs should be:\n{table}"
    );
}

/// Of each symbol, by how often it comes, in eighths of a bit.
fn costs<const N: usize>(counts: [f64; N]) -> [u8; N] {
    let all: f64 = counts.iter().sum();
    counts.map(|count| (-(count / all).log2() * 8.0).round().min(255.0) as u8)
}

#[test]
fn a_word_announces_what_is_behind_it_in_one_part() {
    for (part, at) in [("otp_hunter2", 4), ("my-bearer-hunter2", 10)] {
        assert_eq!(super::rest(part.as_bytes()), Some(at), "{part}");
    }
    assert_eq!(super::rest(b"laptop_hunter2"), None);
}

#[test]
fn the_list_is_in_lower_case_and_has_nothing_twice() {
    for (at, row) in list::NAMES.iter().enumerate() {
        assert_eq!(row.text, row.text.to_ascii_lowercase());
        assert!(
            list::NAMES[..at].iter().all(|other| other.text != row.text),
            "{}",
            row.text
        );
    }
    for (at, row) in list::TOKENS.iter().enumerate() {
        assert!(
            list::TOKENS[..at]
                .iter()
                .all(|other| !row.start.starts_with(other.start)),
            "{}",
            row.start
        );
    }
}
