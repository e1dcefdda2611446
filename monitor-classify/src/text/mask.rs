//! Masking: what may be a secret is taken out of evidence.
//!
//! The rules lean towards hiding: a masked identifier costs the reader little, a
//! printed session key can cost its owner a lot.

use super::escape;

/// Stands wherever something was readable on the wire and is not repeated here.
pub const MASKED: &str = "…";

/// Shortest text that is taken for a random token by its look alone.
const TOKEN_LENGTH: usize = 16;

/// Well-known prefixes of issued tokens; what follows one is secret, whatever it looks like.
const TOKEN_PREFIXES: &[&[u8]] = &[
    b"eyJ",
    b"ghp_",
    b"gho_",
    b"ghs_",
    b"github_pat_",
    b"glpat-",
    b"xox",
    b"sk_",
    b"rk_",
    b"sk-",
    b"AKIA",
    b"ASIA",
    b"AIza",
    b"SG.",
    b"hf_",
    b"npm_",
    b"pypi-",
    b"hvs.",
];

/// A name that contains one of these announces a secret.
const SECRET_PARTS: &[&[u8]] = &[
    b"pass",
    b"secret",
    b"token",
    b"session",
    b"credential",
    b"apikey",
    b"api_key",
    b"api-key",
];

/// A name that is one of these announces a secret.
const SECRET_WORDS: &[&[u8]] = &[
    b"auth",
    b"oauth",
    b"jwt",
    b"otp",
    b"pwd",
    b"sig",
    b"signature",
    b"reset",
    b"key",
    b"sess",
    b"sid",
    b"jsessionid",
    b"invite",
    b"verify",
    b"activate",
    b"code",
    b"private",
    b"magic",
];

/// Whether a name (a query parameter, a path segment, a part of a key)
/// announces that its value is a secret: `token`, `X-Api-Key`, `session`.
pub fn announces_secret(name: &[u8]) -> bool {
    let starts = |at: &[u8], word: &[u8]| {
        at.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let contains = || {
        // Only few letters start one of these words: most positions are cheap.
        let candidates = name.iter().enumerate().filter(|(_, byte)| {
            matches!(byte.to_ascii_lowercase(), b'p' | b's' | b't' | b'c' | b'a')
        });
        candidates
            .into_iter()
            .any(|(at, _)| SECRET_PARTS.iter().any(|part| starts(&name[at..], part)))
    };
    contains()
        || SECRET_WORDS
            .iter()
            .any(|word| name.eq_ignore_ascii_case(word))
}

/// Whether a text looks like a token, hash, UUID, card number or mail address
/// rather than like a chosen name.
pub fn looks_secret(text: &[u8]) -> bool {
    let (mut digits, mut upper, mut lower) = (0_usize, 0_usize, 0_usize);
    let (mut joined, mut address) = (true, false);
    for byte in text {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'A'..=b'Z' => upper += 1,
            b'a'..=b'z' => lower += 1,
            b'-' | b'_' | b'.' | b' ' => joined = false,
            b'@' => address = true,
            _ => {}
        }
    }
    address
        || (text.len() >= TOKEN_LENGTH && digits >= 3 && upper + lower > 0)
        || digits >= 12
        || (text.len() >= 24 && joined && upper >= 3 && lower >= 3)
        || (text.len() >= 32 && joined)
        || TOKEN_PREFIXES
            .iter()
            .any(|prefix| text.len() > prefix.len() + 4 && text.starts_with(prefix))
}

/// A name of something (a Redis key, a topic) with those of its parts masked
/// that are or may be secrets: `session:…`, `user:42:name`. Escaped; at most
/// `max` characters.
pub fn key(name: &[u8], max: usize) -> String {
    if looks_secret(name) && !name.iter().any(|byte| b":/|".contains(byte)) {
        return MASKED.into();
    }
    let mut masked = Vec::with_capacity(name.len().min(max) + 8);
    let mut secret_next = false;
    for part in name.split_inclusive(|byte| b":/|{}".contains(byte)) {
        if masked.len() > max.saturating_mul(4) {
            break;
        }
        let (word, separator) = match part.split_last() {
            Some((last, word)) if b":/|{}".contains(last) => (word, &part[word.len()..]),
            _ => (part, &[][..]),
        };
        if !word.is_empty() {
            if secret_next || looks_secret(word) {
                masked.extend_from_slice(MASKED.as_bytes());
            } else {
                masked.extend_from_slice(word);
            }
            secret_next = announces_secret(word);
        }
        masked.extend_from_slice(separator);
    }
    escape(masked, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_from_words() {
        let secrets: &[&str] = &[
            "eyJhbGciOiJIUzI1NiJ9",
            "ghp_16C7e42F292c6912E7",
            "d41d8cd98f00b204e9800998ecf8427e",
            "550e8400-e29b-41d4-a716-446655440000",
            "4111111111111111",
            "alice@example.org",
            "bot123456:ABC-DEF1234ghIkl",
            "XXXXXXXXXXXXxxxxxxxxxxxx",
        ];
        for secret in secrets {
            assert!(looks_secret(secret.as_bytes()), "{secret}");
        }
        for word in [
            "index.html",
            "api",
            "v2",
            "session",
            "user-settings",
            "2024",
            "host01",
        ] {
            assert!(!looks_secret(word.as_bytes()), "{word}");
        }
    }

    #[test]
    fn keys_keep_their_structure_and_lose_their_secrets() {
        assert_eq!(key(b"ip", 40), "ip");
        assert_eq!(key(b"user:42:name", 40), "user:42:name");
        assert_eq!(key(b"session:42", 40), "session:…");
        assert_eq!(
            key(b"cache:d41d8cd98f00b204e9800998ecf8427e", 40),
            "cache:…"
        );
        assert_eq!(key(b"d41d8cd98f00b204e9800998ecf8427e", 40), "…");
        assert_eq!(key(b"a\x1bb", 40), "a\\x1bb");
        assert_eq!(key(&[b'k'; 31], 8), "kkkkkkk…");
    }
}
