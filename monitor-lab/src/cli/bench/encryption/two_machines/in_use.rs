//! Whether a device or an association of this machine has the VNI or one of the SPIs already: nothing is started then.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use monitor_lab::Host;
use serde_json::Value;

/// Network namespaces that are looked at, at most.
const NAMESPACES: usize = 4096;

/// Refuses a VNI that a device of VXLAN has and SPIs that an association has, in any network namespace.
pub(super) fn refuse(machine: &Host, vni: u32, spis: &[u32]) -> anyhow::Result<()> {
    for path in namespaces() {
        // It may have gone meanwhile.
        let Ok(host) = machine.in_namespace(&path) else {
            continue;
        };
        let Ok(links) = host.run(
            "ip",
            &["-details", "-json", "link", "show", "type", "vxlan"],
        ) else {
            continue;
        };
        if let Some(device) = device_with(&links, vni) {
            bail!(
                "VNI {vni} is in use on this machine: device {device} in the network namespace {}; choose another by \
                 --vni of the listener",
                path.display()
            );
        }
        // A kernel without XFRM has no association.
        let states = host.run("ip", &["xfrm", "state"]).unwrap_or_default();
        if let Some(spi) = spis.iter().find(|spi| has_spi(&states, **spi)) {
            bail!(
                "SPI {spi:#x} is in use on this machine, in the network namespace {}; choose others by --spi of the \
                 listener",
                path.display()
            );
        }
    }
    Ok(())
}

/// A path for each network namespace that a process is in or has open, or that is mounted: Docker's are.
fn namespaces() -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("/proc/self/ns/net")];
    let entries = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten();
    for process in entries(PathBuf::from("/proc")) {
        let is_process =
            |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        if !is_process(&process.file_name()) {
            continue;
        }
        paths.push(process.path().join("ns/net"));
        let open = entries(process.path().join("fd")).map(|entry| entry.path());
        paths.extend(open.filter(|path| is_namespace(path)));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    paths.extend(mounted(&mounts).map(PathBuf::from));
    let mut seen = HashSet::new();
    paths.retain(|path| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).is_ok_and(|file| seen.insert(file.ino()))
    });
    paths.truncate(NAMESPACES);
    paths
}

fn is_namespace(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|to| to.as_os_str().as_encoded_bytes().starts_with(b"net:["))
}

/// Mount points of network namespaces (proc(5)): the fourth field is `net:[…]`, the fifth the place.
fn mounted(mountinfo: &str) -> impl Iterator<Item = &str> {
    mountinfo.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let root = fields.next()?;
        root.starts_with("net:[").then(|| fields.next()).flatten()
    })
}

/// The name of a device with this VNI, in what `ip -details -json link` prints.
fn device_with(links: &str, vni: u32) -> Option<String> {
    let links: Vec<Value> = serde_json::from_str(links).ok()?;
    let device = links
        .iter()
        .find(|link| link["linkinfo"]["info_data"]["id"] == vni)?;
    Some(device["ifname"].as_str().unwrap_or("?").to_owned())
}

/// Whether an association in the output of `ip xfrm state` has this SPI.
fn has_spi(states: &str, spi: u32) -> bool {
    let mut words = states.split_whitespace();
    while let Some(word) = words.next() {
        if word == "spi" {
            let digits = words.next().and_then(|word| word.strip_prefix("0x"));
            if digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) == Some(spi) {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vnis_and_spis_are_read_from_what_ip_prints() {
        let links = r#"[{"ifname":"vxlan0","linkinfo":{"info_kind":"vxlan","info_data":{"id":4096,"port":4789}}},
            {"ifname":"other","linkinfo":{"info_data":{"id":7}}}]"#;
        assert_eq!(device_with(links, 4096).as_deref(), Some("vxlan0"));
        assert_eq!(device_with(links, 4097), None);
        assert_eq!(device_with("", 4096), None);
        let states = "src 192.0.2.1 dst 192.0.2.2\n\tproto esp spi 0x0be7c001 reqid 13681891 mode transport\n";
        assert!(has_spi(states, 0x0be7_c001) && !has_spi(states, 0x0be7_c002));
    }

    #[test]
    fn mounted_namespaces_are_found() {
        let mounts = "1 2 0:4 net:[4026532000] /run/docker/netns/1-abc rw shared:1 - nsfs nsfs rw\n\
            3 2 0:4 / /proc rw - proc proc rw\n";
        assert_eq!(
            mounted(mounts).collect::<Vec<_>>(),
            ["/run/docker/netns/1-abc"]
        );
    }
}
