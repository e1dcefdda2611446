//! The part that `run` and `tail` share: programs on interfaces, and what they have counted.

pub mod esp_networks;
pub mod exposure;
pub mod ledger;
pub mod loops;
mod networks;
pub mod plan;
mod quiet;
mod sight;
pub mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;
use monitor_common::key::EspKey;
use monitor_common::label::Direction;
use tokio::sync::watch;

use crate::base::failure::{Failure, FailureKind};
use crate::base::interface::Interface;
use crate::base::udp_ports::UdpPorts;
use crate::host::decryption::Decryption;
use crate::host::docker;
use crate::host::interface::{self, ChangeSubscription, Link, Selected, Selection};
use crate::host::ipsec;
use crate::kernel::Attribution;
use crate::kernel::Kernel;
use crate::kernel::attach::{self, Attachment, HookChoice, clsact};
use crate::policy;
use crate::traffic::association_activity::Trend;
use crate::traffic::decode::Decoder;
use exposure::{Account, Judge};
use plan::WatchPlan;
use snapshot::Snapshot;

use esp_networks::EspBook;
use ledger::{Ledger, Names, Rows};
use quiet::Quiet;

/// Interfaces that are watched at a time: rows are made beforehand for each, in maps of a fixed size.
pub const INTERFACES: usize = 64;

/// After this time no program that was detached is still at work on a packet.
const AT_REST: Duration = Duration::from_secs(1);

/// The agent, as those see it who share it.
pub type Shared = Arc<Mutex<Agent>>;

/// Programs that watch. Dropping it detaches them.
pub struct Agent {
    // First to be dropped: a program is detached before its maps go.
    watched: BTreeMap<u32, Watched>,
    kernel: Kernel,
    account: Option<Arc<Mutex<Account>>>,
    policy: Option<policy::SharedPolicy>,
    prepared: networks::Prepared,
    ledger: Ledger,
    quiet: Quiet<EspKey>,
    esp_networks: EspBook,
    selection: Selection,
    selected: Selected,
    hook: HookChoice,
    /// What was said of the selection last, so that it is said once.
    said: BTreeSet<String>,
    changes: Option<ChangeSubscription>,
    owner: clsact::Owner,
    /// What Docker says, where somebody follows it.
    docker: Option<watch::Receiver<docker::DockerStatus>>,
    /// How often a program of ours was found detached by somebody else.
    lost: u64,
    /// What associations of ESP did until now.
    trend: Mutex<Trend>,
    udp_ports: UdpPorts,
}

/// An interface that is watched, or shall be.
struct Watched {
    interface: Interface,
    rx: Place,
    tx: Place,
}

/// One direction of it.
#[derive(Default)]
struct Place {
    attachment: Option<Attachment>,
    /// What comes before our program, if it was said.
    behind: Option<String>,
    /// Why there is none, if it was said.
    trouble: Option<String>,
}

impl Watched {
    fn places(&self) -> [(Direction, &Place); 2] {
        [(Direction::Rx, &self.rx), (Direction::Tx, &self.tx)]
    }

    fn places_mut(&mut self) -> [(Direction, &mut Place); 2] {
        [(Direction::Rx, &mut self.rx), (Direction::Tx, &mut self.tx)]
    }
}

impl Agent {
    /// Loads the programs and attaches them to all interfaces that are selected. On an error nothing stays attached.
    ///
    /// # Errors
    /// A kernel failure with what is missing, or a usage failure if there are too many interfaces.
    pub fn start(watch: &WatchPlan) -> Result<Agent, Failure> {
        let routes = watch.selection.wants_routes();
        // Before the first look: what changes after it is seen.
        let changes = ChangeSubscription::new(routes).map_err(|error| {
            Failure::runtime(anyhow!(error).context("cannot watch for changes of interfaces"))
        })?;
        let kernel = Kernel::new(&watch.load)?;
        let account = watch
            .load
            .exposure
            .then(|| Arc::new(Mutex::new(Account::new(kernel.counts()))));
        let policy = networks::policy(watch, &kernel)?;
        let mut agent = Agent {
            watched: BTreeMap::new(),
            kernel,
            account,
            policy,
            prepared: networks::Prepared::default(),
            ledger: Ledger::default(),
            quiet: Quiet::default(),
            esp_networks: EspBook::default(),
            selection: watch.selection.clone(),
            selected: Selected::default(),
            hook: watch.hook,
            said: BTreeSet::new(),
            changes: Some(changes),
            owner: clsact::Owner::new()?,
            docker: None,
            lost: 0,
            trend: Mutex::default(),
            udp_ports: watch.load.udp_ports.clone(),
        };
        agent
            .kernel
            .set_ipsec(matches!(Decryption::detect(), Decryption::InUse))?;
        if watch.load.esp_networks {
            agent.attribute_esp();
        }
        // Also where there is no interface yet: a kernel that takes no program is no kernel to wait on.
        for direction in Direction::ALL {
            agent.kernel.load(crate::kernel::Entry::Tc(direction))?;
        }
        let links = agent.look()?;
        let limit = agent.limit();
        if agent.selected.interfaces.len() > limit {
            return Err(Failure::usage(anyhow!(
                "{} interfaces are selected, and at most {limit} can be watched: select fewer",
                agent.selected.interfaces.len()
            )));
        }
        for interface in agent.selected.interfaces.clone() {
            match agent.watch(&interface) {
                // It vanished in this moment; a change will tell.
                Err(failure) if failure.kind == FailureKind::Usage => agent.forget(interface.index),
                other => other?,
            }
        }
        agent.check_sight(&links);
        agent.know_networks();
        Ok(agent)
    }

