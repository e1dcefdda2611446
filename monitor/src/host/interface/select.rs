//! Which of the existing interfaces the user selected, and which of those to watch so that no packet counts twice.

use std::collections::BTreeSet;

use super::link_list::{Link, LinkKind};
use super::lookup::{inside, unknown, unwatchable};
use super::pattern::Pattern;
use crate::base::failure::Failure;
use crate::base::interface::Interface;

/// The interfaces that the user selected: every `-i` argument, with what it resolved to last.
#[derive(Clone, Debug)]
pub struct Selection(Vec<Wanted>);

#[derive(Clone, Debug)]
struct Wanted {
    pattern: Pattern,
    /// Indices of the interfaces that it resolved to.
    last: Vec<u32>,
}

/// The interfaces to be watched now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// The interfaces, each once, ordered by index.
    pub interfaces: Vec<Interface>,
    /// What was selected and does not exist: names, or `default`.
    pub missing: Vec<String>,
    /// Log lines for the user, where the selection resolves to something unexpected.
    pub notes: Vec<String>,
    /// The same, where what was selected carries no traffic between nodes.
    pub warnings: Vec<String>,
}

impl Selection {
    /// A selection by these patterns.
    #[must_use]
    pub fn new(patterns: Vec<Pattern>) -> Selection {
        let wanted = patterns.into_iter().map(|pattern| Wanted {
            pattern,
            last: Vec::new(),
        });
        Selection(wanted.collect())
    }

    /// Whether both select by the same arguments.
    #[must_use]
    pub fn is_same(&self, other: &Selection) -> bool {
        let patterns = |selection: &Selection| -> Vec<Pattern> {
            let wanted = selection.0.iter();
            wanted.map(|wanted| wanted.pattern.clone()).collect()
        };
        patterns(self) == patterns(other)
    }

    /// Whether it depends on the default route.
    #[must_use]
    pub fn wants_routes(&self) -> bool {
        self.0
            .iter()
            .any(|wanted| wanted.pattern == Pattern::Default)
    }

    /// Checks that every named interface exists and can be watched. Globs and `default` may match nothing yet.
    ///
    /// # Errors
    /// A usage failure, whose message lists the interfaces that exist.
    pub fn check(&self, links: &[Link]) -> Result<(), Failure> {
        for wanted in &self.0 {
            let Pattern::Name(name) = &wanted.pattern else {
                continue;
            };
            match links.iter().find(|link| link.is_called(name)) {
                None => return Err(unknown(name, links)),
                Some(link) if link.interface().is_none() => return Err(unwatchable(link)),
                Some(link) if link.kind == LinkKind::Overlay => return Err(inside(link, links)),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Resolves the selection against these interfaces. `routes` are the indices of the default route's interfaces.
    pub fn resolve(&mut self, links: &[Link], routes: &[u32]) -> Selected {
        let devices = Devices(links);
        let mut selected = Selected::default();
        let mut chosen = BTreeSet::new();
        for wanted in &mut self.0 {
            wanted.resolve(&devices, routes, &mut selected);
            chosen.extend(wanted.last.iter().copied());
        }
        devices.count_once(&mut chosen, &mut selected.notes);
        selected.interfaces = chosen
            .into_iter()
            .filter_map(|index| devices.get(index)?.interface())
            .collect();
        selected
    }
}

impl Wanted {
    fn resolve(&mut self, devices: &Devices<'_>, routes: &[u32], selected: &mut Selected) {
        let pattern = &self.pattern;
        let mut found: Vec<&Link> = match pattern {
            Pattern::Name(name) => devices
                .0
                .iter()
                .filter(|link| link.is_called(name))
                .collect(),
            Pattern::Glob(glob) => devices.0.iter().filter(|link| glob.selects(link)).collect(),
            Pattern::Default => devices.of_route(routes, &mut selected.notes),
        };
        // A glob selects names. A name or the default route selects an interface, which stays selected when it is
        // renamed, or while there is no default route.
        if found.is_empty() && !matches!(pattern, Pattern::Glob(_)) {
            found = self.last.iter().filter_map(|at| devices.get(*at)).collect();
            // Who watches the interface logs its new name.
            if !found.is_empty() && matches!(pattern, Pattern::Default) {
                let names = names(&found);
                let note = format!("the default route is gone; still watching {names}");
                selected.notes.push(note);
            }
        }
        if let (Some(link), Pattern::Name(_)) = (found.first(), pattern)
            && link.interface().is_none()
        {
            selected.notes.push(format!("{:#}", unwatchable(link)));
        }
        found.retain(|link| link.interface().is_some());
        if let (Some(link), Pattern::Name(_)) = (found.first(), pattern)
            && link.is_loopback()
        {
            selected
                .warnings
                .push(devices.not_between_nodes(link, routes));
        }
        if found.is_empty() {
            match pattern {
                Pattern::Glob(_) => selected.notes.push(format!(
                    "no interface matches {pattern} now; waiting for one"
                )),
                Pattern::Default => {
                    selected.missing.push("default".to_owned());
                    selected
                        .notes
                        .push("there is no default route now; waiting for one".to_owned());
                }
                Pattern::Name(name) => selected.missing.push(name.clone()),
            }
        }
        self.last = found.iter().map(|link| link.index).collect();
    }
}

/// All interfaces, to follow how they are stacked.
struct Devices<'a>(&'a [Link]);

impl<'a> Devices<'a> {
    fn get(&self, index: u32) -> Option<&'a Link> {
        self.0.iter().find(|link| link.index == index)
    }

    fn members(&self, of: &Link) -> Vec<&'a Link> {
        let member = |link: &&Link| link.master == Some(of.index);
        self.0.iter().filter(member).collect()
    }

