//! `cargo xtask two-machines`: the benchmark of encryption between two virtual machines, and SIGKILL of either.

mod killed;
mod measured;
mod run;
mod state;
mod trial;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::nodes::node::{self, Machine, NODES, both};
use crate::outcome::Outcome;
use crate::paths::{Ctx, make_dir};
use crate::proc::say;
use crate::setup::{apt, packages};
use crate::{build, cli, vm};
use state::State;
use trial::Trial;

/// The result is the exit code.
pub(crate) fn main(ctx: &Ctx, args: &cli::TwoMachines) -> Result<u8> {
    let start = Instant::now();
    let folder = ctx.path("target/two-machines");
    // What is in it afterwards is of this run.
    std::fs::remove_dir_all(&folder).ok();
    make_dir(&folder)?;
    apt::ensure(ctx, &packages::bench(), &[])?;
    vm::prepare(ctx, &args.kernel, None)?;
    build::build(ctx, false)?;
    let machine = Machine {
        kernel: args.kernel.clone(),
        memory: 1536,
        trees: Vec::new(),
        load: &["macvlan", "ipvlan", "wireguard"],
        timeout: Duration::from_secs(args.timeout),
    };
    let (mut nodes, wire) = node::boot(ctx, &machine, &folder.join("wire.pcap"))?;
    let before = both(&mut nodes, |node| {
        node.ready()?;
        let peer = NODES.iter().find(|plan| plan.address != node.address);
        let peer = peer.map_or("", |plan| plan.address);
        let last = node.address.rsplit('.').next().unwrap_or_default();
        let script = include_str!("foreign.sh")
            .replace("OWN", node.address)
            .replace("PEER", peer)
            .replace("LAST", last);
        node.sh(&script)?;
        State::read(node)
    })?;
    say(format!(
        "both machines are up, with what others have on them ({} s)",
        start.elapsed().as_secs()
    ));
    let mut trial = Trial {
        nodes,
        wire,
        program: build::out_dir(ctx, false)?.join("overlay-lab"),
        folder,
        before,
        outcome: Outcome::default(),
    };
    let ended = play(&mut trial, &args.only);
    if ended.is_err() {
        trial.keep("last").ok();
    }
    trial.wire.flush()?;
    println!("\n{}", trial.outcome.text());
    say(format!(
        "the wire's frames are in {0}/wire.pcap, what the programs printed in {0}/node*.log; it took {1} s",
        trial.folder.display(),
        start.elapsed().as_secs()
    ));
    ended?;
    Ok(trial.outcome.conclude())
}

/// The parts that are asked for, in their order.
fn play(trial: &mut Trial, only: &[String]) -> Result<()> {
    let wanted = |part: &str| only.iter().any(|name| name == part);
    for via in ["macvlan", "ipvlan"] {
        if wanted(via) {
            measured::measure(trial, via)?;
        }
    }
    if wanted("kill") {
        killed::kill_each(trial)?;
    }
    Ok(())
}
