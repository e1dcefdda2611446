//! Algorithms with which the lab can encrypt an overlay by ESP.

use std::fmt::Write;

use monitor::base::tunnel_size::EspAlgorithm;
use serde::{Deserialize, Serialize};

/// An algorithm, or a pair of them, for ESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cipher {
    /// AES-128-GCM with an ICV of 8 bytes: Docker's.
    AesGcm128,
    /// AES-256-GCM with an ICV of 16 bytes.
    AesGcm256,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
    /// AES-128-CBC with HMAC-SHA-256-128.
    AesCbcHmacSha256,
    /// No encryption, only HMAC-SHA-256-128.
    NullHmacSha256,
}

impl Cipher {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AesGcm128,
        Self::AesGcm256,
        Self::ChaCha20Poly1305,
        Self::AesCbcHmacSha256,
        Self::NullHmacSha256,
    ];

    /// The kernel's name of the transformation (`/proc/crypto`).
    #[must_use]
    pub fn kernel_name(self) -> &'static str {
        match self {
            Self::AesGcm128 | Self::AesGcm256 => "rfc4106(gcm(aes))",
            Self::ChaCha20Poly1305 => "rfc7539esp(chacha20,poly1305)",
            Self::AesCbcHmacSha256 => "authenc(hmac(sha256),cbc(aes))",
            Self::NullHmacSha256 => "authenc(hmac(sha256),ecb(cipher_null))",
        }
    }

    /// What it adds to a packet.
    #[must_use]
    pub fn sizes(self) -> EspAlgorithm {
        match self {
            Self::AesGcm128 => EspAlgorithm::AES_GCM_8,
            Self::AesGcm256 => EspAlgorithm::AES_GCM_16,
            Self::ChaCha20Poly1305 => EspAlgorithm::CHACHA20_POLY1305,
            Self::AesCbcHmacSha256 => EspAlgorithm::AES_CBC_HMAC_SHA256,
            Self::NullHmacSha256 => EspAlgorithm::NULL_HMAC_SHA256,
        }
    }

    /// Bytes of key material, without a salt.
    pub(crate) fn key_length(self) -> usize {
        match self {
            Self::AesGcm128 => 16,
            Self::AesGcm256 | Self::ChaCha20Poly1305 | Self::NullHmacSha256 => 32,
            // Key of AES, then the key of HMAC.
            Self::AesCbcHmacSha256 => 16 + 32,
        }
    }

    /// The words of `ip xfrm state add` for a key. The salt of the combined modes is the tag: it comes after the key
    /// (RFC 4106, section 8.1; RFC 7634, section 2).
    pub(crate) fn words(self, secret: &[u8], tag: u32) -> String {
        let name = self.kernel_name();
        let salted = [secret, &tag.to_be_bytes()].concat();
        match self {
            Self::AesGcm128 => format!("aead {name} {} 64", hex(&salted)),
            Self::AesGcm256 | Self::ChaCha20Poly1305 => {
                format!("aead {name} {} 128", hex(&salted))
            }
            Self::AesCbcHmacSha256 => {
                let (cipher, authentication) = secret.split_at(16.min(secret.len()));
                format!(
                    "enc cbc(aes) {} auth-trunc hmac(sha256) {} 128",
                    hex(cipher),
                    hex(authentication)
                )
            }
            Self::NullHmacSha256 => format!(
                "enc ecb(cipher_null) \"\" auth-trunc hmac(sha256) {} 128",
                hex(secret)
            ),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_a_key_is_its_salt() {
        assert_eq!(
            Cipher::AesGcm128.words(&[0xab; 16], 0x0102_0304),
            format!("aead rfc4106(gcm(aes)) 0x{}01020304 64", "ab".repeat(16))
        );
    }

    #[test]
    fn cipher_and_authentication_have_keys_of_their_own() {
        let cipher = Cipher::AesCbcHmacSha256;
        let secret: Vec<u8> = (0..48).collect();
        assert_eq!(secret.len(), cipher.key_length());
        let words = cipher.words(&secret, 1);
        assert!(words.contains(
            "enc cbc(aes) 0x000102030405060708090a0b0c0d0e0f auth-trunc hmac(sha256) 0x1011"
        ));
    }
}
