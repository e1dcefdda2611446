//! An agent with the loops that run beside it: what `run`, `audit` and `tail` share.

use std::future::Future;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;
use jiff::Timestamp;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::NetworkId;
use monitor_common::sample::Sample;
use tokio::sync::watch;

use super::confined::FilesLater;
use super::handover::Predecessor;
use super::loops;
use super::node_agent::{Agent, SharedAgent};
use super::watch_plan::WatchPlan;
use super::watchdog::Watchdog;
use crate::agent::loops::sampled_flows::SampledFlows;
use crate::base::beat::{Beat, Beats};
use crate::base::confinement::Held;
use crate::base::failure::Failure;
use crate::base::service_manager::ServiceManager;
use crate::base::udp_ports::UdpPorts;
use crate::host::docker::{self, DockerSocket};
use crate::kernel::ring;
use crate::policy::SharedPolicy;
use crate::traffic::decode::Decoder;
use crate::traffic::flows::LiveFlows;
use crate::traffic::sample_record::SampleRecord;

/// What a session needs beside the plan.
pub struct SessionOptions {
    /// Where Docker is.
    pub docker: DockerSocket,
    /// Whether records hold the payload, not redacted.
    pub show_payload: bool,
    /// Whether evidence contains the names of accounts.
    pub show_users: bool,
    /// States of networks are updated several times in this time.
    pub update_over: Duration,
    /// Where it is reported that the loops work.
    pub manager: Arc<ServiceManager>,
}

/// A sample, and what was found in it.
pub struct DecodedSample<'a> {
    /// The sample.
    pub sample: &'a Sample<'a>,
    /// What was found in it.
    pub record: &'a SampleRecord,
    /// When it was taken.
    pub time: Timestamp,
    /// Name of its interface.
    pub interface: &'a str,
}

/// A started agent, its samples, and the loops to run.
pub struct Session {
    agent: SharedAgent,
    policy: Option<SharedPolicy>,
    ring: RingBuf<MapData>,
    log: Option<EbpfLogger<&'static dyn log::Log>>,
    decoder: Decoder,
    docker: watch::Sender<docker::DockerStatus>,
    options: SessionOptions,
}

impl Session {
    /// Starts an agent.
    ///
    /// # Errors
    /// Those of [`Agent::start`].
    pub fn start(plan: &WatchPlan, options: SessionOptions) -> Result<Session, Failure> {
        Session::start_after(None, plan, options)
    }

    /// Starts an agent that goes on from what another process has left, if it has.
    ///
    /// # Errors
    /// Those of [`Agent::start`].
    pub fn start_after(
        predecessor: Option<Predecessor>,
        plan: &WatchPlan,
        options: SessionOptions,
    ) -> Result<Session, Failure> {
        let mut agent = Agent::start(plan, predecessor)?;
        let (docker, state) = watch::channel(docker::DockerStatus::default());
        agent.set_docker(state);
        let ring = agent
            .take_samples()
            .ok_or_else(|| Failure::runtime(anyhow!("the sample ring is taken already")))?;
        Ok(Session {
            ring,
            log: agent.take_log(),
            policy: agent.policy(),
            decoder: Decoder {
                udp_ports: plan.load.udp_ports.clone(),
                show_payload: options.show_payload,
                show_users: options.show_users,
            },
            agent: Arc::new(Mutex::new(agent)),
            docker,
            options,
        })
    }

    /// Gives up the privileges that only the start takes, and returns what is left.
    ///
    /// # Errors
    /// Those of [`Agent::give_up_privileges`].
    pub fn give_up_privileges(&self, files: &FilesLater) -> Result<Held, Failure> {
        let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        agent.give_up_privileges(files)?;
        Ok(agent.held().clone())
    }

    /// The agent.
    #[must_use]
    pub fn agent(&self) -> SharedAgent {
        Arc::clone(&self.agent)
    }

    /// Requirements and states of networks; `None` if they are not evaluated.
    #[must_use]
    pub fn policy(&self) -> Option<SharedPolicy> {
        self.policy.clone()
    }

