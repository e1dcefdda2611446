//! The part that `run` and `tail` share: programs on interfaces, and what they have counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;

use crate::attach::{self, Attachment, clsact};
use crate::decode::Decoder;
use crate::exposure::{Account, Judge};
use crate::failure::Failure;
use crate::interface;
use crate::kernel::Kernel;
use crate::settings::Watch;
use crate::snapshot::Snapshot;

/// Programs that watch. Dropping it detaches them.
pub struct Agent {
    // First to be dropped: a program is detached before its maps go.
    attachments: Vec<Attachment>,
    kernel: Kernel,
    account: Option<Arc<Mutex<Account>>>,
    names: BTreeMap<u32, String>,
    #[expect(
        dead_code,
        reason = "held: says that the filters of this process are in use"
    )]
    owner: clsact::Owner,
}

impl Agent {
    /// Loads the programs and attaches them to all interfaces. On an error nothing stays attached.
    ///
    /// # Errors
    /// A kernel failure with what is missing.
    pub fn start(watch: &Watch) -> Result<Agent, Failure> {
        let mut kernel = Kernel::new(&watch.load)?;
        let owner = clsact::Owner::new()?;
        let mut attachments = Vec::new();
        let mut names = BTreeMap::new();
        for interface in &watch.interfaces {
            attachments.extend(attach::attach(&mut kernel, interface, watch.hook, &owner)?);
            names.insert(interface.index, interface.name.clone());
        }
        let account = watch
            .load
            .exposure
            .then(|| Arc::new(Mutex::new(Account::new(kernel.counts()))));
        Ok(Agent {
            attachments,
            kernel,
            account,
            names,
            owner,
        })
    }

    /// What is counted now.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, Failure> {
        let account = self
            .account
            .as_ref()
            .map(|account| account.lock().unwrap_or_else(PoisonError::into_inner));
        Snapshot::read(
            &self.kernel,
            &self.names,
            &self.attachments,
            account.as_deref(),
        )
    }

    /// The books of exposure; `None` if it is not watched.
    #[must_use]
    pub fn account(&self) -> Option<Arc<Mutex<Account>>> {
        self.account.clone()
    }

    /// Who judges flows by their samples; `None` if exposure is not watched.
    #[must_use]
    pub fn judge(&self) -> Option<Judge> {
        self.account
            .is_some()
            .then(|| Judge::new(self.kernel.counts()))
    }

    /// Names of the interfaces that are or were watched, by index.
    #[must_use]
    pub fn names(&self) -> &BTreeMap<u32, String> {
        &self.names
    }

    /// Interfaces that are watched and are no longer there: their programs went with them.
    #[must_use]
    pub fn lost(&self) -> Vec<&str> {
        let there = interface::list();
        self.names
            .iter()
            .filter(|(index, _)| !there.iter().any(|interface| interface.index == **index))
            .map(|(_, name)| name.as_str())
            .collect()
    }

    /// One line that says what is attached where.
    #[must_use]
    pub fn describe(&self) -> String {
        let hooks: Vec<String> = self
            .attachments
            .iter()
            .map(|at| {
                format!(
                    "{} {} ({})",
                    at.interface.name,
                    at.direction.label(),
                    at.hook
                )
            })
            .collect();
        hooks.join(", ")
    }

    /// What the programs themselves log, if debug messages are wanted.
    pub fn take_log(&mut self) -> Option<EbpfLogger<&'static dyn log::Log>> {
        self.kernel.take_log()
    }

    /// The sample ring; `None` if it was taken.
    pub fn take_samples(&mut self) -> Option<RingBuf<MapData>> {
        self.kernel.take_samples()
    }
}

/// The decoder for these settings.
#[must_use]
pub fn decoder(watch: &Watch, show_payload: bool) -> Decoder {
    Decoder {
        services: watch.load.services.clone(),
        show_payload,
    }
}
