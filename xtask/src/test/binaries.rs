//! Finds the kernel tests and their compiled programs.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::paths::Ctx;
use crate::proc::{capture, cargo, shown};

/// The package that holds the kernel and end-to-end tests.
const PACKAGE: &str = "overlay-tests";
/// Test targets that run on this kernel and in the virtual machine.
const EVERYWHERE: &str = "kernel_";
/// Test targets (with `test = false`) that run in the virtual machine only.
const VM_ONLY: &str = "vm_";

/// A compiled test program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Folder that cargo would start it in.
    pub(super) folder: PathBuf,
}

/// Compiles the tests that run in the virtual machine, or `only` those of these names.
pub(super) fn for_vm(ctx: &Ctx, only: &[String]) -> Result<Vec<Program>> {
    let mut cmd = cargo();
    cmd.current_dir(&ctx.root)
        .args(["metadata", "--format-version", "1", "--no-deps"]);
    let names = chosen(targets(&json(&capture(&mut cmd)?)?), only)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut cmd = cargo();
    cmd.current_dir(&ctx.root)
        .args(["test", "--no-run", "--package", PACKAGE])
        .arg("--message-format=json-render-diagnostics");
    for name in &names {
        cmd.args(["--test", name]);
    }
    let out = cmd
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(&cmd)))?;
    if !out.status.success() {
        bail!("the tests for the virtual machine do not compile; the compiler's words are above");
    }
    let found = executables(&String::from_utf8_lossy(&out.stdout));
    if let Some(lost) = names
        .iter()
        .find(|name| found.iter().all(|program| program.name != **name))
    {
        bail!("cargo compiled no program for the test target `{lost}`");
    }
    Ok(found)
}

/// Those of `known` that are asked for: all, where nothing is.
fn chosen(known: Vec<String>, only: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = only.iter().find(|name| !known.contains(name)) {
        bail!(
            "there is no test program `{unknown}` for the virtual machine; there are: {}",
            known.join(", ")
        );
    }
    let is_chosen = |name: &String| only.is_empty() || only.contains(name);
    Ok(known.into_iter().filter(is_chosen).collect())
}

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).context("cargo printed no JSON")
}

fn targets(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|package| package["name"] == PACKAGE)
        .flat_map(|package| package["targets"].as_array().into_iter().flatten())
        .filter(|target| target["kind"][0] == "test")
        .filter_map(|target| target["name"].as_str())
        .filter(|name| name.starts_with(EVERYWHERE) || name.starts_with(VM_ONLY))
        .map(str::to_owned)
        .collect()
}

/// The programs named in cargo's messages, one JSON object a line.
fn executables(messages: &str) -> Vec<Program> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact" && message["profile"]["test"] == true
        })
        .filter_map(|message| {
            let manifest = PathBuf::from(message["manifest_path"].as_str()?);
            Some(Program {
                name: message["target"]["name"].as_str()?.to_owned(),
                path: PathBuf::from(message["executable"].as_str()?),
                folder: manifest.parent()?.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_and_vm_targets_are_found() {
        let metadata = serde_json::json!({"packages": [
            {"name": "monitor", "targets": [{"kind": ["test"], "name": "kernel_not_ours"}]},
            {"name": PACKAGE, "targets": [
                {"kind": ["lib"], "name": "kernel_lib"},
                {"kind": ["test"], "name": "kernel_counts"},
                {"kind": ["test"], "name": "vm_esp"},
                {"kind": ["test"], "name": "cli"},
            ]},
        ]});
        assert_eq!(targets(&metadata), ["kernel_counts", "vm_esp"]);
    }

    #[test]
    fn programs_are_chosen_by_name() {
        let known = || vec!["kernel_walk".to_owned(), "vm_esp".to_owned()];
        assert_eq!(chosen(known(), &[]).unwrap(), known());
        assert_eq!(chosen(known(), &["vm_esp".to_owned()]).unwrap(), ["vm_esp"]);
        let error = chosen(known(), &["vm".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("kernel_walk, vm_esp"), "{error}");
    }

    #[test]
    fn executables_are_read_from_messages() {
        let messages = r#"{"reason":"compiler-artifact","profile":{"test":false},"target":{"name":"lib"},"manifest_path":"/w/tests/Cargo.toml","executable":null}
{"reason":"compiler-artifact","profile":{"test":true},"target":{"name":"vm_esp"},"manifest_path":"/w/tests/Cargo.toml","executable":"/t/vm_esp-1"}
not json
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executables(messages),
            [Program {
                name: "vm_esp".to_owned(),
                path: "/t/vm_esp-1".into(),
                folder: "/w/tests".into()
            }]
        );
    }
}
