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
//! The kernel makes the packets; Redis and nginx are the distribution's programs. No namespace has a name and no
//! file is on the disk: when the process that holds a [`Lab`] ends, even by `kill -9`, the kernel removes all
//! of it.
//!
//! | file or folder | what |
//! | --- | --- |
//! | `lab.rs` | [`Lab`] and its [`Builder`]: which host is where and what runs on it |
//! | `half.rs` | [`Half`]: one node, whose other one is on another machine |
//! | `overlay.rs` | the wire, and overlay networks |
//! | `esp.rs`, `cipher.rs`, `wireguard.rs` | their encryption: ESP as Docker sets it up, also with other algorithms; WireGuard |
//! | `app/` | Redis, the web app, its published port, the HTTP client |
//! | `lab_host.rs`, `netns.rs`, `device.rs`, `process.rs`, `scratch.rs`, `tools.rs` | one host: its namespace, devices, programs and files |
//! | [`recording`] | traffic of real servers as test fixtures |
//! | `cli.rs`, `cli/` | the program `overlay-lab`: `demo`, `bench`, `record`, `up` |
//!
//! Used by the tests of the workspace (as a library) and by `cargo xtask demo`, `bench` and `record` (as a program).

mod app;
mod cipher;
mod device;
mod error;
mod esp;
mod half;
mod lab;
mod lab_host;
mod netns;
mod overlay;
mod process;
mod scratch;
mod tools;
mod wireguard;

pub mod recording;

pub use app::http_client::Page;
pub use app::published_port::Publish;
pub use app::web_server::serve as serve_web;
pub use cipher::Cipher;
pub use device::DeviceStats;
pub use error::{Error, Result};
pub use esp::{Association, MARK};
pub use half::{Crossing, Half, HalfPlan, Mac, NodeAddress, Via};
pub use lab::{Builder, CLIENT, Lab, NETWORK, REDIS, WEB};
pub use lab_host::Host;
pub use overlay::{Overlay, WIRE_MTU};
pub use process::Process;
pub use wireguard::WireGuardKeys;
