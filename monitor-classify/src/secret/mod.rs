//! What looks like a secret, and credentials that can occur in any protocol: private keys, tokens of known
//! issuers, fields named like a password. Credentials are reported by kind, never copied.

mod list;
mod pairs;
mod scan;
mod token;

#[cfg(test)]
pub(crate) mod tests;

use list::{DESCRIPTIONS, NAMES, TOKENS, WEB_TOKEN, is_bound, is_name};
pub(crate) use scan::credentials;
pub(crate) use token::looks_random;

/// Whether a text looks like a token, hash, identifier, card number or mail address rather than like a chosen name.
pub(crate) fn looks_secret(text: &[u8]) -> bool {
    text.contains(&b'@') || is_issued(text) || looks_random(text)
}

/// Whether a text starts as known issuers start their tokens, and goes on.
fn is_issued(text: &[u8]) -> bool {
    let starts = |start: &str| text.len() > start.len() + 4 && text.starts_with(start.as_bytes());
    starts(WEB_TOKEN) || TOKENS.iter().any(|token| starts(token.start))
}

/// Whether a name (a query parameter, a path segment, a part of a key) announces that its value is a secret:
/// `token`, `X-Api-Key`, `session`.
pub(crate) fn announces(name: &[u8]) -> bool {
    let within = || {
        name.windows(2).enumerate().any(|(at, pair)| {
            begins_name(pair) && {
                let rest = &name[at..];
                NAMES.iter().any(|row| {
                    row.within
                        && rest
                            .get(..row.text.len())
                            .is_some_and(|start| is_name(start, row.text))
                })
            }
        })
    };
    within() || NAMES.iter().any(|row| is_name(name, row.text))
}

/// For each first letter of a name that announces a secret within others, its second letters as bits: most positions
/// of a text are passed over with one look.
const BEGINNINGS: [u32; 26] = {
    let mut letters = [0; 26];
    let mut row = 0;
    while row < NAMES.len() {
        let text = NAMES[row].text.as_bytes();
        if NAMES[row].within {
            letters[(text[0] - b'a') as usize] |= 1 << (text[1] - b'a');
        }
        row += 1;
    }
    letters
};

fn begins_name(pair: &[u8]) -> bool {
    let letter = |byte: u8| (byte | 0x20).wrapping_sub(b'a');
    let (first, second) = (letter(pair[0]), letter(pair[1]));
    second < 26
        && BEGINNINGS
            .get(usize::from(first))
            .is_some_and(|seconds| seconds >> second & 1 == 1)
}

/// Whether a header field of this name carries an API key.
pub(crate) fn is_api_key(field: &str) -> bool {
    NAMES
        .iter()
        .any(|row| row.is_header && is_name(field.as_bytes(), row.text))
}

/// Where in one part of a name a secret begins that the part itself announces: behind `token_`, `password=`,
/// `reset%2F`.
pub(crate) fn rest(part: &[u8]) -> Option<usize> {
    let mut start = 0;
    while start < part.len() {
        let word_len = part[start..]
            .iter()
            .position(|byte| b"_-.=,; %".contains(byte))?;
        let end = start + word_len;
        let (assigns, length) = separator(&part[end..]);
        let behind = end + length;
        if behind >= part.len() {
            return None;
        }
        let announced = if assigns {
            announces(&part[..end])
        } else {
            // `api_key_…`: names of two words end here as well.
            NAMES.iter().any(|row| {
                row.masks_rest
                    && part[end.saturating_sub(1)] | 0x20 == row.text.as_bytes()[row.text.len() - 1]
                    && end.checked_sub(row.text.len()).is_some_and(|from| {
                        is_bound(part, from) && is_name(&part[from..end], row.text)
                    })
            })
        };
        if announced && (assigns || !describes(&part[behind..])) {
            return Some(behind);
        }
        start = behind;
    }
    None
}

/// Whether what follows a separator is a value, and the separator's length.
fn separator(text: &[u8]) -> (bool, usize) {
    match text {
        [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => (true, 3),
        [b'=' | b'%', ..] => (true, 1),
        _ => (false, 1),
    }
}

/// Whether all words of a text only describe the name in front of them.
fn describes(text: &[u8]) -> bool {
    text.split(|byte| b"_-.".contains(byte)).all(|word| {
        DESCRIPTIONS
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// Whether a word announces a secret even in the name of a host.
pub(crate) fn is_strong(word: &[u8]) -> bool {
    NAMES
        .iter()
        .any(|row| row.masks_rest && is_name(word, row.text))
}
