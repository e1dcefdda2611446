//! The argument of `-i`: a name, a glob, or `default`.

use std::ffi::CString;
use std::fmt;

use anyhow::{anyhow, bail};

use super::link_list::{Link, LinkKind};

/// Longest pattern in bytes, far longer than any name.
const LENGTH: usize = 256;

/// One `-i` argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `default`: the interfaces of the default route.
    Default,
    /// A name or alternative name.
    Name(String),
    /// A shell pattern with `*`, `?` or `[…]`: selects all interfaces that match, except the loopback interface and
    /// VXLAN and Geneve devices, which carry no outer headers.
    Glob(Glob),
}

/// A validated shell pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(CString);

impl Glob {
    /// Whether the pattern selects this interface.
    #[must_use]
    pub fn selects(&self, link: &Link) -> bool {
        !link.is_loopback()
            && link.kind != LinkKind::Overlay
            && (self.matches(&link.name) || link.other_names.iter().any(|name| self.matches(name)))
    }

    fn matches(&self, name: &str) -> bool {
        let Ok(name) = CString::new(name) else {
            return false;
        };
        // SAFETY: both are valid C strings, and fnmatch only reads them.
        unsafe { libc::fnmatch(self.0.as_ptr(), name.as_ptr(), 0) == 0 }
    }
}

impl Pattern {
    /// Parses the argument of `-i`.
    ///
    /// # Errors
    /// The text is longer than 256 bytes, or a glob with a NUL.
    pub fn parse(text: &str) -> anyhow::Result<Pattern> {
        if text.len() > LENGTH {
            bail!(
                "an interface pattern of {} bytes is too long; at most {LENGTH} are allowed",
                text.len()
            );
        }
        let bracket = text.find('[').is_some_and(|at| text[at..].contains(']'));
        if text == "default" {
            Ok(Pattern::Default)
        } else if bracket || text.contains(['*', '?']) {
            let glob = CString::new(text)
                .map_err(|_| anyhow!("interface {text:?}: a name contains no NUL"))?;
            Ok(Pattern::Glob(Glob(glob)))
        } else {
            Ok(Pattern::Name(text.to_owned()))
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Default => f.write_str("default"),
            Pattern::Name(name) => f.write_str(name),
            Pattern::Glob(glob) => write!(f, "{}", glob.0.to_string_lossy().escape_debug()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_globs_and_default_are_distinguished() {
        assert_eq!(Pattern::parse("default").unwrap(), Pattern::Default);
        for name in ["eth0", "eth0.5", "br-1234", "defaults", "", "\u{1b}[2J"] {
            assert_eq!(
                Pattern::parse(name).unwrap(),
                Pattern::Name(name.to_owned())
            );
        }
        for (glob, matches, not) in [
            ("eth*", "eth0", "veth0"),
            ("en?", "en1", "en12"),
            ("eth[0-3]", "eth3", "eth4"),
            ("*", "x", ""),
        ] {
            let Pattern::Glob(parsed) = Pattern::parse(glob).unwrap() else {
                panic!("{glob} is a glob");
            };
            assert!(
                parsed.matches(matches) && (not.is_empty() || !parsed.matches(not)),
                "{glob}"
            );
        }
        assert!(Pattern::parse(&"*".repeat(257)).is_err());
        assert!(Pattern::parse("*\0").is_err());
    }
}
