//! `cargo xtask swarm`: the monitor on a real Docker Swarm of two nodes.

mod accidents;
mod agent;
mod app;
mod counts;
mod engine;
mod images;
mod keys;
mod rules;
mod stack;
mod story;
mod stranger;
mod table;

use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::nodes::clock::now;
use crate::nodes::node::{self, Machine, Node, both};
use crate::paths::{Ctx, make_dir};
use crate::proc::say;
use crate::setup::{apt, packages};
use crate::{build, cli, vm};
use stack::Stack;
use story::{Story, Vnis};
use table::Table;

/// Modules that Docker's engine looks for before it uses them.
const LOAD: &[&str] = &[
    "overlay",
    "bridge",
    "br_netfilter",
    "ip_vs",
    "xt_u32",
    "nf_conntrack",
];

/// `cargo xtask swarm`; the result is the exit code.
pub(crate) fn main(ctx: &Ctx, args: &cli::Swarm) -> Result<u8> {
    let start = Instant::now();
    let folder = ctx.path("target/swarm");
    // What is in it afterwards is of this run.
    std::fs::remove_dir_all(&folder).ok();
    make_dir(&folder)?;
    // First: without an image nothing of the rest is of use.
    let stack = Stack::gather(ctx, &folder, stack::file_for(args.engine.as_deref()))?;
    apt::ensure(ctx, &packages::lab(), &[])?;
    vm::prepare(ctx, vm::DEFAULT_KERNEL, None)?;
    let trees: Vec<_> = engine::tree(ctx, args.engine.as_deref())?
        .into_iter()
        .collect();
    build::build(ctx, false)?;
    let out = build::out_dir(ctx, false)?;
    let busybox = vm::tools::busybox(ctx)?;
    let redis = vm::tools::on_path("redis-server").context("redis-server is not on the PATH")?;
    images::make(&folder, "redis", &redis, &busybox)?;
    images::make(&folder, "app1-web", &out.join("overlay-lab"), &busybox)?;

    let machine = Machine {
        kernel: vm::DEFAULT_KERNEL.to_owned(),
        memory: 3072,
        trees,
        load: LOAD,
        timeout: Duration::from_secs(args.timeout),
    };
    let (nodes, wire) = node::boot(ctx, &machine, &folder.join("wire.pcap"))?;
    let mut story = Story {
        nodes,
        wire,
        table: Table::default(),
        watched_since: 0.0,
    };
    let outcome = play(&mut story, &stack, &folder, args.shell);
    for node in &mut story.nodes {
        keep_logs(ctx, node, &folder);
    }
    story.wire.flush()?;
    println!("\n{}", story.table.text());
    say(format!(
        "the wire's frames are in {0}/wire.pcap, the logs of the nodes in {0}/node*.log; it took {1} s",
        folder.display(),
        start.elapsed().as_secs()
    ));
    outcome?;
    let failed = story.table.failed();
    if failed > 0 {
        say(format!(
            "what the monitor said differs from the wire in {failed} places"
        ));
    }
    Ok(u8::from(failed > 0))
}

/// All of it, from the boot on.
fn play(story: &mut Story, stack: &Stack, folder: &Path, with_shell: bool) -> Result<()> {
    let start = Instant::now();
    let since = |what: &str| say(format!("{what} ({} s)", start.elapsed().as_secs()));
    both(&mut story.nodes, |node| {
        node.ready()?;
        let script = include_str!("node-setup.sh").replace("ADDRESS", node.address);
        node.sh(&script).map(drop)
    })?;
    since("both nodes are up");
    both(&mut story.nodes, app::engine)?;
    let version = app::version(&mut story.nodes[0])?;
    since(&format!("both engines answer: Docker {version}"));
    app::form(&mut story.nodes)?;
    since("they are a Swarm of two");
    // Before there is a network for an application.
    stack.deploy(&mut story.nodes)?;
    story.watched_since = now();
    since("the stack is deployed, and both agents watch");
    both(&mut story.nodes, |node| app::load(node, folder))?;
    since("the images are loaded");
    if with_shell {
        return shell(&mut story.nodes);
    }
    let app = app::deploy(&mut story.nodes, &[app::NETWORK], "")?;
    since("the application runs in a plain network");
    let ingress = app::vni(&mut story.nodes[0], "ingress")?;
    story.plain(&Vnis { ingress, app })?;

    app::remove(&mut story.nodes, &[app::NETWORK])?;
    let encrypted = now();
    let app = app::deploy(
        &mut story.nodes,
        &[app::NETWORK, app::SECOND],
        "--opt encrypted",
    )?;
    since("the application runs in encrypted networks");
    let vnis = Vnis { ingress, app };
    story.encrypted(&vnis, encrypted)?;
    story.published()?;

    story.rule_lost(vnis.app[0])?;
    story.injected(vnis.app[0])?;
    story.rotations(&vnis)?;
    stack::ran_to_the_end(&mut story.nodes, &mut story.table)?;
    since("the story has ended");
    Ok(())
}

/// Copies a node's console and logs into the folder of the results.
fn keep_logs(ctx: &Ctx, node: &mut Node, folder: &Path) {
    let console = vm::console(ctx, node.name);
    std::fs::copy(console, folder.join(format!("{}-console.log", node.name))).ok();
    let logs = [
        (
            "monitor.log",
            format!("docker logs {} 2>&1 | tail -c 2000000", stack::CONTAINER),
        ),
        ("dockerd.log", "tail -c 2000000 /run/dockerd.log".to_owned()),
    ];
    let load = (
        "processes.log",
        "ps -eo pcpu,rss,etimes,args --sort=-pcpu".to_owned(),
    );
    for (name, script) in logs.into_iter().chain([load]) {
        match node.run(&script, Duration::from_secs(60)) {
            Ok((_, text)) => {
                std::fs::write(folder.join(format!("{}-{name}", node.name)), text).ok()
            }
            // It answers no more: the other scripts would not be heard either.
            Err(_) => return,
        };
    }
}

/// Runs lines as `node1 docker ps` until the end of standard input.
fn shell(nodes: &mut [Node; 2]) -> Result<()> {
    say("ready: type `node1 COMMAND` or `node2 COMMAND`; the end of input ends it");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some((name, script)) = line.split_once(' ') else {
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
