//! The one-time token that the listener prints, and the key that both machines derive from it. The token itself never
//! crosses the wire.

use std::fmt;
use std::io::{BufRead, Read};

use anyhow::{Context, bail};
use ring::hkdf;
use rustix::rand::{GetRandomFlags, getrandom};

/// Variable of the environment that has the token. A command line would show it to every user.
const VARIABLE: &str = "OVERLAY_LAB_TOKEN";
/// Random bytes: so many that nobody finds them out from the public key.
const LENGTH: usize = 16;
/// Longest text that is read as a token.
const LONGEST: u64 = 256;
/// Binds the key to its purpose.
const SALT: &[u8] = b"overlay-lab bench encryption, two machines, 1";

/// The token.
#[derive(PartialEq, Eq)]
pub(super) struct Token([u8; LENGTH]);

impl Token {
    /// A new one.
    pub(super) fn random() -> anyhow::Result<Token> {
        let mut bytes = [0; LENGTH];
        getrandom(&mut bytes[..], GetRandomFlags::empty()).context("cannot draw a token")?;
        Ok(Token(bytes))
    }

    /// From the environment, or else the first line of standard input.
    pub(super) fn given() -> anyhow::Result<Token> {
        if let Some(text) = std::env::var_os(VARIABLE) {
            return Token::parse(&text.to_string_lossy());
        }
        eprintln!("Type the token that the listener has printed (or set {VARIABLE}):");
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .take(LONGEST)
            .read_line(&mut line)
            .context("cannot read the token from standard input")?;
        Token::parse(&line)
    }

    /// Reads it as it was printed; upper case and other separators do no harm.
    fn parse(text: &str) -> anyhow::Result<Token> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let pairs = digits.unwrap_or_default();
        if pairs.len() != 2 * LENGTH {
            bail!(
                "this is not a token of overlay-lab: one has {} hexadecimal digits",
                2 * LENGTH
            );
        }
        let mut bytes = [0; LENGTH];
        for (byte, pair) in bytes.iter_mut().zip(pairs.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Token(bytes))
    }

    /// As it is printed.
    pub(super) fn text(&self) -> String {
        let groups = self.0.chunks(2).map(|pair| {
            let digits: String = pair.iter().map(|byte| format!("{byte:02x}")).collect();
            digits
        });
        groups.collect::<Vec<_>>().join("-")
    }

    /// The seed of the key that both machines sign with, by HKDF (RFC 5869).
    pub(super) fn seed(&self) -> anyhow::Result<[u8; 32]> {
        let mut seed = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, SALT)
            .extract(&self.0)
            .expand(&[b"Ed25519"], hkdf::HKDF_SHA256)
            .and_then(|key| key.fill(&mut seed))
            .map_err(|_| anyhow::anyhow!("cannot derive a key from the token"))?;
        Ok(seed)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_printed() {
        let token = Token::random().unwrap();
        let text = token.text();
        assert_eq!(Token::parse(&text).unwrap(), token);
        assert_eq!(
            Token::parse(&format!(" {}\n", text.to_uppercase())).unwrap(),
            token
        );
        assert_eq!(Token::parse(&text.replace('-', "")).unwrap(), token);
        for wrong in [
            "",
            "abc",
            &text[1..],
            &format!("{text}0"),
            &text.replace('-', "x"),
            "\u{1b}[2J",
        ] {
            assert!(Token::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(!format!("{token:?}").contains(&text[..4]));
    }

    #[test]
    fn the_seed_is_the_hkdf_of_the_token() {
        // Computed by Python's hmac and hashlib as in RFC 5869.
        let token = Token::parse("00010203-04050607-08090a0b-0c0d0e0f").unwrap();
        let seed: String = token
            .seed()
            .unwrap()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            seed,
            "d469cbcb8751d5d36b71b5349bffc2bae3f1b659c6a61f2a1ec993013935f759"
        );
    }
}
