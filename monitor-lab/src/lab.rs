//! The lab as a whole: two nodes, a wire, overlay networks, and the application on them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use monitor::base::tunnel_size::Carrier;
use monitor_common::wire::VNI_MAX;

use crate::app::http_client::{self, Page};
use crate::app::published_port::{self, Publish};
use crate::app::{benchmark_servers, redis, web};
use crate::cipher::Cipher;
use crate::error::{Context, Error, Result};
use crate::esp::{self, KeyRing};
use crate::lab_host::Host;
use crate::overlay::{self, ContainerPlan, Overlay, Plan};
use crate::process::{Process, Spawner};
use crate::scratch::Scratch;
use crate::tools;
use crate::wireguard;

/// Name of the application's network.
pub const NETWORK: &str = "app1-network";
/// Container with the web app, on node1.
pub const WEB: &str = "app1-web";
/// Container with Redis, on node2.
pub const REDIS: &str = "app1-redis";
/// Container with the HTTP client, on node2.
pub const CLIENT: &str = "app1-client";
/// First VNI that Docker assigns (`daemon/libnetwork/drivers/overlay` in Moby).
const FIRST_VNI: u32 = 4096;

/// Settings of a lab. Made by [`Lab::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    encrypted: bool,
    cipher: Cipher,
    wireguard: bool,
    vni: u32,
    quiet: bool,
    others: Vec<(String, u32, bool)>,
    program: Option<PathBuf>,
}

impl Builder {
    /// Encrypts `app1-network` with ESP as Docker's `--opt encrypted` does. Default: no.
    #[must_use]
    pub fn encrypted(mut self, encrypted: bool) -> Self {
        self.encrypted = encrypted;
        self
    }

    /// The algorithm of encrypted networks. Default: Docker's.
    #[must_use]
    pub fn cipher(mut self, cipher: Cipher) -> Self {
        self.cipher = cipher;
        self
    }

    /// Connects the nodes by WireGuard, below all networks. Default: no.
    #[must_use]
    pub fn wireguard(mut self, wireguard: bool) -> Self {
        self.wireguard = wireguard;
        self
    }

    /// VNI of `app1-network`. Default: 4096.
    #[must_use]
    pub fn vni(mut self, vni: u32) -> Self {
        self.vni = vni;
        self
    }

    /// Keeps background traffic off the wire and packets unmerged: GRO, GSO and TSO off, static neighbour and
    /// forwarding tables, no IPv6. The devices' counters then equal the traffic, to the packet. Default: no.
    #[must_use]
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// Adds an overlay network, with a container `NAME.1` on node1 and `NAME.2` on node2.
    #[must_use]
    pub fn overlay(mut self, name: &str, vni: u32, encrypted: bool) -> Self {
        self.others.push((name.to_owned(), vni, encrypted));
        self
    }