    /// Begins to attribute ESP to networks; if that cannot be it is said, and everything else goes on.
    fn attribute_esp(&mut self) {
        let attribution = self.kernel.attribute_esp();
        match &attribution {
            Attribution::Exact | Attribution::None => {}
            Attribution::Impossible(reason) => tracing::warn!(
                "ESP is counted by peer only, which networks are inside cannot be told: {reason}"
            ),
        }
        self.esp_networks = EspBook::new(attribution);
    }

    /// Looks at what there is, and makes what is attached follow it. `thoroughly` also asks whether the programs are
    /// still where they were put, attaches again what somebody detached, and tries again what failed.
    ///
    /// # Errors
    /// A runtime failure, if the kernel does not tell. What is attached stays attached.
    pub fn refresh(&mut self, thoroughly: bool) -> Result<(), Failure> {
        let links = self.look()?;
        let gone: Vec<u32> = self
            .watched
            .keys()
            .filter(|index| {
                !self
                    .selected
                    .interfaces
                    .iter()
                    .any(|at| at.index == **index)
            })
            .copied()
            .collect();
        for index in gone {
            let name = self.watched.get(&index).map(|at| at.interface.name.clone());
            let name = name.unwrap_or_default();
            if links.iter().any(|link| link.index == index) {
                tracing::info!("{name}: not watched any more; its counts are kept");
            } else if self.selected.missing.contains(&name) {
                tracing::warn!("{name}: the interface is gone; its counts are kept");
            } else {
                tracing::info!("{name}: the interface is gone; its counts are kept");
            }
            self.forget(index);
        }
        for interface in self.selected.interfaces.clone() {
            if let Some(watched) = self.watched.get(&interface.index) {
                let before = watched.interface.name.clone();
                if before != interface.name {
                    tracing::info!("{before}: renamed to {}", interface.name);
                    self.rename(&interface)?;
                }
            } else if self.watched.len() >= self.limit() {
                self.say(format!(
                    "{}: not watched: {} interfaces are, and no more can be",
                    interface.name,
                    self.watched.len()
                ));
            } else {
                if self.watched.len() + self.ledger.ended() >= self.kernel.interface_capacity() {
                    self.ledger.put_away(&self.kernel, Duration::ZERO)?;
                }
                match self.watch(&interface) {
                    Ok(()) => {
                        tracing::info!("{}: {}", interface.name, self.hooks_of(interface.index))
                    }
                    Err(failure) if failure.kind == FailureKind::Usage => {
                        self.forget(interface.index)
                    }
                    Err(failure) => {
                        tracing::error!("{}: cannot be watched: {failure}", interface.name)
                    }
                }
            }
        }
        self.know_networks();
        if thoroughly {
            self.check_sight(&links);
            self.attach_again();
            self.ledger.put_away(&self.kernel, AT_REST)?;
            self.retire_associations()?;
            self.esp_networks.put_away(&self.kernel)?;
        }
        Ok(())
    }

    /// Puts associations away that nobody uses any more, where the map is half full.
    fn retire_associations(&mut self) -> Result<(), Failure> {
        let rows = self.kernel.esp()?;
        let packets = rows
            .iter()
            // "Other" stays.
            .filter(|(key, _)| key.spi != 0)
            .map(|(key, count)| (*key, count.packets));
        let capacity = self.kernel.sizes().esp;
        for key in self
            .quiet
            .find(packets, rows.len(), capacity, Instant::now())
        {
            if let Some(count) = self.kernel.take_esp(&key)? {
                self.ledger.retire(key, count);
            }
        }
        Ok(())
    }

