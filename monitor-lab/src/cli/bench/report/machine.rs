//! The machine that was measured. Numbers cannot be compared without it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The machine, and the day.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Day of the measurement, UTC.
    pub(crate) date: String,
    /// Version of the kernel (`/proc/sys/kernel/osrelease`).
    pub(crate) kernel: String,
    /// Name of the processor, from `/proc/cpuinfo`.
    pub(crate) processor: String,
    /// Number of CPUs that this process may use.
    pub(crate) cpus: usize,
    /// Whether this is a virtual machine.
    pub(crate) virtual_machine: bool,
    /// Whether the processor is emulated by QEMU. Then no time says anything about a real one.
    pub(crate) emulated: bool,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// The kernel's mitigations by processor flaw (`/sys/devices/system/cpu/vulnerabilities`), where the processor has
    /// the flaw. They make calls more expensive.
    pub(crate) mitigations: BTreeMap<String, String>,
    /// Whether eBPF programs are compiled to machine code.
    pub(crate) jit: bool,
    /// The commit of the source code, and whether files differ from it; `None` outside a Git repository.
    pub(crate) commit: Option<Commit>,
    /// Load average of the last minute at the start (`/proc/loadavg`). Well above 0: other programs were running.
    pub(crate) load: f64,
    /// Build profile of the programs in user space: `release` or `debug`. Kernel programs are always optimised.
    pub(crate) build: String,
    /// Versions by program.
    pub(crate) versions: BTreeMap<String, String>,
}

/// A commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Commit {
    /// Its hash.
    pub(crate) hash: String,
    /// Whether files differ from it.
    pub(crate) dirty: bool,
}

/// A load of more than this for each CPU is one of other programs, which disturb the measurement.
const QUIET: f64 = 0.5;

impl Machine {
    /// This machine now; `date` is the day. `programs` are those whose versions matter, with the option that prints it.
    pub(crate) fn of_this_run(date: String, programs: &[(&str, &str)]) -> Machine {
        let cpuinfo = read("/proc/cpuinfo");
        let load = read("/proc/loadavg");
        let processor = field(&cpuinfo, "model name").unwrap_or("unknown processor");
        Machine {
            date,
            kernel: read("/proc/sys/kernel/osrelease"),
            processor: processor.to_owned(),
            emulated: processor.starts_with("QEMU TCG"),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            virtual_machine: field(&cpuinfo, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            memory_mib: memory(&read("/proc/meminfo")),
            mitigations: mitigations(),
            jit: read("/proc/sys/net/core/bpf_jit_enable") != "0",
            commit: commit(Path::new(env!("CARGO_MANIFEST_DIR"))),
            load: load
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            }
            .to_owned(),
            versions: versions(programs),
        }
    }

    /// What to know about the load at the start before one trusts the numbers; `None` on a quiet machine.
    pub(crate) fn warning(&self) -> Option<String> {
        let most = QUIET * self.cpus as f64;
        (self.load > most).then(|| {
            format!(
                "The machine was not quiet: its load was {:.2} at the start, above {most:.2} ({QUIET} for each CPU). \
                 Other programs have disturbed the measurement; measure again on a quiet machine.",
                self.load
            )
        })
    }

    /// All of it as text: a few sentences.
    pub(crate) fn describe(&self) -> String {
        let mitigations = if self.mitigations.is_empty() {
            "none needed".to_owned()
        } else {
            let all = self.mitigations.iter();
            all.map(|(flaw, what)| format!("{flaw}: {what}"))
                .collect::<Vec<_>>()
                .join(". ")
        };
        let versions = self
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"));
        format!(
            "{}, {}. Linux {}, {} CPUs of {}{}, {} MiB of memory, eBPF JIT {}, load {:.2} at the start. \
             Mitigations: {mitigations}. Programs: {} ({} build).",
            self.date,
            match &self.commit {
                Some(Commit { hash, dirty: false }) => format!("commit {hash}"),
                Some(Commit { hash, dirty: true }) =>
                    format!("commit {hash}, dirty: files differed from it"),
                None => "of an unknown commit".to_owned(),
            },
            self.kernel,
            self.cpus,
            self.processor,
            if self.virtual_machine {
                " (a virtual machine)"
            } else {
                ""
            },
            self.memory_mib,
            if self.jit { "on" } else { "off" },
            self.load,
            versions.collect::<Vec<_>>().join(", "),
            self.build
        )
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The commit that is checked out in `folder`. The documents that a run writes do not make it dirty.
fn commit(folder: &Path) -> Option<Commit> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        let output = git.arg("-C").arg(folder).args(arguments).output().ok()?;
        let printed = output.status.success().then_some(output.stdout)?;
        Some(String::from_utf8_lossy(&printed).trim().to_owned())
    };
    let hash = git(&["rev-parse", "--short=12", "HEAD"])?;
    let written = ":(top,exclude)docs/benchmarks.*";
    let changes = git(&["status", "--porcelain", "--", ":(top)", written])?;
    Some(Commit {
        hash,
        dirty: !changes.is_empty(),
    })
}

