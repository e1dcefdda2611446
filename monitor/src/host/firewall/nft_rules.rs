//! Docker's rules in the output of `nft -j list ruleset` (`libnftables-json(5)`).

use std::collections::HashMap;

use serde_json::Value;

use super::printed::{Family, Printed};
use super::rules::MARK;
use super::vni_set::VniSet;

/// Family, table and name of a set or chain.
type Name<'a> = (&'a str, &'a str, &'a str);

/// The rules of all tables. nft cannot print the matches of rules that iptables made; `iptables-save` prints
/// those.
///
/// # Errors
/// What is wrong with the text, without its content.
pub(super) fn parse(text: &[u8]) -> Result<Printed, String> {
    let mut printed = Printed::default();
    let whole: Value = serde_json::from_slice(text).map_err(|_| "did not print JSON".to_owned())?;
    let objects = whole
        .get("nftables")
        .and_then(Value::as_array)
        .ok_or("printed JSON of an unexpected form")?;
    let mut sets = HashMap::<Name<'_>, VniSet>::new();
    let mut hooks = HashMap::<Name<'_>, &str>::new();
    for object in objects {
        if let Some(set) = object.get("set") {
            let mut vnis = VniSet::default();
            elements(set.get("elem").unwrap_or(&Value::Null), &mut vnis);
            sets.extend(name(set, "name").map(|name| (name, vnis)));
        }
        if let Some(chain) = object.get("chain")
            && let Some(hook) = chain.get("hook").and_then(Value::as_str)
        {
            hooks.extend(name(chain, "name").map(|name| (name, hook)));
        }
    }
    for object in objects {
        let Some(rule) = object.get("rule") else {
            continue;
        };
        let Some(chain) = name(rule, "chain") else {
            continue;
        };
        let statements = rule.get("expr").and_then(Value::as_array);
        let statements = statements.map_or(&[][..], Vec::as_slice);
        // A match or target of iptables.
        if statements.iter().any(|at| at.get("xt").is_some()) {
            match chain.0 {
                "ip" => drop(printed.of_iptables.insert(Family::Ipv4)),
                "ip6" => drop(printed.of_iptables.insert(Family::Ipv6)),
                _ => {}
            }
        }
        let Some(vnis) = vnis(chain, statements, &sets) else {
            continue;
        };
        match hooks.get(&chain) {
            Some(&"output") if statements.iter().any(marks) => printed.rules.marked.extend(&vnis),
            Some(&"input" | &"prerouting")
                if statements.iter().any(is_cleartext) && statements.iter().any(drops) =>
            {
                printed.rules.refused.extend(&vnis);
            }
            _ => {}
        }
    }
    Ok(printed)
}

/// Family, table and name of an object.
fn name<'a>(object: &'a Value, of: &str) -> Option<Name<'a>> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    Some((text("family")?, text("table")?, text(of)?))
}

/// The VNIs that a rule matches: those that `@th,96,24` is compared with, 24 bits after 8 bytes of UDP and 4 of VXLAN.
fn vnis(chain: Name<'_>, statements: &[Value], sets: &HashMap<Name<'_>, VniSet>) -> Option<VniSet> {
    statements.iter().find_map(|statement| {
        let compared = statement.get("match")?;
        let payload = compared.get("left")?.get("payload")?;
        let number = |key: &str| payload.get(key).and_then(Value::as_u64);
        let base = payload.get("base").and_then(Value::as_str);
        let operator = compared.get("op").and_then(Value::as_str);
        if (base, number("offset"), number("len")) != (Some("th"), Some(96), Some(24))
            || !matches!(operator, Some("==" | "in"))
        {
            return None;
        }
        let right = compared.get("right")?;
        if let Some(set) = right.as_str().and_then(|text| text.strip_prefix('@')) {
            return sets.get(&(chain.0, chain.1, set)).cloned();
        }
        let mut vnis = VniSet::default();
        elements(right.get("set").unwrap_or(right), &mut vnis);
        Some(vnis)
    })
}

/// Adds one element or a list of them: a number, a range, or either with a counter or comment.
fn elements(value: &Value, vnis: &mut VniSet) {
    let number = |value: &Value| value.as_u64().and_then(|vni| u32::try_from(vni).ok());
    match value {
        Value::Array(list) => list.iter().for_each(|value| element(value, vnis, number)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            element(value, vnis, number);
        }
    }
}

/// Adds one element.
fn element(value: &Value, vnis: &mut VniSet, number: impl Fn(&Value) -> Option<u32>) {
    // With a counter or a comment: `{"elem": {"val": 4096, …}}`.
    let value = value
        .get("elem")
        .and_then(|element| element.get("val"))
        .unwrap_or(value);
    let range = value.get("range").and_then(Value::as_array);
    if let Some([from, to]) = range.map(Vec::as_slice) {
        if let (Some(from), Some(to)) = (number(from), number(to)) {
            vnis.add(from..=to);
        }
    } else if let Some(vni) = number(value) {
        vnis.add(vni..=vni);
    }
}

