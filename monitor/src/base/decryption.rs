//! Whether this host can decrypt IPsec packets.
//!
//! A packet that IPsec has decrypted can pass the interface a second time, in cleartext. The programs recognise it by a
//! helper call for each received packet, so they make that call only on a kernel that can decrypt.

use super::kernel_config::{Built, Configuration};
use super::procfs::has_module;

/// Modules that decrypt ESP, and the kernel option of each.
const DECRYPTERS: [(&str, &str); 2] = [("esp4", "CONFIG_INET_ESP"), ("esp6", "CONFIG_INET6_ESP")];

/// Whether the kernel can decrypt ESP.
pub(crate) enum Decryption {
    /// It can, or its configuration cannot be read.
    InUse,
    /// It can once a module is loaded.
    Loadable,
    /// It was built without.
    Never,
}

impl Decryption {
    /// Reads the loaded modules and the kernel's configuration.
    pub(crate) fn detect() -> Decryption {
        if is_loaded() {
            return Decryption::InUse;
        }
        let Some(configuration) = Configuration::read() else {
            return Decryption::InUse;
        };
        let built = DECRYPTERS.map(|(_, option)| configuration.option(option));
        if built.contains(&Built::In) {
            Decryption::InUse
        } else if built.contains(&Built::Module) {
            Decryption::Loadable
        } else {
            Decryption::Never
        }
    }
}

/// Whether a module that decrypts ESP is loaded.
pub(crate) fn is_loaded() -> bool {
    DECRYPTERS.iter().any(|(module, _)| has_module(module))
}
