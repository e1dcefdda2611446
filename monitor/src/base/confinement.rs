//! Gives up what this process does not need any more: capabilities, system calls, and files.
//!
//! Capabilities and Landlock belong to a thread, and its new threads inherit them: so this happens before there is a second one.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, bail};
use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    path_beneath_rules,
};

use super::privileges::Capabilities;
use super::system_calls;

/// What a process goes on with.
pub struct Needs<'a> {
    /// Capabilities that it keeps, as far as it has them.
    pub capabilities: Vec<Capability>,
    /// Capabilities of which some kernels ask for one, and a trial of what needs it there: the first that the process has is
    /// kept if the trial fails without it.
    pub on_trial: (&'a [Capability], &'a dyn Fn() -> bool),
    /// Commands of bpf(2).
    pub bpf_commands: Vec<u32>,
    /// Files, and folders with all that is below them, that it reads.
    pub read: Vec<PathBuf>,
    /// Folders in which it renames and removes files.
    pub replace: Vec<PathBuf>,
}

/// How far the kernel restricts files (Landlock).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// To those that are needed.
    Restricted,
    /// The kernel lacks some kinds of access that would be restricted.
    PartlyRestricted,
    /// Landlock is missing (before Linux 5.13), or switched off at boot.
    Unrestricted,
}

impl Files {
    /// Label of the metric.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Files::Restricted => "restricted",
            Files::PartlyRestricted => "partly",
            Files::Unrestricted => "unrestricted",
        }
    }
}

/// What a process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Effective capabilities.
    pub capabilities: Capabilities,
    /// Whether system calls are filtered: among others, no program can be started.
    pub filtered: bool,
    /// Which files it reaches.
    pub files: Files,
}

impl Held {
    /// A process that gave nothing up.
    #[must_use]
    pub fn everything() -> Held {
        Held {
            capabilities: Capabilities::read(),
            filtered: false,
            files: Files::Unrestricted,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = if self.filtered { "filtered" } else { "all" };
        let files = match self.files {
            Files::Restricted => "those needed",
            Files::PartlyRestricted => "those needed, as far as this kernel restricts them",
            Files::Unrestricted => "not restricted",
        };
        write!(
            f,
            "capabilities {}; system calls {calls}; files {files}",
            self.capabilities
        )
    }
}

/// Gives up everything but the needs, for good. What the kernel refuses to take is logged, and kept.
///
/// # Errors
/// If a second thread runs, which would keep everything.
pub fn confine(needs: &Needs<'_>) -> anyhow::Result<Held> {
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    if threads.context("cannot count the threads")? != 1 {
        bail!("privileges must be given up before a second thread starts");
    }
    let kept = |error: anyhow::Error| {
        tracing::warn!("the agent keeps privileges that it does not need: {error:#}");
    };
    cut_capabilities(&needs.capabilities, &needs.on_trial).unwrap_or_else(kept);
    no_new_privileges().unwrap_or_else(kept);
    let files = restrict_files(needs).unwrap_or_else(|error| {
        kept(error);
        Files::Unrestricted
    });
    let filtered = system_calls::filter(&needs.bpf_commands).map_err(kept);
    Ok(Held {
        capabilities: Capabilities::read(),
        filtered: filtered.is_ok(),
        files,
    })
}

fn cut_capabilities(
    kept: &[Capability],
    (trials, works): &(&[Capability], &dyn Fn() -> bool),
) -> anyhow::Result<()> {
    let permitted = caps::read(None, CapSet::Permitted).context("cannot read the capabilities")?;
    let trial = trials.iter().find(|at| permitted.contains(at));
    let with_trial = kept.iter().chain(trial);
    let mut wanted: CapsHashSet = with_trial
        .filter(|at| permitted.contains(at))
        .copied()
        .collect();
    // The bounding set can be cut with CAP_SETPCAP only, which a user of its own does not have.
    if permitted.contains(&Capability::CAP_SETPCAP) {
        for capability in caps::all() {
            if !kept.contains(&capability)
                && caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false)
            {
                caps::drop(None, CapSet::Bounding, capability)
                    .with_context(|| format!("cannot remove {capability} from the bounding set"))?;
            }
        }
    }
    set(&wanted)?;
    if let Some(trial) = trial {
        let mut without = wanted.clone();
        without.remove(trial);
        caps::set(None, CapSet::Effective, &without).context("cannot try without a capability")?;
        if works() {
            wanted = without;
        }
        set(&wanted)?;
    }
    // No program inherits any. What is not inheritable is not ambient either.
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())
        .context("cannot set inheritable capabilities")?;
    Ok(())
}

/// Sets what is effective and permitted.
fn set(wanted: &CapsHashSet) -> anyhow::Result<()> {
    caps::set(None, CapSet::Effective, wanted)
        .and_then(|()| caps::set(None, CapSet::Permitted, wanted))
        .context("cannot give up capabilities")
}

fn no_new_privileges() -> anyhow::Result<()> {
    // SAFETY: the call takes numbers only.
    match unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).context("cannot set no_new_privs"),
    }
}

fn restrict_files(needs: &Needs<'_>) -> anyhow::Result<Files> {
    // Linux 6.10; older kernels restrict what they know.
    let all = AccessFs::from_all(ABI::V5);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let replace = AccessFs::MakeReg | AccessFs::RemoveFile;
    let status = Ruleset::default()
        .handle_access(all)
        .and_then(Ruleset::create)
        // What does not exist needs no rule, and is left out.
        .and_then(|rules| rules.add_rules(path_beneath_rules(&needs.read, read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(&needs.replace, replace)))
        .and_then(|rules| rules.restrict_self())
        .context("cannot restrict the access to files (Landlock)")?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Files::Restricted,
        RulesetStatus::PartiallyEnforced => Files::PartlyRestricted,
        RulesetStatus::NotEnforced => Files::Unrestricted,
    })
}

#[cfg(test)]
mod tests;