    /// Path of the program `overlay-lab`, which contains the web app that [`Lab::start_web`] starts. Default: the
    /// running program, or `overlay-lab` beside it.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Creates the namespaces, devices and networks; starts no service. Takes about 0.1 s.
    ///
    /// # Errors
    /// [`Error::NotRoot`], [`Error::MissingProgram`], [`Error::NoEsp`] (when a network is to be encrypted),
    /// [`Error::NoWireGuard`],
    /// [`Error::Usage`] for invalid settings, or the command that failed. After an error nothing remains.
    pub fn build(self) -> Result<Lab> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        let plans = self.plans()?;
        let encrypted: Vec<u32> = plans
            .iter()
            .filter(|plan| matches!(plan.carrier, Carrier::VxlanEsp(_)))
            .map(|plan| plan.vni)
            .collect();
        tools::require(&["ip", "bridge"])?;
        if !encrypted.is_empty() {
            tools::require(&["nft"])?;
        }
        if self.wireguard {
            tools::require(&["wg"])?;
        }
        let spawner = Spawner::new()
            .context(|| "starting the thread that starts the lab's programs".to_owned())?;
        let node = |name: &str, last: u8| {
            Host::new(
                name,
                IpAddr::V4(Ipv4Addr::new(192, 168, 77, last)),
                self.quiet,
                &spawner,
            )
        };
        let nodes = [node("node1", 1)?, node("node2", 2)?];
        overlay::connect_nodes(&nodes, self.quiet)?;
        let scratch = Scratch::new()?;
        if self.wireguard {
            wireguard::connect(&nodes, overlay::WIRE_MTU, &scratch)?;
        }
        let mut keys = None;
        if !encrypted.is_empty() {
            let ring = KeyRing::random(self.cipher)?;
            esp::encrypt(&nodes[0], nodes[1].address(), &ring, &encrypted)?;
            esp::encrypt(&nodes[1], nodes[0].address(), &ring, &encrypted)?;
            keys = Some(Mutex::new(ring));
        }
        let overlays = plans
            .iter()
            .map(|plan| Overlay::new(plan, &nodes, self.quiet, &spawner))
            .collect::<Result<Vec<_>>>()?;
        Ok(Lab {
            redis: None,
            web: None,
            published: None,
            gateway: None,
            nodes,
            overlays,
            keys,
            scratch,
            quiet: self.quiet,
            program: self.program,
        })
    }

    /// The networks with their containers and addresses: 10.0.1.0/24, 10.0.2.0/24 and so on.
    fn plans(&self) -> Result<Vec<Plan>> {
        let container = |name: &str, node, subnet, last| ContainerPlan {
            name: name.to_owned(),
            node,
            address: Ipv4Addr::new(10, 0, subnet, last),
        };
        let carrier = |encrypted| match (encrypted, self.wireguard) {
            (true, _) => Carrier::VxlanEsp(self.cipher.sizes()),
            (false, true) => Carrier::VxlanWireGuard {
                device_mtu: Carrier::wireguard_mtu(overlay::WIRE_MTU),
            },
            (false, false) => Carrier::Vxlan,
        };
        if self.wireguard
            && (self.encrypted || self.others.iter().any(|(_, _, encrypted)| *encrypted))
        {
            return Err(Error::Usage(
                "a lab encrypts by ESP or by WireGuard, not by both".to_owned(),
            ));
        }
        let mut plans = vec![Plan {
            name: NETWORK.to_owned(),
            vni: self.vni,
            carrier: carrier(self.encrypted),
            containers: vec![
                container(REDIS, 1, 1, 3),
                container(WEB, 0, 1, 7),
                container(CLIENT, 1, 1, 9),
            ],
        }];
        for (subnet, (name, vni, encrypted)) in (2..).zip(&self.others) {
            let subnet = u8::try_from(subnet)
                .map_err(|_| Error::Usage("a lab has at most 254 overlays".to_owned()))?;
            plans.push(Plan {
                name: name.clone(),
                vni: *vni,
                carrier: carrier(*encrypted),
                containers: vec![
                    container(&format!("{name}.1"), 0, subnet, 3),
                    container(&format!("{name}.2"), 1, subnet, 4),
                ],
            });
        }
        for (index, plan) in plans.iter().enumerate() {
            if plan.vni > VNI_MAX {
                return Err(Error::Usage(format!(
                    "VNI {} is out of range: a VNI has 24 bits, so the largest is {VNI_MAX}",
                    plan.vni
                )));
            }
            if plans[..index]
                .iter()
                .any(|other| other.vni == plan.vni || other.name == plan.name)
            {
                return Err(Error::Usage(format!(
                    "two overlays cannot share a name or a VNI: {} ({})",
                    plan.name, plan.vni
                )));
            }
        }
        Ok(plans)
    }
}

/// A running lab. The kernel removes all of it when it is dropped, or when this process ends in any way.
#[derive(Debug)]
pub struct Lab {
    // The processes come first: fields are dropped in order, and a process must end before its host does.
    redis: Option<Process>,
    web: Option<Process>,
    published: Option<(Publish, Process)>,
    /// Address of the web app's container on the link to its node, once that link exists.
    gateway: Option<Ipv4Addr>,
    nodes: [Host; 2],
    overlays: Vec<Overlay>,
    /// ESP keys, if a network is encrypted.
    keys: Option<Mutex<KeyRing>>,
    scratch: Scratch,
    quiet: bool,
    program: Option<PathBuf>,
}

