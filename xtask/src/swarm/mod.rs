//! `cargo xtask swarm`: the monitor on a real Docker Swarm of two nodes.

mod engine;
mod frame;
mod images;
mod node;
mod wire;

use std::io::BufRead;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::paths::{Ctx, make_dir};
use crate::proc::say;
use crate::setup::{apt, packages};
use crate::{build, cli, vm};
use node::{Node, Plan};
use wire::Wire;

/// The nodes; the first is the manager.
const NODES: [Plan; 2] = [
    Plan {
        name: "node1",
        address: "192.168.77.1",
        mac: "52:54:00:4d:00:01",
    },
    Plan {
        name: "node2",
        address: "192.168.77.2",
        mac: "52:54:00:4d:00:02",
    },
];

/// `cargo xtask swarm`; the result is the exit code.
pub(crate) fn main(ctx: &Ctx, args: &cli::Swarm) -> Result<u8> {
    let start = Instant::now();
    apt::ensure(ctx, &packages::lab(), &[])?;
    vm::prepare(ctx, vm::DEFAULT_KERNEL, None)?;
    let trees: Vec<_> = engine::tree(ctx)?.into_iter().collect();
    build::build(ctx, false, false)?;
    let folder = ctx.path("target/swarm");
    make_dir(&folder)?;
    let out = build::out_dir(ctx, false)?;
    let busybox = vm::tools::busybox(ctx)?;
    let redis = vm::tools::on_path("redis-server").context("redis-server is not on the PATH")?;
    images::make(&folder, "redis", &redis, &busybox)?;
    images::make(&folder, "app1-web", &out.join("overlay-lab"), &busybox)?;

    let (wire, ends) = Wire::new(&folder.join("wire.pcap"))?;
    let limit = Duration::from_secs(args.timeout);
    let mut nodes = Vec::new();
    for (plan, end) in NODES.iter().zip(ends) {
        nodes.push(Node::boot(ctx, plan, end, &trees, limit)?);
    }
    for node in &mut nodes {
        node.ready()?;
        say(format!(
            "{} is up after {} s",
            node.name,
            start.elapsed().as_secs()
        ));
        let script = include_str!("node-setup.sh").replace("ADDRESS", node.address);
        node.sh(&script)?;
    }
    shell(&mut nodes, &wire)?;
    wire.flush()?;
    Ok(0)
}

/// Runs lines as `node1 docker ps` until the end of standard input.
fn shell(nodes: &mut [Node], wire: &Wire) -> Result<()> {
    say("ready: type `node1 COMMAND` or `node2 COMMAND`; the end of input ends it");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some((name, script)) = line.split_once(' ') else {
            say(format!("{} frames so far", wire.count()));
            continue;
        };
        let Some(node) = nodes.iter_mut().find(|node| node.name == name) else {
            continue;
        };
        let (code, text) = node.run(script, Duration::from_secs(300))?;
        println!("{}\n[{code}]", crate::proc::printable(&text));
    }
    Ok(())
}
