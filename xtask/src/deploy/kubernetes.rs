//! The manifests of Kubernetes: built by kustomize, and validated against the schemas of several versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::{Ctx, make_dir};
use crate::proc::{capture, output, run, say};

const OVERLAYS: &str = "deploy/kubernetes/overlays";
const BASE: &str = "deploy/kubernetes/base";
/// The manifests of the base.
const FILES: [&str; 3] = ["namespace.yaml", "serviceaccount.yaml", "daemonset.yaml"];
/// Versions whose schemas the manifests must fit.
const VERSIONS: [&str; 3] = ["1.30", "1.34", "1.37"];
/// The validator, of PyPI.
const VALIDATOR: &str = "kubernetes-validate";
const VALIDATOR_VERSION: &str = "1.37.0";
/// A key of the manifests, and how it is misspelt to see that the validator finds that.
const TYPO: [&str; 2] = ["hostNetwork:", "hostNetwrok:"];
/// Kinds that give rights in the cluster. The agent needs none.
const RIGHTS: [&str; 4] = ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
/// What must stand in what is built.
const LINES: [&str; 6] = [
    "automountServiceAccountToken: false",
    "hostNetwork: true",
    "readOnlyRootFilesystem: true",
    "allowPrivilegeEscalation: false",
    "- operator: Exists",
    "type: RollingUpdate",
];

pub(super) fn check(ctx: &Ctx) -> Result<()> {
    let validator = validator(ctx)?;
    let out = ctx.path("target/deploy");
    make_dir(&out)?;
    let mut built = Vec::new();
    for (name, text) in manifests(ctx)? {
        let file = out.join(&name).with_extension("yaml");
        fs::write(&file, &text)?;
        for version in VERSIONS {
            let mut cmd = Command::new(&validator);
            cmd.args(["--kubernetes-version", version, "--strict", "--quiet"]);
            run(cmd.arg(&file)).with_context(|| format!("{name} for Kubernetes {version}"))?;
        }
        built.push(text);
    }
    let first = built.first().context("no overlay was built")?;
    finds_a_typo(&validator, first, &out.join("typo.yaml"))?;
    say(format!(
        "{} sets of manifests fit Kubernetes {}",
        built.len(),
        VERSIONS.join(", ")
    ));
    Ok(())
}

/// What is validated, by name: what kustomize builds of each overlay. Debian's kubectl is too old to build them; without a
/// newer one it is the base alone, as it stands.
fn manifests(ctx: &Ctx) -> Result<Vec<(String, String)>> {
    let mut built = Vec::new();
    for folder in folders(&ctx.path(OVERLAYS))? {
        let mut kustomize = Command::new("kubectl");
        let Ok(text) = capture(kustomize.arg("kustomize").arg(&folder)) else {
            say(
                "the overlays for Kubernetes are not built: that takes kubectl 1.21 or later (no cluster is asked)",
            );
            let files = FILES.map(|file| fs::read_to_string(ctx.path(BASE).join(file)));
            let files = files.into_iter().collect::<Result<Vec<_>, _>>()?;
            let text = files.join("---\n");
            check_lines(BASE, &text)?;
            return Ok(vec![("base".to_owned(), text)]);
        };
        let name = folder.file_name().context("an overlay has no name")?;
        let name = name.to_string_lossy().into_owned();
        check_lines(&name, &text)?;
        built.push((name, text));
    }
    Ok(built)
}

fn check_lines(name: &str, text: &str) -> Result<()> {
    let faults = faults(text);
    if !faults.is_empty() {
        bail!("{name}: {}", faults.join("; "));
    }
    Ok(())
}

fn folders(overlays: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(overlays).with_context(|| overlays.display().to_string())?;
    let mut all: Vec<PathBuf> = entries.filter_map(|at| Some(at.ok()?.path())).collect();
    all.sort();
    Ok(all)
}

/// What is wrong with manifests, beside what a schema can see.
fn faults(text: &str) -> Vec<String> {
    let lines = || text.lines().map(|line| line.trim_start());
    let missing = LINES
        .iter()
        .filter(|wanted| !lines().any(|at| at == **wanted));
    let mut faults: Vec<String> = missing.map(|line| format!("`{line}` is missing")).collect();
    let kinds = lines().filter_map(|line| line.strip_prefix("kind: "));
    let rights = kinds.filter(|kind| RIGHTS.contains(kind));
    faults.extend(rights.map(|kind| format!("the agent needs no {kind}")));
    faults
}

/// A validator that lets anything through would prove nothing.
fn finds_a_typo(validator: &Path, manifests: &str, file: &Path) -> Result<()> {
    let [right, wrong] = TYPO;
    let planted = manifests.replace(right, wrong);
    if planted == manifests {
        bail!("the manifests have no {right}");
    }
    fs::write(file, planted)?;
    let mut cmd = Command::new(validator);
    cmd.args(["--kubernetes-version", VERSIONS[0], "--strict", "--quiet"]);
    if output(cmd.arg(file))?.status.success() {
        bail!("{VALIDATOR} takes {wrong} for a key");
    }
    Ok(())
}

/// The validator in an environment of its own.
fn validator(ctx: &Ctx) -> Result<PathBuf> {
    let folder = ctx
        .cache()
        .join(format!("tools/{VALIDATOR}-{VALIDATOR_VERSION}"));
    let program = folder.join("bin").join(VALIDATOR);
    if program.exists() {
        return Ok(program);
    }
    let package = format!("{VALIDATOR}=={VALIDATOR_VERSION}");
    if !ctx.install {
        bail!(
            "{VALIDATOR} is missing, and --no-install was given.\nRun this, then the same xtask command again:\n\n    \
             python3 -m venv {0} && {0}/bin/pip install {package}",
            folder.display()
        );
    }
    say(format!(
        "installing {package} of PyPI: it validates the manifests of Kubernetes"
    ));
    let mut make = Command::new("python3");
    run(make.args(["-m", "venv"]).arg(&folder))
        .context("python3 makes an environment: install python3-venv")?;
    let mut install = Command::new(folder.join("bin/pip"));
    run(install.args(["install", "--quiet", &package]))?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_and_what_is_missing_are_named() {
        let good: String = LINES.iter().map(|line| format!("    {line}\n")).collect();
        assert_eq!(faults(&good), [""; 0]);
        let bad = good.replace("hostNetwork: true", "hostNetwork: false") + "kind: ClusterRole\n";
        assert_eq!(
            faults(&bad),
            [
                "`hostNetwork: true` is missing",
                "the agent needs no ClusterRole"
            ]
        );
    }
}
