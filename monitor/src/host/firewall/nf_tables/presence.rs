//! Whether the kernel has nf_tables now: a question to it would load the module.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::OnceLock;

use crate::base::kernel_config::{Built, Configuration};
use crate::base::procfs::has_module;

/// Where it cannot be found out, it counts as present.
pub(super) fn has_nf_tables() -> bool {
    // It does not change while the kernel runs, and the list of its symbols is long.
    static BUILT_IN: OnceLock<Option<bool>> = OnceLock::new();
    has_module("nf_tables") || BUILT_IN.get_or_init(is_built_in).unwrap_or(true)
}

/// Whether it is part of the kernel: by its configuration, or else by its symbols.
fn is_built_in() -> Option<bool> {
    if let Some(configuration) = Configuration::read() {
        return Some(configuration.option("CONFIG_NF_TABLES") == Built::In);
    }
    let mut symbols = BufReader::new(File::open("/proc/kallsyms").ok()?);
    let mut line = Vec::new();
    while symbols.read_until(b'\n', &mut line).ok()? != 0 {
        if line.trim_ascii_end().ends_with(b" nf_tables_newrule") {
            return Some(true);
        }
        line.clear();
    }
    Some(false)
}
