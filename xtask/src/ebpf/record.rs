//! `monitor/bpf/built.toml`: what the committed objects were built from, and with which tools.
//!
//! The file answers two questions without a compiler: whether the sources have changed since the build, and
//! whether the objects are those of the build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::paths::{Ctx, read, write_atomic};

/// First line of the file.
const HEADER: &str =
    "# Written by `cargo xtask bpf`. Do not edit: `cargo xtask lint` compares it.\n\n";

/// The tools of a build. Other versions produce other bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tools {
    /// First line of `rustc -vV`.
    pub(crate) rustc: String,
    /// LLVM of the compiler.
    pub(crate) llvm: String,
    /// First line of `bpf-linker --version`.
    pub(crate) linker: String,
    /// Version of `llvm-strip`.
    pub(crate) strip: String,
}

/// The whole file. Each digest is SHA-256 in hexadecimal.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) tools: Tools,
    /// Digest of the compiler flags and of the settings that the sources inherit from the workspace.
    settings: String,
    /// Digests of the objects, by file name.
    objects: BTreeMap<String, String>,
    /// Digests of every file that the compiler read, by path below the workspace.
    inputs: BTreeMap<String, String>,
}

impl Record {
    /// Describes a build that has just ended. `inputs` are the files that it read.
    pub(crate) fn new(
        ctx: &Ctx,
        tools: Tools,
        flags: &[String],
        objects: &[PathBuf],
        inputs: &[PathBuf],
    ) -> Result<Self> {
        let of_objects = objects.iter().map(|path| Ok((name(path)?, file(path)?)));
        let of_inputs = inputs.iter().map(|path| {
            let below = path.strip_prefix(&ctx.root).with_context(|| {
                format!(
                    "{} is read by the build and is not in the workspace",
                    path.display()
                )
            })?;
            Ok((below.to_string_lossy().into_owned(), file(path)?))
        });
        Ok(Self {
            tools,
            settings: settings(ctx, flags)?,
            objects: of_objects.collect::<Result<_>>()?,
            inputs: of_inputs.collect::<Result<_>>()?,
        })
    }

    /// The major version of the recorded LLVM, which some flags depend on.
    pub(crate) fn llvm_major(&self) -> Result<u32> {
        let major = self.tools.llvm.split('.').next().unwrap_or_default();
        major
            .parse()
            .with_context(|| format!("not a version of LLVM: {:?}", self.tools.llvm))
    }

    pub(crate) fn load(path: &Path) -> Result<Self> {
        toml::from_str(&read(path)?)
            .with_context(|| format!("{} is not what `cargo xtask bpf` writes", path.display()))
    }

    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).context("cannot write TOML")?;
        write_atomic(path, (HEADER.to_owned() + &text).as_bytes())
    }

    /// Fails if a source, a setting or an object in `folder` is not the recorded one.
    pub(crate) fn compare(&self, ctx: &Ctx, folder: &Path, flags: &[String]) -> Result<()> {
        let mut changed = Vec::new();
        for (below, digest) in &self.inputs {
            if file(&ctx.path(below)).ok().as_ref() != Some(digest) {
                changed.push(below.clone());
            }
        }
        if settings(ctx, flags)? != self.settings {
            changed.push("the compiler flags, or [workspace.package] of Cargo.toml".to_owned());
        }
        for (name, digest) in &self.objects {
            let object = folder.join(name);
            if file(&object).ok().as_ref() != Some(digest) {
                changed.push(
                    object
                        .strip_prefix(&ctx.root)
                        .unwrap_or(&object)
                        .display()
                        .to_string(),
                );
            }
        }
        if !changed.is_empty() {
            bail!(
                "changed since the objects were built; run `cargo xtask bpf` and commit what it writes:\n    {}",
                changed.join("\n    ")
            );
        }
        Ok(())
    }
}

/// The paths in a Makefile rule as rustc writes it: `target: source source`, with escaped spaces.
pub(crate) fn sources_of_rule(rule: &str) -> Vec<PathBuf> {
    let Some((_, sources)) = rule.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let mut paths = vec![String::new()];
    let mut letters = sources.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => paths
                .last_mut()
                .into_iter()
                .for_each(|path| path.extend(letters.next())),
            ' ' => paths.push(String::new()),
            _ => paths
                .last_mut()
                .into_iter()
                .for_each(|path| path.push(letter)),
        }
    }
    let paths = paths.into_iter().filter(|path| !path.is_empty());
    paths.map(PathBuf::from).collect()
}

fn settings(ctx: &Ctx, flags: &[String]) -> Result<String> {
    let manifest: toml::Table = read(&ctx.path("Cargo.toml"))?
        .parse()
        .context("Cargo.toml is not TOML")?;
    let inherited = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("package"))
        .context("Cargo.toml has no [workspace.package]")?;
    Ok(digest(format!("{flags:?}\n{inherited}\n").as_bytes()))
}

fn name(path: &Path) -> Result<String> {
    let name = path.file_name().context("an object needs a name")?;
    Ok(name.to_string_lossy().into_owned())
}

fn file(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(digest(&bytes))
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of one source and one object.
    fn workspace(name: &str) -> (Ctx, Record, PathBuf) {
        let root = std::env::temp_dir().join(format!("xtask-record-{name}-{}", std::process::id()));
        std::fs::create_dir_all(root.join("bpf")).unwrap();
        std::fs::write(
            root.join("Cargo.toml"),
            "[workspace.package]\nedition = \"2024\"\n",
        )
        .unwrap();
        let (source, object) = (root.join("lib.rs"), root.join("bpf/x.o"));
        std::fs::write(&source, "fn a() {}").unwrap();
        std::fs::write(&object, "ELF").unwrap();
        let ctx = Ctx {
            root: root.clone(),
            install: false,
        };
        let tools = Tools {
            rustc: "rustc 1".to_owned(),
            llvm: "22".to_owned(),
            linker: "bpf-linker 1".to_owned(),
            strip: "22".to_owned(),
        };
        let record = Record::new(&ctx, tools, &[], &[object], &[source]).unwrap();
        (ctx, record, root)
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let (_, record, root) = workspace("saved");
        let path = root.join("built.toml");
        record.save(&path).unwrap();
        assert_eq!(Record::load(&path).unwrap(), record);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn every_change_is_named() {
        let (ctx, record, root) = workspace("changed");
        let folder = root.join("bpf");
        record.compare(&ctx, &folder, &[]).unwrap();
        let error = |flags: &[String]| {
            record
                .compare(&ctx, &folder, flags)
                .unwrap_err()
                .to_string()
        };
        assert!(error(&["-O".to_owned()]).contains("compiler flags"));
        for (file, text) in [("lib.rs", "fn b() {}"), ("bpf/x.o", "other")] {
            let before = std::fs::read(root.join(file)).unwrap();
            std::fs::write(root.join(file), text).unwrap();
            assert!(error(&[]).contains(file), "{}", error(&[]));
            std::fs::remove_file(root.join(file)).unwrap();
            assert!(error(&[]).contains(file), "{}", error(&[]));
            std::fs::write(root.join(file), before).unwrap();
        }
        std::fs::write(
            root.join("Cargo.toml"),
            "[workspace.package]\nedition = \"2021\"\n",
        )
        .unwrap();
        assert!(error(&[]).contains("[workspace.package]"));
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn sources_are_read_from_a_makefile_rule() {
        let rule = "/t/out: /w/a.rs /w/with\\ space.rs\n";
        assert_eq!(
            sources_of_rule(rule),
            [Path::new("/w/a.rs"), Path::new("/w/with space.rs")]
        );
        assert!(sources_of_rule("").is_empty());
    }
}
