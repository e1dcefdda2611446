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
use crate::proc::{capture, run, say, shown};
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
    /// What it gets.
    budget: Budget,
    /// Longest one.
    length: u32,
}

/// How long a target runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Budget {
    Seconds(u64),
    Inputs(u64),
}

impl Budget {
    /// This budget's share, in parts of `all`.
    fn share(self, part: u64, all: u64) -> Self {
        let of = |whole: u64| (whole * part).div_ceil(all.max(1));
        match self {
            Budget::Seconds(seconds) => Budget::Seconds(of(seconds)),
            Budget::Inputs(inputs) => Budget::Inputs(of(inputs)),
        }
    }

    /// As the engine's argument.
    fn argument(self) -> String {
        match self {
            Budget::Seconds(seconds) => format!("-max_total_time={seconds}"),
            Budget::Inputs(inputs) => format!("-runs={inputs}"),
        }
    }
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
    let engine = engine::build(ctx)?;
    for folder in [&folders.corpus, &folders.found, &folders.logs] {
        make_dir(folder)?;
    }
    let jobs = jobs(args).min(targets.len());
    say(format!(
        "{} targets, {jobs} at a time, at low priority",
        targets.len()
    ));
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = one(&engine, target, &folders);
                    println!("{}: {} inputs", target.name, outcome.inputs);
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.push((target.name.clone(), outcome));
                    }
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_default();
    outcomes.sort_by(|a, b| a.0.cmp(&b.0));
    conclude(&engine, &outcomes, targets.len(), &folders)
}

/// A short run of all of them.
pub(crate) fn short(ctx: &Ctx) -> Result<()> {
    let args = cli::Fuzz {
        seconds: cli::Fuzz::SHORT,
        iterations: None,
        only: Vec::new(),
        jobs: None,
    };
    main(ctx, &args)
}

/// Targets that run at a time.
fn jobs(args: &cli::Fuzz) -> usize {
    let processors = || thread::available_parallelism().map_or(1, usize::from);
    args.jobs.unwrap_or_else(processors)
}

/// The targets and their shares; their seeds are written.
fn targets(ctx: &Ctx, args: &cli::Fuzz, seeds: &Path) -> Result<Vec<Target>> {
    let mut build = build::workspace(ctx, "build");
    build.args(["--bin", "overlay-fuzz-seeds"]);
    run(&mut build).context("the fuzz targets do not build; see the compiler's errors above")?;
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
    let mut chosen = Vec::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, share, length] = words[..] else {
            bail!("not a target: {line:?}");
        };
        if args.only.is_empty() || args.only.iter().any(|only| only == name) {
            chosen.push((name.to_owned(), share.parse::<u64>()?, length.parse()?));
        }
    }
    let all = chosen.iter().map(|(_, share, _)| share).sum();
    let budget = match args.iterations {
        Some(inputs) => Budget::Inputs(inputs),
        // Of every processor.
        None => Budget::Seconds(args.seconds * jobs(args) as u64),
    };
    let target = |(name, share, length)| Target {
        name,
        budget: budget.share(share, all),
        length,
    };
    Ok(chosen.into_iter().map(target).collect())
}

fn one(engine: &Path, target: &Target, folders: &Folders) -> Outcome {
    let log = folders.logs.join(format!("{}.txt", target.name));
    start(engine, target, folders, &log).map_or_else(
        |error| Outcome::failed(format!("{error:#}")),
        |succeeded| {
            let seeds = std::fs::read_dir(folders.seeds.join(&target.name));
            let seeds = seeds.map_or(0, |files| files.count() as u64);
            let wanted = match target.budget {
                Budget::Inputs(inputs) => inputs,
                Budget::Seconds(_) => seeds,
            };
            Outcome::read(&log, succeeded, wanted)
        },
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
        .arg(target.budget.argument())
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
    print!("\n{}", outcome::report(outcomes));
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
    fn the_budget_is_shared_out() {
        let budgets = |iterations, only: &[&str]| -> Vec<Budget> {
            let args = cli::Fuzz {
                seconds: 10,
                iterations,
                only: only.iter().map(|name| (*name).to_owned()).collect(),
                jobs: Some(2),
            };
            let targets = choose("read 100 8192\nclassify 300 2304\n", &args).unwrap();
            targets.iter().map(|target| target.budget).collect()
        };
        assert_eq!(
            budgets(None, &[]),
            [Budget::Seconds(5), Budget::Seconds(15)]
        );
        assert_eq!(
            budgets(Some(1000), &[]),
            [Budget::Inputs(250), Budget::Inputs(750)]
        );
        assert_eq!(budgets(Some(1000), &["read"]), [Budget::Inputs(1000)]);
        assert_eq!(budgets(None, &["none"]), []);
        let short = cli::Fuzz {
            seconds: 1,
            iterations: None,
            only: Vec::new(),
            jobs: None,
        };
        assert!(choose("read 100", &short).is_err());
    }
}
