//! Checks the licence of every dependency against `deny.toml`, which is
//! cargo-deny's own file, so that either tool reads the same list.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::paths::{Ctx, read};
use crate::proc::{capture, cargo, output, run, say};

/// The workspaces, each with a lock file.
const MANIFESTS: &[&str] = &["Cargo.toml", "monitor-ebpf/Cargo.toml"];

/// Fails if a dependency has a licence that is not allowed.
pub(super) fn check(ctx: &Ctx) -> Result<()> {
    let deny = ctx.path("deny.toml");
    if has_cargo_deny() {
        for manifest in MANIFESTS {
            let mut cmd = cargo();
            cmd.current_dir(&ctx.root)
                .arg("deny")
                .arg("--manifest-path")
                .arg(ctx.path(manifest))
                .args(["check", "--config"])
                .arg(&deny);
            run(&mut cmd)?;
        }
        return Ok(());
    }
    let deny = read(&deny)?;
    let (allowed, exceptions) = (allowed(&deny)?, exceptions(&deny)?);
    let mut checked = 0;
    let mut refused = Vec::new();
    for manifest in MANIFESTS {
        let metadata = metadata(&ctx.path(manifest))?;
        for package in metadata["packages"].as_array().into_iter().flatten() {
            checked += 1;
            let name = package["name"].as_str().unwrap_or_default();
            let version = package["version"].as_str().unwrap_or_default();
            let licence = package["license"].as_str().unwrap_or_default();
            let also = exceptions.iter().filter(|(of, _)| of == name);
            let also = also.flat_map(|(_, licences)| licences);
            let allowed: Vec<String> = allowed.iter().chain(also).cloned().collect();
            if !is_allowed(licence, &allowed) {
                refused.push(format!("{name} {version}: `{licence}` ({manifest})"));
            }
        }
    }
    if !refused.is_empty() {
        bail!(
            "not allowed by deny.toml; allow the licence there, or do without the crate:\n    {}",
            refused.join("\n    ")
        );
    }
    say(format!(
        "licences of {checked} packages are allowed. Advisories were not checked: cargo-deny is not installed"
    ));
    Ok(())
}

fn has_cargo_deny() -> bool {
    output(Command::new("cargo-deny").arg("--version")).is_ok_and(|out| out.status.success())
}

fn metadata(manifest: &Path) -> Result<Value> {
    let mut cmd = cargo();
    cmd.args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--manifest-path",
    ])
    .arg(manifest);
    serde_json::from_str(&capture(&mut cmd)?).context("`cargo metadata` printed no JSON")
}

fn allowed(deny: &str) -> Result<Vec<String>> {
    let table: toml::Table = deny.parse().context("deny.toml is not TOML")?;
    let list = table
        .get("licenses")
        .and_then(|licenses| licenses.get("allow"))
        .and_then(toml::Value::as_array)
        .context("deny.toml has no list `allow` under [licenses]")?;
    Ok(list
        .iter()
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect())
}

/// What is allowed to single crates beside that, by their names.
fn exceptions(deny: &str) -> Result<Vec<(String, Vec<String>)>> {
    let table: toml::Table = deny.parse().context("deny.toml is not TOML")?;
    let list = table
        .get("licenses")
        .and_then(|licenses| licenses.get("exceptions"))
        .and_then(toml::Value::as_array);
    let mut exceptions = Vec::new();
    for exception in list.into_iter().flatten() {
        let name = exception.get("crate").and_then(toml::Value::as_str);
        let allow = exception.get("allow").and_then(toml::Value::as_array);
        let (Some(name), Some(allow)) = (name, allow) else {
            bail!("an exception in deny.toml without `crate` or `allow`");
        };
        let allow = allow.iter().filter_map(toml::Value::as_str);
        exceptions.push((name.to_owned(), allow.map(str::to_owned).collect()));
    }
    Ok(exceptions)
}

/// Whether an SPDX expression can be satisfied with the allowed licences.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    // Old manifests write a slash for OR.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        words: &words,
        allowed,
    };
    parser.any() == Some(true) && parser.words.is_empty()
}

/// A parser by recursive descent: OR binds weaker than AND, AND than WITH.
/// Every method is `None` on a malformed expression.
struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Option<bool> {
        let mut result = self.all()?;
        while self.take("OR") {
            result |= self.all()?;
        }
        Some(result)
    }

    fn all(&mut self) -> Option<bool> {
        let mut result = self.one()?;
        while self.take("AND") {
            result &= self.one()?;
        }
        Some(result)
    }

    fn one(&mut self) -> Option<bool> {
        let word = self.next()?;
        if word == "(" {
            let result = self.any()?;
            return self.take(")").then_some(result);
        }
        let licence = if self.take("WITH") {
            format!("{word} WITH {}", self.next()?)
        } else {
            word.to_owned()
        };
        Some(self.allowed.contains(&licence))
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spdx_expressions() {
        let allowed: Vec<String> = ["MIT", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"]
            .map(str::to_owned)
            .to_vec();
        for fine in [
            "MIT",
            "MIT OR Apache-2.0",
            "GPL-3.0/MIT",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "GPL-2.0 AND GPL-3.0 OR MIT",
        ] {
            assert!(is_allowed(fine, &allowed), "{fine}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "Apache-2.0",
            "(MIT",
            "MIT OR",
            "MIT MIT",
        ] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn list_is_read_from_cargo_denys_file() {
        let list = allowed("[licenses]\nallow = [\"MIT\", \"ISC\"]\n").unwrap();
        assert_eq!(list, ["MIT", "ISC"]);
        assert!(allowed("[licenses]\n").is_err());
        let file =
            "[licenses]\nallow = []\n[[licenses.exceptions]]\ncrate = \"a\"\nallow = [\"NCSA\"]\n";
        let expected = ("a".to_owned(), vec!["NCSA".to_owned()]);
        assert_eq!(exceptions(file).unwrap(), [expected]);
        assert_eq!(exceptions("").unwrap(), []);
        assert!(exceptions("[[licenses.exceptions]]\ncrate = \"a\"\n").is_err());
    }
}
