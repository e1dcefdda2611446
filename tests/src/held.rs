//! The BPF programs, maps and links that a process holds, as the kernel lists its open files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use aya::maps::loaded_maps;
use aya::programs::loaded_programs;

/// What a process holds. Names are cut to 15 bytes, as the kernel cuts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Instructions that the verifier followed in each program, by its name; 0 before Linux 5.16.
    pub programs: BTreeMap<String, u64>,
    /// Most entries of each map, by its name.
    pub maps: BTreeMap<String, u32>,
    /// Types of its links.
    pub links: BTreeSet<String>,
}

impl Held {
    /// What the process of this number holds now; nothing if it has ended.
    #[must_use]
    pub fn by(pid: u32) -> Held {
        let mut held = Held::default();
        let (mut programs, mut maps) = (BTreeMap::new(), BTreeMap::new());
        for info in files(pid) {
            let field = |name: &str| {
                let value = info.lines().find_map(|line| line.strip_prefix(name))?;
                Some(value.trim())
            };
            let number = |name: &str| field(name).map(|value| value.parse::<u64>().unwrap());
            if let Some(kind) = field("link_type:") {
                held.links.insert(kind.to_owned());
            } else if let Some(id) = number("prog_id:") {
                programs.insert(id, number("verified_insns:").unwrap_or(0));
            } else if let Some(id) = number("map_id:") {
                maps.insert(id, number("max_entries:").unwrap());
            }
        }
        for program in loaded_programs().flatten() {
            if let Some(verified) = programs.get(&u64::from(program.id())) {
                let name = program.name_as_str().unwrap().to_owned();
                held.programs.insert(name, *verified);
            }
        }
        for map in loaded_maps().flatten() {
            if let Some(entries) = maps.get(&u64::from(map.id())) {
                let name = map.name_as_str().unwrap().to_owned();
                held.maps.insert(name, u32::try_from(*entries).unwrap());
            }
        }
        held
    }
}

/// What the kernel says of each open file of a process. A file that is closed meanwhile is left out.
pub(crate) fn files(pid: u32) -> Vec<String> {
    let Ok(all) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return Vec::new();
    };
    all.flatten()
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .collect()
}
