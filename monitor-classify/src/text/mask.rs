//! Masking: what may be a secret is taken out of evidence.
//!
//! The rules lean towards hiding: a masked identifier costs the reader little, a
//! printed session key can cost its owner a lot.

use super::escape;
use crate::secret;

/// Stands wherever something was readable on the wire and is not repeated here.
pub(crate) const MASKED: &str = "…";

/// Longest domain of an address that is shown.
const ADDRESS_MAX: usize = 40;

/// What divides a key into parts; a topic or a subject is divided by dots as well.
const KEY: &[u8] = b":/|{}";
const TOPIC: &[u8] = b":/|{}.";

/// The name of something (a Redis key, a table) with those of its parts masked that are or may be secrets:
/// `session:…`, `user:42:name`. Escaped; at most `max` characters.
pub(crate) fn key(name: &[u8], max: usize) -> String {
    parts(name, KEY, max)
}

/// The same for a name that dots divide: `orders.created`, `reset.…`.
pub(crate) fn topic(name: &[u8], max: usize) -> String {
    parts(name, TOPIC, max)
}

fn parts(name: &[u8], separators: &[u8], max: usize) -> String {
    // A token in base64 has slashes: its parts are too short to look like anything.
    let is_whole_token =
        name.contains(&b'/') && !name.contains(&b':') && secret::looks_random(name);
    let mut masked = Vec::with_capacity(name.len().min(max) + 8);
    let mut secret_next = false;
    for part in name.split_inclusive(|byte| separators.contains(byte)) {
        if masked.len() > max.saturating_mul(4) {
            break;
        }
        let (word, separator) = match part.split_last() {
            Some((last, word)) if separators.contains(last) => (word, &part[word.len()..]),
            _ => (part, &[][..]),
        };
        if !word.is_empty() {
            let is_piece = is_whole_token && !word.iter().all(u8::is_ascii_lowercase);
            if secret_next || is_piece || secret::looks_secret(word) {
                masked.extend_from_slice(MASKED.as_bytes());
            } else if let Some(at) = secret::rest(word) {
                masked.extend_from_slice(&word[..at]);
                masked.extend_from_slice(MASKED.as_bytes());
            } else {
                masked.extend_from_slice(word);
            }
            secret_next = secret::announces(word);
        }
        masked.extend_from_slice(separator);
    }
    escape(masked, max)
}

/// The name of a host, label by label; a random label is masked, and so is one behind `token`, `password` or the
/// like, unless it is the domain. Escaped; at most `max` characters.
pub(crate) fn host(name: &[u8], max: usize) -> String {
    let labels: Vec<&[u8]> = name.split(|byte| *byte == b'.').collect();
    // The last two are a domain that was registered.
    let domain = labels.len().saturating_sub(2);
    let mut masked = Vec::with_capacity(name.len() + 8);
    let mut secret_next = false;
    for (at, label) in labels.iter().enumerate() {
        if at > 0 {
            masked.push(b'.');
        }
        if label.is_empty() {
            continue;
        }
        if (secret_next && at < domain) || secret::looks_secret(label) {
            masked.extend_from_slice(MASKED.as_bytes());
        } else if let Some(rest) = secret::rest(label) {
            masked.extend_from_slice(&label[..rest]);
            masked.extend_from_slice(MASKED.as_bytes());
        } else {
            masked.extend_from_slice(label);
        }
        secret_next = secret::is_strong(label);
    }
    escape(masked, max)
}

/// A name in one piece: of software, of a user. Masked as a whole if it looks like a secret.
pub(crate) fn name(name: &[u8], max: usize) -> String {
    let mut parts = name.split(|&byte| byte == b'@');
    if parts.any(secret::looks_secret) {
        return MASKED.into();
    }
    match secret::rest(name) {
        Some(at) => escape([&name[..at], MASKED.as_bytes()].concat(), max),
        None => escape(name, max),
    }
}

/// A mail address with its mailbox masked: `…@example.org`.
pub(crate) fn address(text: &[u8]) -> String {
    let inside = text.strip_prefix(b"<").unwrap_or(text);
    let Some(end) = inside.iter().position(|byte| b"> \t".contains(byte)) else {
        return MASKED.into();
    };
    match inside[..end].iter().rposition(|&byte| byte == b'@') {
        Some(at) => format!("…@{}", host(&inside[at + 1..end], ADDRESS_MAX)),
        None => MASKED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_structure_and_lose_their_secrets() {
        for (text, shown) in [
            ("ip", "ip"),
            ("user:42:name", "user:42:name"),
            ("session:42", "session:…"),
            ("cache:d41d8cd98f00b204e9800998ecf8427e", "cache:…"),
            ("d41d8cd98f00b204e9800998ecf8427e", "…"),
            ("a\x1bb", "a\\x1bb"),
            ("token_hunter2", "token_…"),
            ("password=hunter2", "password=…"),
            ("user-api-key-hunter2", "user-api-key-…"),
            ("reset%2Fhunter2", "reset%2F…"),
            ("token_count", "token_count"),
            ("passport/alice", "passport/…"),
            ("alice@example.org", "…"),
        ] {
            assert_eq!(key(text.as_bytes(), 40), shown);
        }
        assert_eq!(key(&[b'k'; 31], 8), "…");
        assert_eq!(key(b"orders and payments", 8), "orders …");
    }

    #[test]
    fn dots_divide_topics_and_hosts() {
        assert_eq!(topic(b"orders.created", 40), "orders.created");
        assert_eq!(topic(b"reset.hunter2", 40), "reset.…");
        assert_eq!(host(b"shop.example.org", 40), "shop.example.org");
        assert_eq!(host(b"auth.example.org", 40), "auth.example.org");
        assert_eq!(host(b"token.example.org", 40), "token.example.org");
        assert_eq!(
            host(b"token.hunter2.example.org", 40),
            "token.….example.org"
        );
        assert_eq!(
            host(b"token-hunter2.example.org", 40),
            "token-….example.org"
        );
        assert_eq!(
            host(b"V1StGXR8Z5jdHi6BmyT.example.org:443", 40),
            "….example.org:443"
        );
    }

    #[test]
    fn addresses_lose_their_mailbox() {
        assert_eq!(address(b"<alice@example.org> SIZE=3"), "…@example.org");
        assert_eq!(address(b"<alice@exam"), "…");
        assert_eq!(name(b"eyJhbGciOiJIUzI1NiJ9", 40), "…");
        assert_eq!(name(b"OpenSSH_9.2p1", 40), "OpenSSH_9.2p1");
    }
}
