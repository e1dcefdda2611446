//! Whether this host may decrypt packets, so that the programs ask of each received one.
//!
//! A packet that IPsec has decrypted can pass the interface a second time, in the clear. To ask costs a
//! call for every packet, so nobody asks where the kernel has nothing to decrypt with.

use super::kernel_config::{Built, Configuration};
use crate::base::procfs::has_module;

/// Modules that decrypt, and the option of each.
const DECRYPTERS: [(&str, &str); 2] = [("esp4", "CONFIG_INET_ESP"), ("esp6", "CONFIG_INET6_ESP")];

/// What the kernel can decrypt with.
pub(crate) enum Decryption {
    /// It can, or nobody can tell.
    InUse,
    /// Only once a module is loaded.
    Loadable,
    /// Never: it was built without.
    Never,
}

impl Decryption {
    /// As it is now.
    pub(crate) fn now() -> Decryption {
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

pub(crate) fn is_loaded() -> bool {
    DECRYPTERS.iter().any(|(module, _)| has_module(module))
}
