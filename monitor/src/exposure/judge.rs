//! Verdicts on flows, from their samples.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use monitor_common::key::Class;
use monitor_common::sample::{Cause, Sample};

use super::account::Judged;
use super::{class, of_class};
use crate::classify::{Confidence, Exposure, Protocol, Verdict};
use crate::failure::Failure;
use crate::kernel::Counts;
use crate::ring::monotonic_ns;

/// Flows of one generation; two are kept.
const GENERATION: usize = 32_768;
/// Samples of a flow after which it is given up on: its verdict is "unknown", until one tells.
const SAMPLES: u8 = 3;
/// Samples that look encrypted, and are not certain, which it takes to change a verdict of plaintext.
const AGAINST: u8 = 2;

/// What is known of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Note {
    /// Samples with a payload.
    samples: u8,
    /// Samples in a row that speak against the verdict.
    against: u8,
    /// The verdict that the kernel has.
    verdict: Option<(Class, Exposure, Confidence)>,
}

impl Note {
    /// Of a flow whose verdict is all that is left. Plaintext takes certainty to change.
    fn of(class: Class) -> Note {
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
    fn take(&mut self, verdict: &Verdict) -> Option<Class> {
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
}

/// Judges flows by their samples, and tells the kernel.
pub struct Judge {
    counts: Arc<Counts>,
    judged: SyncSender<Judged>,
    young: HashMap<u64, Note>,
    old: HashMap<u64, Note>,
}

impl Judge {
    /// A judge who writes verdicts to these maps, and hands them to the books.
    #[must_use]
    pub(super) fn new(counts: Arc<Counts>, judged: SyncSender<Judged>) -> Judge {
        Judge {
            counts,
            judged,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// Takes a sample and what was found in it into account. `payload_len` in bytes.
    ///
    /// # Errors
    /// A runtime failure, if the verdict cannot be written.
    pub fn note(
        &mut self,
        sample: &Sample<'_>,
        payload_len: u32,
        verdict: &Verdict,
    ) -> Result<(), Failure> {
        if sample.flow == 0 || payload_len == 0 {
            return Ok(());
        }
        let mut note = self.remember(sample)?;
        let class = note.take(verdict);
        self.young.insert(sample.flow, note);
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        let Some(class) = class else {
            return Ok(());
        };
        self.counts.set_verdict(sample.flow, class)?;
        // Where the books are behind they find the flow by themselves.
        drop(self.judged.try_send(Judged {
            flow: sample.flow,
            class,
            time_ns: monotonic_ns(),
        }));
        Ok(())
    }

    /// What is known of the flow of a sample.
    fn remember(&mut self, sample: &Sample<'_>) -> Result<Note, Failure> {
        let young = self.young.get(&sample.flow).copied();
        let note = young.or_else(|| self.old.remove(&sample.flow));
        match (note, sample.cause) {
            // The kernel takes first samples where it has no verdict: it is a new connection between the
            // same ports, or the verdict was forgotten. Unless this sample was on its way when it came.
            (Some(note), Cause::FlowStart) if note.verdict.is_some() => {
                match self.counts.verdict(sample.flow)? {
                    Some(_) => Ok(note),
                    None => Ok(Note::default()),
                }
            }
            (Some(note), _) => Ok(note),
            // Forgotten here, and not by the kernel.
            (None, Cause::Periodic) => Ok(self
                .counts
                .verdict(sample.flow)?
                .map(Note::of)
                .unwrap_or_default()),
            (None, Cause::FlowStart) => Ok(Note::default()),
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
