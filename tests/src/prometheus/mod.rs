//! A real Prometheus and Alertmanager beside real agents, and what arrives there when an accident is made.

mod accident;
mod page;
mod scaled;
mod watch;

pub use accident::{Accident, Alert, Proven};
pub use page::write_section;
pub use scaled::{SCALE, alert_names, rules, scaled};
pub use watch::{Folder, Start, Watch, ask, query, root, spawn};
