//! Which implementation of an algorithm the kernel has chosen.

use std::fs;

use super::stage::Stage;
use super::way::Way;

/// What encrypts, as far as the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The kernel's name of the algorithm.
    pub(super) algorithm: String,
    /// Name of the implementation.
    pub(super) driver: Option<String>,
}

/// What encrypts in a way; `None` where nothing does.
pub(super) fn chosen(way: Way) -> Option<Chosen> {
    let text = fs::read_to_string("/proc/crypto").unwrap_or_default();
    match way {
        Way::Direct | Way::Vxlan => None,
        Way::Esp(cipher) => Some(Chosen {
            algorithm: cipher.kernel_name().to_owned(),
            driver: driver(&text, cipher.kernel_name()),
        }),
        // It calls the kernel's library, which is in no list.
        Way::WireGuard => Some(Chosen {
            algorithm: "chacha20-poly1305".to_owned(),
            driver: None,
        }),
        Way::Tls => Some(Chosen {
            algorithm: "TLS 1.3 of OpenSSL, in the programs".to_owned(),
            driver: None,
        }),
    }
}

/// The driver with the highest priority. Entries of `/proc/crypto` are lines `key : value`, with an empty line between
/// them.
fn driver(text: &str, algorithm: &str) -> Option<String> {
    let entries = text.split("\n\n").filter_map(|entry| {
        let value = |key: &str| {
            entry.lines().find_map(|line| {
                let (found, value) = line.split_once(':')?;
                (found.trim() == key).then(|| value.trim().to_owned())
            })
        };
        let name = value("name")?;
        let priority: i64 = value("priority")?.parse().ok()?;
        (name == algorithm).then_some((priority, value("driver")?))
    });
    entries
        .max_by_key(|(priority, _)| *priority)
        .map(|(_, driver)| driver)
}

/// Whether the processor has instructions for AES (`aes` on x86 and Arm).
pub(super) fn aes_instructions() -> bool {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().any(|line| {
        (line.starts_with("flags") || line.starts_with("Features"))
            && line.split_whitespace().any(|flag| flag == "aes")
    })
}

/// Whether the wire's device encrypts ESP itself (`ethtool -k`); `None` where ethtool does not say.
pub(super) fn esp_offload(stage: &Stage) -> Option<bool> {
    let features = stage.near.node().run("ethtool", &["-k", "eth0"]).ok()?;
    let line = features
        .lines()
        .find_map(|line| line.trim().strip_prefix("esp-hw-offload: "))?;
    Some(line.starts_with("on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_priority_is_chosen() {
        let text = "name         : gcm(aes)\ndriver       : gcm-slow\npriority     : 100\n\n\
            name         : rfc4106(gcm(aes))\ndriver       : rfc4106-generic\npriority     : 100\n\n\
            name         : rfc4106(gcm(aes))\ndriver       : rfc4106-gcm-aesni\npriority     : 400\n";
        assert_eq!(
            driver(text, "rfc4106(gcm(aes))").as_deref(),
            Some("rfc4106-gcm-aesni")
        );
        assert_eq!(driver(text, "gcm"), None);
    }
}
