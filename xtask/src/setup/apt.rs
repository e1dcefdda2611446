//! Installs missing Debian packages, or says how to.

use std::process::Command;

use anyhow::{Result, bail};

use super::os::{OsRelease, is_root};
use super::packages::Package;
use super::services::Quiet;
use crate::paths::Ctx;
use crate::proc::{capture, output, quote, run_with_progress, say};

/// Makes sure that all of `wanted` is installed. `then` are the commands that
/// would follow; they are only printed, where installing is not ours to do.
pub(crate) fn ensure(ctx: &Ctx, wanted: &[Package], then: &[String]) -> Result<()> {
    let missing = missing(wanted);
    if missing.is_empty() && then.is_empty() {
        return Ok(());
    }
    may_install(ctx, &missing, then)?;
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        say(format!("installing {}: {}", package.name, package.why));
    }
    let names: Vec<String> = missing.into_iter().map(|package| package.name).collect();
    let updated = if names.iter().all(|name| candidate(name).is_some()) {
        false
    } else {
        update()?;
        true
    };
    if let Some(unknown) = names.iter().find(|name| candidate(name).is_none()) {
        bail!(
            "{} has no package `{unknown}` in its configured sources.\n  \
             Look for it under another name with `apt-cache search {unknown}`, \
             add a source that has it, and run this again.",
            OsRelease::of_this_machine().pretty
        );
    }
    let _quiet = Quiet::begin(&names)?;
    let first = install(&names);
    if first.is_err() && !updated {
        // Old lists name package files that the mirror has since replaced.
        say("apt-get failed; trying once more with fresh package lists");
        update()?;
        return install(&names);
    }
    first
}

/// Fails, with the commands to type, unless we may install here.
fn may_install(ctx: &Ctx, missing: &[Package], then: &[String]) -> Result<()> {
    let os = OsRelease::of_this_machine();
    let reason = if !ctx.install {
        "--no-install was given".to_owned()
    } else if !os.is_debian_like() {
        format!(
            "this is {}, and I only know apt of Debian and Ubuntu",
            os.pretty
        )
    } else if !missing.is_empty() && !is_root() {
        "installing packages needs root".to_owned()
    } else {
        return Ok(());
    };
    let mut text = format!("something is missing and will not be installed ({reason}).");
    for package in missing {
        text.push_str(&format!("\n  {}: {}", package.name, package.why));
    }
    text.push_str(if os.is_debian_like() {
        "\nRun this, then the same xtask command again:\n"
    } else {
        "\nOn Debian the commands would be these; use your system's packages of the same content:\n"
    });
    for line in commands(missing, then, is_root()) {
        text.push_str(&format!("\n    {line}"));
    }
    bail!(text)
}

/// The command lines that a person would type.
fn commands(missing: &[Package], then: &[String], root: bool) -> Vec<String> {
    let sudo = if root { "" } else { "sudo " };
    let mut lines = Vec::new();
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|package| quote(&package.name)).collect();
        lines.push(format!("{sudo}apt-get update"));
        lines.push(format!(
            "{sudo}apt-get install --no-install-recommends {}",
            names.join(" ")
        ));
    }
    lines.extend(then.iter().cloned());
    lines
}

/// Those of `wanted` that dpkg does not list as installed.
pub(crate) fn missing(wanted: &[Package]) -> Vec<Package> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut cmd = Command::new("dpkg-query");
    cmd.args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(wanted.iter().map(|package| package.name.as_str()));
    // It exits with 1 when it does not know one of them; the others are listed nevertheless.
    let listed = output(&mut cmd)
        .map(|out| String::from_utf8_lossy(&out.stdout).into_owned())
        .unwrap_or_default();
    let installed: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    wanted
        .iter()
        .filter(|package| !installed.contains(&package.name.as_str()))
        .cloned()
        .collect()
}

/// The version that apt would install; `None` if it knows none.
pub(crate) fn candidate(name: &str) -> Option<String> {
    let text = capture(Command::new("apt-cache").args(["policy", name])).ok()?;
    parse_candidate(&text)
}

fn parse_candidate(policy: &str) -> Option<String> {
    policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))
        .filter(|version| *version != "(none)")
        .map(str::to_owned)
}

/// Fetches the package lists.
pub(crate) fn update() -> Result<()> {
    say("fetching the package lists (apt-get update)");
    run_with_progress("apt-get update", apt_get().arg("update"))
}

fn install(names: &[String]) -> Result<()> {
    // --no-remove: never take away a package of this machine for one of ours.
    let mut cmd = apt_get();
    cmd.args(["install", "--yes", "--no-install-recommends", "--no-remove"])
        .args(names);
    run_with_progress("apt-get install", &mut cmd)
}

/// An apt-get that asks nothing and waits for another one that runs.
pub(crate) fn apt_get() -> Command {
    let mut cmd = Command::new("apt-get");
    cmd.env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        .env("NEEDRESTART_SUSPEND", "1")
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]);
    cmd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidate_is_none_when_apt_has_none() {
        let none = "libfoo:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n";
        assert_eq!(parse_candidate(none), None);
        assert_eq!(parse_candidate(""), None);
        let some = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n";
        assert_eq!(
            parse_candidate(some).as_deref(),
            Some("1.96.0+dfsg1-1~deb12u2")
        );
    }

    #[test]
    fn commands_can_be_typed_as_they_are() {
        let wanted = [
            Package::new("g++", "why"),
            Package::new("llvm-22-dev", "why"),
        ];
        let lines = commands(&wanted, &["cargo install x".to_owned()], false);
        assert_eq!(
            lines,
            [
                "sudo apt-get update",
                "sudo apt-get install --no-install-recommends g++ llvm-22-dev",
                "cargo install x",
            ]
        );
        assert!(commands(&[], &[], true).is_empty());
    }
}
