//! The example of a configuration file, `docs/config.toml`.

use std::path::PathBuf;

use monitor::command::cli::{ExportArgs, PolicyArgs, WatchArgs};
use monitor::command::settings::{Defaults, plan};

const EXAMPLE: &str = "docs/config.toml";

/// What `run` makes of a configuration file; `Err` is the message of a failure.
fn parsed(name: &str, text: &str) -> Result<String, String> {
    let path: PathBuf =
        std::env::temp_dir().join(format!("overlay-docs-{name}-{}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let args = WatchArgs {
        config: Some(path.clone()),
        ..WatchArgs::default()
    };
    let plan = plan(
        &args,
        &PolicyArgs::default(),
        &ExportArgs::default(),
        Defaults::RUN,
    );
    std::fs::remove_file(&path).unwrap();
    match plan {
        Ok(plan) => Ok(format!("{plan:#?}")),
        Err(failure) => Err(format!("{failure}")),
    }
}

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
    let plain = parsed("plain", &example).unwrap();
    let on = switched_on(&example);
    assert_ne!(on, example);
    assert_eq!(parsed("on", &on).unwrap(), plain);
}

#[test]
fn the_configuration_of_the_package_is_valid() {
    parsed("package", &super::document("deploy/debian/config.toml")).unwrap();
}

#[test]
fn the_example_and_the_document_have_every_key() {
    let example = super::document(EXAMPLE);
    let text = super::document("docs/configuration.md");
    let refused = parsed("unknown", "no_such_key = 1").unwrap_err();
    let (_, keys) = refused.split_once("expected one of ").unwrap();
    let keys: Vec<&str> = keys.split('`').skip(1).step_by(2).collect();
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys {
        let is_there = match key {
            "network" => example.contains("\n[[network]]\n"),
            _ => {
                let starts = |line: &str| line.trim_start_matches('#').starts_with(key);
                example.lines().any(starts)
            }
        };
        assert!(is_there, "{EXAMPLE} lacks {key}");
        let named = match key {
            "network" => "`[[network]]`".to_owned(),
            _ => format!("`{key}`"),
        };
        assert!(text.contains(&named), "docs/configuration.md lacks {named}");
    }
}
