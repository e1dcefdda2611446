//! A random sample of the possible changes, the same for the same seed.

use anyhow::{Context, Result};
use serde::Deserialize;

/// A change, as `cargo mutants --list --json` lists it.
#[derive(Deserialize)]
struct Mutant {
    name: String,
}

/// A kind of change that cargo-mutants 27.1.0 makes whatever names it is given.
const ALWAYS: &str = ": delete field ";

/// The names of the changes in a list that can be chosen.
pub(super) fn names(json: &str) -> Result<Vec<String>> {
    let all: Vec<Mutant> =
        serde_json::from_str(json).context("cannot read the list of cargo-mutants")?;
    let names = all.into_iter().map(|mutant| mutant.name);
    Ok(names.filter(|name| !name.contains(ALWAYS)).collect())
}

/// So many of them, or all.
pub(super) fn choose(all: &[String], seed: u64, count: usize) -> Vec<&String> {
    let mut left: Vec<&String> = all.iter().collect();
    let mut random = SplitMix(seed);
    let mut chosen = Vec::new();
    while chosen.len() < count && !left.is_empty() {
        let at = usize::try_from(random.next() % left.len() as u64).unwrap_or(0);
        chosen.push(left.swap_remove(at));
    }
    chosen
}

/// A regular expression that only this text matches.
pub(super) fn exactly(text: &str) -> String {
    let mut pattern = String::from("^");
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "$"
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the numbers depend on the seed only.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_sample_has_no_change_twice_and_depends_on_its_seed_only() {
        let all: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        let one = choose(&all, 1, 60);
        assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), 60);
        assert_eq!(one, choose(&all, 1, 60));
        assert_ne!(one, choose(&all, 2, 60));
        assert_eq!(choose(&all[..5], 1, 60).len(), 5);
    }

    #[test]
    fn a_name_matches_itself_only() {
        assert_eq!(
            exactly("a/b.rs:1:2: replace + with *"),
            r"^a/b\.rs:1:2: replace \+ with \*$"
        );
    }
}
