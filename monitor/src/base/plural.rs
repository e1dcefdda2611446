//! Numbers with their nouns.

/// A number with its noun: `1 packet`, `2 packets`.
#[must_use]
pub fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let all = [0usize, 1, 2].map(|number| counted(number, "packet"));
        assert_eq!(all, ["0 packets", "1 packet", "2 packets"]);
    }
}
