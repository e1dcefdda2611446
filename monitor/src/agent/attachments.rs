//! Attaches programs to interfaces, checks that they stay attached, and detaches them.

use super::ledger::Rows;
use super::node_agent::Agent;
use super::watched::Watched;
use crate::base::failure::Failure;
use crate::base::interface::{Interface, LinkLayer};
use crate::host::interface::Link;
use crate::kernel::attach::{self, Attachment, Hook, HookChoice, HookPosition};

impl Agent {
    /// Attaches to an interface. After an error the next thorough refresh retries.
    pub(super) fn attach(&mut self, interface: &Interface) -> Result<(), Failure> {
        let kernel = &self.kernel;
        self.ledger
            .begin(interface.index, &interface.name, || Rows::read(kernel))?;
        let watched = self
            .watched
            .entry(interface.index)
            .or_insert_with(|| Watched::new(interface.clone()));
        attach::prepare(&mut self.kernel, interface, self.hook)?;
        let mut owners = attach::Owners {
            own: &self.owner,
            left: &mut self.left,
        };
        for (direction, slot) in watched.slots_mut() {
            if slot.attachment.is_none() {
                let attached = attach::attach(
                    &mut self.kernel,
                    interface,
                    direction,
                    self.hook,
                    &mut owners,
                )?;
                slot.attachment = Some(attached);
                slot.trouble = None;
            }
        }
        Ok(())
    }

    /// Detaches from an interface. Its counts are kept.
    pub(super) fn forget(&mut self, index: u32) {
        self.watched.remove(&index);
        self.ledger.end(index);
    }

    /// Takes over the new name of an interface.
    pub(super) fn rename(&mut self, interface: &Interface) -> Result<(), Failure> {
        let kernel = &self.kernel;
        self.ledger
            .rename(interface.index, &interface.name, || Rows::read(kernel))?;
        if let Some(watched) = self.watched.get_mut(&interface.index) {
            watched.interface = interface.clone();
            for (_, slot) in watched.slots_mut() {
                if let Some(attachment) = &mut slot.attachment {
                    attachment.interface = interface.clone();
                }
            }
        }
        Ok(())
    }

    /// Drops attachments that someone else detached, and logs which programs come before ours.
    pub(super) fn check_attachments(&mut self, links: &[Link]) {
        for (index, watched) in &mut self.watched {
            let name = watched.interface.name.clone();
            let link = links.iter().find(|link| link.index == *index);
            let xdp = link.and_then(|link| link.xdp);
            for (direction, slot) in watched.slots_mut() {
                let Some(attachment) = &slot.attachment else {
                    continue;
                };
                let direction = direction.label();
                match attachment.position(xdp) {
                    Ok(HookPosition::First) => slot.behind = None,
                    Ok(HookPosition::Behind(others)) => {
                        if slot.behind.as_ref() != Some(&others) {
                            tracing::warn!(
                                "{name}: {others} come before ours ({direction}): what they drop or redirect is not counted"
                            );
                        }
                        slot.behind = Some(others);
                    }
                    Ok(HookPosition::Lost) => {
                        tracing::warn!(
                            "{name}: our program ({direction}, {}) was detached by someone else; attaching again",
                            attachment.hook
                        );
                        slot.attachment = None;
                        self.lost += 1;
                    }
                    Err(error) => tracing::debug!("{name}: cannot query our program: {error}"),
                }
            }
        }
    }

    /// Lets the programs recognise what IPsec has decrypted, from when the kernel can decrypt.
    ///
    /// Generic XDP is given such packets too, and has nothing to recognise them by: TC takes its place.
    ///
    /// # Errors
    /// A kernel failure, if the programs' map cannot be written, or the program for TC cannot be loaded.
    pub(crate) fn kernel_decrypts(&mut self) -> Result<(), Failure> {
        self.kernel.set_ipsec(true)?;
        if self.hook != HookChoice::XdpGeneric {
            return Ok(());
        }
        // Before generic XDP is detached: loading takes the verifier a while.
        attach::load(&mut self.kernel, LinkLayer::Ethernet, HookChoice::Tc)?;
        self.hook = HookChoice::Tc;
        tracing::warn!(
            "no xdp-generic: the kernel can decrypt ESP, and generic XDP would take decrypted packets for cleartext; using TC for received packets"
        );
        for watched in self.watched.values_mut() {
            let is_generic = |at: &Attachment| at.hook == Hook::XdpGeneric;
            if watched.rx.attachment.as_ref().is_some_and(is_generic) {
                watched.rx.attachment = None;
            }
        }
        self.attach_again();
        Ok(())
    }

    /// Attaches again where a program is missing.
    pub(super) fn attach_again(&mut self) {
        let blind: Vec<Interface> = self
            .watched
            .values()
            .filter(|watched| {
                watched
                    .slots()
                    .iter()
                    .any(|(_, at)| at.attachment.is_none())
            })
            .map(|watched| watched.interface.clone())
            .collect();
        for interface in blind {
            let result = self.attach(&interface);
            let hooks = self.hooks_of(interface.index);
            let Some(watched) = self.watched.get_mut(&interface.index) else {
                continue;
            };
            match result {
                Ok(()) => tracing::info!("{}: attached again: {hooks}", interface.name),
                Err(failure) => {
                    let trouble = failure.to_string();
                    if watched.rx.trouble.as_ref() != Some(&trouble) {
                        tracing::error!("{}: cannot attach: {trouble}", interface.name);
                    }
                    watched.rx.trouble = Some(trouble);
                }
            }
        }
    }
}
