//! `--listen`: the machine with the servers. It does what the other one asks for, once that has proved that it knows the
//! token, and writes a report of its own.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use monitor_lab::{Association, Cipher, Host};

use super::channel::Channel;
use super::half::Agreed;
use super::message::{Answer, Choice, Hello, Request, Welcome};
use super::options::PairOptions;
use super::token::Token;
use super::{admission, deadline, identity, in_use, introduction};
use crate::cli::bench::encryption::collected::Collected;
use crate::cli::bench::encryption::crypto;
use crate::cli::bench::encryption::end::Role;
use crate::cli::bench::encryption::far::{Far, Reading};
use crate::cli::bench::encryption::machine_cpu::Cpu;
use crate::cli::bench::encryption::receiver::Receiver;
use crate::cli::bench::encryption::report::{CostReport, TwoMachines};
use crate::cli::bench::encryption::stage::SetUp;
use crate::cli::bench::encryption::way::Way;
use crate::cli::bench::report::Machine;

/// Time for a message of the beginning, and for one to be sent.
const PROMPT: Duration = Duration::from_secs(30);
/// Longest wait for the next request: a client of requests may run for a minute.
const IDLE: Duration = Duration::from_secs(180);
/// The other machine does not decide how long this one is busy.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// Waits for the other machine and serves it.
pub(in crate::cli::bench::encryption) fn listen(
    options: &PairOptions,
    address: SocketAddr,
    machine: Machine,
) -> anyhow::Result<CostReport> {
    let here = Host::this_machine()?;
    let choice = choose(options)?;
    in_use::refuse(&here, choice.vni, &choice.spis().collect::<Vec<_>>())?;
    let token = Token::random()?;
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    eprintln!(
        "Listening on {}. On the other machine: overlay-lab bench encryption --to HOST\nToken, for one connection within \
         {} min: {}",
        listener.local_addr()?,
        options.wait().as_secs() / 60,
        token.text()
    );
    let mut channel = admission::admit(listener, &identity::server(&token)?, options.wait())?;
    eprintln!("{} has connected", channel.remote);
    let hello: Hello = channel.receive(PROMPT)?;
    let limit = Duration::from_secs(hello.limit).min(LONGEST);
    deadline::start(limit)?;
    let outcome = welcome(&mut channel, &here, options, machine, hello, choice);
    match outcome {
        Ok(session) => session.serve(&mut channel),
        Err(error) => {
            channel.send(&Welcome::Refused(format!("{error:#}")), PROMPT)?;
            Err(error)
        }
    }
}

/// VNI, addresses, SPIs and keys.
fn choose(options: &PairOptions) -> anyhow::Result<Choice> {
    let (first, prefix) = options.addresses()?;
    let mut spi = options.spi;
    let mut associations = Vec::new();
    for cipher in Cipher::ALL {
        let both = [
            Association::random(cipher, spi)?,
            Association::random(cipher, spi + 1)?,
        ];
        associations.push((cipher, both));
        spi += 2;
    }
    Ok(Choice {
        vni: options.vni,
        first,
        prefix,
        associations,
    })
}

/// Agrees with the other machine.
fn welcome(
    channel: &mut Channel,
    here: &Host,
    options: &PairOptions,
    machine: Machine,
    hello: Hello,
    choice: Choice,
) -> anyhow::Result<Session> {
    hello.introduction.check()?;
    let (own, keys) = introduction::introduce(here, options, channel.local.ip(), machine)?;
    let agreed = Agreed {
        role: Role::Receiver,
        own,
        other: hello.introduction,
        keys,
        choice,
        offloads: hello.run.offloads,
    };
    let both = Box::new((agreed.own.clone(), agreed.choice.clone()));
    channel.send(&Welcome::Welcome(both), PROMPT)?;
    Ok(Session {
        collected: Collected::new(hello.run),
        receivers: HashMap::new(),
        agreed,
        begin: Instant::now(),
    })
}

