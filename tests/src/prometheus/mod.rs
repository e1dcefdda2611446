//! A real Prometheus and Alertmanager beside real agents, and what arrives there when an accident is made.

mod accident;
pub mod nodes;
mod page;
mod scaled;
mod watch;

pub use accident::{Accident, Alert, Proven};
pub use page::write_section;
pub use scaled::{SCALE, alert_names, rules, scaled, scaled_by, scaled_for_slow_scrapes};
pub use watch::{Folder, Start, Watch, ask, query, root, spawn, try_query};
