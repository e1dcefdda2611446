//! `cargo xtask mutants`: whether tests notice when the code is changed in one place.

mod outcome;
mod runner;
mod sample;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::cli;
use crate::paths::{Ctx, make_dir, read};
use crate::proc::{capture, isolated_cargo, say};
use crate::setup::cargo_tool::MUTANTS;
use outcome::Outcome;

pub(crate) use runner::act;

/// A part of the code, and the tests that should notice a change of it.
struct Area {
    name: &'static str,
    package: &'static str,
    /// Globs of its files.
    files: &'static [&'static str],
    /// The test programs that see what its unit tests do not notice. They take a minute or more.
    tests: &'static [&'static str],
}

/// For cargo: the agent is compiled for each change.
const UNOPTIMISED: &str = "--config=profile.dev.package.monitor.opt-level=0";

const AREAS: [Area; 6] = [
    Area {
        name: "common",
        package: "monitor-common",
        files: &["monitor-common/src/**"],
        tests: &[],
    },
    Area {
        name: "classify",
        package: "monitor-classify",
        files: &["monitor-classify/src/**"],
        tests: &["traffic"],
    },
    Area {
        name: "traffic",
        package: "monitor",
        files: &["monitor/src/traffic/**"],
        tests: &["traffic", "cli"],
    },
    Area {
        name: "policy",
        package: "monitor",
        files: &["monitor/src/policy/**"],
        tests: &["docker", "kernel_policy"],
    },
    Area {
        name: "exposure",
        package: "monitor",
        files: &["monitor/src/agent/exposure/**"],
        tests: &["kernel_exposure", "kernel_forged", "kernel_handover"],
    },
    Area {
        name: "books",
        package: "monitor",
        files: &["monitor/src/agent/*.rs", "monitor/src/agent/exported/**"],
        tests: &[
            "docker",
            "kernel_attach",
            "kernel_attribution",
            "kernel_counts",
            "kernel_interfaces",
            "kernel_peers",
            "kernel_policy",
            "kernel_scrape",
        ],
    },
];

/// Changes a sample of places in each area, and prints which changes no test noticed. Returns whether few enough were
/// left.
pub(crate) fn main(ctx: &Ctx, args: &cli::Mutants) -> Result<bool> {
    let areas: Vec<&Area> = AREAS
        .iter()
        .filter(|area| args.areas.is_empty() || args.areas.iter().any(|name| name == area.name))
        .collect();
    if let Some(name) = args
        .areas
        .iter()
        .find(|name| AREAS.iter().all(|area| area.name != **name))
    {
        let names: Vec<_> = AREAS.iter().map(|area| area.name).collect();
        bail!("no area {name}: give {}", names.join(", "));
    }
    let program = MUTANTS.get(ctx)?;
    let mut rows = Vec::new();
    for area in areas {
        let start = Instant::now();
        let outcome = run(ctx, &program, area, args)?;
        rows.push((area.name, outcome, start.elapsed()));
    }
    println!("{}", outcome::table_of(&rows, args.seed));
    Ok(rows.iter().all(|(_, outcome, _)| outcome.is_good()))
}

fn run(ctx: &Ctx, program: &Path, area: &Area, args: &cli::Mutants) -> Result<Outcome> {
    let list = capture(mutants(ctx, program, area, area.files).args(["--list", "--json"]))?;
    let all = sample::names(&list)?;
    let chosen = sample::choose(&all, args.seed, args.sample);
    say(format!(
        "{}: {} of {} changes, seed {}, and each deletion of a field",
        area.name,
        chosen.len(),
        all.len(),
        args.seed
    ));
    let mut unit = mutants(ctx, program, area, area.files);
    // It builds every target of the package else.
    unit.arg("--cargo-arg=--lib");
    let outcome = try_out(ctx, unit, "unit", area, &chosen)?;
    if outcome.survived().is_empty() || area.tests.is_empty() || args.unit_only {
        return Ok(outcome);
    }
    let names: Vec<&String> = outcome.survived().iter().collect();
    let second = with_programs(ctx, program, area, &names)?;
    Ok(outcome.after(second))
}

/// Makes these changes, and runs the area's test programs on each.
fn with_programs(ctx: &Ctx, program: &Path, area: &Area, names: &[&String]) -> Result<Outcome> {
    say(format!(
        "{}: {} changes, with {}",
        area.name,
        names.len(),
        area.tests.join(", ")
    ));
    // Fewer files: it makes its own choice of some changes in each of them.
    let files: Vec<&str> = names
        .iter()
        .filter_map(|name| Some(name.split_once(':')?.0))
        .collect();
    let mut cmd = mutants(ctx, program, area, &files);
    // Beside the package of the change, which it names itself.
    cmd.arg("--cargo-arg=--package=overlay-tests");
    for test in area.tests {
        cmd.arg(format!("--cargo-arg=--test={test}"));
    }
    try_out(ctx, cmd, "all", area, names)
}

/// Makes these changes, one at a time, and runs tests on each.
fn try_out(
    ctx: &Ctx,
    mut cmd: Command,
    round: &str,
    area: &Area,
    names: &[&String],
) -> Result<Outcome> {
    let folder = ctx.path(format!("target/mutants/{}-{round}", area.name));
    make_dir(&folder)?;
    runner::apply(&mut cmd, UNOPTIMISED)?;
    cmd.arg("--output").arg(&folder);
    for name in names {
        cmd.args(["--re", &sample::exactly(name)]);
    }
    cmd.args(["--colors", "never", "--no-times"]);
    // It ends with a code of its own where changes are left; the file says which.
    let status = cmd.status().context("cannot start cargo-mutants")?;
    let file = folder.join("mutants.out/outcomes.json");
    Outcome::parse(&read(&file)?)
        .with_context(|| format!("{}: cargo-mutants ended with {status}", area.name))
}

fn mutants(ctx: &Ctx, program: &Path, area: &Area, files: &[&str]) -> Command {
    let mut cmd = isolated_cargo(program);
    cmd.arg("mutants")
        .current_dir(&ctx.root)
        .args(["--package", area.package])
        // It compiles again for each change: that takes most of the time.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        // The copies of the tree that it works on share what they depend on.
        .env("CARGO_TARGET_DIR", ctx.path("target/mutants/build"))
        // Tests fail here for the most part, and then wait in vain: for less long, and more of them at a time.
        .env("OVERLAY_TEST_PATIENCE", "30")
        .env("RUST_TEST_THREADS", "8");
    // To optimise the agent takes longer than its tests without. What it depends on is compiled once.
    cmd.arg(format!("--cargo-arg={UNOPTIMISED}"));
    for file in files {
        cmd.args(["--file", file]);
    }
    cmd
}
