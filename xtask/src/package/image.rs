//! The image: a layout of the Open Container Initiative, made without a daemon. There is no shell in it, and no other file than
//! the program and what is in it. `docker load` takes the same archive, also that of Docker 20.10, by `manifest.json`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::product::{PROGRAM, digest};
use super::tar;
use crate::paths::make_dir;
use crate::proc::say;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// What a flood has taken goes back to the kernel, as in the unit for systemd.
const ENVIRONMENT: [&str; 1] = ["GLIBC_TUNABLES=glibc.malloc.tcache_count=0"];

/// What an image is made from.
pub(super) struct Parts<'a> {
    pub(super) program: &'a Path,
    pub(super) bill: &'a Path,
    pub(super) licences: &'a Path,
    pub(super) version: &'a str,
    pub(super) revision: &'a str,
    /// Time of the commit, in seconds and as text.
    pub(super) seconds: &'a str,
    pub(super) time: &'a str,
}

/// A blob that is written: its type, digest and size.
struct Blob {
    kind: &'static str,
    digest: String,
    size: u64,
}

/// Makes the image in a folder, and packs it into one file.
pub(super) fn make(parts: &Parts<'_>, folder: &Path, to: &Path) -> Result<()> {
    say("making the image");
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let layout = folder.join("layout");
    let blobs = layout.join("blobs/sha256");
    make_dir(&blobs)?;
    let layer = layer(parts, folder)?;
    let layer = store(&blobs, LAYER, &fs::read(layer)?)?;
    let config = store(
        &blobs,
        CONFIG,
        &serde_json::to_vec(&config(parts, &layer.digest))?,
    )?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
        "annotations": labels(parts),
    });
    let manifest = store(&blobs, MANIFEST, &serde_json::to_vec(&manifest)?)?;
    let name = format!("{PROGRAM}:{}", parts.version);
    let mut entry = manifest.descriptor();
    entry["annotations"] = json!({
        "io.containerd.image.name": format!("docker.io/library/{name}"),
        "org.opencontainers.image.ref.name": parts.version,
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    });
    let of_docker = json!([{
        "Config": config.path(),
        "RepoTags": [name],
        "Layers": [layer.path()],
    }]);
    for (file, content) in [
        ("index.json", index),
        ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
        ("manifest.json", of_docker),
    ] {
        fs::write(layout.join(file), serde_json::to_vec(&content)?)?;
    }
    tar::pack(&layout, to, parts.seconds)
}

/// The only layer.
fn layer(parts: &Parts<'_>, folder: &Path) -> Result<PathBuf> {
    let root = folder.join("root");
    let documents = root.join("usr/share/doc").join(PROGRAM);
    for made in [
        root.join("usr/bin"),
        root.join("etc").join(PROGRAM),
        documents.clone(),
    ] {
        make_dir(&made)?;
    }
    let mut files = vec![
        (
            parts.program.to_owned(),
            root.join("usr/bin").join(PROGRAM),
            0o755,
        ),
        (
            parts.bill.to_owned(),
            documents.join("sbom.cdx.json"),
            0o644,
        ),
    ];
    for entry in fs::read_dir(parts.licences)? {
        let entry = entry?;
        files.push((entry.path(), documents.join(entry.file_name()), 0o644));
    }
    for (from, to, mode) in files {
        fs::copy(from, &to)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(mode))?;
    }
    let layer = folder.join("layer.tar");
    tar::pack(&root, &layer, parts.seconds)?;
    Ok(layer)
}

fn config(parts: &Parts<'_>, layer: &str) -> Value {
    let program = format!("/usr/bin/{PROGRAM}");
    json!({
        "created": parts.time,
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": [program],
            "Cmd": ["run"],
            "Env": ENVIRONMENT,
            "ExposedPorts": {"9469/tcp": {}},
            "Labels": labels(parts),
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
        "history": [{"created": parts.time, "created_by": "cargo xtask package"}],
    })
}

fn labels(parts: &Parts<'_>) -> Value {
    json!({
        "org.opencontainers.image.created": parts.time,
        "org.opencontainers.image.description": "Counts overlay traffic, and shows what can be read in plaintext",
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
        "org.opencontainers.image.revision": parts.revision,
        "org.opencontainers.image.title": PROGRAM,
        "org.opencontainers.image.version": parts.version,
    })
}

fn store(blobs: &Path, kind: &'static str, bytes: &[u8]) -> Result<Blob> {
    let digest = digest(bytes);
    fs::write(blobs.join(&digest), bytes)?;
    Ok(Blob {
        kind,
        digest,
        size: bytes.len() as u64,
    })
}

impl Blob {
    fn descriptor(&self) -> Value {
        json!({
            "mediaType": self.kind,
            "digest": format!("sha256:{}", self.digest),
            "size": self.size,
        })
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }
}
