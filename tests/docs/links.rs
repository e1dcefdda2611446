//! Links between the documents: the file exists, and so does the heading.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All documents below the root, but for what is built.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![super::root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// The document without its blocks of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Targets of the links in a document.
fn targets(text: &str) -> Vec<String> {
    let parts = text.split("](").skip(1);
    parts
        .map(|part| part.split(')').next().unwrap().to_owned())
        .collect()
}

/// The anchors of a document, as GitHub makes them of its headings.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            });
            kept.collect()
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut checked = 0;
    let mut broken = Vec::new();
    for from in documents() {
        let text = prose(&std::fs::read_to_string(&from).unwrap());
        for target in targets(&text) {
            if target.contains("://") {
                continue;
            }
            checked += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let to: PathBuf = match file {
                "" => from.clone(),
                _ => from.parent().unwrap().join(file),
            };
            let is_there = to.exists()
                && (anchor.is_empty() || {
                    let text = prose(&std::fs::read_to_string(&to).unwrap());
                    anchors(&text).contains(anchor)
                });
            if !is_there {
                broken.push(format!("{}: {target}", from.display()));
            }
        }
    }
    assert!(checked > 50, "only {checked} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_document_can_be_reached_from_the_readme() {
    let root = super::root();
    let mut reached = BTreeSet::new();
    let mut next = vec![root.join("README.md")];
    while let Some(path) = next.pop() {
        let path = path.canonicalize().unwrap();
        if !reached.insert(path.clone()) || path.extension().is_none_or(|kind| kind != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for target in targets(&prose(&text)) {
            let file = target.split('#').next().unwrap();
            let to = path.parent().unwrap().join(file);
            if !file.is_empty() && to.is_file() {
                next.push(to);
            }
        }
    }
    let folder: &Path = &root.join("docs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path().canonicalize().unwrap();
        let is_document = path.extension().is_some_and(|kind| kind == "md");
        assert!(
            !is_document || reached.contains(&path),
            "nothing links to {}",
            path.display()
        );
    }
}
