//! For how long the rows of the agent's maps and books have been silent.

use std::sync::Arc;

use monitor_common::key::EspKey;

use super::idle_rows::IdleRows;
use super::ledger::{Node, TrafficRow};

/// For how long rows have been silent.
#[derive(Debug, Default)]
pub(super) struct SilentRows {
    pub(super) networks: IdleRows<(Arc<str>, TrafficRow)>,
    pub(super) associations: IdleRows<EspKey>,
    pub(super) nodes: IdleRows<Node>,
    /// Whether many were forgotten, and their memory was not given back yet.
    pub(super) many: bool,
}