    /// Interfaces that can be watched here at a time: fewer where many CPUs made the maps smaller.
    fn limit(&self) -> usize {
        INTERFACES.min(self.kernel.interface_capacity())
    }

    /// Looks at what there is, and says what is new about the selection.
    fn look(&mut self) -> Result<Vec<Link>, Failure> {
        let links = interface::list()?;
        let routes = if self.selection.wants_routes() {
            interface::default_routes().map_err(|error| {
                Failure::runtime(anyhow!(error).context("cannot read the default route"))
            })?
        } else {
            Vec::new()
        };
        self.selected = self.selection.resolve(&links, &routes);
        let notes = self.selected.notes.clone();
        self.said.retain(|said| notes.contains(said));
        for note in notes {
            self.say(note);
        }
        Ok(links)
    }

    /// Says something once, as long as it is so.
    fn say(&mut self, note: String) {
        if self.said.insert(note.clone()) {
            tracing::info!("{note}");
        }
    }

    /// Begins to watch an interface. On an error it is tried again later.
    fn watch(&mut self, interface: &Interface) -> Result<(), Failure> {
        let kernel = &self.kernel;
        self.ledger
            .begin(interface.index, &interface.name, || Rows::read(kernel))?;
        let watched = self
            .watched
            .entry(interface.index)
            .or_insert_with(|| Watched {
                interface: interface.clone(),
                rx: Place::default(),
                tx: Place::default(),
            });
        attach::prepare(&mut self.kernel, interface)?;
        for (direction, place) in watched.places_mut() {
            if place.attachment.is_none() {
                let attached = attach::attach(
                    &mut self.kernel,
                    interface,
                    direction,
                    self.hook,
                    &self.owner,
                )?;
                place.attachment = Some(attached);
                place.trouble = None;
            }
        }
        Ok(())
    }

    /// Detaches from an interface. Its counts are kept.
    fn forget(&mut self, index: u32) {
        self.watched.remove(&index);
        self.ledger.end(index);
    }

    fn rename(&mut self, interface: &Interface) -> Result<(), Failure> {
        let kernel = &self.kernel;
        self.ledger
            .rename(interface.index, &interface.name, || Rows::read(kernel))?;
        if let Some(watched) = self.watched.get_mut(&interface.index) {
            watched.interface = interface.clone();
            for (_, place) in watched.places_mut() {
                if let Some(attachment) = &mut place.attachment {
                    attachment.interface = interface.clone();
                }
            }
        }
        Ok(())
    }

    /// What is counted now, and what that means for the networks.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, Failure> {
        let peers = self.poll_policy()?;
        let account = self
            .account
            .as_ref()
            .map(|account| account.lock().unwrap_or_else(PoisonError::into_inner));
        let mut snapshot = Snapshot::read(
            &self.kernel,
            &self.ledger,
            &self.esp_networks,
            self.hooks(),
            account.as_deref(),
            peers,
        )?;
        drop(account);
        snapshot.counted.esp_active = self
            .trend
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .observe(&snapshot.counted.esp, Instant::now());
        snapshot.counted.xfrm_errors = ipsec::errors();
        snapshot.counted.docker_up = self.docker.as_ref().and_then(|state| state.borrow().up);
        snapshot.counted.lost = self.lost;
        self.judge_networks(&mut snapshot);
        Ok(snapshot)
    }

    /// Tells where to look up what Docker says.
    pub fn set_docker(&mut self, state: watch::Receiver<docker::DockerStatus>) {
        self.docker = Some(state);
    }

    /// What each UDP port stands for.
    #[must_use]
    pub fn udp_ports(&self) -> UdpPorts {
        self.udp_ports.clone()
    }

    /// Names of the interfaces that are watched now.
    #[must_use]
    pub fn watched(&self) -> Vec<String> {
        let names = self.watched.values().map(|at| at.interface.name.clone());
        names.collect()
    }

    /// The books of exposure; `None` if it is not watched.
    #[must_use]
    pub fn account(&self) -> Option<Arc<Mutex<Account>>> {
        self.account.clone()
    }

    /// Who judges flows by their samples; `None` if exposure is not watched.
    #[must_use]
    pub fn judge(&self) -> Option<Judge> {
        let account = self.account.as_ref()?;
        Some(
            account
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .judge(),
        )
    }

    /// Names of the interfaces that are or were watched a moment ago.
    #[must_use]
    pub fn names(&self) -> Names {
        self.ledger.names()
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
pub fn decoder(watch: &WatchPlan, show_payload: bool) -> Decoder {
    Decoder {
        udp_ports: watch.load.udp_ports.clone(),
        show_payload,
    }
}
