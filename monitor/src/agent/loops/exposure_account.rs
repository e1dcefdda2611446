//! Settles the account of exposure while flows come and go.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::agent::exposure::{Account, now};
use crate::base::beat::Beat;
use crate::base::failure::Failure;

/// All flows are looked at every so many beats, those without a verdict too.
const ALL: u32 = 20;
/// The same while the map has no room for new flows.
const CROWDED: u32 = 5;

/// Settles the account at each beat, until the future is dropped. Without an account, it waits for ever.
///
/// # Errors
/// A runtime failure, if a task fails. A refusal of the kernel is logged, and tried again.
pub async fn keep_settled(
    account: Option<Arc<Mutex<Account>>>,
    mut beat: Beat,
) -> Result<(), Failure> {
    let Some(account) = account else {
        return std::future::pending().await;
    };
    let mut since_all = ALL;
    let mut said = None;
    loop {
        beat.next().await;
        since_all += 1;
        let few = match since_all.is_multiple_of(CROWDED) || since_all >= ALL {
            true => None,
            false => settle_few(&account),
        };
        let settled = match few {
            // It may have had nothing to do: that does not end the trouble of the last time.
            Some(Ok(())) => continue,
            Some(Err(failure)) => Err(failure),
            None => settle_many(Arc::clone(&account), since_all).await,
        };
        // A failure loses nothing: what is not credited stays pending until it works again.
        if let Ok(true) = settled {
            since_all = 0;
        }
        let trouble = settled.err().map(|failure: Failure| failure.to_string());
        if let Some(trouble) = trouble.as_ref().filter(|_| trouble != said) {
            tracing::error!("cannot settle the account of exposure, retrying: {trouble}");
        }
        said = trouble;
    }
}

/// Credits the flows with a new verdict where those are few: a change of threads would cost more. `None` if more are left,
/// or if a scrape or a credit has the account.
fn settle_few(account: &Mutex<Account>) -> Option<Result<(), Failure>> {
    let mut account = account.try_lock().ok()?;
    if !account.has_new_verdict() {
        return Some(Ok(()));
    }
    match account.settle_classified() {
        Ok(true) => None,
        settled => Some(settled.map(|_| ())),
    }
}

/// Credits the flows with a new verdict, and looks at all if it is time for that; whether it was. Many flows take a while;
/// samples are read meanwhile.
async fn settle_many(account: Arc<Mutex<Account>>, since_all: u32) -> Result<bool, Failure> {
    let settled = tokio::task::spawn_blocking(move || {
        let lock = || account.lock().unwrap_or_else(PoisonError::into_inner);
        let classified = loop {
            let settled = lock().settle_classified();
            match settled {
                Ok(true) => std::thread::yield_now(),
                settled => break settled,
            }
        };
        let mut account = lock();
        // Also after a failure: what is removed then may be the room that was missing.
        let all = since_all >= ALL || since_all >= CROWDED && account.is_crowded()?;
        if all {
            account.settle(now())?;
        }
        classified.map(|_| all)
    });
    settled
        .await
        .context("the account of exposure")
        .map_err(Failure::runtime)?
}
