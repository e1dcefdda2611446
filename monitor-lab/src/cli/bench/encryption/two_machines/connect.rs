//! `--to HOST`: the machine with the clients. It drives the benchmark.

use std::net::{TcpStream, ToSocketAddrs};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use monitor_lab::Host;

use super::channel::Channel;
use super::half::Agreed;
use super::message::{Answer, Hello, Request, Welcome};
use super::options::{PairOptions, with_port};
use super::remote_end::{Remote, RemoteEnd};
use super::token::Token;
use super::{deadline, identity, in_use, introduction};
use crate::cli::bench::encryption::collected::Collected;
use crate::cli::bench::encryption::end::Role;
use crate::cli::bench::encryption::report::{CostReport, Run, TwoMachines};
use crate::cli::bench::encryption::rounds;
use crate::cli::bench::encryption::stage::{SetUp, Stage};
use crate::cli::bench::encryption::way::Way;
use crate::cli::bench::report::Machine;

const CONNECT: Duration = Duration::from_secs(10);
/// Time for the listener to look at its own machine.
const PROMPT: Duration = Duration::from_secs(60);

/// What is measured.
pub(in crate::cli::bench::encryption) struct Plan {
    pub(in crate::cli::bench::encryption) run: Run,
    pub(in crate::cli::bench::encryption) ways: Vec<Way>,
    /// No round begins that would end later.
    pub(in crate::cli::bench::encryption) time: Duration,
}

/// Connects and measures.
pub(in crate::cli::bench::encryption) fn connect(
    options: &PairOptions,
    host: &str,
    plan: &Plan,
    machine: Machine,
) -> anyhow::Result<CostReport> {
    let run = plan.run;
    let limit = options.limit(run.quick);
    let here = Host::this_machine()?;
    let token = Token::given()?;
    deadline::start(limit)?;
    let mut channel = reach(host, &token)?;
    let address = channel.local.ip();
    let (own, keys) = introduction::introduce(&here, options, address, machine)?;
    let hello = Hello {
        introduction: own.clone(),
        run,
        limit: limit.as_secs(),
    };
    channel
        .send(&hello, PROMPT)
        .and_then(|()| channel.receive(PROMPT))
        .context("the listener does not go on: is the token the right one, and not used before?")
        .and_then(|welcome| match welcome {
            Welcome::Welcome(both) => Ok(*both),
            Welcome::Refused(why) => bail!("the other machine: {why}"),
        })
        .and_then(|(other, choice)| {
            other.check()?;
            choice.check()?;
            let agreed = Agreed {
                role: Role::Sender,
                own,
                other,
                keys,
                choice,
                offloads: run.offloads,
            };
            drive(plan, &here, channel, agreed)
        })
}

fn reach(host: &str, token: &Token) -> anyhow::Result<Channel> {
    let host = with_port(host);
    let addresses = host
        .to_socket_addrs()
        .with_context(|| format!("cannot find {host}"))?;
    let mut last = None;
    for address in addresses.take(8) {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(socket) => {
                return Channel::connect(socket, identity::client(token)?)
                    .with_context(|| format!("{address} has not proved that it knows the token"));
            }
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error).with_context(|| format!("cannot connect to {host}")),
        None => bail!("{host} has no address"),
    }
}

/// Measures, and sends each measurement to the listener.
fn drive(plan: &Plan, here: &Host, channel: Channel, agreed: Agreed) -> anyhow::Result<CostReport> {
    let start = Instant::now();
    let remote = Remote::new(channel)?;
    let spis: Vec<u32> = agreed.choice.spis().collect();
    if let Err(error) = in_use::refuse(here, agreed.choice.vni, &spis) {
        // The listener's answer is that it has failed, too.
        let _ = remote.ask(&Request::Refuse(format!("{error:#}")));
        return Err(error);
    }
    let (collected, done) =
        measure(plan, start, &agreed, &remote).map_err(|error| remote.explain(error))?;
    let seconds = start.elapsed().as_secs_f64();
    remote.tell(&Request::Done(done, seconds))?;
    // The listener closes the connection now, which is no accident.
    drop(remote);
    let two = TwoMachines {
        receiver: agreed.other.machine.clone(),
        sender_card: agreed.own.card.clone().without_mac(),
        receiver_card: agreed.other.card.clone().without_mac(),
        sender_via: agreed.own.via,
        receiver_via: agreed.other.via,
    };
    let machine = agreed.own.machine.clone();
    Ok(collected.report(machine, Some(two), done, seconds))
}

/// Sets each way up and measures it; the rounds that were done.
fn measure(
    plan: &Plan,
    start: Instant,
    agreed: &Agreed,
    remote: &Rc<Remote>,
) -> anyhow::Result<(Collected, u32)> {
    let run = plan.run;
    let mut collected = Collected::new(run);
    let mut stages = Vec::new();
    for way in plan.ways.iter().copied() {
        match build(way, agreed, remote)? {
            SetUp::Ready((stage, driver)) => {
                let facts = rounds::facts(&stage, run.offloads, driver)?;
                remote.tell(&Request::Facts(way, Box::new(facts.clone())))?;
                collected.add(way, facts)?;
                stages.push(stage);
            }
            SetUp::LeftOut(why) => {
                remote.tell(&Request::LeaveOut(way, why.clone()))?;
                collected.leave_out(way, why);
            }
        }
    }
    let within = (start, plan.time);
    let done = rounds::measure(
        &stages,
        &mut collected,
        &run,
        within,
        &mut |way, load, measured| remote.tell(&Request::Measured(way, load, Box::new(*measured))),
    )?;
    Ok((collected, done))
}

/// Sets both halves of a way up. With it comes the driver that encrypts on the other machine.
fn build(
    way: Way,
    agreed: &Agreed,
    remote: &Rc<Remote>,
) -> anyhow::Result<SetUp<(Stage, Option<String>)>> {
    let driver = match remote.ask(&Request::Build(way))? {
        Answer::Built(driver) => driver,
        Answer::LeftOut(why) => return Ok(SetUp::LeftOut(format!("the other machine: {why}"))),
        _ => bail!("the other machine sent an answer to another question"),
    };
    Ok(match agreed.build(way)? {
        SetUp::Ready(near) => {
            let far = Box::new(RemoteEnd::new(way, remote));
            SetUp::Ready((Stage::new(way, near, far), driver))
        }
        SetUp::LeftOut(why) => SetUp::LeftOut(why),
    })
}
