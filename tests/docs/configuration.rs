//! The example of a configuration file, `docs/config.toml`.

use overlay_tests::configuration::{keys, parsed};

const EXAMPLE: &str = "docs/config.toml";

/// The keys that are commented out, switched on.
fn switched_on(example: &str) -> String {
    let lines = example.lines().map(|line| match line.strip_prefix("#") {
        Some(key) if !key.starts_with(' ') => key,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_example_is_valid_and_what_is_commented_out_is_the_default() {
    let example = super::document(EXAMPLE);
    let plain = parsed(&example).unwrap();
    let on = switched_on(&example);
    assert_ne!(on, example);
    assert_eq!(parsed(&on).unwrap(), plain);
}

#[test]
fn the_configuration_of_the_package_is_valid() {
    parsed(&super::document("deploy/debian/config.toml")).unwrap();
}

#[test]
fn the_example_and_the_document_have_every_key() {
    let example = super::document(EXAMPLE);
    let text = super::document("docs/configuration.md");
    let keys = keys();
    assert!(keys.len() > 15, "{keys:?}");
    for key in &keys {
        let is_there = match key.as_str() {
            "network" => example.contains("\n[[network]]\n"),
            _ => {
                let starts = |line: &str| line.trim_start_matches('#').starts_with(key.as_str());
                example.lines().any(starts)
            }
        };
        assert!(is_there, "{EXAMPLE} lacks {key}");
        let named = match key.as_str() {
            "network" => "`[[network]]`".to_owned(),
            _ => format!("`{key}`"),
        };
        assert!(text.contains(&named), "docs/configuration.md lacks {named}");
    }
}
