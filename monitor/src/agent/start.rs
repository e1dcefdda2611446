//! Starts the agent: maps, programs, policy, and the first interfaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::anyhow;
use jiff::Timestamp;
use monitor_common::cpu_state::CpuState;

use super::esp_networks::EspBook;
use super::esp_timing::EspTiming;
use super::exported::Exported;
use super::exposure::Account;
use super::handover::Predecessor;
use super::ledger::Ledger;
use super::node_agent::Agent;
use super::silent_rows::SilentRows;
use super::watch_plan::WatchPlan;
use crate::base::confinement::Held;
use crate::base::decryption::Decryption;
use crate::base::failure::{Failure, FailureKind};
use crate::base::interface::LinkLayer;
use crate::base::procfs::has_module;
use crate::host::interface::{ChangeSubscription, Selected};
use crate::host::ipsec;
use crate::kernel::attach::{self, LeftAttached, clsact};
use crate::kernel::{Attribution, Kernel};
use crate::policy::{Policy, SharedPolicy};

impl Agent {
    /// Loads the programs and attaches them to all selected interfaces. On an error nothing stays attached. Goes on from
    /// what another process has left, if it has.
    ///
    /// # Errors
    /// A kernel failure that names what is missing, or a usage failure if too many interfaces are selected.
    pub fn start(plan: &WatchPlan, mut predecessor: Option<Predecessor>) -> Result<Agent, Failure> {
        let routes = plan.selection.wants_routes();
        // Before the first list: later changes are then seen.
        let changes = ChangeSubscription::new(routes).map_err(|error| {
            Failure::runtime(anyhow!(error).context("cannot watch for changes of interfaces"))
        })?;
        let kernel = Kernel::new(&plan.load)?;
        let exported = Arc::new(Mutex::new(Exported::new(plan.unknown_networks)));
        let account = plan.load.exposure.then(|| {
            Arc::new(Mutex::new(
                Account::new(kernel.counts())
                    .forgetting_after(plan.forget_after, Arc::clone(&exported)),
            ))
        });
        let policy = policy(plan, &kernel)?;
        let mut agent = Agent {
            watched: BTreeMap::new(),
            kernel,
            account,
            policy,
            room_logged: false,
            ledger: Ledger::default(),
            silent: SilentRows::default(),
            described: BTreeSet::new(),
            described_before: BTreeSet::new(),
            started: Instant::now(),
            esp_nodes: BTreeSet::new(),
            exported: Arc::clone(&exported),
            forget_after: plan.forget_after,
            esp_networks: EspBook::default(),
            esp_timing: None,
            selection: plan.selection.clone(),
            selected: Selected::default(),
            hook: plan.hook,
            noted: BTreeSet::new(),
            changes: Some(changes),
            owner: clsact::Owner::new()?,
            left: LeftAttached::default(),
            inherited: CpuState::default(),
            counting_since: Timestamp::now(),
            docker: None,
            lost: 0,
            trend: Mutex::default(),
            udp_ports: plan.load.udp_ports.clone(),
            held: Held::everything(),
            overlays: Vec::new(),
        };
        if matches!(Decryption::detect(), Decryption::InUse) {
            agent.kernel_decrypts()?;
        }
        if plan.load.esp_networks {
            agent.attribute_esp();
        }
        if plan.load.esp_timing && *agent.attribution() == Attribution::Exact {
            agent.time_esp();
        }
        if let Some(predecessor) = &mut predecessor {
            agent.inherit(predecessor)?;
        }
        let links = agent.list_interfaces()?;
        let limit = agent.limit();
        if agent.selected.interfaces.len() > limit {
            return Err(Failure::usage(anyhow!(
                "{} interfaces are selected, and at most {limit} can be watched: select fewer",
                agent.selected.interfaces.len()
            )));
        }
        if agent.selected.interfaces.is_empty() {
            // A kernel that rejects the programs must fail at start-up.
            attach::load(&mut agent.kernel, LinkLayer::Ethernet, agent.hook)?;
        }
        for interface in agent.selected.interfaces.clone() {
            match agent.attach(&interface) {
                // The interface vanished in this moment; an event will follow.
                Err(failure) if failure.kind == FailureKind::Usage => agent.forget(interface.index),
                other => other?,
            }
        }
        if let Some(predecessor) = predecessor {
            agent.inherit_rest(&predecessor, &links)?;
        }
        agent.check_attachments(&links);
        agent.prepare_networks();
        Ok(agent)
    }

    /// Starts to attribute ESP to networks. A failure is logged, and ESP is counted by peer only.
    fn attribute_esp(&mut self) {
        let attribution = self.kernel.attribute_esp();
        match &attribution {
            Attribution::Exact | Attribution::None => {}
            Attribution::Impossible(reason) if uses_esp() => tracing::warn!(
                "cannot attribute ESP to networks, so it is counted by peer only: {reason}"
            ),
            // A required network is warned of by its policy.
            Attribution::Impossible(reason) => {
                tracing::debug!("cannot attribute ESP to networks: {reason}");
            }
        }
        self.esp_networks = EspBook::new(attribution);
    }

    /// Prepares to time encryptions. A failure is logged, and nothing is timed.
    fn time_esp(&mut self) {
        match self.kernel.esp_timer() {
            Ok(timer) => {
                let packets = self.kernel.packet_timer().inspect_err(|reason| {
                    tracing::debug!("single packets are not timed in ESP: {reason}");
                });
                self.esp_timing = Some(EspTiming::new(timer, packets.ok()));
            }
            Err(reason) if uses_esp() => {
                tracing::info!(
                    "encryptions are not timed: {reason}; esp_timing = false silences this line"
                );
            }
            Err(reason) => tracing::debug!("encryptions are not timed: {reason}"),
        }
    }
}

/// Whether this host uses ESP, or is set up for it.
fn uses_esp() -> bool {
    let has_associations = ipsec::associations().is_ok_and(|states| !states.is_empty());
    has_associations || ["esp4", "esp6"].into_iter().any(has_module)
}

/// The policy of this plan; `None` if there is none.
fn policy(plan: &WatchPlan, kernel: &Kernel) -> Result<Option<SharedPolicy>, Failure> {
    if !plan.policy {
        return Ok(None);
    }
    let networks = plan.networks.clone();
    let policy = Policy::new(kernel.counts(), networks, plan.window, plan.state_window)?;
    Ok(Some(Arc::new(Mutex::new(policy))))
}
