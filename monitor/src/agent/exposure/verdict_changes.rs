//! Since when no verdict has gone or changed: then none has to be looked for in the kernel's map.

/// What is known of the changes, by their number at some moments.
#[derive(Debug, Default)]
pub(super) struct VerdictChanges {
    number: u64,
    /// A moment since which there were as many: `CLOCK_MONOTONIC` in nanoseconds.
    since_ns: u64,
}

impl VerdictChanges {
    /// So many changes there were so far when it was read, which had ended at this moment.
    pub(super) fn note(&mut self, number: u64, read_ns: u64) {
        if number != self.number {
            *self = VerdictChanges {
                number,
                since_ns: read_ns,
            };
        }
    }

    /// Whether there may be a change between this moment and the last note.
    pub(super) fn any_since(&self, ns: u64) -> bool {
        ns < self.since_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_after_the_last_change_was_seen_is_known_to_be_there() {
        let mut changes = VerdictChanges::default();
        changes.note(0, 100);
        assert!(!changes.any_since(50), "there never was one");
        changes.note(3, 200);
        assert!(changes.any_since(150) && changes.any_since(199));
        assert!(!changes.any_since(200));
        changes.note(3, 300);
        assert!(!changes.any_since(250) && changes.any_since(150));
    }
}
