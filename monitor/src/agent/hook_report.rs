//! What is attached where, and what is missing: for the snapshot, `/healthz` and the log.

use monitor_common::direction::Direction;

use super::node_agent::Agent;
use super::watched::Watched;
use crate::host::overlay_port::{UnwatchedPort, unwatched_ports};
use crate::traffic::counted::HookState;

impl Agent {
    /// Both directions of every selected interface.
    pub(super) fn hooks(&self) -> Vec<HookState> {
        let mut hooks = Vec::new();
        for watched in self.watched.values() {
            for (direction, slot) in watched.slots() {
                hooks.push(HookState {
                    interface: watched.interface.name.clone(),
                    direction,
                    hook: slot.attachment.as_ref().map(|at| at.hook),
                    first: slot.behind.is_none(),
                });
            }
        }
        let unwatched = self
            .selected
            .interfaces
            .iter()
            .filter(|at| !self.watched.contains_key(&at.index))
            .map(|at| &at.name);
        for name in self.selected.missing.iter().chain(unwatched) {
            for direction in Direction::ALL {
                hooks.push(HookState {
                    interface: name.clone(),
                    direction,
                    hook: None,
                    first: false,
                });
            }
        }
        // One row each: an interface may have the name that another one is missed under.
        hooks.sort_by(|a, b| {
            (&a.interface, a.direction, a.hook.is_none()).cmp(&(
                &b.interface,
                b.direction,
                b.hook.is_none(),
            ))
        });
        hooks.dedup_by(|b, a| (&a.interface, a.direction) == (&b.interface, b.direction));
        hooks
    }

    /// What must be watched and is not, a phrase each. Empty if everything is.
    #[must_use]
    pub fn blind(&self) -> Vec<String> {
        let mut blind: Vec<String> = self
            .selected
            .missing
            .iter()
            .map(|name| match name.as_str() {
                "default" => "no default route".to_owned(),
                name => format!("no interface {name}"),
            })
            .collect();
        for at in self.hooks() {
            if at.hook.is_none() && !self.selected.missing.contains(&at.interface) {
                blind.push(format!(
                    "{} {} not watched",
                    at.interface,
                    at.direction.label()
                ));
            }
        }
        if blind.is_empty() && self.watched.is_empty() {
            blind.push("no interface matches".to_owned());
        }
        blind.extend(self.unwatched_ports().iter().map(ToString::to_string));
        blind
    }

    /// UDP ports of overlays of this host that are not watched.
    pub(super) fn unwatched_ports(&self) -> Vec<UnwatchedPort> {
        let docker = self.docker.as_ref().map(|state| state.borrow());
        unwatched_ports(&self.overlays, docker.as_deref(), &self.udp_ports)
    }

    /// The attached hooks of all interfaces, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        let slots = self.watched.values().flat_map(Watched::slots);
        let hooks: Vec<String> = slots
            .filter_map(|(direction, slot)| {
                let at = slot.attachment.as_ref()?;
                let name = &at.interface.name;
                Some(format!("{name} {} ({})", direction.label(), at.hook))
            })
            .collect();
        if hooks.is_empty() {
            return "no interface yet".to_owned();
        }
        hooks.join(", ")
    }

    /// The attached hooks of an interface.
    pub(super) fn hooks_of(&self, index: u32) -> String {
        let slots = self.watched.get(&index).map(Watched::slots);
        let hooks: Vec<String> = slots
            .into_iter()
            .flatten()
            .filter_map(|(direction, slot)| {
                let at = slot.attachment.as_ref()?;
                Some(format!("{} ({})", direction.label(), at.hook))
            })
            .collect();
        hooks.join(", ")
    }
}
