//! Copies the committed eBPF object to where the crate embeds it from, and notes the commit.
//!
//! `OVERLAY_MONITOR_BPF` names another object, and `OVERLAY_MONITOR_REVISION` the commit, for packagers who build their own.

use std::path::PathBuf;
use std::{env, fs, process};

/// As `cargo xtask bpf` writes it.
const COMMITTED: &str = "bpf/overlay-monitor.bpf.o";

fn main() {
    println!("cargo::rustc-env=OVERLAY_REVISION={}", revision());
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

/// The first digits of the commit that is checked out; `unknown` outside a repository, and in builds that are not optimised. Read from its files: Git may not be
/// installed.
fn revision() -> String {
    const VARIABLE: &str = "OVERLAY_MONITOR_REVISION";
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    // Else each commit would have all that is under development built again.
    if env::var("PROFILE").as_deref() != Ok("release") {
        return "unknown".to_owned();
    }
    let named = env::var(VARIABLE).ok().or_else(checked_out);
    let digits: String = named.unwrap_or_default().chars().take(12).collect();
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return "unknown".to_owned();
    }
    digits
}

fn checked_out() -> Option<String> {
    let read = |path: &PathBuf| {
        println!("cargo::rerun-if-changed={}", path.display());
        fs::read_to_string(path).ok()
    };
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let mut folder = package.parent()?.join(".git");
    // A work tree of its own is named by a file, and shares the branches.
    if let Ok(other) = fs::read_to_string(&folder) {
        folder = PathBuf::from(other.trim().strip_prefix("gitdir: ")?);
    }
    let shared = fs::read_to_string(folder.join("commondir")).ok();
    let shared = shared.map_or_else(|| folder.clone(), |path| folder.join(path.trim()));
    let head = read(&folder.join("HEAD"))?;
    let Some(branch) = head.trim().strip_prefix("ref: ") else {
        return Some(head);
    };
    if let Some(commit) = read(&shared.join(branch)) {
        return Some(commit);
    }
    let packed = read(&shared.join("packed-refs"))?;
    let line = packed.lines().find(|line| line.ends_with(branch))?;
    Some(line.split(' ').next()?.to_owned())
}