/// What the listener has.
struct Session {
    // Before the rest: servers must end before their hosts do.
    receivers: HashMap<&'static str, Receiver>,
    agreed: Agreed,
    collected: Collected,
    begin: Instant,
}

/// What is done after a request.
enum Next {
    Answer(Answer),
    /// All is measured: rounds, and seconds of the whole.
    End(u32, f64),
}

impl Session {
    /// Answers requests until all is measured.
    fn serve(mut self, channel: &mut Channel) -> anyhow::Result<CostReport> {
        loop {
            let request: Request = channel.receive(IDLE)?;
            match request.check().and_then(|()| self.answer(request)) {
                Ok(Next::Answer(answer)) => channel.send(&answer, PROMPT)?,
                Ok(Next::End(rounds, seconds)) => {
                    channel.send(&Answer::Done, PROMPT)?;
                    return Ok(self.report(rounds, seconds));
                }
                Err(error) => {
                    channel.send(&Answer::Failed(format!("{error:#}")), PROMPT)?;
                    return Err(error);
                }
            }
        }
    }

    fn answer(&mut self, request: Request) -> anyhow::Result<Next> {
        let answer = match request {
            Request::Build(way) => self.build(way)?,
            Request::LeaveOut(way, why) => {
                self.receivers.remove(way.name());
                self.collected.leave_out(way, why);
                Answer::Done
            }
            Request::OpenTcp(way, streams) => {
                Answer::Ports(vec![self.receiver(way)?.open_tcp(streams)?])
            }
            Request::OpenUdp(way, ports, acknowledge) => {
                Answer::Ports(self.receiver(way)?.open_udp(&ports, acknowledge)?)
            }
            Request::Read(way) => Answer::Reading(self.read(way)?),
            Request::Close(way) => Answer::Closed(self.receiver(way)?.close()?),
            Request::Mtu(way, mtu) => {
                self.receiver(way)?.set_mtu(mtu)?;
                Answer::Done
            }
            Request::Facts(way, facts) => {
                self.collected.add(way, *facts)?;
                Answer::Done
            }
            Request::Measured(way, load, measured) => {
                self.collected.push(way, load, *measured)?;
                Answer::Done
            }
            Request::Done(rounds, seconds) => return Ok(Next::End(rounds, seconds)),
            Request::Refuse(why) => bail!("the other machine: {why}"),
        };
        Ok(Next::Answer(answer))
    }

    fn read(&mut self, way: Way) -> anyhow::Result<Reading> {
        Ok(Reading {
            other_cpu: Some(Cpu::now()?),
            ..self.receiver(way)?.read()?
        })
    }

    fn receiver(&mut self, way: Way) -> anyhow::Result<&mut Receiver> {
        let receiver = self.receivers.get_mut(way.name());
        receiver.with_context(|| format!("{} was not set up", way.label()))
    }

    fn build(&mut self, way: Way) -> anyhow::Result<Answer> {
        ensure!(
            !self.receivers.contains_key(way.name()),
            "{} is set up already",
            way.label()
        );
        let end = match self.agreed.build(way)? {
            SetUp::Ready(end) => end,
            SetUp::LeftOut(why) => return Ok(Answer::LeftOut(why)),
        };
        let servers = end.start_servers()?;
        self.receivers
            .insert(way.name(), Receiver::new(end, servers));
        eprintln!(
            "{}: set up after {:.0} s",
            way.label(),
            self.begin.elapsed().as_secs_f64()
        );
        Ok(Answer::Built(
            crypto::chosen(way).and_then(|chosen| chosen.driver),
        ))
    }

    fn report(self, rounds: u32, seconds: f64) -> CostReport {
        let (own, other) = (self.agreed.own, self.agreed.other);
        let two = TwoMachines {
            receiver: own.machine,
            sender_card: other.card.without_mac(),
            receiver_card: own.card.without_mac(),
            sender_via: other.via,
            receiver_via: own.via,
        };
        let machine = other.machine;
        self.collected.report(machine, Some(two), rounds, seconds)
    }
}
