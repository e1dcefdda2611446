//! Numbers with their nouns.

/// A number with its noun: `1 packet`, `2 packets`.
#[must_use]
pub fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    match (number, noun.strip_suffix("cy")) {
        (1, _) => format!("{number} {noun}"),
        (_, Some(stem)) => format!("{number} {stem}cies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let all = [0usize, 1, 2].map(|number| counted(number, "packet"));
        assert_eq!(all, ["0 packets", "1 packet", "2 packets"]);
        let all = [1usize, 2].map(|number| counted(number, "policy"));
        assert_eq!(all, ["1 policy", "2 policies"]);
    }
}
