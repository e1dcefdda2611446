//! ICMP (RFC 792) and ICMPv6 (RFC 4443, 4861): never encrypted by themselves.

use crate::finding::{Finding, Strength};
use crate::payload::Payload;
use crate::payload::Transport;
use crate::text::Evidence;

/// The bytes start with the ICMP header: it is no transport.
pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let kind = *p.bytes.first()?;
    let name = match p.transport {
        Transport::Icmpv6 => version_6(kind),
        _ => version_4(kind),
    };
    // The IP header says that it is ICMP: nothing is left to prove.
    Some(Finding::plaintext(
        Strength::Certain,
        match name {
            Some(name) => name.into(),
            None => Evidence::of(|e| e.word("type ").number(kind)),
        },
    ))
}

const fn version_4(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "echo reply",
        3 => "destination unreachable",
        4 => "source quench",
        5 => "redirect",
        8 => "echo request",
        9 => "router advertisement",
        10 => "router solicitation",
        11 => "time exceeded",
        12 => "parameter problem",
        13 => "timestamp request",
        14 => "timestamp reply",
        _ => return None,
    })
}

const fn version_6(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "destination unreachable",
        2 => "packet too big",
        3 => "time exceeded",
        4 => "parameter problem",
        128 => "echo request",
        129 => "echo reply",
        130..=132 | 143 => "multicast listener",
        133 => "router solicitation",
        134 => "router advertisement",
        135 => "neighbor solicitation",
        136 => "neighbor advertisement",
        137 => "redirect",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_name() {
        let of = |version, name: fn(u8) -> Option<&'static str>| {
            (0..=u8::MAX)
                .filter_map(move |kind| Some(format!("ICMPv{version} {kind} {}", name(kind)?)))
        };
        let names: Vec<String> = of(4, version_4).chain(of(6, version_6)).collect();
        insta::assert_snapshot!(names.join("\n"));
    }
}
