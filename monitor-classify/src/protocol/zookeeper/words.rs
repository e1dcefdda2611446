//! Four-letter words, which administrators send, and their replies.

use crate::finding::{Finding, Strength};
use crate::parse::lines;
use crate::payload::Payload;

const WORDS: &[&str] = &[
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "orst", "ruok",
    "srst", "srvr", "stat", "stmk", "wchc", "wchp", "wchs",
];

/// What answers start with.
const ANSWERS: &[(&str, Strength)] = &[
    ("Zookeeper version: ", Strength::Certain),
    ("zk_version\t", Strength::Certain),
    ("zk_", Strength::Likely),
    ("clientPort=", Strength::Likely),
    ("SessionTracker dump:", Strength::Certain),
    ("Environment:", Strength::Weak),
    (
        "This ZooKeeper instance is not currently serving requests",
        Strength::Certain,
    ),
    ("imok", Strength::Weak),
    ("rw", Strength::Weak),
    ("ro", Strength::Weak),
];

pub(crate) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let text = p.bytes.trim_ascii_end();
    if text.len() == 4
        && p.wire_len <= 6
        && let Some(word) = lines::known(WORDS, text)
    {
        return Some(Finding::plaintext(Strength::Weak, word));
    }
    if let Some(start) = text.strip_prefix(b"zk_") {
        // The name of a measure, a tab, its value.
        let name = start
            .iter()
            .take_while(|byte| byte.is_ascii_lowercase() || **byte == b'_')
            .count();
        let strength = if start.get(name) == Some(&b'\t') {
            Strength::Certain
        } else {
            Strength::Likely
        };
        return Some(Finding::plaintext(strength, "answer"));
    }
    let (answer, strength) = ANSWERS
        .iter()
        .find(|(answer, _)| p.bytes.starts_with(answer.as_bytes()))?;
    let is_whole = *strength != Strength::Weak || p.wire_len as usize <= answer.len() + 1;
    is_whole.then(|| Finding::plaintext(*strength, "answer"))
}
