//! Reads the firewall through the programs that print its rules.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::printed::{Family, Kind, Printed};
use super::rules::Rules;
use super::{iptables_rules, nft_rules};
use crate::host::external_program;

/// The rules for overlay networks, as far as they can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// The rules that were found.
    pub rules: Rules,
    /// The programs whose output was read.
    pub read_from: Vec<&'static str>,
    /// What could not be read, and why: `name: reason`.
    pub unread: Vec<String>,
}

impl Firewall {
    /// Whether every source of rules was read: nftables, and both kinds of iptables. Only then does a rule that was not
    /// found not exist.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unread.is_empty() && !self.read_from.is_empty()
    }
}

/// A program that prints rules, and the parser of its output.
#[derive(Clone, Copy)]
struct RuleSource {
    name: &'static str,
    arguments: &'static [&'static str],
    parse: fn(&[u8]) -> Result<Printed, String>,
}

/// None of them changes the firewall: without a table's name `iptables-…-save` prints the tables that exist, and loads
/// no module.
const NFT: RuleSource = RuleSource {
    name: "nft",
    arguments: &["-j", "list", "ruleset"],
    parse: nft_rules::parse,
};
const fn iptables_save(name: &'static str) -> RuleSource {
    RuleSource {
        name,
        arguments: &[],
        parse: iptables_rules::parse,
    }
}

/// The files of the installed programs that [`read`] may start.
#[must_use]
pub fn programs() -> Vec<PathBuf> {
    let of_iptables = PROGRAMS
        .iter()
        .flat_map(|programs| [programs.nft, programs.legacy, programs.plain]);
    let names = of_iptables.chain([NFT.name]);
    let found = names.filter_map(external_program::find);
    found.map(external_program::Program::into_path).collect()
}

/// The programs of an IP version.
struct Programs {
    family: Family,
    /// Rules that iptables made in nftables.
    nft: &'static str,
    /// Rules that iptables made in its own tables.
    legacy: &'static str,
    /// Either, in older packages.
    plain: &'static str,
    /// Where the kernel lists iptables' own tables that exist in this network namespace.
    tables: &'static str,
}

const PROGRAMS: [Programs; 2] = [
    Programs {
        family: Family::Ipv4,
        nft: "iptables-nft-save",
        legacy: "iptables-legacy-save",
        plain: "iptables-save",
        tables: "/proc/thread-self/net/ip_tables_names",
    },
    Programs {
        family: Family::Ipv6,
        nft: "ip6tables-nft-save",
        legacy: "ip6tables-legacy-save",
        plain: "ip6tables-save",
        tables: "/proc/thread-self/net/ip6_tables_names",
    },
];

