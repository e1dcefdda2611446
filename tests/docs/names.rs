//! Names of files in the documents that lead through the code.

/// The documents in which each name of a file must be its path from the root.
const DOCUMENTS: [&str; 3] = [
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/development.md",
];
/// Names that any folder may have.
const ANYWHERE: [&str; 2] = ["mod.rs", "tests.rs"];
const KINDS: [&str; 6] = [".rs", ".md", ".toml", ".json", ".sh", ".pcap"];

/// The words in backticks that are paths of this tree: with a folder of it in front, or the ending of a file.
fn paths(text: &str, folders: &[String]) -> Vec<String> {
    let words = text.split('`').skip(1).step_by(2);
    let is_path = |word: &&str| {
        let first = word.split('/').next().unwrap();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        let is_of_the_tree = word.contains('/') && folders.iter().any(|at| at == first);
        let is_file = KINDS.iter().any(|kind| word.ends_with(kind));
        word.chars().all(is_plain)
            && (is_of_the_tree || is_file)
            && first != "target"
            && !word.starts_with(['/', '.'])
            && !ANYWHERE.contains(word)
    };
    words.filter(is_path).map(str::to_owned).collect()
}

/// A path, up to the first part in capitals, which stands for a name of your own.
fn known_part(path: &str) -> String {
    let is_placeholder = |part: &&str| {
        let stem = part.split('.').next().unwrap();
        stem.len() > 1 && stem.chars().all(|c| c.is_ascii_uppercase()) && stem != "README"
    };
    let known = path.split('/').take_while(|part| {
        ["CONTRIBUTING.md", "CHANGELOG.md", "LICENSES"].contains(part) || !is_placeholder(part)
    });
    Vec::from_iter(known).join("/")
}

#[test]
fn every_file_that_is_named_exists() {
    let root = super::root();
    let folders: Vec<String> = std::fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = super::document(document);
        // A block of code is no name.
        let prose: String = text.split("```").step_by(2).collect();
        let named = paths(&prose, &folders);
        assert!(named.len() > 10, "{document} names {} files", named.len());
        for path in named {
            if !root.join(known_part(&path)).exists() {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
