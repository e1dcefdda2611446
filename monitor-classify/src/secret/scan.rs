//! Credentials in a payload that can be read, whatever its protocol.

use super::list::{NAMES, TOKENS, WEB_TOKEN, is_bound, is_name};
use super::token::looks_random;
use crate::names::CredentialKind;

/// Bytes of a payload that are searched: what is behind is not paid for.
const SEARCHED_MAX: usize = 1024;

/// Fewest bytes behind the beginning of a token for it to be one.
const TOKEN_MIN: usize = 12;

/// Bytes of a token that are looked at.
const RANDOM_MAX: usize = 40;

/// Longest name of a field in the list, and a quote.
const FIELD_MAX: usize = 24;

/// What a byte is to the search: most are nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    /// A letter or digit that starts no token.
    Word,
    /// The first letter of a token, where a word starts.
    Token,
    /// A dash can start a key.
    Dash,
    /// A name ends here and a value follows.
    Mark,
}

/// [`Class`] of every byte.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b':' | b'=' => Class::Mark,
            b'-' => Class::Dash,
            other if starts_token(other) => Class::Token,
            other if other.is_ascii_alphanumeric() => Class::Word,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

/// Whether a token of the list, or a JSON web token, starts with this byte.
const fn starts_token(byte: u8) -> bool {
    let mut row = 0;
    while row < TOKENS.len() {
        if TOKENS[row].start.as_bytes()[0] == byte {
            return true;
        }
        row += 1;
    }
    byte == WEB_TOKEN.as_bytes()[0]
}

/// Kinds of the credentials in a payload that can be read; one for each occurrence.
pub(crate) fn credentials(bytes: &[u8]) -> Vec<CredentialKind> {
    let mut kinds = Vec::new();
    let bytes = &bytes[..bytes.len().min(SEARCHED_MAX)];
    let mut before = Class::Other;
    for (at, byte) in bytes.iter().enumerate() {
        let class = CLASSES[usize::from(*byte)];
        match class {
            Class::Other | Class::Word => {}
            Class::Token if matches!(before, Class::Word | Class::Token) => {}
            Class::Token => {
                kinds.extend(token(&bytes[at..]));
                if is_web_token(&bytes[at..]) {
                    kinds.push(CredentialKind::Jwt);
                }
            }
            Class::Dash if before == Class::Dash => {}
            Class::Dash => {
                if is_private_key(&bytes[at..]) {
                    kinds.push(CredentialKind::PrivateKey);
                }
            }
            Class::Mark => {
                if is_secret_field(&bytes[at.saturating_sub(FIELD_MAX)..at], &bytes[at + 1..]) {
                    kinds.push(CredentialKind::PasswordField);
                }
            }
        }
        before = class;
    }
    kinds
}

/// `-----BEGIN RSA PRIVATE KEY-----`.
fn is_private_key(text: &[u8]) -> bool {
    let line = &text[..text.len().min(50)];
    line.starts_with(b"-----BEGIN ") && line.windows(11).any(|part| part == b"PRIVATE KEY")
}

fn token(text: &[u8]) -> Option<CredentialKind> {
    let token = TOKENS
        .iter()
        .find(|token| text.starts_with(token.start.as_bytes()))?;
    let rest = &text[token.start.len()..];
    let length = rest
        .iter()
        .take(RANDOM_MAX)
        .take_while(|byte| is_token_byte(byte))
        .count();
    let is_one = length >= TOKEN_MIN && (!token.is_common || looks_random(&rest[..length]));
    is_one.then_some(token.kind)
}

const fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A header and the beginning of a payload, both JSON objects in base64.
fn is_web_token(text: &[u8]) -> bool {
    if !text.starts_with(WEB_TOKEN.as_bytes()) {
        return false;
    }
    let header = text
        .iter()
        .take(200)
        .take_while(|byte| is_token_byte(byte))
        .count();
    header >= 16 && text[header..].starts_with(b".eyJ")
}

/// `"password": "…`, `password=…`, `api_key: …`: the name ends before the mark,
/// and a value follows it.
fn is_secret_field(before: &[u8], after: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let name = before
        .strip_suffix(b"\\\"")
        .or_else(|| before.strip_suffix(b"\""))
        .or_else(|| before.strip_suffix(b"'"))
        .unwrap_or(before);
    // Most marks follow something else: look at the last letter first.
    if !matches!(
        name.last(),
        Some(b'd' | b'D' | b'e' | b'E' | b't' | b'T' | b'y' | b'Y' | b'n' | b'N')
    ) {
        return false;
    }
    let fits = |field: &str| {
        let Some(at) = name.len().checked_sub(field.len()) else {
            return false;
        };
        // `password` in `db_password` is one as well, in `nopassword` it is not.
        is_bound(name, at) && is_name(&name[at..], field)
    };
    NAMES.iter().any(|row| row.is_field && fits(row.text)) && has_value(after)
}

fn has_value(after: &[u8]) -> bool {
    let value = after.trim_ascii_start();
    let value = value
        .strip_prefix(b"\\\"")
        .or_else(|| value.strip_prefix(b"\""))
        .or_else(|| value.strip_prefix(b"'"))
        .unwrap_or(value);
    let is_empty = |rest: &[u8]| {
        matches!(
            rest.first(),
            None | Some(b'"' | b'\'' | b',' | b'}' | b'&' | b'\r' | b'\n' | b'\\')
        )
    };
    // `null`, `true` and numbers of JSON are no passwords; a template is none yet.
    !is_empty(value)
        && !["null", "true", "false", "{{", "${", "<"]
            .iter()
            .any(|other| value.starts_with(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<CredentialKind> {
        credentials(text.as_bytes())
    }

    #[test]
    fn credentials_are_found_wherever_they_stand() {
        use CredentialKind::*;
        assert_eq!(
            found("a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3"),
            [PrivateKey]
        );
        assert_eq!(found("key AKIAIOSFODNN7EXAMPLE"), [AwsKey]);
        assert_eq!(
            found("token=ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
            [ApiKey]
        );
        assert_eq!(found("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x"), [Jwt]);
        for field in [
            r#"{"user":"a","password":"s3cr3t"}"#,
            "user=a&password=s3cr3t",
            "db_password: s3cr3t\n",
            r#"{\"api-key\": \"s3cr3t\"}"#,
            "API_KEY=s3cr3t",
            "client_secret = 's3cr3t'",
            "pwd=s3cr3t",
        ] {
            assert_eq!(found(field), [PasswordField], "{field}");
        }
    }

    #[test]
    fn what_is_none_is_not_named() {
        for text in [
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "AKIA",
            "xAKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9",
            "password=",
            r#"{"password":null}"#,
            r#"{"password":""}"#,
            "nopassword=1",
            "password",
            "a:b=c",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
