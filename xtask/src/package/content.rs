//! What a package must have in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::proc::{capture, say};

/// Files that belong to it, beside a man page for each command.
const FILES: &[&str] = &[
    "etc/overlay-monitor/config.toml",
    "usr/bin/overlay-monitor",
    "usr/lib/systemd/system/overlay-monitor.service",
    "usr/share/bash-completion/completions/overlay-monitor",
    "usr/share/doc/overlay-monitor/copyright",
    "usr/share/doc/overlay-monitor/examples/config.toml",
    "usr/share/doc/overlay-monitor/examples/docker.conf",
    "usr/share/fish/vendor_completions.d/overlay-monitor.fish",
    "usr/share/man/man1/overlay-monitor.1.gz",
    "usr/share/man/man1/overlay-monitor-check.1.gz",
    "usr/share/man/man1/overlay-monitor-run.1.gz",
    "usr/share/zsh/vendor-completions/_overlay-monitor",
];
/// Root, with or without a name.
const ROOT: [&str; 2] = ["root/root", "0/0"];
/// Folders in which it may have files.
const FOLDERS: &[&str] = &[
    "etc/overlay-monitor/",
    "usr/bin/",
    "usr/lib/systemd/system/",
    "usr/share/",
];

/// Checks files, owners and permissions of a package.
pub(super) fn check(package: &Path) -> Result<()> {
    let listed = capture(Command::new("dpkg-deb").arg("--contents").arg(package))?;
    let faults = faults(&listed);
    if !faults.is_empty() {
        bail!("{}:\n{}\n{listed}", package.display(), faults.join("\n"));
    }
    let conffiles = capture(
        Command::new("dpkg-deb")
            .arg("--info")
            .args([package.as_os_str(), "conffiles".as_ref()]),
    )?;
    if conffiles.trim() != "/etc/overlay-monitor/config.toml" {
        bail!("its files of configuration are {conffiles:?}");
    }
    say(format!(
        "{} files in the package",
        listed.lines().filter(|line| line.starts_with('-')).count()
    ));
    Ok(())
}

/// What is wrong with the files that `dpkg-deb --contents` lists.
fn faults(listed: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for line in listed.lines().filter(|line| !line.starts_with('d')) {
        let mut fields = line.split_whitespace();
        let (mode, owner) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let name = fields.nth(3).unwrap_or("").trim_start_matches("./");
        let expected = match name.starts_with("usr/bin/") {
            true => "-rwxr-xr-x",
            false => "-rw-r--r--",
        };
        if mode != expected || !ROOT.contains(&owner) {
            faults.push(format!("{name}: {mode} {owner}, not {expected} of root"));
        }
        if !FOLDERS.iter().any(|folder| name.starts_with(folder)) {
            faults.push(format!("{name}: not in a folder of this package"));
        }
        names.insert(name);
    }
    let missing = FILES.iter().filter(|name| !names.contains(*name));
    faults.extend(missing.map(|name| format!("{name}: missing")));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(mode: &str, owner: &str, name: &str) -> String {
        format!("{mode} {owner} 1 2026-11-27 23:33 ./{name}\n")
    }

    fn complete() -> String {
        let lines = FILES.iter().map(|name| match *name {
            "usr/bin/overlay-monitor" => line("-rwxr-xr-x", "root/root", name),
            name => line("-rw-r--r--", "root/root", name),
        });
        lines.collect::<String>() + &line("drwxr-xr-x", "root/root", "usr/")
    }

    #[test]
    fn a_complete_package_has_no_fault() {
        assert_eq!(faults(&complete()), [""; 0]);
    }

    #[test]
    fn what_is_missing_misplaced_or_writable_is_named() {
        let listed = complete().replace("/usr/bin/overlay-monitor\n", "/usr/bin/other\n")
            + &line("-rw-rw-r--", "root/root", "usr/share/a")
            + &line("-rw-r--r--", "user/user", "usr/share/b")
            + &line("-rw-r--r--", "root/root", "opt/c");
        let faults = faults(&listed).join("\n");
        for part in [
            "usr/share/a: -rw-rw-r--",
            "usr/share/b: -rw-r--r-- user/user",
            "opt/c: not in",
            "usr/bin/overlay-monitor: missing",
        ] {
            assert!(faults.contains(part), "{part}: {faults}");
        }
    }
}
