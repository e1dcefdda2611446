//! Enables the handling of decrypted packets once the kernel can decrypt.

use anyhow::anyhow;

use crate::agent::node_agent::SharedAgent;
use crate::base::beat::Beat;
use crate::base::decryption::{Decryption, is_loaded};
use crate::base::failure::Failure;

/// After so many beats it is checked whether the kernel has loaded ESP: it loads with the first association. Packets
/// decrypted before the check are counted as if they came from the wire.
const BEATS: u32 = 2;

/// Enables it once ESP is loaded, and never disables it; runs for ever. If ESP is loaded already the agent has enabled
/// it at its start.
///
/// # Errors
/// A kernel failure, if the programs' map cannot be written or a program cannot be loaded.
pub(crate) async fn enable_once_loaded(agent: SharedAgent, mut beat: Beat) -> Result<(), Failure> {
    match Decryption::detect() {
        // It may have been loaded since the start.
        Decryption::InUse => {}
        Decryption::Never => return std::future::pending().await,
        Decryption::Loadable => {
            while !is_loaded() {
                for _ in 0..BEATS {
                    beat.next().await;
                }
            }
            tracing::info!(
                "the kernel has loaded ESP: decrypted packets are now distinguished from those of the wire"
            );
        }
    }
    let enable = move || agent.lock().map_err(|_| failed())?.kernel_decrypts();
    tokio::task::spawn_blocking(enable)
        .await
        .map_err(Failure::runtime)??;
    std::future::pending().await
}

fn failed() -> Failure {
    Failure::runtime(anyhow!("the agent failed"))
}
