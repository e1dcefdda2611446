//! How failures are printed, and the shares of right, unknown and wrong.

use std::collections::BTreeMap;

/// Fails with all that is wrong, not with the first.
pub(crate) fn none(wrong: &[String], what: &str) {
    assert!(
        wrong.is_empty(),
        "{} {what}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Least share of right verdicts, of those for which there was enough to see, by snap length.
const LEAST: &[(&str, f64)] = &[("96 inner", 0.60), ("256", 0.90), ("full", 0.95)];

#[derive(Default, Clone, Copy)]
struct Count {
    right: u32,
    unknown: u32,
    wrong: u32,
    /// Unknown, with too little to see.
    few: u32,
}

impl Count {
    fn share(self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.unknown + self.wrong).max(1))
    }
}

/// Verdicts about flows joined at each of their first packets.
#[derive(Default)]
pub(crate) struct Shares {
    by_snap: BTreeMap<&'static str, Count>,
    by_fixture: BTreeMap<String, Count>,
}

impl Shares {
    pub(crate) fn add(
        &mut self,
        fixture: &str,
        snap: &'static str,
        right: bool,
        unknown: bool,
        few: bool,
    ) {
        let full = snap == "full";
        let counts = [
            Some(self.by_snap.entry(snap).or_default()),
            full.then(|| self.by_fixture.entry(fixture.to_owned()).or_default()),
        ];
        for count in counts.into_iter().flatten() {
            let place = match (right, unknown, few) {
                (true, _, _) => &mut count.right,
                (false, true, true) => &mut count.few,
                (false, true, false) => &mut count.unknown,
                (false, false, _) => &mut count.wrong,
            };
            *place += 1;
        }
    }

    pub(crate) fn print(&self) {
        println!(
            "{:<20} {:>6} {:>8} {:>6} {:>9} {:>7}",
            "", "right", "unknown", "wrong", "too few", "share"
        );
        let rows = self
            .by_fixture
            .iter()
            .map(|(name, count)| (name.as_str(), count));
        for (name, count) in rows.chain(self.by_snap.iter().map(|(name, count)| (*name, count))) {
            let Count {
                right,
                unknown,
                wrong,
                few,
            } = *count;
            println!(
                "{name:<20} {right:>6} {unknown:>8} {wrong:>6} {few:>9} {:>6.1}%",
                100.0 * count.share()
            );
        }
    }

    /// Fails when a snap length is worse than it has to be.
    pub(crate) fn check(&self) {
        for (snap, least) in LEAST {
            let share = self.by_snap[snap].share();
            assert!(
                share >= *least,
                "at snap length {snap} only {share:.3} are right, not {least}"
            );
        }
    }
}
