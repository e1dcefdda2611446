//! `cargo xtask fuzz`: the fuzz targets of `fuzz/` under libFuzzer, with a stable compiler.

mod engine;
mod outcome;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::build;
use crate::cli;
use crate::paths::{Ctx, make_dir};
use crate::proc::{capture, cargo, run, say, shown};
use crate::setup::{apt, packages};
use outcome::Outcome;

/// Names the target to the engine.
const TARGET: &str = "OVERLAY_FUZZ_TARGET";
/// Memory of one target's process, in MB, its corpus included; beyond it the engine stops with an error.
const MEMORY: u32 = 512;
/// Seconds after which one input is a hang.
const PATIENCE: u32 = 20;

/// A target, as the seeds' program lists it.
struct Target {
    name: String,
    /// Inputs that it gets.
    inputs: u64,
    /// Longest one.
    length: u32,
}

/// Where things are, below the build's folder.
struct Folders {
    seeds: PathBuf,
    corpus: PathBuf,
    found: PathBuf,
    logs: PathBuf,
}

/// Runs all targets, or some; an error names those that found something.
pub(crate) fn main(ctx: &Ctx, args: &cli::Fuzz) -> Result<()> {
    apt::ensure(ctx, &packages::fuzz(), &[])?;
    let base = build::out_dir(ctx, false)?.with_file_name("fuzz");
    let folders = Folders {
        seeds: base.join("seeds"),
        corpus: base.join("corpus"),
        found: base.join("found"),
        logs: base.join("logs"),
    };
    let targets = targets(ctx, args, &folders.seeds)?;
    let engine = engine::build(ctx, &base)?;
    for folder in [&folders.corpus, &folders.found, &folders.logs] {
        make_dir(folder)?;
    }
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.unwrap_or(processors).min(targets.len());
    say(format!(
        "{} targets, {} inputs in all, {jobs} at a time, at low priority",
        targets.len(),
        targets.iter().map(|target| target.inputs).sum::<u64>()
    ));
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    println!("{}", outcome::HEADER);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = one(&engine, target, &folders);
                    println!("{}", outcome.line(&target.name));
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.push((target.name.clone(), outcome));
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_default();
    conclude(&engine, &outcomes, targets.len(), &folders)
}

/// A short run of all of them.
pub(crate) fn short(ctx: &Ctx) -> Result<()> {
    let args = cli::Fuzz {
        iterations: cli::Fuzz::SHORT,
        only: Vec::new(),
        jobs: None,
    };
    main(ctx, &args)
}

/// The targets and their shares; their seeds are written.
fn targets(ctx: &Ctx, args: &cli::Fuzz, seeds: &Path) -> Result<Vec<Target>> {
    let mut build = cargo();
    build.current_dir(&ctx.root);
    build.args(["build", "-p", "overlay-fuzz", "--bin", "overlay-fuzz-seeds"]);
    run(&mut build).context("the fuzz targets do not build")?;
    // Old ones may be of a form that is no more.
    drop(std::fs::remove_dir_all(seeds));
    make_dir(seeds)?;
    let mut cmd = Command::new(build::out_dir(ctx, false)?.join("overlay-fuzz-seeds"));
    let listed = capture(cmd.arg(seeds))?;
    let targets = choose(&listed, args)?;
    if targets.is_empty() {
        bail!(
            "no such target: {}; there are:\n{listed}",
            args.only.join(", ")
        );
    }
    Ok(targets)
}

/// Of lines `NAME SHARE LENGTH`, those that are wanted; the shares of these are of all inputs.
fn choose(listed: &str, args: &cli::Fuzz) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, share, length] = words[..] else {
            bail!("not a target: {line:?}");
        };
        if args.only.is_empty() || args.only.iter().any(|only| only == name) {
            targets.push(Target {
                name: name.to_owned(),
                inputs: share.parse()?,
                length: length.parse()?,
            });
        }
    }
    let all: u64 = targets.iter().map(|target| target.inputs).sum();
    for target in &mut targets {
        target.inputs = (args.iterations * target.inputs).div_ceil(all.max(1));
    }
    Ok(targets)
}

fn one(engine: &Path, target: &Target, folders: &Folders) -> Outcome {
    let log = folders.logs.join(format!("{}.txt", target.name));
    start(engine, target, folders, &log).map_or_else(
        |error| Outcome::failed(format!("{error:#}")),
        |succeeded| Outcome::read(&log, succeeded, target.inputs),
    )
}

fn start(engine: &Path, target: &Target, folders: &Folders, log: &Path) -> Result<bool> {
    let corpus = folders.corpus.join(&target.name);
    make_dir(&corpus)?;
    let log =
        std::fs::File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let mut cmd = Command::new("nice");
    cmd.args(["-n", "10"])
        .arg(engine)
        .arg(format!("-runs={}", target.inputs))
        .arg(format!("-max_len={}", target.length))
        .arg(format!("-timeout={PATIENCE}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .args(["-print_final_stats=1", "-detect_leaks=0"])
        .arg(format!(
            "-artifact_prefix={}/{}-",
            folders.found.display(),
            target.name
        ))
        .arg(&corpus)
        .arg(folders.seeds.join(&target.name))
        .env(TARGET, &target.name)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let status = cmd
        .status()
        .with_context(|| format!("cannot start `{}`", shown(&cmd)))?;
    Ok(status.success())
}

fn conclude(
    engine: &Path,
    outcomes: &[(String, Outcome)],
    targets: usize,
    folders: &Folders,
) -> Result<()> {
    let mut failed = Vec::new();
    for (name, outcome) in outcomes {
        if let Some(what) = &outcome.failure {
            say(format!(
                "{name}: {what}\n  all of it: {log}\n  the input is in {found}; again: {TARGET}={name} {engine} FILE\n  \
                 once it is mended keep it: fuzz/found/{name}/WHAT.bin",
                log = folders.logs.join(format!("{name}.txt")).display(),
                found = folders.found.display(),
                engine = engine.display(),
            ));
            failed.push(name.as_str());
        }
    }
    let inputs: u64 = outcomes.iter().map(|(_, outcome)| outcome.inputs).sum();
    let memory = outcomes.iter().map(|(_, outcome)| outcome.memory).max();
    println!(
        "{inputs} inputs, {} of {} targets without a finding, at most {} MB of memory",
        outcomes.len() - failed.len(),
        targets,
        memory.unwrap_or_default()
    );
    if !failed.is_empty() || outcomes.len() != targets {
        bail!("fuzzing has found something: {}", failed.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_shared_out() {
        let args = |only: &[&str]| cli::Fuzz {
            iterations: 1000,
            only: only.iter().map(|name| (*name).to_owned()).collect(),
            jobs: None,
        };
        let listed = "read 100 8192\nclassify 300 2304\n";
        let inputs = |only: &[&str]| -> Vec<u64> {
            let targets = choose(listed, &args(only)).unwrap();
            targets.iter().map(|target| target.inputs).collect()
        };
        assert_eq!(inputs(&[]), [250, 750]);
        assert_eq!(inputs(&["read"]), [1000]);
        assert_eq!(inputs(&["none"]), [0; 0]);
        assert!(choose("read 100", &args(&[])).is_err());
    }
}
