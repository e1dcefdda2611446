//! An audit as JSON Lines: an object for each network and each violation, and a `summary` at the end.

use serde::Serialize;

use super::Audit;
use crate::policy::record;
use crate::record::SCHEMA;
use crate::snapshot::Attribution;

/// The object of type `summary`.
#[derive(Serialize)]
struct Summary<'a> {
    r#type: &'static str,
    schema: u32,
    node: &'a str,
    started: String,
    seconds: f64,
    complete: bool,
    watching: &'a str,
    esp_attributed: bool,
    violations: usize,
    undecided: Vec<String>,
    exit_code: u8,
}

/// The lines.
///
/// # Errors
/// None that is known: there is nothing in them that JSON cannot hold.
pub fn lines(audit: &Audit) -> serde_json::Result<String> {
    let mut text = record::lines(&audit.report, &audit.node, jiff::Timestamp::now())?;
    let summary = Summary {
        r#type: "summary",
        schema: SCHEMA,
        node: &audit.node,
        started: format!("{:.6}", audit.started),
        seconds: audit.took.as_secs_f64(),
        complete: audit.took >= audit.planned,
        watching: &audit.watching,
        esp_attributed: audit.attribution == Attribution::Exact,
        violations: audit.report.violations.len(),
        undecided: audit.undecided(),
        exit_code: audit
            .outcome()
            .err()
            .map_or(0, |failure| failure.kind.exit_code()),
    };
    text += &serde_json::to_string(&summary)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{audit, violation};
    use super::*;
    use crate::policy::{Requirement, State};

    #[test]
    fn the_summary_comes_last() {
        let mut audit = audit(Requirement::Required, State::Cleartext);
        audit.report.violations = vec![violation()];
        let text = lines(&audit).unwrap();
        let types: Vec<String> = text
            .lines()
            .map(|line| {
                let object: serde_json::Value = serde_json::from_str(line).unwrap();
                object["type"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(types, ["network", "violation", "summary"]);
        assert!(text.ends_with("\"exit_code\":1}\n"), "{text}");
    }
}
