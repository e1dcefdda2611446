//! Packages that are downloaded and unpacked into the cache instead of being
//! installed: the machine stays as it is, and no root is needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt;
use super::os::OsRelease;
use crate::paths::{Ctx, make_dir};
use crate::proc::{capture, run_with_progress, say};

/// Where apt looks: this machine's sources, or a private list of another release.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    options: Vec<String>,
}

impl Source {
    /// This machine's own sources.
    pub(crate) fn own() -> Self {
        Self::default()
    }

    /// Debian's release `suite`, from the mirror that this machine uses (or
    /// `mirror`), with lists of its own below `folder`.
    pub(crate) fn of_suite(folder: &Path, suite: &str, mirror: Option<&str>) -> Result<Self> {
        let mirror = match mirror {
            Some(mirror) => mirror.to_owned(),
            None => own_mirror()?,
        };
        let folder = folder.join(format!("apt-{suite}"));
        make_dir(&folder.join("lists/partial"))?;
        make_dir(&folder.join("cache/archives/partial"))?;
        let list = folder.join("sources.list");
        let keyring = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
        let signed = if keyring.exists() {
            format!("[signed-by={}] ", keyring.display())
        } else {
            String::new()
        };
        std::fs::write(&list, format!("deb {signed}{mirror} {suite} main\n"))
            .with_context(|| format!("cannot write {}", list.display()))?;
        let set = |name: &str, path: &Path| format!("{name}={}", path.display());
        let options = [
            set("Dir::Etc::sourcelist", &list),
            "Dir::Etc::sourceparts=-".to_owned(),
            "Dir::Etc::preferences=-".to_owned(),
            "Dir::Etc::preferencesparts=-".to_owned(),
            set("Dir::State::Lists", &folder.join("lists")),
            set("Dir::Cache", &folder.join("cache")),
            "APT::Get::List-Cleanup=0".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false".to_owned(),
        ];
        let source = Self {
            options: options
                .into_iter()
                .flat_map(|option| ["-o".to_owned(), option])
                .collect(),
        };
        say(format!(
            "fetching the package list of Debian {suite} from {mirror}"
        ));
        let mut cmd = apt::apt_get();
        cmd.args(&source.options)
            .args(["-o", "APT::Sandbox::User=root", "update"]);
        run_with_progress("apt-get update", &mut cmd)?;
        Ok(source)
    }

    /// Names of the packages that start with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let mut cmd = Command::new("apt-cache");
        let text = capture(cmd.args(&self.options).args(["pkgnames", prefix]))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// `packages` and all that they need, each `name=version`, whatever this machine has installed.
    pub(crate) fn with_dependencies(&self, packages: &[&str]) -> Result<Vec<String>> {
        let nothing_installed = ["-o", "Dir::State::status=/dev/null"];
        let mut cmd = Command::new("apt-get");
        cmd.args(&self.options).args(nothing_installed);
        simulate(cmd, packages)
    }

    /// Downloads `packages` (`name` or `name=version`) and unpacks them into `tree`.
    pub(crate) fn unpack(&self, what: &str, packages: &[String], tree: &Path) -> Result<()> {
        let folder = tree.with_extension("deb");
        std::fs::remove_dir_all(&folder).ok();
        make_dir(&folder)?;
        let mut cmd = apt::apt_get();
        cmd.current_dir(&folder)
            .args(&self.options)
            .args(["-o", "APT::Sandbox::User=root", "download"])
            .args(packages);
        run_with_progress(&format!("downloading {what}"), &mut cmd)?;
        let files = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        for file in files {
            let mut cmd = Command::new("dpkg");
            cmd.arg("-x").arg(file?.path()).arg(tree);
            run_with_progress(&format!("unpacking {what}"), &mut cmd)?;
        }
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))
    }
}

/// The mirror of the machine's own Debian sources.
pub(crate) fn own_mirror() -> Result<String> {
    let mut cmd = Command::new("apt-get");
    cmd.args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(ORIGIN) $(LABEL) $(COMPONENT)",
    ]);
    mirror_of(&capture(&mut cmd)?).with_context(|| {
        format!(
            "{} has no Debian mirror among its apt sources, which would have what is missing.\n  \
             Name one with `--mirror URL` (its keys: package debian-archive-keyring).",
            OsRelease::of_this_machine().pretty
        )
    })
}

