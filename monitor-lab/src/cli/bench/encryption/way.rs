//! The ways in which traffic crosses the wire.

use monitor::base::tunnel_size::Carrier;
use monitor_lab::{Cipher, WIRE_MTU};
use serde::{Deserialize, Serialize};

/// A way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    /// Between the nodes themselves, without an overlay.
    Direct,
    /// In a plain overlay.
    Vxlan,
    /// In an overlay in ESP.
    Esp(Cipher),
    /// In an overlay in WireGuard.
    WireGuard,
    /// In a plain overlay; client and server use TLS.
    Tls,
}

impl Way {
    /// In the order of the report.
    pub(super) const ALL: [Self; 9] = [
        Self::Direct,
        Self::Vxlan,
        Self::Esp(Cipher::AesGcm128),
        Self::Esp(Cipher::AesGcm256),
        Self::Esp(Cipher::ChaCha20Poly1305),
        Self::Esp(Cipher::AesCbcHmacSha256),
        Self::Esp(Cipher::NullHmacSha256),
        Self::WireGuard,
        Self::Tls,
    ];

    /// Its name in the JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Vxlan => "vxlan",
            Self::Esp(Cipher::AesGcm128) => "esp-aes-128-gcm",
            Self::Esp(Cipher::AesGcm256) => "esp-aes-256-gcm",
            Self::Esp(Cipher::ChaCha20Poly1305) => "esp-chacha20-poly1305",
            Self::Esp(Cipher::AesCbcHmacSha256) => "esp-aes-cbc-hmac-sha256",
            Self::Esp(Cipher::NullHmacSha256) => "esp-null-hmac-sha256",
            Self::WireGuard => "wireguard",
            Self::Tls => "tls",
        }
    }

    /// By its name.
    pub(super) fn parse(name: &str) -> Result<Way, String> {
        let named = Way::ALL.into_iter().find(|way| way.name() == name);
        named.ok_or_else(|| format!("the ways are {}", Way::ALL.map(Way::name).join(", ")))
    }

    /// Its name in tables.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Direct => "no overlay",
            Self::Vxlan => "VXLAN",
            Self::Esp(Cipher::AesGcm128) => "VXLAN in ESP, AES-128-GCM, ICV of 8 bytes (Docker)",
            Self::Esp(Cipher::AesGcm256) => "VXLAN in ESP, AES-256-GCM",
            Self::Esp(Cipher::ChaCha20Poly1305) => "VXLAN in ESP, ChaCha20-Poly1305",
            Self::Esp(Cipher::AesCbcHmacSha256) => "VXLAN in ESP, AES-128-CBC, HMAC-SHA-256",
            Self::Esp(Cipher::NullHmacSha256) => "VXLAN in ESP, NULL, HMAC-SHA-256 (not encrypted)",
            Self::WireGuard => "VXLAN in WireGuard",
            Self::Tls => "TLS in VXLAN",
        }
    }

    /// What it adds to a packet.
    pub(super) fn carrier(self) -> Carrier {
        match self {
            Self::Direct => Carrier::Direct,
            Self::Vxlan | Self::Tls => Carrier::Vxlan,
            Self::Esp(cipher) => Carrier::VxlanEsp(cipher.sizes()),
            Self::WireGuard => Carrier::VxlanWireGuard {
                device_mtu: Carrier::wireguard_mtu(WIRE_MTU),
            },
        }
    }
}
