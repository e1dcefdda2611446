//! Reads the firewall through the programs that print its rules.

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
    /// The programs whose output could not be read, and why: `name: reason`.
    pub unread: Vec<String>,
}

impl Firewall {
    /// Whether every source of rules was read. Only then does a rule that was not found not exist.
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
    parse: fn(&[u8], &mut Rules) -> Result<(), String>,
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

/// Reads the firewall of this thread's network namespace. Blocks for three seconds at most: the programs run in
/// parallel.
#[must_use]
pub fn read() -> Firewall {
    let by_backend = [
        iptables_save("iptables-nft-save"),
        iptables_save("iptables-legacy-save"),
        iptables_save("ip6tables-nft-save"),
        iptables_save("ip6tables-legacy-save"),
    ];
    // Older packages have only one backend, under the plain name.
    let plain = [
        iptables_save("iptables-save"),
        iptables_save("ip6tables-save"),
    ];
    let is_installed = |sources: &[RuleSource]| {
        sources
            .iter()
            .any(|source| external_program::find(source.name).is_some())
    };
    let mut sources = vec![NFT];
    sources.extend(if is_installed(&by_backend) {
        by_backend.to_vec()
    } else {
        plain.to_vec()
    });
    let mut firewall = Firewall::default();
    if !is_installed(&sources[1..]) {
        firewall.unread.push(
            "iptables: not installed here; install it so that its rules can be read".to_owned(),
        );
    }
    if !is_installed(&sources[..1]) {
        firewall.unread.push(
            "nft: not installed here; install it so that nftables rules can be read".to_owned(),
        );
    }
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = sources
            .iter()
            .map(|source| (source.name, scope.spawn(|| rules_of(source))))
            .collect();
        running
            .into_iter()
            .map(|(name, thread)| (name, thread.join()))
            .collect()
    });
    for (name, output) in outputs {
        match output {
            Ok(None) => {}
            Ok(Some(Ok(rules))) => {
                firewall.rules.marked.extend(&rules.marked);
                firewall.rules.refused.extend(&rules.refused);
                firewall.read_from.push(name);
            }
            Ok(Some(Err(reason))) => firewall.unread.push(format!("{name}: {reason}")),
            Err(_) => firewall.unread.push(format!("{name}: cannot be read")),
        }
    }
    firewall
}

/// The rules that one program prints; `None` if it is not installed.
fn rules_of(source: &RuleSource) -> Option<Result<Rules, String>> {
    let program = external_program::find(source.name)?;
    let mut rules = Rules::default();
    let parsed = external_program::output_of(program, source.arguments)
        .and_then(|text| (source.parse)(&text, &mut rules));
    Some(parsed.map(|()| rules))
}
