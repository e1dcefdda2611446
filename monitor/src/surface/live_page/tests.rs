use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::surface::live::{Live, Reading, plain};

/// Bytes of the page with all that belongs to it.
const PAGE_MAX: usize = 64 << 10;
const HOSTILE: &str = "<script>hacked=1</script><img src=x onerror='hacked=2'>\\\"><b>\u{202e}";

/// What an agent sees at a second: so many networks, the first of them violated.
fn reading(second: u64, networks: u32, name: &str) -> Reading {
    let name = serde_json::to_string(name).unwrap();
    let mut page = String::new();
    let mut metrics = String::from("overlay_hook_up{interface=\"eth0\",direction=\"rx\"} 1\n");
    for vni in 0..networks {
        let state = ["mixed", "idle", "encrypted", "cleartext", "unknown"][vni as usize % 5];
        let required = [r#""required""#, r#""optional""#, "null"][vni as usize % 3];
        page += &format!(
            r#"{{"type":"network","node":"node1","vni":{vni},"network":{name},"required":{required},"state":"{state}","doubts":["blind"]}}"#
        );
        page += "\n";
        for direction in ["rx", "tx"] {
            let bytes = second * second * 1_000;
            metrics += &format!(
                "overlay_bytes_total{{direction=\"{direction}\",vni=\"{vni}\"}} {bytes}\n"
            );
        }
        for protocol in ["redis", "tls", "http", "dns", "mysql", "kafka", "nats"] {
            metrics += &format!(
                "overlay_exposure_bytes_total{{direction=\"tx\",vni=\"{vni}\",protocol=\"{protocol}\",exposure=\"plaintext\"}} 300\n"
            );
        }
    }
    for (active, vni) in [(true, 0), (false, 7)] {
        page += &format!(
            r#"{{"type":"violation","vni":{vni},"breach":"cleartext","direction":"tx","active":{active},"packets":3,"bytes":372,"peers":[{{"address":"192.168.77.2","packets":3}}],"causes":["the rule is missing"]}}"#
        );
        page += "\n";
    }
    Reading::read(Duration::from_secs(second), &page, &metrics).unwrap()
}

fn live(networks: u32, name: &str) -> Live {
    let mut live = Live::default();
    (0..70).for_each(|second| live.take(reading(second, networks, name)));
    live
}

fn now(live: &Live) -> Content {
    content(live, Timestamp::UNIX_EPOCH)
}

#[test]
fn the_content_of_a_few_networks() {
    insta::assert_snapshot!(now(&live(5, "app")).markup);
    let mut silent = live(1, "app");
    silent.miss("the agent failed".to_owned());
    let content = now(&silent);
    assert_eq!(content.title, "? No answer: node1");
    assert!(content.markup.contains("the agent failed"));
    assert!(!content.markup.contains("No violation"));
}

#[test]
fn a_page_has_at_most_64_kib_with_all_and_names_the_worst_first() {
    for name in ["app", &HOSTILE.repeat(4), &"\"".repeat(64)] {
        // Some three times as many as have room.
        let live = live(400, name);
        let content = now(&live);
        for size in [document(&content).len(), event(&content).len()] {
            assert!(size <= PAGE_MAX, "{size}");
        }
        let first = content.markup.find("<tbody").unwrap();
        assert!(content.markup[first..].contains("<span class=\"tag bad\">! mixed"));
        assert!(
            content
                .markup
                .contains(" more networks, none of them worse")
        );
    }
}

#[test]
fn what_others_wrote_stays_text() {
    let page = document(&now(&live(3, HOSTILE)));
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.contains("&lt;script&gt;hacked=1&lt;/script&gt;"));
    for markup in ["<img", "<b>", "\u{202e}"] {
        assert!(!page.contains(markup), "{markup}");
    }
    // Every line of an event is data: none can end it, or begin another field.
    let event = event(&now(&live(3, "a\r\n\ndata: x\nevent: y")));
    let (lines, end) = event.split_at(event.len() - 2);
    assert_eq!(end, "\n\n");
    assert!(
        lines
            .split(['\n', '\r'])
            .all(|line| line.starts_with("data: "))
    );
}

#[test]
fn the_policy_admits_the_style_and_the_script_of_the_page_and_nothing_else() {
    let page = document(&now(&live(1, &plain(HOSTILE, 40))));
    for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let (_, rest) = page.split_once(open).unwrap();
        let (inside, _) = rest.split_once(close).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, inside.as_bytes());
        let digest = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, digest);
        assert!(POLICY.contains(&digest), "{open}: {}", *POLICY);
    }
    assert!(POLICY.starts_with("default-src 'none'"));
    for attribute in [" style=", " onclick=", " onload=", "http:", "https:", "//"] {
        let (document, _) = page.split_once("<script>").unwrap();
        let (_, document) = document.split_once("</style>").unwrap();
        assert!(!document.contains(attribute), "{attribute}");
    }
}
