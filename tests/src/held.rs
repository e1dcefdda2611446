//! The BPF programs, maps and links that a process holds, as the kernel lists its open files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use aya::maps::{MapData, loaded_maps};
use aya::programs::{ProgramInfo, loaded_programs};

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

/// Numbers of what a process holds, as `field` has them. All files are read before anything is opened by its number: the kernel lists
/// this folder of `/proc` while it is read, and what this process opens meanwhile could be there twice.
fn numbers(pid: u32, field: &str) -> BTreeSet<u32> {
    let files = files(pid);
    let lines = files.iter().flat_map(|info| info.lines());
    lines
        .filter_map(|line| line.strip_prefix(field))
        .map(|number| number.trim().parse().unwrap())
        .collect()
}

/// The only map of this name, which the kernel has cut to 15 bytes, that a process holds. Other processes may have maps of the same name.
#[must_use]
pub fn map(pid: u32, name: &str) -> MapData {
    let ids = numbers(pid, "map_id:");
    let all = loaded_maps().flatten();
    let mut maps = all.filter(|map| map.name_as_str() == Some(name) && ids.contains(&map.id()));
    let found = maps.next().unwrap();
    assert!(maps.next().is_none(), "one map is called {name}");
    MapData::from_id(found.id()).unwrap()
}

/// The program of this name, which the kernel has cut to 15 bytes, that a process holds: the first that it loaded, where the names of
/// several begin alike.
#[must_use]
pub fn program(pid: u32, name: &str) -> ProgramInfo {
    let ids = numbers(pid, "prog_id:");
    // The kernel lists programs in the order of their numbers.
    let mut programs = loaded_programs()
        .flatten()
        .filter(|program| program.name_as_str() == Some(name) && ids.contains(&program.id()));
    programs.next().unwrap()
}

/// What the kernel says of each open file of a process. A file that is closed meanwhile is left out.
fn files(pid: u32) -> Vec<String> {
    let Ok(all) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return Vec::new();
    };
    all.flatten()
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .collect()
}
