//! The kernel programs and their maps, as typed functions: load, attach, count, sample. No other folder knows the names
//! of programs and maps.
//!
//! It imports `base` and `monitor-common`; it does not know `host`. The agent drives it, `check` and `detach` call
//! parts of it, and `policy` and the surfaces use its data types.

pub mod attach;
pub mod bpf;
mod btf;
mod constants;
mod count_tables;
mod counts;
mod cpu_clock;
mod esp_attach;
mod esp_plan;
mod esp_timer;
mod flows;
mod grace;
mod handed_maps;
mod interface_rows;
mod known_rows;
mod load_errors;
mod options;
mod packet_timer;
mod peers;
mod program_runs;
mod programs;
pub mod ring;
mod rows;
mod size;
mod slots;
mod table;

pub use count_tables::Reading;
pub use counts::Counts;
pub use esp_plan::Attribution;
pub use esp_timer::EspTimer;
pub use flows::Flows;
pub use handed_maps::PastMaps;
pub use options::{Caps, LoadOptions};
pub use packet_timer::{PacketTimer, PacketTiming};
pub use peers::Peers;
pub use program_runs::{ProgramRuns, measure as measure_programs};
pub use programs::{Entry, Kernel};
pub use size::{MapSizes, MapUse};
pub use slots::SlotKey;
