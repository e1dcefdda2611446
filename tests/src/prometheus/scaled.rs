//! A copy of the rules in which each duration is shorter: what takes half an hour takes a minute.

use std::path::PathBuf;

use super::watch::root;

/// All durations of the copy are divided by this.
pub const SCALE: u64 = 30;

/// The rules as they are delivered.
#[must_use]
pub fn rules() -> PathBuf {
    root().join("deploy/prometheus/overlay-monitor.rules.yml")
}

/// Names of all alerts, and how long each holds in the copy, in seconds.
#[must_use]
pub fn alert_names() -> Vec<(String, u64)> {
    let mut alerts: Vec<(String, u64)> = Vec::new();
    for line in scaled().lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            alerts.push((name.to_owned(), 0));
        } else if let Some(hold) = line.strip_prefix("for: ") {
            alerts.last_mut().unwrap().1 = hold.trim_end_matches('s').parse().unwrap();
        }
    }
    alerts
}

/// The copy: durations in expressions, of `for` and of `keep_firing_for`. Texts stay.
#[must_use]
pub fn scaled() -> String {
    scaled_by(SCALE)
}

/// The copy, in which `up` may be 0 for as long as in the rules that are delivered: how long a scrape takes does not
/// shrink with the durations.
#[must_use]
pub fn scaled_for_slow_scrapes() -> String {
    let rules = scaled();
    let (before, rest) = rules.split_once("- alert: OverlayAgentDown\n").unwrap();
    let (alert, after) = rest.split_once("for: 4s\n").unwrap();
    assert!(!alert.contains("- alert: "), "another alert holds for 4 s");
    format!("{before}- alert: OverlayAgentDown\n{alert}for: 120s\n{after}")
}

/// The same with another divisor.
#[must_use]
pub fn scaled_by(divisor: u64) -> String {
    let rules = std::fs::read_to_string(rules()).unwrap();
    let mut out = String::new();
    let (mut in_texts, mut changed) = (false, 0);
    for line in rules.lines() {
        match line.trim() {
            "annotations:" => in_texts = true,
            line if line.starts_with("- ") || line.ends_with(':') => in_texts = false,
            _ => {}
        }
        if in_texts || line.trim_start().starts_with('#') {
            out.push_str(line);
        } else {
            let (line, found) = divided(line, divisor);
            out.push_str(&line);
            changed += found;
        }
        out.push('\n');
    }
    assert!(changed > 0, "no duration was found in the rules");
    out
}

/// A line with its durations divided, and how many there were.
fn divided(line: &str, divisor: u64) -> (String, usize) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let (mut out, mut rest, mut found) = (String::new(), line, 0);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if word == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        match seconds(&rest[..word]) {
            Some(all) => {
                assert_eq!(all % divisor, 0, "{line}: not divisible by {divisor}");
                out.push_str(&format!("{}s", all / divisor));
                found += 1;
            }
            None => out.push_str(&rest[..word]),
        }
        rest = &rest[word..];
    }
    (out, found)
}

/// The seconds of a duration such as `5m`; `None` for any other word.
fn seconds(word: &str) -> Option<u64> {
    let unit = match word.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    Some(word[..word.len() - 1].parse::<u64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_divided_and_names_and_numbers_stay() {
        for (line, divided_line) in [
            ("  for: 15m", "  for: 30s"),
            ("  for: 0m", "  for: 0s"),
            ("rate(a_total[5m]) > 0.1", "rate(a_total[10s]) > 0.1"),
            ("vni:sent:rate5m * 0", "vni:sent:rate5m * 0"),
            (
                "up offset 1d == 1 and x[1d] offset 15m)",
                "up offset 2880s == 1 and x[2880s] offset 30s)",
            ),
            (
                "predict_linear(used[1h], 86400) > 1",
                "predict_linear(used[120s], 86400) > 1",
            ),
        ] {
            assert_eq!(divided(line, SCALE).0, divided_line);
        }
        let rules = std::fs::read_to_string(rules()).unwrap();
        let texts = |rules: &str| {
            let lines = rules.lines().filter(|line| line.contains(": \""));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(texts(&scaled()), texts(&rules));
        assert!(alert_names().contains(&("OverlayAgentDown".to_owned(), 4)));
        let (usual, slow) = (scaled(), scaled_for_slow_scrapes());
        let changed = usual
            .lines()
            .zip(slow.lines())
            .filter(|(one, other)| one != other);
        assert_eq!(Vec::from_iter(changed).len(), 1);
        assert_eq!(usual.lines().count(), slow.lines().count());
    }
}
