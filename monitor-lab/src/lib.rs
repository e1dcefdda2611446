//! Hosts in network namespaces joined by VXLAN, plain or ESP, with real traffic.
//!
//! ```text
//!            node1  192.168.77.1                         node2  192.168.77.2
//!   ┌──────────────────────────────────┐      ┌──────────────────────────────────┐
//!   │ nginx :80/:443 (published port)  │      │  app1-redis      app1-client     │
//!   │    │ eth1                        │      │  10.0.1.3        10.0.1.9        │
//!   │ app1-web 10.0.1.7                │      │  eth0│               │eth0       │
//!   │  eth0│                           │      │      └──── br0 ──────┘           │
//!   │     br0 ── vxlan0 (VNI 4096)     │      │             │ vxlan0 (VNI 4096)  │
//!   │              ┊ UDP 4789, or ESP  │      │             ┊ UDP 4789, or ESP   │
//!   └─────────────eth0─────────────────┘      └────────────eth0──────────────────┘
//!                  └───────────── the wire (veth) ──────────┘
//! ```
//!
//! The packets are the kernel's own, Redis and nginx the distribution's. Nothing has a name or lies on the
//! disk: when the process that holds a [`Lab`] ends, even by `kill -9`, the kernel removes all of it.

mod device;
mod error;
mod esp;
mod host;
mod lab;
mod netns;
mod overlay;
mod process;
mod scratch;
mod service;
mod tools;

pub mod record;
pub mod web;

pub use device::DeviceStats;
pub use error::{Error, Result};
pub use esp::MARK;
pub use host::Host;
pub use lab::{Builder, CLIENT, Lab, NETWORK, REDIS, WEB};
pub use overlay::Overlay;
pub use process::Process;
pub use service::{Page, Publish};
