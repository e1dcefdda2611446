//! How long an alert may take.

use std::time::Duration;

/// From the moment in which a rule's expression holds for long enough until its alert is with Alertmanager, at most: a scrape, an
/// evaluation, and a busy machine.
pub(super) const DELIVERY: Duration = Duration::from_secs(15);
/// How long the agents of these labs judge a network by.
pub(super) const WINDOW: &str = "10s";

/// So many seconds.
pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
