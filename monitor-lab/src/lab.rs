//! The lab as a whole: two nodes, a wire, overlay networks, services.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::error::{Context, Error, Result};
use crate::esp::{self, KeyRing};
use crate::host::Host;
use crate::overlay::{self, ContainerPlan, Overlay, Plan};
use crate::process::Spawner;
use crate::scratch::Scratch;
use crate::service::Services;
use crate::tools;

/// Name of the application's network.
pub const NETWORK: &str = "app1-network";
/// Container with the web app, on node1.
pub const WEB: &str = "app1-web";
/// Container with Redis, on node2.
pub const REDIS: &str = "app1-redis";
/// Container with the HTTP client, on node2.
pub const CLIENT: &str = "app1-client";
/// First VNI that Docker hands out.
const FIRST_VNI: u32 = 4096;
/// Largest VNI: 24 bits.
const LAST_VNI: u32 = (1 << 24) - 1;

/// What a lab shall be. Made by [`Lab::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    encrypted: bool,
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

    /// VNI of `app1-network`. Default: 4096.
    #[must_use]
    pub fn vni(mut self, vni: u32) -> Self {
        self.vni = vni;
        self
    }

    /// Lets nothing on the wire but what is sent on purpose, and every packet alone: GRO, GSO and TSO off,
    /// neighbours and forwarding tables static, no IPv6. The devices' counters are then those of the
    /// traffic, to the packet. Default: no.
    #[must_use]
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// One more overlay network, with a container `NAME.1` on node1 and `NAME.2` on node2.
    #[must_use]
    pub fn overlay(mut self, name: &str, vni: u32, encrypted: bool) -> Self {
        self.others.push((name.to_owned(), vni, encrypted));
        self
    }

    /// Where the program `overlay-lab` lies, whose web app [`Lab::start_web`] starts. Default: this very
    /// program, or a neighbour of it.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Sets the lab up: about 0.1 s, no service started.
    ///
    /// # Errors
    /// [`Error::NotRoot`], [`Error::MissingProgram`], [`Error::NoEsp`] (when anything shall be encrypted),
    /// or what failed. Nothing is left behind then.
    pub fn build(self) -> Result<Lab> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        let plans = self.plans()?;
        let encrypted: Vec<u32> = plans
            .iter()
            .filter(|plan| plan.encrypted)
            .map(|plan| plan.vni)
            .collect();
        tools::require(&["ip", "bridge"])?;
        if !encrypted.is_empty() {
            tools::require(&["nft"])?;
        }
        let spawner = Spawner::new().context(|| "starting the lab's spawner thread".to_owned())?;
        let node = |name: &str, last: u8| {
            Host::new(
                name,
                IpAddr::V4(Ipv4Addr::new(192, 168, 77, last)),
                self.quiet,
                &spawner,
            )
        };
        let nodes = [node("node1", 1)?, node("node2", 2)?];
        let mtu = overlay::wire(&nodes, self.quiet)?;
        let mut keys = None;
        if !encrypted.is_empty() {
            let ring = KeyRing::random()?;
            esp::encrypt(&nodes[0], nodes[1].address(), &ring, &encrypted)?;
            esp::encrypt(&nodes[1], nodes[0].address(), &ring, &encrypted)?;
            keys = Some(Mutex::new(ring));
        }
        let overlays = plans
            .iter()
            .map(|plan| Overlay::new(plan, &nodes, mtu, self.quiet, &spawner))
            .collect::<Result<Vec<_>>>()?;
        Ok(Lab {
            services: Services::default(),
            nodes,
            overlays,
            keys,
            scratch: Scratch::new()?,
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
        let mut plans = vec![Plan {
            name: NETWORK.to_owned(),
            vni: self.vni,
            encrypted: self.encrypted,
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
                encrypted: *encrypted,
                containers: vec![
                    container(&format!("{name}.1"), 0, subnet, 3),
                    container(&format!("{name}.2"), 1, subnet, 4),
                ],
            });
        }
        for (index, plan) in plans.iter().enumerate() {
            if plan.vni > LAST_VNI {
                return Err(Error::Usage(format!(
                    "{} is no VNI: they end at {LAST_VNI} (24 bits)",
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

/// A running lab. Dropping it, or the end of this process by whatever means, removes all of it.
#[derive(Debug)]
pub struct Lab {
    // First, so that the services end before their hosts do.
    pub(crate) services: Services,
    nodes: [Host; 2],
    overlays: Vec<Overlay>,
    /// Of encrypted networks.
    keys: Option<Mutex<KeyRing>>,
    pub(crate) scratch: Scratch,
    pub(crate) quiet: bool,
    pub(crate) program: Option<PathBuf>,
}

impl Lab {
    /// A plain `app1-network` with VNI 4096, unless told otherwise.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            encrypted: false,
            vni: FIRST_VNI,
            quiet: false,
            others: Vec::new(),
            program: None,
        }
    }

    /// The host at 192.168.77.1, with the web app's container.
    #[must_use]
    pub fn node1(&self) -> &Host {
        &self.nodes[0]
    }

    /// The host at 192.168.77.2, with the containers of Redis and the client.
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

    /// Changes the keys of encrypted networks once, on both nodes, as Docker does every 12 hours. No packet is lost by
    /// it. Takes half a second.
    ///
    /// # Errors
    /// [`Error::Usage`] when nothing is encrypted, or what failed.
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

    /// Every namespace of the lab: nodes, sandboxes, containers.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        let inside = self
            .overlays
            .iter()
            .flat_map(|overlay| overlay.sandboxes().iter().chain(overlay.containers()));
        self.nodes.iter().chain(inside)
    }
}
