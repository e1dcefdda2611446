//! The verdict on a flow of ESP: it has as many ciphers as associations.

use monitor_classify::{Confidence, Exposure, Protocol, Verdict};

use super::flow_table::End;
use super::verdict_merge::add_credentials;

/// Associations of a flow that are kept one by one: keys change, and the old ones decide nothing any more.
const KEPT: usize = 4;

/// What is known of the associations of a flow.
#[derive(Clone, Debug, Default)]
pub(super) struct FlowAssociations {
    known: Vec<Known>,
    /// What the associations without room have shown together.
    dropped: Option<Verdict>,
    /// The best that could be read.
    readable: Option<Verdict>,
}

#[derive(Clone, Debug)]
struct Known {
    from: End,
    spi: u32,
    verdict: Verdict,
}

impl FlowAssociations {
    /// Stores the verdict on an association, and returns that on the flow.
    pub(super) fn update(&mut self, from: End, spi: u32, verdict: &Verdict) -> Verdict {
        if verdict.exposure == Exposure::Plaintext {
            self.read(verdict);
        }
        let known = self
            .known
            .iter_mut()
            .find(|at| (at.from, at.spi) == (from, spi));
        if let Some(known) = known {
            known.verdict = verdict.clone();
        } else {
            if self.known.len() >= KEPT {
                let dropped = self.known.remove(0).verdict;
                self.dropped = self
                    .dropped
                    .take()
                    .into_iter()
                    .chain([dropped])
                    .min_by_key(order);
            }
            self.known.push(Known {
                from,
                spi,
                verdict: verdict.clone(),
            });
        }
        self.verdict()
    }

    /// Any in the clear makes the flow readable, and any that may be in the clear leaves it open.
    fn verdict(&self) -> Verdict {
        if let Some(readable) = &self.readable {
            return readable.clone();
        }
        let known = self.known.iter().map(|known| &known.verdict);
        let least = known
            .chain(&self.dropped)
            .min_by_key(|verdict| order(verdict));
        least.cloned().unwrap_or(Verdict::unknown())
    }

    fn read(&mut self, verdict: &Verdict) {
        let Some(before) = &mut self.readable else {
            self.readable = Some(verdict.clone());
            return;
        };
        add_credentials(before, verdict);
        if before.protocol == Protocol::Ipsec && verdict.protocol != before.protocol {
            *before = Verdict {
                credentials: before.credentials.clone(),
                ..verdict.clone()
            };
        }
    }
}

/// The least encrypted first.
fn order(verdict: &Verdict) -> (u8, Confidence) {
    let exposure = match verdict.exposure {
        Exposure::Plaintext => 0,
        Exposure::Unknown => 1,
        Exposure::Encrypted => 2,
    };
    (exposure, verdict.confidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_classify::CredentialKind;

    fn ipsec(exposure: Exposure) -> Verdict {
        Verdict {
            protocol: Protocol::Ipsec,
            exposure,
            ..Verdict::unknown()
        }
    }

    #[test]
    fn what_was_read_first_keeps_its_credentials_when_a_protocol_is_named() {
        let readable = |protocol, credentials: &[CredentialKind]| Verdict {
            protocol,
            exposure: Exposure::Plaintext,
            credentials: credentials.to_vec(),
            ..Verdict::unknown()
        };
        let mut flow = FlowAssociations::default();
        let kinds = [CredentialKind::HttpBasic];
        flow.update(End::Low, 1, &readable(Protocol::Ipsec, &kinds));
        let both = flow.update(End::High, 2, &readable(Protocol::Http, &[]));
        assert_eq!(both, readable(Protocol::Http, &kinds));
    }

    #[test]
    fn one_association_that_may_be_in_the_clear_leaves_the_flow_open() {
        let mut flow = FlowAssociations::default();
        let of = |verdict: Verdict| verdict.exposure;
        assert_eq!(
            of(flow.update(End::Low, 1, &ipsec(Exposure::Encrypted))),
            Exposure::Encrypted
        );
        assert_eq!(
            of(flow.update(End::High, 1, &ipsec(Exposure::Unknown))),
            Exposure::Unknown
        );
        assert_eq!(
            of(flow.update(End::Low, 1, &ipsec(Exposure::Encrypted))),
            Exposure::Unknown
        );
        assert_eq!(
            of(flow.update(End::High, 1, &ipsec(Exposure::Encrypted))),
            Exposure::Encrypted
        );
    }

    #[test]
    fn what_was_dropped_still_counts_and_the_rest_is_bounded() {
        let mut flow = FlowAssociations::default();
        flow.update(End::Low, 0, &ipsec(Exposure::Unknown));
        for spi in 1..1000 {
            let verdict = flow.update(End::Low, spi, &ipsec(Exposure::Encrypted));
            assert_eq!(verdict.exposure, Exposure::Unknown);
        }
        assert_eq!(flow.known.len(), KEPT);
        flow.update(End::Low, 7000, &ipsec(Exposure::Plaintext));
        let http = Verdict {
            protocol: Protocol::Http,
            ..ipsec(Exposure::Plaintext)
        };
        assert_eq!(flow.update(End::Low, 7000, &http).protocol, Protocol::Http);
        let last = flow.update(End::Low, 7001, &ipsec(Exposure::Encrypted));
        assert_eq!(
            (last.protocol, last.exposure),
            (Protocol::Http, Exposure::Plaintext)
        );
    }
}
