//! Puts the eBPF object, which another compiler makes, where the crate embeds it from.
//!
//! `OVERLAY_MONITOR_BPF` names another object, for packagers who build it elsewhere.

use std::path::PathBuf;
use std::{env, fs, process};

fn main() {
    println!("cargo::rerun-if-env-changed=OVERLAY_MONITOR_BPF");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let object = env::var_os("OVERLAY_MONITOR_BPF").map_or_else(
        || root.join("../target/bpf/overlay-monitor.bpf.o"),
        PathBuf::from,
    );
    println!("cargo::rerun-if-changed={}", object.display());
    let to =
        PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("overlay-monitor.bpf.o");
    if let Err(error) = fs::copy(&object, &to) {
        println!(
            "cargo::error=no eBPF object to embed: {}: {error}. Run `cargo xtask build`, which makes it (and \
             installs what that takes), or set OVERLAY_MONITOR_BPF to one built elsewhere.",
            object.display()
        );
        process::exit(1);
    }
}
