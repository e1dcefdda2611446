//! Tells the programs when the kernel can decrypt packets.

use std::sync::Arc;
use std::time::Duration;

use crate::base::failure::Failure;
use crate::host::decryption::{Decryption, is_loaded};
use crate::kernel::Counts;

/// How often it is looked whether one was loaded: it comes with the first association. What is decrypted
/// before the next look counts as what it looks like.
const PERIOD: Duration = Duration::from_millis(250);

/// Tells the programs, now and when it changes; for ever. Once in use is in use.
///
/// # Errors
/// A runtime failure, if the programs cannot be told.
pub(crate) async fn enable_once_loaded(counts: Arc<Counts>) -> Result<(), Failure> {
    match Decryption::detect() {
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
