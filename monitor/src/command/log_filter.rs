//! Which log lines are written: `--log`, else the environment variable `RUST_LOG`.

use std::ffi::OsStr;

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;

use crate::base::failure::Failure;

/// The netlink library warns of every attribute that is newer than it.
const DEFAULT: &str = "info,netlink_packet_route=error";
const TAKES: &str =
    "give error, warn, info, debug or trace, or a filter such as info,monitor=debug";

/// The filter of a flag, of an environment variable, or the default.
///
/// # Errors
/// A usage failure that names the flag or the variable.
pub fn log_filter(flag: Option<&str>, variable: Option<&OsStr>) -> Result<EnvFilter, Failure> {
    if let Some(text) = flag {
        return parse("--log", text);
    }
    match variable {
        Some(text) if !text.is_empty() => {
            let text = text.to_str().ok_or_else(|| {
                Failure::usage(anyhow!(
                    "environment variable RUST_LOG is not UTF-8: {TAKES}"
                ))
            })?;
            parse("environment variable RUST_LOG", text)
        }
        Some(_) | None => parse("default", DEFAULT),
    }
}

fn parse(from: &str, text: &str) -> Result<EnvFilter, Failure> {
    if let Some(word) = text
        .split(',')
        .map(str::trim)
        .find(|word| is_misspelt(word))
    {
        return Err(Failure::usage(anyhow!(
            "{from} {text:?}: {word:?} is no log level; {TAKES}"
        )));
    }
    EnvFilter::try_new(text)
        .map_err(|error| Failure::usage(anyhow!("{from} {text:?}: {error}; {TAKES}")))
}

/// Whether a word alone is neither a level nor a module of this program. The syntax of filters takes any word for a
/// module, so a misspelt level would silence the whole log.
fn is_misspelt(word: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_word = word
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    let is_level = LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level))
        || matches!(word, "0" | "1" | "2" | "3" | "4" | "5");
    !word.is_empty() && is_word && !is_level && !word.starts_with("monitor")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::FailureKind;

    fn filter(flag: Option<&str>, variable: Option<&str>) -> Result<String, String> {
        log_filter(flag, variable.map(OsStr::new))
            .map(|filter| filter.to_string())
            .map_err(|failure| {
                assert_eq!(failure.kind, FailureKind::Usage);
                failure.to_string()
            })
    }

    #[test]
    fn the_flag_overrides_the_variable_which_overrides_the_default() {
        assert_eq!(filter(Some("debug"), Some("=,=")).unwrap(), "debug");
        assert_eq!(filter(None, Some("WARN")).unwrap(), "warn");
        for unset in [None, Some("")] {
            let default = filter(None, unset).unwrap();
            assert!(default.contains("info"), "{default}");
        }
        for good in [
            "monitor=debug",
            "monitor",
            "info,hyper=off",
            "3",
            "off",
            "info, warn",
        ] {
            filter(None, Some(good)).unwrap();
        }
    }

    #[test]
    fn an_invalid_filter_is_an_error_that_names_where_it_is_from() {
        for bad in ["=,=", "info=loud", "debg", "info,verbose", "6"] {
            let error = filter(None, Some(bad)).unwrap_err();
            assert!(
                error.starts_with("environment variable RUST_LOG"),
                "{bad}: {error}"
            );
            let error = filter(Some(bad), None).unwrap_err();
            assert!(
                error.starts_with("--log") && error.contains("give error, warn"),
                "{error}"
            );
        }
        use std::os::unix::ffi::OsStrExt;
        let error = log_filter(None, Some(OsStr::from_bytes(b"info\xff"))).unwrap_err();
        assert!(error.to_string().contains("not UTF-8"), "{error}");
    }
}
