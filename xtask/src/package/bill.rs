//! The bill of materials (CycloneDX): every package that is compiled into the program, and into the kernel programs in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::product::{PROGRAM, TARGET};
use crate::paths::Ctx;
use crate::proc::{capture, cargo, say};

/// A workspace, the package of it that is shipped, and the target that it is compiled for (`None` where cargo cannot name it).
const SHIPPED: [(&str, &str, Option<&str>); 2] = [
    ("Cargo.toml", "monitor", Some(TARGET)),
    ("monitor-ebpf/Cargo.toml", "monitor-ebpf", None),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Writes the bill, and returns how many packages are in it.
pub(super) fn write(ctx: &Ctx, to: &Path, (version, time): (&str, &str)) -> Result<()> {
    let mut components = BTreeMap::new();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut roots = BTreeSet::new();
    for (manifest, package, target) in SHIPPED {
        let metadata = metadata(ctx, manifest, target)?;
        let sums = sums(ctx, manifest)?;
        let root = add(&metadata, package, &sums, &mut components, &mut edges)
            .with_context(|| manifest.to_owned())?;
        roots.insert(root);
    }
    let count = components.len();
    let me = format!("{PROGRAM}@{version}");
    edges.insert(me.clone(), roots);
    let dependencies: Vec<Value> = edges
        .into_iter()
        .map(|(from, to)| json!({"ref": from, "dependsOn": to}))
        .collect();
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "component": {
                "type": "application",
                "bom-ref": me,
                "name": PROGRAM,
                "version": version,
                "licenses": [{"expression": "MIT OR Apache-2.0"}],
            },
        },
        "components": components.into_values().collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    fs::write(to, serde_json::to_string_pretty(&bill)? + "\n")?;
    say(format!("{count} packages in the bill of materials"));
    Ok(())
}

fn metadata(ctx: &Ctx, manifest: &str, target: Option<&str>) -> Result<Metadata> {
    let mut cmd: Command = cargo();
    cmd.current_dir(&ctx.root)
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--manifest-path", manifest]);
    if let Some(target) = target {
        cmd.args(["--filter-platform", target]);
    }
    serde_json::from_str(&capture(&mut cmd)?).context("the answer of cargo metadata")
}

/// The checksums of the lock file beside a manifest.
fn sums(ctx: &Ctx, manifest: &str) -> Result<BTreeMap<(String, String), String>> {
    let path = ctx.path(manifest).with_file_name("Cargo.lock");
    let lock: Lock = toml::from_str(&fs::read_to_string(path)?)?;
    let sum = |at: Locked| Some(((at.name, at.version), at.checksum?));
    Ok(lock.package.into_iter().filter_map(sum).collect())
}

/// Adds a package and all that is compiled into it, without what only tests and build scripts use.
fn add(
    metadata: &Metadata,
    root: &str,
    sums: &BTreeMap<(String, String), String>,
    components: &mut BTreeMap<String, Value>,
    edges: &mut BTreeMap<String, BTreeSet<String>>,
) -> Result<String> {
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|at| (at.id.as_str(), at))
        .collect();
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|at| (at.id.as_str(), at))
        .collect();
    let start = metadata.packages.iter().find(|at| at.name == root);
    let start = start.with_context(|| format!("there is no package {root}"))?;
    let mut open = vec![start.id.as_str()];
    let mut seen = BTreeSet::from([start.id.as_str()]);
    while let Some(id) = open.pop() {
        let (Some(package), Some(node)) = (packages.get(id), nodes.get(id)) else {
            bail!("cargo metadata lacks {id}");
        };
        let from = reference(package);
        let mut to = BTreeSet::new();
        for dependency in &node.deps {
            if dependency.dep_kinds.iter().all(|at| at.kind.is_some()) {
                continue;
            }
            let package = packages.get(dependency.pkg.as_str());
            let package = package.with_context(|| format!("no package {}", dependency.pkg))?;
            to.insert(reference(package));
            if seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
        edges.entry(from.clone()).or_default().extend(to);
        components.insert(from, component(package, sums));
    }
    Ok(reference(start))
}

fn reference(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

fn component(package: &Package, sums: &BTreeMap<(String, String), String>) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(package),
        "name": package.name,
        "version": package.version,
        "scope": "required",
    });
    if let Some(description) = &package.description {
        component["description"] = json!(description.trim());
    }
    if let Some(license) = &package.license {
        // As SPDX writes it now.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    // What is not of the registry is of this repository.
    if package.source.is_some() {
        component["purl"] = json!(reference(package));
    }
    if let Some(sum) = sums.get(&(package.name.clone(), package.version.clone())) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    component
}
