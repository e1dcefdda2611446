//! `cargo xtask try-package`: Debian's package on a Debian with systemd, from `apt install` to `apt purge`.

mod attached;
mod crossing;
mod files;
mod install;
mod leave;
mod packages;
mod page;
mod readme;
mod root;
mod stop;
mod traffic;
mod trial;

use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::outcome::Outcome;
use crate::paths::{Ctx, make_dir, read};
use crate::proc::{printable, say};
use crate::setup::{apt, packages as host_packages};
use crate::vm::remote::Remote;
use crate::{cli, vm};
use attached::Attached;
use files::Files;
use trial::{Before, LIMIT, Trial};

/// The result is the exit code.
pub(crate) fn main(ctx: &Ctx, args: &cli::TryPackage) -> Result<u8> {
    let start = Instant::now();
    apt::ensure(ctx, &host_packages::root(), &[])?;
    vm::prepare(ctx, &args.kernel, args.mirror.as_deref())?;
    let root = root::ensure(ctx, args.mirror.as_deref())?;
    let folder = ctx.path("target/try-package");
    // What is in it afterwards is of this run.
    std::fs::remove_dir_all(&folder).ok();
    make_dir(&folder)?;
    let packages = packages::gather(ctx, &folder, args.deb.as_deref(), args.next.as_deref())?;
    let job = vm::Job {
        kernel: args.kernel.clone(),
        mirror: args.mirror.clone(),
        timeout: Duration::from_secs(args.timeout),
        root: Some(root),
        trees: vec![packages.tree.clone()],
        name: "debian".to_owned(),
        ..vm::Job::new(Path::new("/"), &[])
    };
    let console = vm::console(ctx, &job.name);
    let mut machine = Remote::boot(ctx, job)?;
    machine.ready()?;
    traffic::lay_wire(&mut machine)?;
    if args.shell {
        return shell(&mut machine).map(|()| 0);
    }
    let (_, state) = machine.run("systemctl is-system-running --wait", LIMIT)?;
    if state.trim() != "running" {
        let failed = machine.run("systemctl --failed --no-pager", LIMIT)?.1;
        bail!(
            "systemd in the virtual machine is {}: {failed}",
            state.trim()
        );
    }
    say(format!("systemd runs ({} s)", start.elapsed().as_secs()));
    let before = Before {
        attached: Attached::read(&mut machine)?,
        files: Files::list(&mut machine)?,
    };
    let mut trial = Trial {
        machine,
        packages,
        folder,
        outcome: Outcome::default(),
        before,
    };
    let ended = play(&mut trial, &read(&ctx.path("README.md"))?, args.packets);
    trial.keep_logs(&console);
    println!("\n{}", trial.outcome.text());
    say(format!(
        "what the steps printed is in {}; it took {} s",
        trial.folder.display(),
        start.elapsed().as_secs()
    ));
    ended?;
    Ok(trial.outcome.conclude())
}

/// The steps, in their order.
fn play(trial: &mut Trial, readme: &str, packets: u64) -> Result<()> {
    install::follow_readme(trial, readme)?;
    crossing::upgrade(trial, packets)?;
    crossing::restart(trial, packets / 4)?;
    stop::stop_and_start(trial)?;
    stop::kill(trial)?;
    leave::remove(trial)?;
    leave::purge(trial)
}

/// Runs each line of standard input in the guest until its end.
fn shell(machine: &mut Remote) -> Result<()> {
    say("ready: type commands; the end of input ends it");
    for line in std::io::stdin().lock().lines() {
        let (code, text) = machine.run(&line?, Duration::from_secs(600))?;
        println!("{}\n[{code}]", printable(&text));
    }
    Ok(())
}