/// What a program printed, or why it printed nothing usable.
type Output = (&'static str, Result<Printed, String>);

/// Reads the firewall of this thread's network namespace. Blocks for four seconds at most: the programs run in parallel.
#[must_use]
pub fn read() -> Firewall {
    let mut sources = vec![NFT];
    for programs in &PROGRAMS {
        let by_kind = [programs.nft, programs.legacy];
        let is_whole = by_kind
            .iter()
            .all(|name| external_program::find(name).is_some());
        sources.extend(by_kind.map(iptables_save));
        if !is_whole {
            sources.push(iptables_save(programs.plain));
        }
    }
    let outputs: Vec<Output> = std::thread::scope(|scope| {
        let running: Vec<_> = sources
            .iter()
            .map(|source| (source.name, scope.spawn(|| output_of(source))))
            .collect();
        running
            .into_iter()
            .filter_map(|(name, thread)| match thread.join() {
                Ok(output) => output.map(|output| (name, output)),
                Err(_) => Some((name, Err("cannot be read".to_owned()))),
            })
            .collect()
    });
    let no_tables = PROGRAMS.map(|programs| has_no_tables(programs.tables));
    combine(outputs, no_tables)
}

/// What a program prints; `None` if it is not installed.
fn output_of(source: &RuleSource) -> Option<Result<Printed, String>> {
    let program = external_program::find(source.name)?;
    let text = external_program::output_of(&program, source.arguments);
    Some(text.and_then(|text| (source.parse)(&text)))
}

/// Whether iptables' own tables certainly do not exist.
fn has_no_tables(names: &str) -> bool {
    match fs::read_to_string(names) {
        Ok(names) => names.trim().is_empty(),
        // The module is not loaded.
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The firewall, from what the programs printed, and whether each IP version has no tables of iptables' own.
fn combine(outputs: Vec<Output>, no_tables: [bool; 2]) -> Firewall {
    let mut firewall = Firewall::default();
    let printed = |name: &str| {
        let output = outputs.iter().find(|output| output.0 == name)?;
        output.1.as_ref().ok()
    };
    let is_installed = |name: &str| outputs.iter().any(|output| output.0 == name);
    if !is_installed(NFT.name) {
        firewall.unread.push(
            "nft: not installed here; install it so that nftables rules can be read".to_owned(),
        );
    }
    for (programs, no_tables) in PROGRAMS.iter().zip(no_tables) {
        let plain = printed(programs.plain).and_then(|printed| printed.kind);
        let only_nft =
            printed(NFT.name).is_some_and(|nft| !nft.of_iptables.contains(&programs.family));
        // A program that is installed and failed is reported below.
        let mut lacks = |name: &'static str, kind: Kind, has_none: bool| {
            if !is_installed(name) && plain != Some(kind) && !has_none {
                firewall.unread.push(format!(
                    "{name}: not installed here; install iptables so that its rules can be read"
                ));
            }
        };
        lacks(programs.nft, Kind::Nft, only_nft);
        lacks(programs.legacy, Kind::Legacy, no_tables);
    }
    for (name, output) in outputs {
        match output {
            Ok(printed) => {
                firewall.rules.marked.extend(&printed.rules.marked);
                firewall.rules.refused.extend(&printed.rules.refused);
                firewall.read_from.push(name);
            }
            Err(reason) => firewall.unread.push(format!("{name}: {reason}")),
        }
    }
    firewall
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::firewall::vnis_of;

    const NONE: [bool; 2] = [true, true];
    const SOME: [bool; 2] = [false, false];

    fn printed(kind: Option<Kind>, of_iptables: &[Family]) -> Result<Printed, String> {
        Ok(Printed {
            kind,
            of_iptables: of_iptables.iter().copied().collect(),
            rules: Rules {
                marked: vnis_of(&[4096]),
                ..Rules::default()
            },
        })
    }

    fn all() -> Vec<Output> {
        let of = |name, kind| (name, printed(Some(kind), &[]));
        vec![
            ("nft", printed(None, &[Family::Ipv4, Family::Ipv6])),
            of("iptables-nft-save", Kind::Nft),
            of("iptables-legacy-save", Kind::Legacy),
            of("ip6tables-nft-save", Kind::Nft),
            of("ip6tables-legacy-save", Kind::Legacy),
        ]
    }

    fn without(names: &[&str]) -> Vec<Output> {
        let mut outputs = all();
        outputs.retain(|output| !names.contains(&output.0));
        outputs
    }

    #[test]
    fn the_reading_is_whole_when_both_kinds_of_iptables_answered() {
        let firewall = combine(all(), SOME);
        assert!(firewall.is_complete(), "{firewall:?}");
        assert!(firewall.rules.marked.has(4096));
        for missing in [
            "nft",
            "iptables-nft-save",
            "iptables-legacy-save",
            "ip6tables-legacy-save",
        ] {
            let firewall = combine(without(&[missing]), SOME);
            assert_eq!(firewall.unread.len(), 1, "{firewall:?}");
            assert!(firewall.unread[0].starts_with(&format!("{missing}: not installed")));
        }
        let mut outputs = all();
        outputs[2].1 = Err("took longer than 3 s".to_owned());
        let unread = combine(outputs, NONE).unread;
        assert_eq!(unread, ["iptables-legacy-save: took longer than 3 s"]);
        assert!(!combine(Vec::new(), NONE).is_complete());
    }

    #[test]
    fn a_kind_of_which_the_kernel_has_no_rules_need_not_be_read() {
        let legacy = ["iptables-legacy-save", "ip6tables-legacy-save"];
        assert!(combine(without(&legacy), NONE).is_complete());
        assert!(!combine(without(&legacy), [true, false]).is_complete());
        let mut outputs = without(&["iptables-nft-save", "ip6tables-nft-save"]);
        assert!(!combine(outputs.clone(), NONE).is_complete());
        outputs[0].1 = printed(None, &[]);
        assert!(combine(outputs, SOME).is_complete());
    }

    #[test]
    fn the_plain_name_answers_for_its_own_kind_only() {
        let by_kind = ["iptables-nft-save", "iptables-legacy-save"];
        for (kind, missing) in [
            (Some(Kind::Nft), &["iptables-legacy-save"][..]),
            (Some(Kind::Legacy), &["iptables-nft-save"]),
            (None, &by_kind),
        ] {
            let mut outputs = without(&by_kind);
            outputs.push(("iptables-save", printed(kind, &[])));
            let unread = combine(outputs, SOME).unread;
            let names: Vec<&str> = unread
                .iter()
                .filter_map(|text| text.split(':').next())
                .collect();
            assert_eq!(names, missing);
        }
    }
}
