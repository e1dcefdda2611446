//! The verdict on one flow, and when another sample changes it. The agent and the reader of capture files share these
//! rules.

use monitor_common::key::Class;

use super::exposure_class::{class, of_class};
use monitor_classify::{Confidence, Exposure, Protocol, Verdict};

/// After so many inconclusive samples the verdict is "unknown", until a sample is conclusive.
const SAMPLES: u8 = 3;
/// Samples that are likely, but not certainly, encrypted that change a verdict of plaintext.
const AGAINST: u8 = 2;

/// The verdict on a flow so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowVerdict {
    /// Samples with a payload.
    samples: u8,
    /// Consecutive samples that contradict the verdict.
    against: u8,
    /// The verdict, if there is one.
    verdict: Option<(Class, Exposure, Confidence)>,
}

impl FlowVerdict {
    /// The verdict on a flow of which only the class is known. Only certainty changes plaintext.
    pub(crate) fn of(class: Class) -> FlowVerdict {
        let (_, exposure) = of_class(class);
        let confidence = match exposure {
            Exposure::Plaintext => Confidence::Certain,
            Exposure::Encrypted | Exposure::Unknown => Confidence::Likely,
        };
        FlowVerdict {
            samples: SAMPLES,
            against: 0,
            verdict: Some((class, exposure, confidence)),
        }
    }