impl Lab {
    /// Settings of a lab with only `app1-network`: VNI 4096, not encrypted, not quiet.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            encrypted: false,
            cipher: Cipher::AesGcm128,
            wireguard: false,
            vni: FIRST_VNI,
            quiet: false,
            others: Vec::new(),
            program: None,
        }
    }

    /// The node at 192.168.77.1, with the web app's container.
    #[must_use]
    pub fn node1(&self) -> &Host {
        &self.nodes[0]
    }

    /// The node at 192.168.77.2, with the containers of Redis and the client.
    #[must_use]
    pub fn node2(&self) -> &Host {
        &self.nodes[1]
    }

    /// A container by its name.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is none.
    pub fn container(&self, name: &str) -> Result<&Host> {
        let mut containers = self.overlays.iter().flat_map(Overlay::containers);
        containers
            .find(|host| host.name() == name)
            .ok_or_else(|| Error::Usage(format!("the lab has no container {name}")))
    }

    /// The overlay networks, `app1-network` first.
    #[must_use]
    pub fn overlays(&self) -> &[Overlay] {
        &self.overlays
    }

    /// Every namespace of the lab: nodes, sandboxes, containers.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        let inside = self
            .overlays
            .iter()
            .flat_map(|overlay| overlay.sandboxes().iter().chain(overlay.containers()));
        self.nodes.iter().chain(inside)
    }

    /// Rotates the keys of encrypted networks once, on both nodes, as Docker does every 12 hours. No packet is
    /// lost. Takes half a second.
    ///
    /// # Errors
    /// [`Error::Usage`] when no network is encrypted, or the command that failed.
    pub fn rotate_keys(&self) -> Result<()> {
        match &self.keys {
            Some(keys) => {
                let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
                esp::rotate(&self.nodes, &mut keys)
            }
            None => Err(Error::Usage(
                "no network of the lab is encrypted".to_owned(),
            )),
        }
    }

    /// Starts `redis-server` in the container `app1-redis` (10.0.1.3:6379). It keeps its data in memory.
    ///
    /// # Errors
    /// [`Error::MissingProgram`], or [`Error::Service`] when it does not start.
    pub fn start_redis(&mut self) -> Result<()> {
        self.redis = Some(redis::start(self.container(REDIS)?, &self.scratch)?);
        Ok(())
    }

    /// Starts the web app in the container `app1-web` (10.0.1.7:80). For each `GET /` it counts the client in
    /// Redis (`HINCRBY ip CLIENT 1`), reads all counts (`HGETALL ip`) and shows them on a page.
    ///
    /// # Errors
    /// [`Error::Usage`] when the program `overlay-lab` is not found, [`Error::Service`] when it does not start.
    pub fn start_web(&mut self) -> Result<()> {
        let redis = SocketAddr::new(self.container(REDIS)?.address(), redis::PORT);
        self.web = Some(web::start(
            self.container(WEB)?,
            redis,
            self.program.as_deref(),
            &self.scratch,
        )?);
        Ok(())
    }

    /// Starts the servers of the benchmark on a host, in plain or with TLS: Redis at port 6379, and
    /// nginx with a page of 1 KiB at port 80 or 443. They run until the processes are dropped.
    ///
    /// # Errors
    /// [`Error::MissingProgram`], or [`Error::Service`] when one does not start.
    pub fn start_benchmark_servers(&self, host: &Host, tls: bool) -> Result<[Process; 2]> {
        benchmark_servers::start(host, tls, &self.scratch)
    }

    /// Publishes the web app on node1's address on the wire, in place of what was published before. The
    /// connection from node1 to the container does not cross the wire.
    ///
    /// # Errors
    /// [`Error::MissingProgram`], or [`Error::Service`] when nginx does not start.
    pub fn publish(&mut self, how: Publish) -> Result<()> {
        self.published = None;
        let target = match self.gateway {
            Some(target) => target,
            None => overlay::gateway(self.node1(), self.container(WEB)?, self.quiet)?,
        };
        self.gateway = Some(target);
        let nginx = published_port::start(self.node1(), how, target, &self.scratch)?;
        self.published = Some((how, nginx));
        Ok(())
    }

    /// How the web app is published now; `None` when it is not.
    #[must_use]
    pub fn published(&self) -> Option<Publish> {
        self.published.as_ref().map(|(how, _)| *how)
    }

    /// Sends `GET http://host01/` from the client's container to the web app's, through the overlay, `times`
    /// times, each on a connection of its own.
    ///
    /// # Errors
    /// [`Error::Command`] when there is no response.
    pub fn http_get(&self, times: usize) -> Result<Vec<Page>> {
        let (client, web) = (self.container(CLIENT)?, self.container(WEB)?);
        http_client::get(client, "http", web.address(), web::PORT, times)
    }

    /// Sends `GET http://host01/` (or `https`) from node2's own address to the published port on node1, `times`
    /// times, each on a connection of its own.
    ///
    /// # Errors
    /// [`Error::Usage`] when nothing is published, [`Error::Command`] when there is no response.
    pub fn http_get_published(&self, times: usize) -> Result<Vec<Page>> {
        let how = self
            .published()
            .ok_or_else(|| Error::Usage("no port is published".to_owned()))?;
        let address = self.node1().address();
        http_client::get(self.node2(), how.scheme(), address, how.port(), times)
    }
}
