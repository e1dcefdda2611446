//! Small files below `/proc`.

use std::fs;

/// The trimmed content of a small file; empty if it cannot be read.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Whether a module is loaded, by `/proc/modules`. A module that is built into the kernel is not listed there.
pub(crate) fn has_module(name: &str) -> bool {
    let modules = read("/proc/modules");
    modules
        .lines()
        .any(|line| line.split_whitespace().next() == Some(name))
}
