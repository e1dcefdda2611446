//! Whether this host may decrypt packets, so that the programs ask of each received one.
//!
//! A packet that IPsec has decrypted can pass the interface a second time, in the clear. To ask costs a
//! call for every packet, so nobody asks where the kernel has nothing to decrypt with.

use std::sync::Arc;
use std::time::Duration;

use crate::failure::Failure;
use crate::host::{Built, Configuration, has_module};
use crate::kernel::Counts;

/// Modules that decrypt, and the option of each.
const DECRYPTERS: [(&str, &str); 2] = [("esp4", "CONFIG_INET_ESP"), ("esp6", "CONFIG_INET6_ESP")];

/// How often it is looked whether one was loaded: it comes with the first association. What is decrypted
/// before the next look counts as what it looks like.
const PERIOD: Duration = Duration::from_millis(250);

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

fn is_loaded() -> bool {
    DECRYPTERS.iter().any(|(module, _)| has_module(module))
}

/// Tells the programs, now and when it changes; for ever. Once in use is in use.
///
/// # Errors
/// A runtime failure, if the programs cannot be told.
pub(crate) async fn follow(counts: Arc<Counts>) -> Result<(), Failure> {
    match Decryption::now() {
        Decryption::InUse => {}
        Decryption::Never => return std::future::pending().await,
        Decryption::Loadable => {
            while !is_loaded() {
                tokio::time::sleep(PERIOD).await;
            }
            tracing::info!(
                "the kernel has loaded ESP: packets that it has decrypted are told from those of the wire"
            );
        }
    }
    counts.set_ipsec(true)?;
    std::future::pending().await
}