/// Whether a statement is `meta mark set 0xd0c4e3`.
fn marks(statement: &Value) -> bool {
    let value = statement
        .get("mangle")
        .filter(|mangle| mangle.pointer("/key/meta/key").and_then(Value::as_str) == Some("mark"));
    let value = value.and_then(|mangle| mangle.get("value")?.as_u64());
    value == Some(u64::from(MARK))
}

/// Whether a statement is `meta ipsec missing`. Older versions call it `secpath`.
fn is_cleartext(statement: &Value) -> bool {
    let compared = statement.get("match");
    let key = compared.and_then(|compared| compared.pointer("/left/meta/key")?.as_str());
    let is = compared.and_then(|compared| compared.get("op")?.as_str()) == Some("==");
    let missing = compared.and_then(|compared| compared.get("right")?.as_bool()) == Some(false);
    matches!(key, Some("ipsec" | "secpath")) && is && missing
}

/// Whether a statement drops or rejects.
fn drops(statement: &Value) -> bool {
    statement.get("drop").is_some() || statement.get("reject").is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vni_set::of;
    use super::*;
    use crate::host::firewall::Rules;

    fn rules(text: &str) -> Rules {
        parse(text.as_bytes()).unwrap().rules
    }

    /// Printed by nft 1.0.6 for the table that Docker 29 makes and one with its VNIs in the rules, shortened.
    const LISTED: &str = r#"{"nftables": [
        {"set": {"family": "ip", "name": "encrypted-vnis", "table": "docker-overlay", "type": "integer", "handle": 3, "elem": [4096, {"elem": {"val": 4097, "counter": {}}}]}},
        {"chain": {"family": "ip", "table": "docker-overlay", "name": "enc-in", "type": "filter", "hook": "input", "prio": -300}},
        {"chain": {"family": "ip", "table": "docker-overlay", "name": "enc-out", "type": "route", "hook": "output", "prio": -150}},
        {"rule": {"family": "ip", "table": "docker-overlay", "chain": "enc-in", "expr": [
            {"match": {"op": "==", "left": {"meta": {"key": "ipsec"}}, "right": false}},
            {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 4789}},
            {"match": {"op": "==", "left": {"payload": {"base": "th", "offset": 96, "len": 24}}, "right": "@encrypted-vnis"}},
            {"counter": {"packets": 0, "bytes": 0}}, {"drop": null}]}},
        {"rule": {"family": "ip", "table": "docker-overlay", "chain": "enc-out", "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 4789}},
            {"match": {"op": "==", "left": {"payload": {"base": "th", "offset": 96, "len": 24}}, "right": "@encrypted-vnis"}},
            {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 13681891}}]}},
        {"chain": {"family": "inet", "table": "mine", "name": "out", "type": "route", "hook": "output", "prio": -150}},
        {"rule": {"family": "inet", "table": "mine", "chain": "out", "expr": [
            {"match": {"op": "==", "left": {"payload": {"base": "th", "offset": 96, "len": 24}}, "right": {"set": [77, {"range": [5000, 5003]}]}}},
            {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 13681891}}]}}]}"#;

    #[test]
    fn sets_and_rules_are_read() {
        let found = rules(LISTED);
        let vnis = [77, 4096, 4097, 5000, 5003];
        assert!(vnis.iter().all(|vni| found.marked.has(*vni)), "{found:?}");
        assert!(!found.marked.has(5004) && !found.marked.has(4098));
        assert_eq!(found.refused, of(&[4096, 4097]));
    }

    #[test]
    fn similar_rules_are_ignored() {
        for (from, to) in [
            (r#""hook": "output""#, r#""hook": "postrouting""#),
            ("13681891", "13681892"),
            (r#""offset": 96"#, r#""offset": 64"#),
            (r#""key": "mark""#, r#""key": "priority""#),
        ] {
            let found = rules(&LISTED.replace(from, to));
            assert!(found.marked.is_empty(), "{to}");
        }
        for (from, to) in [
            (r#""right": false"#, r#""right": true"#),
            (r#"{"drop": null}"#, r#"{"accept": null}"#),
            (r#""hook": "input""#, r#""hook": "output""#),
        ] {
            let found = rules(&LISTED.replace(from, to));
            assert!(found.refused.is_empty(), "{to}");
        }
        let other_table = LISTED.replacen("\"docker-overlay\"", "\"docker-other\"", 1);
        assert!(rules(&other_table).refused.is_empty());
    }

    #[test]
    fn other_output_is_an_error() {
        for text in ["", "nft: error", "[]", "{}"] {
            assert!(parse(text.as_bytes()).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(at in 0..LISTED.len(), byte: u8) {
            let mut damaged = LISTED.as_bytes().to_vec();
            damaged[at] = byte;
            let _ = parse(&damaged);
        }
    }
}