    /// The devices that carry a device's packets from and to the wire. Empty for a device at the wire itself.
    fn lower(&self, of: &Link) -> Vec<&'a Link> {
        match of.kind {
            LinkKind::Vlan | LinkKind::Macvlan => {
                of.lower.and_then(|at| self.get(at)).into_iter().collect()
            }
            LinkKind::Bond | LinkKind::Vrf => self.members(of),
            LinkKind::Bridge => {
                let all = self.members(of);
                // The other ports connect containers and virtual machines.
                let uplinks: Vec<_> = all
                    .iter()
                    .copied()
                    .filter(|link| {
                        matches!(
                            link.kind,
                            LinkKind::Device | LinkKind::Vlan | LinkKind::Macvlan | LinkKind::Bond
                        )
                    })
                    .collect();
                match (uplinks.is_empty(), all.len()) {
                    (true, 1) => all,
                    _ => uplinks,
                }
            }
            LinkKind::Device
            | LinkKind::Veth
            | LinkKind::Overlay
            | LinkKind::Tun
            | LinkKind::Other => Vec::new(),
        }
    }

    /// All devices below a device, at any depth: its packets may cross them too.
    fn beneath(&self, of: &Link) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut next = vec![of];
        while let Some(link) = next.pop() {
            let mut below = self.lower(link);
            if link.kind == LinkKind::Bridge {
                below.extend(self.members(link));
            }
            next.extend(below.into_iter().filter(|link| found.insert(link.index)));
        }
        found
    }

    /// The devices at the wire below a device; the device itself, if nothing is below it.
    fn wires(&self, of: &'a Link) -> Vec<&'a Link> {
        let mut wires = Vec::new();
        let mut seen = BTreeSet::from([of.index]);
        let mut next = vec![of];
        while let Some(link) = next.pop() {
            let mut below = self.lower(link);
            if below.is_empty() {
                wires.push(link);
            }
            below.retain(|link| seen.insert(link.index));
            next.extend(below);
        }
        wires.sort_unstable_by_key(|link| link.index);
        wires
    }

    /// The warning for a loopback interface.
    fn not_between_nodes(&self, link: &Link, routes: &[u32]) -> String {
        let wires: Vec<&Link> = match self.of_route(routes, &mut Vec::new()) {
            wires if wires.is_empty() => self.hardware(),
            wires => wires,
        };
        let others = match wires.is_empty() {
            true => "that between the nodes".to_owned(),
            false => names(&wires),
        };
        format!(
            "{} carries what this host sends to itself, and nothing between nodes; watch {others} instead",
            link.name
        )
    }

    /// Network cards, and what stands for one in a container.
    fn hardware(&self) -> Vec<&'a Link> {
        let is_card = |link: &&Link| {
            matches!(link.kind, LinkKind::Device | LinkKind::Veth) && !link.is_loopback()
        };
        self.0.iter().filter(is_card).collect()
    }

    /// The devices at the wire of the default route.
    fn of_route(&self, routes: &[u32], notes: &mut Vec<String>) -> Vec<&'a Link> {
        let mut found = Vec::new();
        for link in routes.iter().filter_map(|at| self.get(*at)) {
            let wires = self.wires(link);
            if wires != [link] {
                notes.push(format!(
                    "the default route uses {} ({}); watching {} below it",
                    link.name,
                    link.kind,
                    names(&wires)
                ));
            }
            found.extend(wires);
        }
        found
    }

    /// Removes devices whose packets would be counted again on another chosen device below, and adds the devices that
    /// carry the rest of their packets.
    fn count_once(&self, chosen: &mut BTreeSet<u32>, notes: &mut Vec<String>) {
        for index in chosen.clone() {
            let Some(link) = self.get(index) else {
                continue;
            };
            let beneath = self.beneath(link);
            if beneath.is_disjoint(chosen) {
                continue;
            }
            let mut next = vec![link];
            let mut seen = BTreeSet::from([index]);
            let mut added = Vec::new();
            while let Some(at) = next.pop() {
                for below in self.lower(at) {
                    if chosen.contains(&below.index) || !seen.insert(below.index) {
                        continue;
                    }
                    if self.beneath(below).is_disjoint(chosen) {
                        added.push(below);
                    } else {
                        next.push(below);
                    }
                }
            }
            chosen.remove(&index);
            chosen.extend(added.iter().map(|link| link.index));
            let instead: Vec<&Link> = chosen
                .iter()
                .filter(|at| beneath.contains(at))
                .filter_map(|at| self.get(*at))
                .collect();
            notes.push(format!(
                "{} ({}) is not watched itself; its packets are counted on {} below it",
                link.name,
                link.kind,
                names(&instead)
            ));
        }
    }
}

fn names(links: &[&Link]) -> String {
    let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
