//! What the agent gets to see: which programs are where they were put, which are not, and who comes before.

use monitor_common::label::Direction;

use super::{Agent, Watched};
use crate::base::interface::Interface;
use crate::host::interface::Link;
use crate::kernel::attach::HookPosition;
use crate::traffic::counted::HookState;

impl Agent {
    /// Drops programs that were detached, and says which others come before ours.
    pub(super) fn check_sight(&mut self, links: &[Link]) {
        for (index, watched) in &mut self.watched {
            let name = watched.interface.name.clone();
            let link = links.iter().find(|link| link.index == *index);
            let xdp = link.and_then(|link| link.xdp);
            for (direction, place) in watched.places_mut() {
                let Some(attachment) = &place.attachment else {
                    continue;
                };
                let direction = direction.label();
                match attachment.position(xdp) {
                    Ok(HookPosition::First) => place.behind = None,
                    Ok(HookPosition::Behind(others)) => {
                        if place.behind.as_ref() != Some(&others) {
                            tracing::warn!(
                                "{name}: {others} come before ours ({direction}): what they drop or redirect is not counted"
                            );
                        }
                        place.behind = Some(others);
                    }
                    Ok(HookPosition::Lost) => {
                        tracing::warn!(
                            "{name}: our program ({direction}, {}) was detached, and not by us",
                            attachment.hook
                        );
                        place.attachment = None;
                        self.lost += 1;
                    }
                    Err(error) => tracing::debug!("{name}: cannot ask for our program: {error}"),
                }
            }
        }
    }

    pub(super) fn attach_again(&mut self) {
        let blind: Vec<Interface> = self
            .watched
            .values()
            .filter(|watched| {
                watched
                    .places()
                    .iter()
                    .any(|(_, at)| at.attachment.is_none())
            })
            .map(|watched| watched.interface.clone())
            .collect();
        for interface in blind {
            let result = self.watch(&interface);
            let hooks = self.hooks_of(interface.index);
            let Some(watched) = self.watched.get_mut(&interface.index) else {
                continue;
            };
            match result {
                Ok(()) => tracing::info!("{}: attached again: {hooks}", interface.name),
                Err(failure) => {
                    let trouble = failure.to_string();
                    if watched.rx.trouble.as_ref() != Some(&trouble) {
                        tracing::error!("{}: cannot be watched: {trouble}", interface.name);
                    }
                    watched.rx.trouble = Some(trouble);
                }
            }
        }
    }

    /// Both directions of every interface that is wanted.
    pub(super) fn hooks(&self) -> Vec<HookState> {
        let mut hooks = Vec::new();
        for watched in self.watched.values() {
            for (direction, place) in watched.places() {
                hooks.push(HookState {
                    interface: watched.interface.name.clone(),
                    direction,
                    hook: place.attachment.as_ref().map(|at| at.hook),
                    first: place.behind.is_none(),
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
        // One row for each: an interface may bear the name that another one is missed under.
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

    /// What should be watched and is not, a phrase each. Empty if all is well.
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
        blind
    }

    /// One line that says what is attached where.
    #[must_use]
    pub fn describe(&self) -> String {
        let hooks: Vec<String> = self
            .watched
            .keys()
            .map(|index| self.hooks_of(*index))
            .collect();
        if hooks.is_empty() {
            return "nothing yet".to_owned();
        }
        hooks.join(", ")
    }

    pub(super) fn hooks_of(&self, index: u32) -> String {
        let places = self.watched.get(&index).map(Watched::places);
        let hooks: Vec<String> = places
            .into_iter()
            .flatten()
            .filter_map(|(direction, place)| {
                let at = place.attachment.as_ref()?;
                Some(format!(
                    "{} {} ({})",
                    at.interface.name,
                    direction.label(),
                    at.hook
                ))
            })
            .collect();
        hooks.join(", ")
    }
}
