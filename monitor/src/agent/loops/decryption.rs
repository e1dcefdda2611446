//! Enables the handling of decrypted packets once the kernel can decrypt.

use std::sync::Arc;
use std::time::Duration;

use crate::base::failure::Failure;
use crate::host::decryption::{Decryption, is_loaded};
use crate::kernel::Counts;

/// How often to check whether the kernel has loaded ESP: it loads with the first association. Packets decrypted before
/// the check are counted as if they came from the wire.
const PERIOD: Duration = Duration::from_millis(250);

/// Enables it now or when ESP is loaded, and never disables it; runs for ever.
///
/// # Errors
/// A runtime failure, if the programs' map cannot be written.
pub(crate) async fn enable_once_loaded(counts: Arc<Counts>) -> Result<(), Failure> {
    match Decryption::detect() {
        Decryption::InUse => {}
        Decryption::Never => return std::future::pending().await,
        Decryption::Loadable => {
            while !is_loaded() {
                tokio::time::sleep(PERIOD).await;
            }
            tracing::info!(
                "the kernel has loaded ESP: decrypted packets are now distinguished from those of the wire"
            );
        }
    }
    counts.set_ipsec(true)?;
    std::future::pending().await
}
