//! The files of the guest.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::vm::remote::Remote;

/// Where apt, dpkg and systemd keep what they did.
const NOT_COMPARED: &[&str] = &[
    "/var/cache/apt/",
    "/var/cache/debconf/",
    "/var/lib/apt/",
    "/var/lib/dpkg/",
    "/var/log/apt/",
    "/var/log/dpkg.log",
    "/var/log/alternatives.log",
    "/var/lib/systemd/timers/",
];

/// Each file with its kind, mode and owner, and the digests of those below /etc.
pub(super) struct Files(BTreeSet<String>);

impl Files {
    pub(super) fn list(machine: &mut Remote) -> Result<Self> {
        let text = machine.sh(
            "find / -xdev -printf '%y %m %u:%g %p\\n'; find /etc -xdev -type f -exec md5sum {} +",
        )?;
        Ok(Self(
            text.lines()
                .filter(|line| is_compared(line))
                .map(str::to_owned)
                .collect(),
        ))
    }

    /// Lines of this list that `before` does not have, and those that only it has.
    pub(super) fn beside(&self, before: &Self) -> Vec<String> {
        let fresh = self
            .0
            .difference(&before.0)
            .map(|line| format!("new: {line}"));
        let gone = before
            .0
            .difference(&self.0)
            .map(|line| format!("gone: {line}"));
        fresh.chain(gone).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn is_compared(line: &str) -> bool {
    let path = line.find('/').map_or("", |at| &line[at..]);
    !NOT_COMPARED.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_named() {
        let files = |lines: &[&str]| Files(lines.iter().map(|line| (*line).to_owned()).collect());
        let before = files(&["f 644 root:root /etc/a"]);
        assert_eq!(
            files(&["f 644 root:root /etc/b"]).beside(&before),
            [
                "new: f 644 root:root /etc/b",
                "gone: f 644 root:root /etc/a"
            ]
        );
        assert!(is_compared("f 644 root:root /var/lib/dpkg-other"));
        assert!(!is_compared("f 644 root:root /var/lib/dpkg/status"));
    }
}