/// Value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// Total memory in MiB.
fn memory(meminfo: &str) -> u64 {
    field(meminfo, "MemTotal")
        .and_then(|value| value.trim_end_matches(" kB").parse::<u64>().ok())
        .map_or(0, |kib| kib / 1024)
}

fn mitigations() -> BTreeMap<String, String> {
    let Ok(folder) = fs::read_dir("/sys/devices/system/cpu/vulnerabilities") else {
        return BTreeMap::new();
    };
    folder
        .flatten()
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, read(&entry.path().to_string_lossy()))
        })
        .filter(|(_, what)| what != "Not affected" && !what.is_empty())
        .collect()
}

/// Versions of overlay-monitor and of `programs`.
fn versions(programs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::from([(
        "overlay-monitor".to_owned(),
        env!("CARGO_PKG_VERSION").to_owned(),
    )]);
    for (program, option) in programs {
        let Ok(output) = Command::new(program).arg(option).output() else {
            continue;
        };
        let printed = [output.stdout, output.stderr].concat();
        if let Some(version) = version(&String::from_utf8_lossy(&printed)) {
            versions.insert((*program).to_owned(), version);
        }
    }
    versions
}

/// The first word that begins with a digit and contains a dot, without a `v`, `v=` or `name/` before it.
fn version(printed: &str) -> Option<String> {
    printed
        .split_whitespace()
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .map(|word| word.trim_start_matches(['v', '=']))
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn the_version_is_found_in_what_a_program_prints() {
        assert_eq!(
            version("nftables v1.0.6 (Lester Gooch #5)").as_deref(),
            Some("1.0.6")
        );
        assert_eq!(
            version("iperf 3.12 (cJSON 1.7.15)").as_deref(),
            Some("3.12")
        );
        let nginx = "nginx version: nginx/1.22.1";
        assert_eq!(version(nginx).as_deref(), Some("1.22.1"));
        let redis = "Redis server v=7.0.15 sha=00000000:0 bits=64";
        assert_eq!(version(redis).as_deref(), Some("7.0.15"));
        assert_eq!(version("no number"), None);
    }

    #[test]
    fn a_loaded_machine_is_warned_of() {
        let machine = Machine {
            load: 1.01,
            cpus: 2,
            ..Machine::of_this_run("2026-01-01".to_owned(), &[])
        };
        assert!(machine.warning().unwrap().contains("1.01"));
        let load = 1.0;
        assert_eq!(Machine { load, ..machine }.warning(), None);
    }

    #[test]
    fn the_commit_is_named_and_whether_files_differ() {
        let folder = std::env::temp_dir().join(format!("bench-commit-{}", std::process::id()));
        fs::create_dir_all(folder.join("docs")).unwrap();
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.current_dir(&folder).args(arguments);
            git.stdout(Stdio::null());
            assert!(git.status().unwrap().success(), "{arguments:?}");
        };
        assert!(commit(&folder).is_none());
        git(&["init"]);
        fs::write(folder.join("file"), "1").unwrap();
        git(&["add", "file"]);
        git(&[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "-m",
            "x",
        ]);
        assert!(!commit(&folder).unwrap().dirty);
        fs::write(folder.join("docs/benchmarks.md"), "new").unwrap();
        let clean = commit(&folder).unwrap();
        assert!(!clean.dirty && clean.hash.len() == 12);
        fs::write(folder.join("file"), "2").unwrap();
        let dirty = commit(&folder).unwrap();
        assert!(dirty.dirty && dirty.hash == clean.hash);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn files_of_the_kernel() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu hypervisor\n";
        assert_eq!(field(text, "model name"), Some("AMD EPYC"));
        assert_eq!(field(text, "name"), None);
        assert_eq!(memory("MemTotal:       24576 kB\n"), 24);
    }
}
