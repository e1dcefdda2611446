//! Copies the committed eBPF object to where the crate embeds it from.
//!
//! `OVERLAY_MONITOR_BPF` names another object, for packagers who build their own.

use std::path::PathBuf;
use std::{env, fs, process};

/// As `cargo xtask bpf` writes it.
const COMMITTED: &str = "bpf/overlay-monitor.bpf.o";

fn main() {
    println!("cargo::rerun-if-env-changed=OVERLAY_MONITOR_BPF");
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let object =
        env::var_os("OVERLAY_MONITOR_BPF").map_or_else(|| package.join(COMMITTED), PathBuf::from);
    println!("cargo::rerun-if-changed={}", object.display());
    let to =
        PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("overlay-monitor.bpf.o");
    if let Err(error) = fs::copy(&object, &to) {
        println!(
            "cargo::error=cannot embed {}: {error}. Restore {COMMITTED} from the repository, or set \
             OVERLAY_MONITOR_BPF to an object built elsewhere.",
            object.display()
        );
        process::exit(1);
    }
}
