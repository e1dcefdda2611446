//! The state of the agent at one moment: what every surface reads. Reading it from the maps is the agent's work.

use std::collections::BTreeMap;

use super::esp_networks::EspBook;
use super::exposure::Account;
use super::ledger::{Ledger, Rows};
use crate::base::failure::Failure;
use crate::kernel::Kernel;
use crate::policy;
use crate::traffic::counted::{Counted, HookState};

/// Everything that the agent knows at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What was counted, exact at the moment it was read.
    pub counted: Counted,
    /// What networks should be, what they are, and where they are not what they should be.
    pub policy: policy::PolicyReport,
}

impl Snapshot {
    /// Reads the maps; `peers` is how many entries `PEERS` has. The ledger says whose counts they are, and adds those of interfaces that are gone.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn read(
        kernel: &Kernel,
        ledger: &Ledger,
        esp_book: &EspBook,
        hooks: Vec<HookState>,
        account: Option<&Account>,
        peers: usize,
    ) -> Result<Snapshot, Failure> {
        let rows = Rows::read(kernel)?;
        let inside_esp = kernel.esp_networks()?;
        let state = kernel.state()?;
        let (exposure, pending, exposures) = match account {
            Some(account) => account.read()?,
            None => (Vec::new(), Vec::new(), 0),
        };
        let maps = kernel.sizes().in_use(
            rows.counters.len(),
            rows.esp.len(),
            inside_esp.len(),
            rows.reasons.len(),
            exposures,
            peers,
            &state,
        );
        let (traffic, esp, unparsed) = ledger.rows(&rows);
        let (esp_networks, esp_others) = esp_book.rows(&inside_esp);
        let counted = Counted {
            traffic,
            esp,
            esp_networks,
            esp_others,
            attribution: esp_book.attribution().clone(),
            unparsed,
            exposure,
            pending,
            evicted: account.map_or(0, Account::evicted),
            state,
            maps,
            hooks,
            esp_active: Vec::new(),
            xfrm_errors: BTreeMap::new(),
            docker_up: None,
            lost: 0,
        };
        Ok(Snapshot {
            counted,
            policy: policy::PolicyReport::default(),
        })
    }
}
