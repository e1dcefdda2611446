//! Interfaces of this network namespace, over routing netlink: which exist, which of them the user selects, their
//! addresses, the default route, and events when these change.
//!
//! It imports `base`. The agent and `host/facts.rs` call it, and the commands that check what the user named.

mod address;
mod changes;
mod link_list;
mod lookup;
mod pattern;
mod route;
mod select;

pub use address::addresses;
pub(crate) use changes::ChangeEvents;
pub use changes::ChangeSubscription;
pub use link_list::{Link, LinkKind, OverlayDevice, links};
pub use lookup::list;
pub use pattern::Pattern;
pub use route::default_routes;
pub use select::{Selected, Selection};
