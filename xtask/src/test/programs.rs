//! Builds everything, once, and lists the test programs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::build;
use crate::paths::Ctx;
use crate::proc::{capture, cargo, shown};

/// Kernel tests, which run on this machine and on other kernels.
const KERNEL: &str = "kernel_";
/// Tests that need ESP, VLANs or bonds, which only the kernels of the virtual machine are sure to have.
const VM_ONLY: &str = "vm_";
/// The test program that leaves the kernel of the virtual machine locked down: it runs last.
const LAST: &str = "vm_lockdown";
/// Tests that a usual run leaves out, since each takes eight minutes and more by emulation: one sets up nine overlays, one
/// runs benchmarks between two machines and kills them, one runs a Prometheus whose rules keep an alert for minutes, one a
/// Docker daemon that is killed.
const LONG: &[&str] = &["vm_encryption", "vm_two_machines", "vm_alerts", "vm_soak"];
/// The kernel tests that a usual run repeats in the virtual machine: how programs are loaded and attached is what
/// differs most from kernel to kernel. `--matrix` and `--kernels` repeat all.
const SMOKE: &[&str] = &["kernel_attach", "kernel_programs"];

/// A compiled test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// Its test target, or its crate for unit tests.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Folder of its package, where cargo would start it.
    pub(super) folder: PathBuf,
}

impl Program {
    /// Whether it is one of those in `tests`, and not the unit tests of a crate.
    fn is_of_tests(&self) -> bool {
        !self.name.ends_with(')')
    }
}

/// The compiled test programs.
#[derive(Debug, Default)]
pub(super) struct Programs(Vec<Program>);

impl Programs {
    /// Builds all binaries and all tests of the workspace.
    pub(super) fn build(ctx: &Ctx) -> Result<Self> {
        let mut all = build::workspace(ctx, "build");
        all.args(["--all-targets", "--features", "overlay-tests/vm"]);
        // xtask runs: only its tests are built.
        let mut own = cargo();
        own.args(["test", "--package", "xtask", "--no-run"]);
        let mut found = Vec::new();
        for mut cmd in [all, own] {
            cmd.arg("--message-format=json-render-diagnostics")
                .current_dir(&ctx.root);
            found.extend(executables(&messages(&mut cmd)?));
        }
        let manifest = std::fs::read_to_string(ctx.path("tests/Cargo.toml"))?;
        each_is_there(&manifest, &found)?;
        found
            .iter()
            .filter(|program| program.is_of_tests())
            .try_for_each(has_tests)?;
        Ok(Self(found))
    }

    /// Those that run on this machine.
    pub(super) fn native(&self) -> Vec<Program> {
        let native = |program: &&Program| !program.name.starts_with(VM_ONLY);
        self.0.iter().filter(native).cloned().collect()
    }

    /// Those that run in the virtual machine: the named ones, or `all` that can, or those that a usual run takes.
    pub(super) fn for_vm(&self, only: &[String], all: bool) -> Result<Vec<Program>> {
        let able = |program: &&Program| {
            program.name.starts_with(VM_ONLY) || program.name.starts_with(KERNEL)
        };
        let able: Vec<&Program> = self.0.iter().filter(able).collect();
        if let Some(unknown) = only
            .iter()
            .find(|name| able.iter().all(|program| program.name != **name))
        {
            let names: Vec<&str> = able.iter().map(|program| program.name.as_str()).collect();
            bail!(
                "there is no test program `{unknown}` for the virtual machine; there are: {}",
                names.join(", ")
            );
        }
        let chosen = |program: &&&Program| {
            let name = program.name.as_str();
            if only.is_empty() {
                let usual = name.starts_with(VM_ONLY) && !LONG.contains(&name);
                all || usual || SMOKE.contains(&name)
            } else {
                only.iter().any(|only| only == name)
            }
        };
        let mut chosen: Vec<Program> = able.iter().filter(chosen).map(|p| (*p).clone()).collect();
        chosen.sort_by_key(|program| program.name == LAST);
        if chosen.is_empty() {
            bail!("no test program was built for the virtual machine");
        }
        Ok(chosen)
    }
}

