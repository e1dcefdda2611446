//! What is known of one flow, and how a sample changes it: the rules that the agent and the reader of
//! capture files share.

use monitor_common::key::Class;

use super::{class, of_class};
use monitor_classify::{Confidence, Exposure, Protocol, Verdict};

/// Samples of a flow after which it is given up on: its verdict is "unknown", until one tells.
const SAMPLES: u8 = 3;
/// Samples that look encrypted, and are not certain, which it takes to change a verdict of plaintext.
const AGAINST: u8 = 2;

/// What is known of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Samples with a payload.
    samples: u8,
    /// Samples in a row that speak against the verdict.
    against: u8,
    /// The verdict that was given.
    verdict: Option<(Class, Exposure, Confidence)>,
}

impl Note {
    /// Of a flow whose verdict is all that is left. Plaintext takes certainty to change.
    pub(crate) fn of(class: Class) -> Note {
        let (_, exposure) = of_class(class);
        let confidence = match exposure {
            Exposure::Plaintext => Confidence::Certain,
            Exposure::Encrypted | Exposure::Unknown => Confidence::Likely,
        };
        Note {
            samples: SAMPLES,
            against: 0,
            verdict: Some((class, exposure, confidence)),
        }
    }

    /// Takes a sample into account; the class to count the flow under from now on, if that changes.
    pub fn take(&mut self, verdict: &Verdict) -> Option<Class> {
        self.samples = self.samples.saturating_add(1);
        let before = self.verdict;
        let found = class(verdict.protocol, verdict.exposure);
        let is_better = match (before, verdict.exposure) {
            (None, Exposure::Unknown) => self.samples >= SAMPLES,
            (None | Some((_, Exposure::Unknown, _)), Exposure::Plaintext | Exposure::Encrypted) => {
                true
            }
            // A flow that cannot be told by one more sample is what it was.
            (Some(_), Exposure::Unknown) => false,
            (Some((known, Exposure::Plaintext, confidence)), Exposure::Plaintext) => {
                self.against = 0;
                // That it is text says less than what it speaks.
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
            // STARTTLS, an upgrade, a proxy that connects: certain, or seen more than once.
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

    /// Whether a verdict was given.
    #[must_use]
    pub fn has_verdict(&self) -> bool {
        self.verdict.is_some()
    }

    /// What the verdict says, and how sure it is; unknown while there is none.
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
    fn a_flow_is_given_up_on_after_three_samples_and_not_for_ever() {
        let mut note = Note::default();
        assert_eq!(note.take(&Verdict::unknown()), None);
        assert_eq!(note.take(&Verdict::unknown()), None);
        assert_eq!(note.take(&Verdict::unknown()), Some(Class::UNKNOWN));
        assert_eq!(note.take(&Verdict::unknown()), None);
        assert_eq!(note.take(&http(Confidence::Likely)), Some(plaintext()));
        assert_eq!(note.take(&Verdict::unknown()), None);
    }

    #[test]
    fn a_cut_hello_is_no_verdict_yet() {
        let mut note = Note::default();
        let cut = verdict(Protocol::Tls, Exposure::Unknown, Confidence::Likely);
        assert_eq!(note.take(&cut), None);
        assert_eq!(note.take(&tls(Confidence::Certain)), Some(encrypted()));
    }

    #[test]
    fn plaintext_later_on_overrides_encrypted() {
        let mut note = Note::default();
        assert_eq!(note.take(&tls(Confidence::Likely)), Some(encrypted()));
        assert_eq!(note.take(&http(Confidence::Likely)), Some(plaintext()));

        let mut note = Note::default();
        assert_eq!(note.take(&tls(Confidence::Certain)), Some(encrypted()));
        assert_eq!(note.take(&http(Confidence::Likely)), None);
        assert_eq!(note.take(&http(Confidence::Certain)), Some(plaintext()));
    }

    #[test]
    fn text_becomes_a_protocol_and_a_protocol_never_text() {
        let text = |confidence| verdict(Protocol::Unknown, Exposure::Plaintext, confidence);
        let mut note = Note::default();
        let readable = class(Protocol::Unknown, Exposure::Plaintext);
        assert_eq!(note.take(&text(Confidence::Certain)), Some(readable));
        assert_eq!(note.take(&http(Confidence::Likely)), Some(plaintext()));
        assert_eq!(note.take(&text(Confidence::Certain)), None);
    }

    #[test]
    fn a_flow_that_only_the_kernel_remembers_keeps_its_verdict() {
        let mut note = Note::of(plaintext());
        assert_eq!(note.take(&Verdict::unknown()), None);
        assert_eq!(note.take(&tls(Confidence::Likely)), None);
        let mut note = Note::of(encrypted());
        assert_eq!(note.take(&http(Confidence::Likely)), Some(plaintext()));
    }

    #[test]
    fn an_upgrade_to_tls_takes_certainty_or_more_than_one_look() {
        let mut note = Note::default();
        assert_eq!(note.take(&http(Confidence::Certain)), Some(plaintext()));
        assert_eq!(note.take(&tls(Confidence::Certain)), Some(encrypted()));

        let mut note = Note::default();
        assert_eq!(note.take(&http(Confidence::Certain)), Some(plaintext()));
        assert_eq!(note.take(&tls(Confidence::Likely)), None);
        assert_eq!(note.take(&http(Confidence::Certain)), None);
        assert_eq!(note.take(&tls(Confidence::Likely)), None);
        assert_eq!(note.take(&tls(Confidence::Likely)), Some(encrypted()));
    }
}
