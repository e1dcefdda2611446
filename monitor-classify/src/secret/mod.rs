//! Credentials that stand in any protocol: private keys, tokens of well-known
//! issuers, fields named like a password. Named by kind, never copied.

use crate::names::CredentialKind;

/// Bytes of a payload that are searched: what is behind is not paid for.
const SEARCHED_MAX: usize = 1024;

/// Fewest bytes behind the beginning of a token for it to be one.
const TOKEN_MIN: usize = 12;

/// Beginnings of tokens, and how they are named.
const TOKENS: &[(&[u8], CredentialKind)] = &[
    (b"AKIA", CredentialKind::AwsKey),
    (b"ASIA", CredentialKind::AwsKey),
    (b"ghp_", CredentialKind::ApiKey),
    (b"gho_", CredentialKind::ApiKey),
    (b"ghs_", CredentialKind::ApiKey),
    (b"github_pat_", CredentialKind::ApiKey),
    (b"glpat-", CredentialKind::ApiKey),
    (b"xoxb-", CredentialKind::ApiKey),
    (b"xoxp-", CredentialKind::ApiKey),
    (b"sk_live_", CredentialKind::ApiKey),
    (b"rk_live_", CredentialKind::ApiKey),
    (b"AIza", CredentialKind::ApiKey),
    (b"npm_", CredentialKind::ApiKey),
    (b"hvs.", CredentialKind::ApiKey),
];

/// Names of fields that hold a secret. Lower case; `-` stands for `_` as well.
const FIELDS: &[&[u8]] = &[
    b"password",
    b"passwd",
    b"pwd",
    b"passphrase",
    b"secret",
    b"client_secret",
    b"secret_key",
    b"api_key",
    b"apikey",
    b"access_token",
    b"refresh_token",
    b"auth_token",
    b"private_key",
    b"aws_secret_access_key",
    b"secret_access_key",
];

/// Longest name of [`FIELDS`], and a quote.
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
            b'A' | b'g' | b'x' | b's' | b'r' | b'n' | b'h' | b'e' => Class::Token,
            other if other.is_ascii_alphanumeric() => Class::Word,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

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
    let (start, kind) = TOKENS.iter().find(|(start, _)| text.starts_with(start))?;
    let length = text[start.len()..]
        .iter()
        .take(TOKEN_MIN)
        .take_while(|byte| is_token_byte(byte))
        .count();
    (length >= TOKEN_MIN).then_some(*kind)
}

const fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A header and the beginning of a payload, both JSON objects in base64.
fn is_web_token(text: &[u8]) -> bool {
    if !text.starts_with(b"eyJ") {
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
    let fits = |field: &&[u8]| {
        let Some(at) = name.len().checked_sub(field.len()) else {
            return false;
        };
        // `password` in `db_password` is one as well, in `nopassword` it is not.
        let separate = at == 0 || !name[at - 1].is_ascii_alphanumeric();
        let alike = |(byte, known): (&u8, &u8)| {
            byte.eq_ignore_ascii_case(known) || (*known == b'_' && *byte == b'-')
        };
        separate && name[at..].iter().zip(field.iter()).all(alike)
    };
    FIELDS.iter().any(fits) && has_value(after)
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