    /// The attached hooks of all interfaces, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        let agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        agent.describe()
    }

    /// Runs all loops and hands each sample to `sink`, until `end` is done or the sink breaks without a failure. The
    /// value is that of `end`; `None` if the sink ended it.
    ///
    /// # Errors
    /// The failure of the loop, or of the sink, that fails first.
    pub async fn run<T>(
        self,
        mut sink: impl FnMut(&DecodedSample<'_>) -> ControlFlow<Result<(), Failure>>,
        end: impl Future<Output = T>,
    ) -> Result<Option<T>, Failure> {
        let (names, flow_verdicts, account, udp_ports, forget_after) = {
            let agent = self.agent.lock().map_err(|_| failed())?;
            (
                agent.names(),
                agent.verdicts(),
                agent.account(),
                agent.udp_ports(),
                agent.forget_after,
            )
        };
        let decoder = self.decoder;
        let watchdog = Watchdog::new(self.options.manager, self.policy.is_some());
        let flows = Mutex::new(SampledFlows {
            samples: LiveFlows::default(),
            verdicts: flow_verdicts,
        });
        let handle = |sample: &Sample<'_>, time| {
            let interface = names.of(sample.ifindex);
            let mut flows = flows.lock().unwrap_or_else(PoisonError::into_inner);
            let record = decoder.decode(&mut flows.samples, sample, time, &interface);
            let vni = match record.encapsulation {
                Encapsulation::Vxlan => record.vni,
                _ => None,
            };
            let network = record.vni.map_or(NetworkId::HOST, NetworkId::vni);
            if let Some(verdicts) = &mut flows.verdicts {
                verdicts.note_credentials(sample, network, &record.verdict.credentials);
                let noted =
                    verdicts.note(sample, network, vni, record.payload_len, &record.verdict);
                if let Err(failure) = noted {
                    // The kernel samples the flow again.
                    tracing::debug!("cannot write a verdict: {failure}");
                }
            }
            drop(flows);
            sink(&DecodedSample {
                sample,
                record: &record,
                time,
                interface: &interface,
            })
        };
        let beats = Beats::new()?;
        let draining = ring::drain(self.ring, beats.follow(), self.log, handle, || {
            watchdog.drained()
        });
        let networks = self.docker.subscribe();
        let violations = watch_policy(
            self.policy,
            Arc::clone(&self.agent),
            networks,
            self.options.update_over,
            &watchdog,
            beats.follow(),
        );
        let docker = keep_listed(self.options.docker, udp_ports, self.docker);
        let done = |result: Result<(), Failure>| result.map(|()| None);
        tokio::select! {
            // First what beats, then what follows it: all in one wake.
            biased;
            result = beats.run() => result.map(|never| match never {}),
            result = draining => done(result),
            result = loops::esp_timing::keep_sampled(Arc::clone(&self.agent)) => done(result),
            result = loops::interfaces::keep_attached(self.agent, beats.follow()) => done(result),
            result = loops::exposure_account::keep_settled(account, beats.follow()) => done(result),
            result = violations => done(result),
            result = docker => done(result),
            result = loops::sampled_flows::forget_silent(&flows, forget_after) => done(result),
            value = end => Ok(Some(value)),
        }
    }
}

/// Evaluates the policy and explains faults of ESP; without a policy it waits for ever.
async fn watch_policy(
    policy: Option<SharedPolicy>,
    agent: SharedAgent,
    networks: watch::Receiver<docker::DockerStatus>,
    update_over: Duration,
    watchdog: &Watchdog,
    beat: Beat,
) -> Result<(), Failure> {
    let Some(policy) = policy else {
        return std::future::pending().await;
    };
    tokio::select! {
        result = loops::violations::keep_current(Arc::clone(&agent), policy, networks, update_over, watchdog, beat) => result,
        result = loops::esp_faults::log_causes(agent) => result,
    }
}

async fn keep_listed(
    place: DockerSocket,
    udp_ports: UdpPorts,
    state: watch::Sender<docker::DockerStatus>,
) -> Result<(), Failure> {
    match loops::docker_networks::keep_listed(place, udp_ports, state).await {}
}

fn failed() -> Failure {
    Failure::runtime(anyhow!("the agent failed"))
}
