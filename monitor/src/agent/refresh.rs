//! Brings the attached programs up to date with the interfaces of the host.

use std::time::Duration;

use anyhow::anyhow;

use super::node_agent::Agent;
use crate::base::failure::{Failure, FailureKind};
use crate::host::interface::{self, Link, Selection};
use crate::host::overlay_port::unwatched_ports;

/// A program that was detached has finished its last packet after this time.
const AT_REST: Duration = Duration::from_secs(1);

impl Agent {
    /// Attaches to interfaces that appeared and forgets those that vanished. `thoroughly` also checks that the programs are
    /// still attached, attaches again where they are not, and retries what failed.
    ///
    /// # Errors
    /// A runtime failure, if the kernel does not answer. What is attached stays attached.
    pub fn refresh(&mut self, thoroughly: bool) -> Result<(), Failure> {
        let result = self.bring_up_to_date(thoroughly);
        // Also after a failure: what became of rows is exported next.
        self.export_moves();
        result
    }

    /// Watches what another selection selects, from now on. Its default route is followed every few seconds if the first
    /// selection did not depend on one.
    ///
    /// # Errors
    /// See [`Agent::refresh`].
    pub fn select(&mut self, selection: Selection) -> Result<(), Failure> {
        if self.selection.is_same(&selection) {
            return Ok(());
        }
        self.selection = selection;
        self.refresh(true)
    }

    fn bring_up_to_date(&mut self, thoroughly: bool) -> Result<(), Failure> {
        let links = self.list_interfaces()?;
        let gone: Vec<u32> = self
            .watched
            .keys()
            .filter(|index| {
                !self
                    .selected
                    .interfaces
                    .iter()
                    .any(|at| at.index == **index)
            })
            .copied()
            .collect();
        for index in gone {
            let name = self.watched.get(&index).map(|at| at.interface.name.clone());
            let name = name.unwrap_or_default();
            if links.iter().any(|link| link.index == index) {
                tracing::info!(
                    "{name}: no longer selected, so no longer watched; its counts are kept"
                );
            } else if self.selected.missing.contains(&name) {
                tracing::warn!(
                    "{name}: the interface was removed; its counts are kept until it returns"
                );
            } else {
                tracing::info!("{name}: the interface was removed; its counts are kept");
            }
            self.forget(index);
        }
        for interface in self.selected.interfaces.clone() {
            if let Some(watched) = self.watched.get(&interface.index) {
                let before = watched.interface.name.clone();
                if before != interface.name {
                    tracing::info!("{before}: renamed to {}; still watched", interface.name);
                    self.rename(&interface)?;
                }
            } else if self.watched.len() >= self.limit() {
                self.note(format!(
                    "{}: not watched, because {} interfaces are and no more can be; select fewer",
                    interface.name,
                    self.watched.len()
                ));
            } else {
                if self.watched.len() + self.ledger.ended() >= self.kernel.interface_capacity() {
                    self.ledger.put_away(&self.kernel, Duration::ZERO)?;
                }
                match self.attach(&interface) {
                    Ok(()) => {
                        tracing::info!(
                            "{}: attached: {}",
                            interface.name,
                            self.hooks_of(interface.index)
                        )
                    }
                    Err(failure) if failure.kind == FailureKind::Usage => {
                        self.forget(interface.index)
                    }
                    Err(failure) => {
                        tracing::error!("{}: cannot attach: {failure}", interface.name)
                    }
                }
            }
        }
        self.prepare_networks();
        if thoroughly {
            self.check_attachments(&links);
            self.attach_again();
            self.ledger.put_away(&self.kernel, AT_REST)?;
            self.forget_silent()?;
        }
        Ok(())
    }

    /// Lists the interfaces and resolves the selection; logs what is new about it.
    pub(super) fn list_interfaces(&mut self) -> Result<Vec<Link>, Failure> {
        let links = interface::list()?;
        let routes = if self.selection.wants_routes() {
            interface::default_routes().map_err(|error| {
                Failure::runtime(anyhow!(error).context("cannot read the default route"))
            })?
        } else {
            Vec::new()
        };
        self.selected = self.selection.resolve(&links, &routes);
        self.overlays = links
            .iter()
            .filter(|link| link.overlay.is_some())
            .cloned()
            .collect();
        let notes = self.selected.notes.clone();
        let mut warnings = self.selected.warnings.clone();
        let ports = unwatched_ports(&self.overlays, None, &self.udp_ports);
        warnings.extend(ports.iter().map(ToString::to_string));
        self.noted
            .retain(|note| notes.contains(note) || warnings.contains(note));
        for note in notes {
            self.note(note);
        }
        for warning in warnings {
            if self.noted.insert(warning.clone()) {
                tracing::warn!("{warning}");
            }
        }
        Ok(links)
    }

    /// Logs a note once, for as long as it holds.
    fn note(&mut self, note: String) {
        if self.noted.insert(note.clone()) {
            tracing::info!("{note}");
        }
    }
}
