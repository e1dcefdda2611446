//! The agent on every node, deployed by the stack and the image that operators get.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::table::{Row, Table};
use crate::nodes::node::{Node, both};
use crate::paths::{Ctx, make_dir};
use crate::proc::quote;

/// The window over which states are evaluated: short, so that a violation is over
/// soon after its cause.
const WINDOW: Duration = Duration::from_secs(15);
/// The name of the stack, and of its only service.
const STACK: &str = "overlay-monitor";
const SERVICE: &str = "overlay-monitor_agent";
/// For Docker 23 or later.
const STACK_FILE: &str = "stack.yml";
/// For Docker 20.10, the engine of Debian 12.
const OLD_STACK_FILE: &str = "stack-20.10.yml";
/// The file of the configuration, which the stack names.
const CONFIG: &str = "config.toml";
/// To load the image, and to load the kernel programs where the verifier is emulated.
const START: Duration = Duration::from_secs(300);

/// The identifiers of the agent's containers on a node that run, for a shell.
pub(super) const CONTAINER: &str = "$(docker ps -q --filter name=overlay-monitor_agent)";

/// What is deployed, on this machine's file system, which the nodes see.
pub(super) struct Stack {
    image: PathBuf,
    folder: PathBuf,
    file: &'static str,
}

/// The stack for the engine of a Debian release; `None` is the distribution's.
pub(super) fn file_for(release: Option<&str>) -> &'static str {
    match release {
        Some(_) => STACK_FILE,
        None => OLD_STACK_FILE,
    }
}

impl Stack {
    /// Takes the image that `cargo xtask package` made and this stack of `deploy/swarm`, below `folder`. The configuration is
    /// the delivered one, but for the interface, what is read outside the overlay, and the window.
    pub(super) fn gather(ctx: &Ctx, folder: &Path, file: &'static str) -> Result<Stack> {
        let image = image(&ctx.path("target/package/dist"))?;
        let from = ctx.path("deploy/swarm");
        let to = folder.join("stack");
        make_dir(&to)?;
        let read = |name: &str| {
            let path = from.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let write = |name: &str, text: &str| {
            let path = to.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        write(file, &read(file)?)?;
        write(CONFIG, &config(&read(CONFIG)?)?)?;
        Ok(Stack {
            image,
            folder: to,
            file,
        })
    }

    /// Loads the image on both nodes, deploys the stack on the manager, and waits until both agents watch the wire.
    pub(super) fn deploy(&self, nodes: &mut [Node; 2]) -> Result<()> {
        let load = format!("docker load -q -i {}", quoted(&self.image));
        both(nodes, |node| {
            let (code, text) = node.run(&load, START)?;
            if code != 0 {
                bail!("{} cannot load the image: {text}", node.name);
            }
            Ok(())
        })?;
        let deploy = format!(
            "cd {} && docker stack deploy -c {} {STACK}",
            quoted(&self.folder),
            self.file
        );
        let (code, text) = nodes[0].run(&deploy, START)?;
        if code != 0 {
            bail!("the stack cannot be deployed: {text}");
        }
        both(nodes, watches)?;
        Ok(())
    }
}

/// The image in this folder.
fn image(folder: &Path) -> Result<PathBuf> {
    let found = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with(".oci.tar"));
    found.with_context(|| {
        format!(
            "{} has no image; `cargo xtask package` makes it",
            folder.display()
        )
    })
}

/// The delivered configuration with what this Swarm needs.
fn config(delivered: &str) -> Result<String> {
    const INTERFACES: &str = "interfaces = [\"default\"]";
    if !delivered.contains(INTERFACES) {
        bail!("deploy/swarm/{CONFIG} has no line `{INTERFACES}` to replace");
    }
    let own = format!(
        "interfaces = [\"eth0\"]\nhost_flows = \"ports=80\"\nwindow = {}",
        WINDOW.as_secs()
    );
    Ok(delivered.replace(INTERFACES, &own))
}

/// Waits until the agent of a node says that it is ready.
fn watches(node: &mut Node) -> Result<()> {
    let end = Instant::now() + START;
    loop {
        let ready = "curl -sSf -m 10 http://127.0.0.1:9469/-/ready";
        if node.run(ready, START)?.0 == 0 {
            return Ok(());
        }
        if Instant::now() > end {
            let log = node.run(&format!("docker logs {CONTAINER} 2>&1"), START)?.1;
            bail!(
                "{}: the agent of the stack is not ready; it logged: {log}",
                node.name
            );
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Whether the agents that were deployed ran to the end, and whether Docker takes them for healthy.
pub(super) fn ran_to_the_end(nodes: &mut [Node; 2], table: &mut Table) -> Result<()> {
    let tasks = nodes[0].sh(&format!("docker service ps -q {SERVICE} | wc -l"))?;
    let health = both(nodes, |node| {
        node.sh(&format!(
            "docker inspect -f '{{{{.State.Health.Status}}}}' {CONTAINER}"
        ))
    })?;
    let [first, second] = health.each_ref().map(|text| text.trim());
    table.add(Row {
        step: "stack",
        question: "did the agents of the stack run to the end?".to_owned(),
        monitor: format!("{first} on node1, {second} on node2"),
        wire: format!("(Docker started {} of them)", tasks.trim()),
        agrees: tasks.trim() == "2" && [first, second] == ["healthy"; 2],
    });
    Ok(())
}

fn quoted(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delivered_configuration_is_changed_where_it_must_be() {
        let delivered = include_str!("../../../deploy/swarm/config.toml");
        let own = config(delivered).unwrap();
        assert!(own.contains("interfaces = [\"eth0\"]\nhost_flows = \"ports=80\"\nwindow = 15\n"));
        assert!(own.contains("listen = \"0.0.0.0:9469\""));
        assert!(config("interfaces = [\"eth1\"]").is_err());
    }
}