    /// The class that the flow is counted under, if there is a verdict.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        self.verdict.map(|(class, _, _)| class)
    }

    /// Updates the verdict with that on a sample. Returns the class to count the flow under from now on, if it changes.
    pub fn update(&mut self, verdict: &Verdict) -> Option<Class> {
        self.samples = self.samples.saturating_add(1);
        let before = self.verdict;
        let found = class(verdict.protocol, verdict.exposure);
        let is_better = match (before, verdict.exposure) {
            (None, Exposure::Unknown) => self.samples >= SAMPLES,
            (None | Some((_, Exposure::Unknown, _)), Exposure::Plaintext | Exposure::Encrypted) => {
                true
            }
            // An inconclusive sample changes nothing.
            (Some(_), Exposure::Unknown) => false,
            (Some((known, Exposure::Plaintext, confidence)), Exposure::Plaintext) => {
                self.against = 0;
                // A named protocol is more specific than text.
                let is_named = verdict.protocol != Protocol::Unknown;
                let before = of_class(known).0;
                found != known
                    && is_named
                    && !before.refines(verdict.protocol)
                    && (before == Protocol::Unknown
                        || verdict.confidence > confidence
                        || (verdict.protocol.refines(before)
                            && verdict.confidence == Confidence::Certain))
            }
            (Some((_, Exposure::Encrypted, confidence)), Exposure::Plaintext) => {
                verdict.confidence >= confidence
            }
            (Some((known, Exposure::Encrypted, _)), Exposure::Encrypted) => {
                found != known && verdict.confidence == Confidence::Certain
            }
            // An association keeps its cipher: a packet that shows nothing says nothing against one that did.
            (Some((known, Exposure::Plaintext, Confidence::Certain)), Exposure::Encrypted)
                if of_class(known).0 == Protocol::Ipsec =>
            {
                false
            }
            // STARTTLS, an upgrade, a proxy's CONNECT: must be certain, or seen more than once.
            (Some((_, Exposure::Plaintext, _)), Exposure::Encrypted) => {
                self.against = self.against.saturating_add(1);
                verdict.confidence == Confidence::Certain || self.against >= AGAINST
            }
        };
        if !is_better {
            return None;
        }
        self.against = 0;
        self.verdict = Some((found, verdict.exposure, verdict.confidence));
        Some(found)
    }

    /// Whether there is a verdict.
    #[must_use]
    pub fn has_verdict(&self) -> bool {
        self.verdict.is_some()
    }

    /// Exposure and confidence of the verdict; unknown while there is none.
    #[must_use]
    pub fn exposure(&self) -> (Exposure, Confidence) {
        match self.verdict {
            Some((_, exposure, confidence)) => (exposure, confidence),
            None => (Exposure::Unknown, Confidence::None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(protocol: Protocol, exposure: Exposure, confidence: Confidence) -> Verdict {
        Verdict {
            protocol,
            exposure,
            confidence,
            ..Verdict::unknown()
        }
    }

    fn http(confidence: Confidence) -> Verdict {
        verdict(Protocol::Http, Exposure::Plaintext, confidence)
    }

    fn tls(confidence: Confidence) -> Verdict {
        verdict(Protocol::Tls, Exposure::Encrypted, confidence)
    }

    fn plaintext() -> Class {
        class(Protocol::Http, Exposure::Plaintext)
    }

    fn encrypted() -> Class {
        class(Protocol::Tls, Exposure::Encrypted)
    }

    #[test]
    fn three_inconclusive_samples_make_unknown_until_one_is_conclusive() {
        let mut flow = FlowVerdict::default();
        assert_eq!(flow.update(&Verdict::unknown()), None);
        assert_eq!(flow.update(&Verdict::unknown()), None);
        assert_eq!(flow.update(&Verdict::unknown()), Some(Class::UNKNOWN));
        assert_eq!(flow.update(&Verdict::unknown()), None);
        assert_eq!(flow.update(&http(Confidence::Likely)), Some(plaintext()));
        assert_eq!(flow.update(&Verdict::unknown()), None);
    }

    #[test]
    fn an_association_that_has_shown_plaintext_stays_plaintext() {
        let esp = |exposure| verdict(Protocol::Ipsec, exposure, Confidence::Certain);
        let plaintext = class(Protocol::Ipsec, Exposure::Plaintext);
        let mut flow = FlowVerdict::default();
        flow.update(&esp(Exposure::Encrypted));
        assert_eq!(flow.update(&esp(Exposure::Plaintext)), Some(plaintext));
        for _ in 0..10 {
            assert_eq!(flow.update(&esp(Exposure::Encrypted)), None);
        }
        assert_eq!(flow.class(), Some(plaintext));
    }

    #[test]
    fn a_cut_hello_is_not_a_verdict_yet() {
        let mut flow = FlowVerdict::default();
        let cut = verdict(Protocol::Tls, Exposure::Unknown, Confidence::Likely);
        assert_eq!(flow.update(&cut), None);
        assert_eq!(flow.update(&tls(Confidence::Certain)), Some(encrypted()));
    }

    #[test]
    fn later_plaintext_overrides_encrypted() {
        let mut flow = FlowVerdict::default();
        assert_eq!(flow.update(&tls(Confidence::Likely)), Some(encrypted()));
        assert_eq!(flow.update(&http(Confidence::Likely)), Some(plaintext()));

        let mut flow = FlowVerdict::default();
        assert_eq!(flow.update(&tls(Confidence::Certain)), Some(encrypted()));
        assert_eq!(flow.update(&http(Confidence::Likely)), None);
        assert_eq!(flow.update(&http(Confidence::Certain)), Some(plaintext()));
    }

    #[test]
    fn text_becomes_a_protocol_but_a_protocol_never_text() {
        let text = |confidence| verdict(Protocol::Unknown, Exposure::Plaintext, confidence);
        let mut flow = FlowVerdict::default();
        let readable = class(Protocol::Unknown, Exposure::Plaintext);
        assert_eq!(flow.update(&text(Confidence::Certain)), Some(readable));
        assert_eq!(flow.update(&http(Confidence::Likely)), Some(plaintext()));
        assert_eq!(flow.update(&text(Confidence::Certain)), None);
    }

    #[test]
    fn a_verdict_known_by_its_class_alone_is_kept() {
        let mut flow = FlowVerdict::of(plaintext());
        assert_eq!(flow.update(&Verdict::unknown()), None);
        assert_eq!(flow.update(&tls(Confidence::Likely)), None);
        let mut flow = FlowVerdict::of(encrypted());
        assert_eq!(flow.update(&http(Confidence::Likely)), Some(plaintext()));
    }

    #[test]
    fn an_upgrade_to_tls_must_be_certain_or_repeated() {
        let mut flow = FlowVerdict::default();
        assert_eq!(flow.update(&http(Confidence::Certain)), Some(plaintext()));
        assert_eq!(flow.update(&tls(Confidence::Certain)), Some(encrypted()));

        let mut flow = FlowVerdict::default();
        assert_eq!(flow.update(&http(Confidence::Certain)), Some(plaintext()));
        assert_eq!(flow.update(&tls(Confidence::Likely)), None);
        assert_eq!(flow.update(&http(Confidence::Certain)), None);
        assert_eq!(flow.update(&tls(Confidence::Likely)), None);
        assert_eq!(flow.update(&tls(Confidence::Likely)), Some(encrypted()));
    }
}
