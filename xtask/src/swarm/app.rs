//! The Swarm and the application on it: Redis on the first node, a web app on
//! the second, published on port 80 of both.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::nodes::node::{Node, both};
use crate::proc::quote;

/// The application's network.
pub(super) const NETWORK: &str = "app1-network";
/// Another one, between the same containers, in the encrypted step.
pub(super) const SECOND: &str = "app2-network";
/// Until containers run and answer: emulation is slow.
const DEPLOY: Duration = Duration::from_secs(600);
/// Each container starts with the program of its image.
const ENTRY: &str = r#"ENTRYPOINT ["/app"]"#;

/// Waits until the engine answers.
pub(super) fn engine(node: &mut Node) -> Result<()> {
    wait(
        node,
        "docker info >/dev/null 2>&1 || { pidof dockerd >/dev/null || tail -n 3 /run/dockerd.log; false; }",
    )
}

/// The engine's version.
pub(super) fn version(node: &mut Node) -> Result<String> {
    let text = node.sh("docker version --format '{{.Server.Version}}'")?;
    Ok(text.trim().to_owned())
}

/// Makes a Swarm of both.
pub(super) fn form(nodes: &mut [Node; 2]) -> Result<()> {
    let [manager, worker] = nodes;
    let address = manager.address;
    let token = manager.sh(&format!(
        "docker swarm init --advertise-addr {address} >/dev/null && docker swarm join-token -q worker"
    ))?;
    worker.sh(&format!(
        "docker swarm join --token {} {address}:2377",
        token.trim()
    ))?;
    Ok(())
}

/// Loads the image that a node runs.
pub(super) fn load(node: &mut Node, folder: &Path) -> Result<()> {
    let name = if node.address == crate::nodes::node::NODES[0].address {
        "redis"
    } else {
        "app1-web"
    };
    let tar = folder.join(format!("{name}.tar"));
    let tar = quote(&tar.to_string_lossy());
    let script = format!("docker import -c '{ENTRY}' {tar} {name}");
    let (code, text) = node.run(&script, DEPLOY)?;
    if code != 0 {
        bail!("{} cannot load the image {name}: {text}", node.name);
    }
    Ok(())
}

/// Creates the networks and the services, and waits until the web app answers. The networks' VNIs.
pub(super) fn deploy(nodes: &mut [Node; 2], networks: &[&str], options: &str) -> Result<Vec<u32>> {
    let [manager, worker] = &mut *nodes;
    for network in networks {
        manager.sh(&format!(
            "docker network create -d overlay {options} {network}"
        ))?;
    }
    let joined: Vec<String> = networks
        .iter()
        .map(|name| format!("--network {name}"))
        .collect();
    let create = format!(
        "docker service create -q --detach --no-resolve-image {}",
        joined.join(" ")
    );
    manager.sh(&format!(
        "{create} --name redis --constraint node.hostname=={} \
         redis --save '' --appendonly no --protected-mode no --bind 0.0.0.0",
        manager.name
    ))?;
    let redis = virtual_address(manager, "redis", networks.first().context("no network")?)?;
    manager.sh(&format!(
        "{create} --name app1-web --constraint node.hostname=={} --publish 80:80 \
         app1-web web --listen 0.0.0.0:80 --redis {redis}:6379",
        worker.name
    ))?;
    wait(
        manager,
        "[ $(docker service ls --format '{{.Replicas}}' | grep -c 1/1) = 2 ]",
    )?;
    both(nodes, |node| wait(node, "curl -sSf -m 10 http://node1/"))?;
    networks
        .iter()
        .map(|name| vni(&mut nodes[0], name))
        .collect()
}

/// Takes the services and the networks away again.
pub(super) fn remove(nodes: &mut [Node; 2], networks: &[&str]) -> Result<()> {
    nodes[0].sh("docker service rm app1-web redis")?;
    let gone = "[ -z \"$(docker ps -q --filter name=app1-web --filter name=redis)\" ]";
    both(nodes, |node| wait(node, gone))?;
    for name in networks {
        let gone =
            format!("docker network rm {name}; ! docker network inspect {name} >/dev/null 2>&1");
        wait(&mut nodes[0], &gone)?;
    }
    Ok(())
}

/// The address that stands for a service in a network.
pub(super) fn virtual_address(node: &mut Node, service: &str, network: &str) -> Result<String> {
    let text = node.sh(&format!(
        "id=$(docker network inspect -f '{{{{.Id}}}}' {network})\n\
         docker service inspect {service} \
         --format '{{{{range .Endpoint.VirtualIPs}}}}{{{{println .NetworkID .Addr}}}}{{{{end}}}}' | grep \"^$id \""
    ))?;
    let address = text
        .split_whitespace()
        .nth(1)
        .and_then(|cidr| cidr.split('/').next());
    address
        .map(str::to_owned)
        .with_context(|| format!("{service} has no address in {network}"))
}

/// A network's VNI, as the engine says.
pub(super) fn vni(node: &mut Node, network: &str) -> Result<u32> {
    let text = node.sh(&format!(
        "docker network inspect -f '{{{{index .Options \"com.docker.network.driver.overlay.vxlanid_list\"}}}}' {network}"
    ))?;
    text.trim()
        .parse()
        .with_context(|| format!("{network} has no VNI"))
}

/// Tries a script until it succeeds.
pub(super) fn wait(node: &mut Node, script: &str) -> Result<()> {
    let end = Instant::now() + DEPLOY;
    loop {
        let (code, text) = node.run(script, Duration::from_secs(120))?;
        if code == 0 {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("{}: `{script}` does not succeed: {text}", node.name);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}
