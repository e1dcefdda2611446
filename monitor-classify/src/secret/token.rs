//! Random tokens, distinguished from names by how improbable their letter pairs are.
//!
//! A text is compared under two models. Under that of names each byte costs what its pair with the byte before costs
//! among ordinary names; under that of tokens each byte costs the same, by the size of its alphabet. A text that the
//! first model makes more expensive than the second is a token. Costs are in eighths of a bit.

use super::pairs::{CASES, PAIRS};

/// Shortest text that is taken for a random token by its look alone.
pub(super) const SHORTEST: usize = 8;

/// Longest text that is looked at: a token shows itself long before.
const LONGEST: usize = 128;

/// By how much a text of [`SHORTEST`] bytes must be more expensive as a name than as a token: 7 bits. Lower, more names
/// are masked; higher, more tokens are printed: the tests measure both.
const MARGIN: i32 = 7 * 8;

/// By how much less for each further byte, down to 0: the longer a text is, the more a name differs from a token.
const STEP: i32 = 4;

/// The same for a text with both cases and digits, which few names have, down to minus 16 bits.
const STEP_MIXED: i32 = 8;
const MIXED_MIN: i32 = -16 * 8;

/// What it costs to begin a word in the middle of another by upper case: 2 bits.
const CAMEL: i32 = 2 * 8;

/// Digits in a row that are a number of a card or an account.
const DIGITS: usize = 12;

/// A letter counts as itself in either case, a digit as any other, and the rest as the boundary of a word.
pub(super) const DIGIT: usize = 26;
pub(super) const BOUNDARY: usize = 27;

/// Whether a text, or a word of it, looks like a token, hash, identifier or long number rather than like a name.
pub(crate) fn looks_random(text: &[u8]) -> bool {
    let text = &text[..text.len().min(LONGEST)];
    if text.len() < SHORTEST {
        return false;
    }
    let runs = text.split(|byte| !is_token_byte(*byte));
    for run in runs.filter(|run| run.len() >= SHORTEST) {
        if run
            .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
            .any(|part| part.len() >= DIGITS && part[0].is_ascii_digit())
        {
            return true;
        }
        let mut words = run.split(|byte| b"-_+/.".contains(byte));
        if is_random(run) || words.any(|word| word.len() >= SHORTEST && is_random(word)) {
            return true;
        }
    }
    false
}

/// Bytes that tokens are made of, and `.`, which divides names.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'.')
}

fn is_random(text: &[u8]) -> bool {
    as_name(text) - as_token(text) > margin(text)
}

fn margin(text: &[u8]) -> i32 {
    let further = i32::try_from(text.len().saturating_sub(SHORTEST)).unwrap_or(0);
    let holds = |fits: fn(&u8) -> bool| text.iter().any(fits);
    let is_mixed =
        holds(u8::is_ascii_lowercase) && holds(u8::is_ascii_uppercase) && holds(u8::is_ascii_digit);
    // A path is several names, each short.
    if is_mixed && !text.contains(&b'/') {
        (MARGIN - STEP_MIXED * further).max(MIXED_MIN)
    } else {
        (MARGIN - STEP * further).max(0)
    }
}

/// What a text costs as a name.
fn as_name(text: &[u8]) -> i32 {
    // A name all in upper case is one decision, and not one for each letter.
    let has_cases = text.iter().any(u8::is_ascii_lowercase);
    let (mut cost, mut before, mut case, mut lower) = (0, BOUNDARY, START, 0);
    for &byte in text {
        let symbol = symbol(byte);
        let pair = PAIRS[before][symbol];
        if symbol < DIGIT {
            let upper = usize::from(byte.is_ascii_uppercase());
            // `getUser`: upper case begins a word behind one of two letters or more.
            if has_cases && lower >= 2 && upper == UPPER {
                cost += i32::from(pair.min(PAIRS[BOUNDARY][symbol])) + CAMEL;
            } else {
                let case = if has_cases { CASES[case][upper] } else { 0 };
                cost += i32::from(pair) + i32::from(case);
            }
            lower = if upper == UPPER { 0 } else { lower + 1 };
            case = upper;
        } else {
            cost += i32::from(pair);
            (case, lower) = (START, 0);
        }
        before = symbol;
    }
    cost + i32::from(PAIRS[before][BOUNDARY])
}

/// What it costs as a token. Which digit it is costs the same under both models, and is left out of both.
fn as_token(text: &[u8]) -> i32 {
    let holds = |fits: fn(&u8) -> bool| text.iter().any(fits);
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_hex = digits > 0
        && (text
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
            || text
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F' | b'-')));
    let letters = if is_hex {
        6
    } else {
        26 * (usize::from(holds(u8::is_ascii_lowercase))
            + usize::from(holds(u8::is_ascii_uppercase)))
    };
    let others = 2 * usize::from(holds(|byte| !byte.is_ascii_alphanumeric()));
    let size = (letters + others + if digits > 0 { 10 } else { 0 }).max(10);
    let cost = eighths(size as f64) * text.len() as f64 - eighths(10.0) * digits as f64;
    cost as i32
}

fn eighths(values: f64) -> f64 {
    values.log2() * 8.0
}

/// Case of the letter before, 0 for lower case; [`START`] where there is none in its word.
const UPPER: usize = 1;
pub(super) const START: usize = 2;

pub(super) const fn symbol(byte: u8) -> usize {
    if byte.is_ascii_alphabetic() {
        (byte.to_ascii_lowercase() - b'a') as usize
    } else if byte.is_ascii_digit() {
        DIGIT
    } else {
        BOUNDARY
    }
}
