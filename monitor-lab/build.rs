//! Puts the empty eBPF programs of the benchmark where the binary embeds them from.

use std::path::PathBuf;
use std::{env, fs, process};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let object = root.join("../target/bpf/overlay-bench.bpf.o");
    println!("cargo::rerun-if-changed={}", object.display());
    let to = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("overlay-bench.bpf.o");
    if let Err(error) = fs::copy(&object, &to) {
        println!(
            "cargo::error=no eBPF object for the benchmark: {}: {error}. Run `cargo xtask build`, which makes it",
            object.display()
        );
        process::exit(1);
    }
}
