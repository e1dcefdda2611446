//! Which distribution this is.

/// The fields of os-release(5) that matter here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OsRelease {
    /// `debian`, `ubuntu`, …
    pub(crate) id: String,
    /// What it descends from: `debian` for Ubuntu and many others.
    pub(crate) like: Vec<String>,
    /// `bookworm`; empty where none is given.
    pub(crate) codename: String,
    /// For messages.
    pub(crate) pretty: String,
}

impl OsRelease {
    pub(crate) fn of_this_machine() -> Self {
        let text = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        Self::parse(&text)
    }

    pub(crate) fn parse(text: &str) -> Self {
        let field = |name: &str| {
            text.lines()
                .filter_map(|line| line.trim().split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim_matches(['"', '\'']).to_owned())
                .unwrap_or_default()
        };
        let pretty = field("PRETTY_NAME");
        Self {
            id: field("ID"),
            like: field("ID_LIKE")
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            codename: field("VERSION_CODENAME"),
            pretty: if pretty.is_empty() {
                "an unknown system".to_owned()
            } else {
                pretty
            },
        }
    }

    /// Whether apt and Debian's package names can be expected.
    pub(crate) fn is_debian_like(&self) -> bool {
        self.id == "debian" || self.like.iter().any(|id| id == "debian")
    }
}

/// Whether we may install packages.
pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid(2) takes no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_children_are_distinguished_from_others() {
        let debian =
            OsRelease::parse("ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian 12\"\n");
        assert!(debian.is_debian_like());
        assert_eq!(debian.codename, "bookworm");
        assert_eq!(debian.pretty, "Debian 12");
        let ubuntu = OsRelease::parse("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n");
        assert!(ubuntu.is_debian_like());
        assert!(OsRelease::parse("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n").is_debian_like());
        let fedora = OsRelease::parse("ID=fedora\nID_LIKE=''\n");
        assert!(!fedora.is_debian_like());
        assert!(!OsRelease::parse("").is_debian_like());
    }
}
