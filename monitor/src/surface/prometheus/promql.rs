//! Text from outside in an expression of PromQL: quoted, so that it can be nothing else.

use std::fmt;

/// A string literal of PromQL.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            control if control.is_control() => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

/// The matchers that every expression has: those of the job, and what the user restricts it to.
#[derive(Clone, Debug, Default)]
pub struct Selector(Vec<String>);

impl Selector {
    /// This one, and a label that must have a value.
    #[must_use]
    pub fn with(&self, label: &str, value: &str) -> Selector {
        self.and(format!("{label}={}", quoted(value)))
    }

    /// This one, and a label that must match an expression of our own.
    #[must_use]
    pub fn matching(&self, label: &str, expression: &str) -> Selector {
        self.and(format!("{label}=~{}", quoted(expression)))
    }

    /// This one, and a label that must have one of these values.
    #[must_use]
    pub fn one_of<'a>(&self, label: &str, values: impl IntoIterator<Item = &'a str>) -> Selector {
        let values: Vec<&str> = values.into_iter().collect();
        match values.as_slice() {
            [one] => self.with(label, one),
            _ => {
                let values: Vec<String> = values.into_iter().map(literal).collect();
                self.matching(label, &values.join("|"))
            }
        }
    }

    fn and(&self, matcher: String) -> Selector {
        let mut all = self.0.clone();
        all.push(matcher);
        Selector(all)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.0.join(","))
    }
}

/// A regular expression (RE2's syntax, which Prometheus anchors) that only this text matches.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        let selector = Selector::default()
            .with("job", "a\"} or vector(1) #\\\n")
            .matching("vni", "1|2");
        assert_eq!(
            selector.to_string(),
            r#"{job="a\"} or vector(1) #\\\u000a",vni=~"1|2"}"#
        );
    }

    #[test]
    fn a_value_of_several_matches_only_itself() {
        let one = |values: &[&str]| {
            let selector = Selector::default().one_of("instance", values.iter().copied());
            selector.to_string()
        };
        assert_eq!(one(&["node1:9469"]), r#"{instance="node1:9469"}"#);
        assert_eq!(
            one(&["node1:9469", "a.*|b\\", "ü\n"]),
            r#"{instance=~"node1\\:9469|a\\.\\*\\|b\\\\|ü\u000a"}"#
        );
    }
}
