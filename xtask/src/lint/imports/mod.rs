//! Imports point down, and never in a circle.
//!
//! Two rules. In `monitor`, a layer imports from the layers below it. In every crate, no two files use each other,
//! directly or through others. What a file only hands on by `pub use` is not a use, and an item that is imported
//! through a re-export counts for the file that defines it. Code of tests is exempt.

mod circles;
mod resolve;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::paths::Ctx;
use crate::proc::{capture, cargo, say};
use resolve::Place;
use tree::{Crate, Kind};

/// The workspaces.
const MANIFESTS: &[&str] = &["Cargo.toml", "monitor-ebpf/Cargo.toml"];
/// The folder whose folders are layers.
const LAYERED: &str = "monitor/src";
/// The layers, from the lowest. Those of one line do not import from each other.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["kernel", "host"],
    &["traffic"],
    &["policy"],
    &["agent"],
    &["surface"],
    &["command"],
];

/// Fails if a rule is broken anywhere; the error lists every place.
pub(crate) fn check(ctx: &Ctx) -> Result<()> {
    let roots = roots(ctx)?;
    let mut found = Vec::new();
    for root in &roots {
        let tree = Crate::read(&ctx.root, root)?;
        found.extend(upward(&tree));
        found.extend(circles(&tree));
    }
    if !found.is_empty() {
        bail!("{} findings:\n{}", found.len(), found.join("\n"));
    }
    say(format!(
        "no circle and no arrow upward in {} crates",
        roots.len()
    ));
    Ok(())
}

/// The root file of every library, program and test.
fn roots(ctx: &Ctx) -> Result<BTreeSet<PathBuf>> {
    let mut roots = BTreeSet::new();
    for manifest in MANIFESTS {
        let mut cmd = cargo();
        cmd.args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--manifest-path",
        ])
        .arg(ctx.path(manifest));
        let metadata: Value = serde_json::from_str(&capture(&mut cmd)?)
            .context("`cargo metadata` printed no JSON")?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let targets =
            packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
        roots
            .extend(targets.filter_map(|target| Some(PathBuf::from(target["src_path"].as_str()?))));
    }
    Ok(roots)
}

/// The layer of a file, by its place in [`LAYERS`]: `None` for a file that is in none, such as `lib.rs`.
fn layer(file: &Path) -> Option<(usize, &str)> {
    let mut parts = file.strip_prefix(LAYERED).ok()?.iter();
    let name = parts.next()?.to_str()?;
    let height = LAYERS.iter().position(|layers| layers.contains(&name))?;
    Some((height, name))
}

/// Every mention of a higher layer, and every folder that is no layer.
fn upward(tree: &Crate) -> Vec<String> {
    let mut found = BTreeSet::new();
    for file in &tree.files {
        let is_folder = file
            .strip_prefix(LAYERED)
            .is_ok_and(|below| below.iter().count() > 1);
        if is_folder && layer(file).is_none() {
            found.insert(format!(
                "  {}: its folder is not one of the layers",
                file.display()
            ));
        }
    }
    for module in &tree.modules {
        let file = &tree.files[module.file];
        let Some((height, own)) = layer(file) else {
            continue;
        };
        for mention in &module.mentions {
            // Where it is defined, and what was written: a re-export may lead down from above.
            let index = index_of(tree, module);
            let defined = tree
                .resolve(index, &mention.path)
                .map(|place| &tree.files[tree.modules[place.module()].file]);
            let defined = defined.and_then(|file| layer(file));
            let written = match mention.path.as_slice() {
                [first, name, ..] if first == "crate" => layer_named(name),
                _ => None,
            };
            for (other_height, other) in [defined, written].into_iter().flatten() {
                if other != own && other_height >= height {
                    found.insert(format!(
                        "  {}:{}: `{own}` must not import from `{other}`: {}",
                        file.display(),
                        mention.line,
                        mention.path.join("::")
                    ));
                }
            }
        }
    }
    found.into_iter().collect()
}

fn layer_named(name: &str) -> Option<(usize, &'static str)> {
    LAYERS.iter().enumerate().find_map(|(height, layers)| {
        let name = layers.iter().find(|layer| **layer == name)?;
        Some((height, *name))
    })
}

fn index_of(tree: &Crate, module: &tree::Module) -> usize {
    let same = |other: &tree::Module| std::ptr::eq(other, module);
    tree.modules.iter().position(same).unwrap_or_default()
}

/// Every group of files that use each other, with who uses what.
fn circles(tree: &Crate) -> Vec<String> {
    // The first place where one file uses another.
    let mut uses: BTreeMap<(usize, usize), (usize, String)> = BTreeMap::new();
    for (index, module) in tree.modules.iter().enumerate() {
        for mention in &module.mentions {
            let to = match (mention.kind, tree.resolve(index, &mention.path)) {
                (Kind::ReExport, _) | (_, None) => continue,
                (Kind::Use, Some(Place::Module(_))) => continue,
                (_, Some(place)) => tree.modules[place.module()].file,
            };
            if to != module.file {
                uses.entry((module.file, to))
                    .or_insert_with(|| (mention.line, mention.path.join("::")));
            }
        }
    }
    let edges: BTreeSet<(usize, usize)> = uses.keys().copied().collect();
    let groups = circles::groups(tree.files.len(), &edges);
    groups
        .iter()
        .map(|group| {
            let inside = uses
                .iter()
                .filter(|((from, to), _)| group.contains(from) && group.contains(to));
            let lines = inside.map(|((from, to), (line, path))| {
                format!(
                    "    {}:{line} uses {} ({path})",
                    tree.files[*from].display(),
                    tree.files[*to].display()
                )
            });
            let head = format!("  a circle of {} files:", group.len());
            [head]
                .into_iter()
                .chain(lines)
                .collect::<Vec<_>>()
                .join("\n")
        })
        .collect()
}