fn mirror_of(targets: &str) -> Option<String> {
    targets
        .lines()
        .find_map(|line| line.strip_suffix(" Debian Debian main"))
        .map(str::to_owned)
}

/// `packages` and all of their dependencies that are not installed, each `name=version`.
pub(crate) fn closure(packages: &[&str]) -> Result<Vec<String>> {
    simulate(Command::new("apt-get"), packages)
}

/// What `apt_get`, with its options, would install.
fn simulate(mut apt_get: Command, packages: &[&str]) -> Result<Vec<String>> {
    // A simulation needs no root, and may pretend to remove what stands in the way.
    apt_get
        .args(["install", "--simulate", "--no-install-recommends"])
        .args(packages);
    let list = parse_simulation(&capture(&mut apt_get)?);
    if list.is_empty() {
        bail!(
            "apt-get would install nothing for `{}`, although it is not there",
            packages.join(" ")
        );
    }
    Ok(list)
}

fn parse_simulation(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
            let version = rest.split_once('(')?.1.split_whitespace().next()?;
            Some(format!("{name}={version}"))
        })
        .collect()
}

/// Makes `tree` by `fill`, once: an interrupted run leaves nothing that looks done.
pub(crate) fn once(tree: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if tree.exists() {
        return Ok(());
    }
    let parent = tree.parent().context("a tree needs a folder")?;
    make_dir(parent)?;
    let name = tree.file_name().unwrap_or_default().to_string_lossy();
    let fresh: PathBuf = parent.join(format!(".{name}-{}", std::process::id()));
    std::fs::remove_dir_all(&fresh).ok();
    make_dir(&fresh)?;
    let filled = fill(&fresh).and_then(|()| {
        std::fs::rename(&fresh, tree).with_context(|| format!("cannot create {}", tree.display()))
    });
    if filled.is_err() {
        std::fs::remove_dir_all(&fresh).ok();
    }
    filled
}

/// Fails, with the commands to type, if nothing may be fetched.
pub(crate) fn may_fetch(ctx: &Ctx, what: &str, command: &str) -> Result<()> {
    let os = OsRelease::of_this_machine();
    if ctx.install && os.is_debian_like() {
        return Ok(());
    }
    let reason = if ctx.install {
        format!(
            "this is {}, and I only know apt of Debian and Ubuntu",
            os.pretty
        )
    } else {
        "--no-install was given".to_owned()
    };
    bail!(
        "{what} is missing and will not be fetched ({reason}).\nRun this, then the same xtask command again:\n\n    {command}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirror_is_debians_and_not_securitys() {
        let targets = "https://a/debian-security/ Debian Debian-Security main\n\
            https://b/node nodesource nodistro main\nhttps://c/debian/ Debian Debian main\n";
        assert_eq!(mirror_of(targets).as_deref(), Some("https://c/debian/"));
        assert_eq!(mirror_of("https://a/ubuntu/ Ubuntu Ubuntu main\n"), None);
    }

    #[test]
    fn simulation_gives_names_and_versions() {
        let text = "NOTE: This is only a simulation!\nRemv qemu-utils [1:10]\n\
            Inst kmod (30+1-1 Debian:12/oldstable [amd64])\n\
            Inst libx [1.0] (1.1 Debian:12/oldstable [amd64])\nConf kmod (30+1-1 Debian)\n";
        assert_eq!(parse_simulation(text), ["kmod=30+1-1", "libx=1.1"]);
    }

    #[test]
    fn failed_filling_leaves_nothing() {
        let tree = std::env::temp_dir().join(format!("xtask-once-{}", std::process::id()));
        once(&tree, |_| bail!("no")).unwrap_err();
        assert!(!tree.exists());
        once(&tree, |fresh| Ok(std::fs::write(fresh.join("a"), "b")?)).unwrap();
        assert!(tree.join("a").exists());
        once(&tree, |_| bail!("is not called again")).unwrap();
        std::fs::remove_dir_all(&tree).unwrap();
    }
}
