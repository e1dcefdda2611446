//! Keeps the books of exposure while flows come and go.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::time::MissedTickBehavior;

use crate::agent::exposure::{Account, now};
use crate::base::failure::Failure;

/// How often flows are credited that have got their verdict.
const CREDIT: Duration = Duration::from_millis(100);
/// Every how many of these times all flows are looked at, those without a verdict too.
const ALL: u32 = 20;
/// The same while flows find no room.
const CROWDED: u32 = 5;

/// Keeps the books, until the future is dropped; for ever without books.
///
/// # Errors
/// A runtime failure, if a task fails. What the kernel refuses for the moment is logged, and tried again.
pub async fn keep_books(account: Option<Arc<Mutex<Account>>>) -> Result<(), Failure> {
    let Some(account) = account else {
        return std::future::pending().await;
    };
    let mut tick = tokio::time::interval(CREDIT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut since_all = ALL;
    let mut said = None;
    loop {
        tick.tick().await;
        since_all += 1;
        let account = Arc::clone(&account);
        // Many flows take a while, in which samples go on.
        let settled = tokio::task::spawn_blocking(move || {
            let mut account = account.lock().unwrap_or_else(PoisonError::into_inner);
            account.settle_judged()?;
            let all = since_all >= ALL || since_all >= CROWDED && account.is_crowded()?;
            if all {
                account.settle(now())?;
            }
            Ok(all)
        });
        let settled = settled
            .await
            .context("the books of exposure")
            .map_err(Failure::runtime)?;
        // Nothing is lost by it: it stays pending until it works again.
        if let Ok(true) = settled {
            since_all = 0;
        }
        let trouble = settled.err().map(|failure: Failure| failure.to_string());
        if let Some(trouble) = trouble.as_ref().filter(|_| trouble != said) {
            tracing::error!("cannot keep the books of exposure, trying on: {trouble}");
        }
        said = trouble;
    }
}
