//! The page, with everything in it that an attacker can write.

use std::collections::BTreeSet;

use super::*;
use crate::surface::report::tests::{HOSTILE, hostile};

/// Tags and attributes of a page, and its text. The parser is as strict as the writer.
fn parse(page: &str) -> (BTreeSet<String>, BTreeSet<String>, String) {
    let (mut tags, mut attributes, mut text) = (BTreeSet::new(), BTreeSet::new(), String::new());
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name = rest
            .find([' ', '>'])
            .map(|end| rest[..end].trim_start_matches('/'));
        tags.insert(name.unwrap().to_owned());
        let mut quoted = false;
        let mut word = String::new();
        let mut end = 0;
        for (n, character) in rest.char_indices() {
            match character {
                '"' => quoted = !quoted,
                '=' if !quoted => {
                    attributes.insert(std::mem::take(&mut word));
                }
                ' ' if !quoted => word.clear(),
                '>' if !quoted => {
                    end = n;
                    break;
                }
                other if !quoted => word.push(other),
                _ => {}
            }
        }
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    (tags, attributes, text)
}

#[test]
fn untrusted_text_stays_text() {
    let audit = hostile();
    let page = page(&audit);
    let (start, rest) = page.split_once("<style>").unwrap();
    let (style, rest) = rest.split_once("</style>").unwrap();
    let (tags, attributes, text) = parse(&format!("{start}{rest}"));
    for tag in ["script", "img", "a", "link", "iframe", "object", "b"] {
        assert!(!tags.contains(tag), "{tags:?}");
    }
    let ours = [
        "aria-hidden",
        "aria-label",
        "charset",
        "class",
        "colspan",
        "content",
        "cx",
        "cy",
        "focusable",
        "height",
        "http-equiv",
        "id",
        "lang",
        "name",
        "patternTransform",
        "patternUnits",
        "r",
        "role",
        "scope",
        "tabindex",
        "width",
        "x",
        "x1",
        "x2",
        "y",
        "y1",
        "y2",
    ];
    for attribute in &attributes {
        assert!(ours.contains(&attribute.as_str()), "{attributes:?}");
    }
    // The text itself is there.
    let shown = HOSTILE
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let shown = shown.replace('"', "&quot;").replace('\'', "&#39;");
    assert!(text.matches(&shown).count() >= 5, "{shown} in {text}");
    assert!(!page.chars().any(|c| c.is_control() && c != '\n'));
    // Nothing is loaded.
    assert!(!style.contains("@import"));
    assert!(style.matches("url(").count() == style.matches("url(#").count());
}

/// The page without its style sheet, the time in the zone of this machine, and the version.
#[test]
fn the_page_as_a_whole() {
    let mut audit = hostile();
    audit.node = "node1".to_owned();
    audit.watching = "eth0".to_owned();
    let page = page(&audit);
    let (start, rest) = page.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let started = audit.started.to_zoned(TimeZone::system());
    let started = started.strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    let page = format!("{start}<style>STYLE</style>{rest}")
        .replace(&started, "TIME")
        .replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!("page", page);
}

#[test]
fn the_page_is_bounded_and_counts_what_it_leaves_out() {
    let mut audit = hostile();
    let [network, host] = &audit.exposure.chapters[..] else {
        panic!("{:?}", audit.exposure.chapters);
    };
    let mut chapters = vec![network.clone(); crate::surface::report::chapter::CHAPTERS - 1];
    chapters.push(host.clone());
    audit.exposure.chapters = chapters;
    audit.exposure.more = 5_000;
    let page = page(&audit);
    assert!(page.len() < 1 << 20, "{}", page.len());
    assert!(page.contains("5,224 more networks"), "{page}");
    assert_eq!(page.matches("<h3>").count(), 32);
    assert!(page.contains("<h3>Host traffic"));
}

#[test]
fn an_audit_without_packets_makes_a_page() {
    let page = page(&Audit::default());
    assert!(page.ends_with("</html>\n"));
    assert!(page.contains("Exposure was not watched"), "{page}");
}
