//! Small files of the proc file system.

use std::fs;

/// A small file below `/proc` or `/boot`, trimmed; empty where it cannot be read.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Whether a module is loaded. (One that is built in is not.)
pub(crate) fn has_module(name: &str) -> bool {
    let modules = read("/proc/modules");
    modules
        .lines()
        .any(|line| line.split_whitespace().next() == Some(name))
}
