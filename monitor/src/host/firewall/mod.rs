//! The rules that make an overlay network encrypted: one marks what leaves, so that the XFRM policy takes it, one drops
//! what comes in cleartext.
//!
//! Docker has made them in three forms (`daemon/libnetwork/drivers/overlay/` in Moby): with the iptables match `u32`
//! (up to 24), with `bpf` (from 25 on, and some builds of 23), and as the nftables table `docker-overlay` (29).

mod iptables;
mod nft;
mod vnis;

use super::tool;

pub use vnis::Vnis;
#[cfg(test)]
pub(crate) use vnis::of as vnis_of;

/// Docker's mark of datagrams to be encrypted, and its request id of XFRM states and policies.
pub const MARK: u32 = 0xd0_c4e3;

/// The rules for overlay networks that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Networks whose sent datagrams get [`MARK`].
    pub marked: Vnis,
    /// Networks whose received datagrams are dropped unless they came in ESP.
    pub refused: Vnis,
}

/// The firewall, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// What was found.
    pub rules: Rules,
    /// The programs that told.
    pub told: Vec<&'static str>,
    /// The programs that did not, and why.
    pub untold: Vec<String>,
}

impl Firewall {
    /// Whether all rules were seen that there may be: then a rule that was not found is not there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.untold.is_empty() && !self.told.is_empty()
    }
}

/// What a program prints, and who reads it.
#[derive(Clone, Copy)]
struct Teller {
    name: &'static str,
    arguments: &'static [&'static str],
    read: fn(&[u8], &mut Rules) -> Result<(), String>,
}

/// None of them changes anything: without a table's name `iptables-…-save` shows those that are there, and loads none.
const NFT: Teller = Teller {
    name: "nft",
    arguments: &["-j", "list", "ruleset"],
    read: nft::read,
};
const fn saved(name: &'static str) -> Teller {
    Teller {
        name,
        arguments: &[],
        read: iptables::read,
    }
}

/// Reads the firewall of this thread's network namespace. Takes a moment: the programs run side by side.
#[must_use]
pub fn read() -> Firewall {
    let tellers = [
        saved("iptables-nft-save"),
        saved("iptables-legacy-save"),
        saved("ip6tables-nft-save"),
        saved("ip6tables-legacy-save"),
    ];
    // Older packages have only one kind, under the plain name.
    let plain = [saved("iptables-save"), saved("ip6tables-save")];
    let has = |tellers: &[Teller]| {
        tellers
            .iter()
            .any(|teller| tool::find(teller.name).is_some())
    };
    let mut wanted = vec![NFT];
    wanted.extend(if has(&tellers) {
        tellers.to_vec()
    } else {
        plain.to_vec()
    });
    let mut firewall = Firewall::default();
    if !has(&wanted[1..]) {
        firewall
            .untold
            .push("iptables: not installed here, so its rules cannot be seen".to_owned());
    }
    if !has(&wanted[..1]) {
        firewall
            .untold
            .push("nft: not installed here, so rules of nftables cannot be seen".to_owned());
    }
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = wanted
            .iter()
            .map(|teller| (teller.name, scope.spawn(|| ask(teller))))
            .collect();
        asked
            .into_iter()
            .map(|(name, thread)| (name, thread.join()))
            .collect()
    });
    for (name, answer) in answers {
        match answer {
            Ok(None) => {}
            Ok(Some(Ok(rules))) => {
                firewall.rules.marked.extend(&rules.marked);
                firewall.rules.refused.extend(&rules.refused);
                firewall.told.push(name);
            }
            Ok(Some(Err(trouble))) => firewall.untold.push(format!("{name}: {trouble}")),
            Err(_) => firewall.untold.push(format!("{name}: cannot be read")),
        }
    }
    firewall
}

/// The rules of one program; `None` if it is not there.
fn ask(teller: &Teller) -> Option<Result<Rules, String>> {
    let program = tool::find(teller.name)?;
    let mut rules = Rules::default();
    let read =
        tool::print(program, teller.arguments).and_then(|text| (teller.read)(&text, &mut rules));
    Some(read.map(|()| rules))
}