/// Insists that each test target of this manifest was built: what cargo does not name would be left out without a word.
fn each_is_there(manifest: &str, found: &[Program]) -> Result<()> {
    #[derive(Deserialize)]
    struct Manifest {
        test: Vec<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let manifest: Manifest = toml::from_str(manifest).context("tests/Cargo.toml")?;
    for Target { name } in &manifest.test {
        if !found.iter().any(|program| program.name == *name) {
            bail!("cargo built no test program {name}, which tests/Cargo.toml has");
        }
    }
    Ok(())
}

/// Insists that a program has tests, and that it runs all of them.
fn has_tests(program: &Program) -> Result<()> {
    let count = |which: &[&str]| -> Result<usize> {
        let mut list = Command::new(&program.path);
        list.current_dir(&program.folder)
            .args(["--list", "--format", "terse"])
            .args(which);
        let text = capture(&mut list)?;
        Ok(text.lines().filter(|line| line.ends_with(": test")).count())
    };
    if count(&[])? == 0 {
        bail!("the test program {} has no test", program.name);
    }
    if count(&["--ignored"])? != 0 {
        bail!(
            "the test program {} ignores some of its tests",
            program.name
        );
    }
    Ok(())
}

/// Runs cargo; its messages, one JSON object a line.
fn messages(cmd: &mut Command) -> Result<String> {
    let out = cmd
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(cmd)))?;
    if !out.status.success() {
        bail!("the build failed; see the compiler's errors above");
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The test programs named in cargo's messages.
fn executables(messages: &str) -> Vec<Program> {
    let program = |message: Value| {
        if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
            return None;
        }
        let manifest = PathBuf::from(message["manifest_path"].as_str()?);
        let name = message["target"]["name"].as_str()?;
        let kind = message["target"]["kind"][0].as_str()?;
        Some(Program {
            name: match kind {
                "test" => name.to_owned(),
                kind => format!("{name} ({kind})"),
            },
            path: PathBuf::from(message["executable"].as_str()?),
            folder: manifest.parent()?.to_owned(),
        })
    };
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(program)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(names: &[&str]) -> Programs {
        let program = |name: &&str| Program {
            name: (*name).to_owned(),
            path: PathBuf::from("/t").join(name),
            folder: "/w".into(),
        };
        Programs(names.iter().map(program).collect())
    }

    fn names(programs: &[Program]) -> Vec<&str> {
        programs
            .iter()
            .map(|program| program.name.as_str())
            .collect()
    }

    #[test]
    fn programs_are_chosen_by_place() {
        let all = programs(&[
            "monitor (lib)",
            "cli",
            "kernel_attach",
            "kernel_walk",
            LAST,
            "vm_esp",
            "vm_encryption",
        ]);
        assert_eq!(
            names(&all.native()),
            ["monitor (lib)", "cli", "kernel_attach", "kernel_walk"]
        );
        let vm = |only: &[&str], every| {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            all.for_vm(&only, every)
                .map(|found| names(&found).join(" "))
        };
        assert_eq!(vm(&[], false).unwrap(), "kernel_attach vm_esp vm_lockdown");
        assert_eq!(
            vm(&[], true).unwrap(),
            "kernel_attach kernel_walk vm_esp vm_encryption vm_lockdown"
        );
        assert_eq!(vm(&["kernel_walk"], false).unwrap(), "kernel_walk");
        for unknown in ["kernel_", "cli", ""] {
            let error = vm(&["vm_esp", unknown], false).unwrap_err().to_string();
            assert!(
                error.contains("kernel_attach, kernel_walk, vm_lockdown, vm_esp, vm_encryption"),
                "{error}"
            );
        }
    }

    #[test]
    fn no_program_for_the_virtual_machine_is_an_error() {
        assert!(programs(&["cli"]).for_vm(&[], true).is_err());
    }

    #[test]
    fn a_test_program_that_was_not_built_is_an_error() {
        let manifest = "[[test]]\nname = 'cli'\n[[test]]\nname = 'vm_esp'\n";
        assert!(each_is_there(manifest, &programs(&["cli", "vm_esp"]).0).is_ok());
        let error = each_is_there(manifest, &programs(&["cli"]).0).unwrap_err();
        assert!(
            error.to_string().contains("no test program vm_esp"),
            "{error}"
        );
    }

    #[test]
    fn executables_are_read_from_messages() {
        let messages = r#"{"reason":"compiler-artifact","profile":{"test":false},"target":{"name":"lib"},"manifest_path":"/w/tests/Cargo.toml","executable":null}
{"reason":"compiler-artifact","profile":{"test":true},"target":{"name":"vm_esp","kind":["test"]},"manifest_path":"/w/tests/Cargo.toml","executable":"/t/vm_esp-1"}
{"reason":"compiler-artifact","profile":{"test":true},"target":{"name":"monitor","kind":["lib"]},"manifest_path":"/w/monitor/Cargo.toml","executable":"/t/monitor-1"}
not json
{"reason":"build-finished","success":true}"#;
        let found = executables(messages);
        assert_eq!(names(&found), ["vm_esp", "monitor (lib)"]);
        assert_eq!(found[0].path, PathBuf::from("/t/vm_esp-1"));
        assert_eq!(found[0].folder, PathBuf::from("/w/tests"));
    }
}
