//! The engine's firewall rules for one network, read from iptables.

use anyhow::{Context, Result};

use crate::nodes::node::Node;

/// The rule of chain OUTPUT that marks a network for encryption, without `-A`.
pub(super) fn marking(node: &mut Node, vni: u32) -> Result<String> {
    let rules = node.sh("iptables -t mangle -S OUTPUT")?;
    of_network(&rules, vni)
        .find_map(|line| line.strip_prefix("-A "))
        .map(str::to_owned)
        .with_context(|| {
            format!(
                "the engine made no marking rule for VNI {vni} on {}: {rules}",
                node.name
            )
        })
}

/// Packets that the engine's rule against cleartext has dropped.
pub(super) fn refused(node: &mut Node, vni: u32) -> Result<u64> {
    let rules = node.sh("iptables-save -c -t filter")?;
    let line = of_network(&rules, vni)
        .find(|line| line.ends_with("-j DROP"))
        .with_context(|| format!("the engine made no rule against cleartext of VNI {vni}"))?;
    let packets = line
        .trim_start_matches('[')
        .split(':')
        .next()
        .unwrap_or_default();
    packets.parse().context("iptables-save printed no counter")
}

/// Rules that match a network. Up to Docker 24 `u32` compares the word that has the VNI in its upper three bytes, as `=0x100200"`;
/// from 25 on a program of `bpf` shifts the word and compares it with the VNI.
fn of_network(rules: &str, vni: u32) -> impl Iterator<Item = &str> {
    let u32_match = format!("={:#x}\"", vni << 8);
    let bpf_match = move |line: &str| {
        let code = line
            .split_once("--bytecode \"")
            .and_then(|(_, rest)| rest.split_once('"'));
        code.is_some_and(|(code, _)| code.split(',').any(|step| compares_with(step, vni)))
    };
    rules
        .lines()
        .filter(move |line| line.contains(&u32_match) || bpf_match(line))
}

/// Whether an instruction (code, jump if true, jump if false, operand) compares with a number.
fn compares_with(instruction: &str, number: u32) -> bool {
    const JUMP_IF_EQUAL: &str = "21";
    let mut fields = instruction.split(' ');
    fields.next() == Some(JUMP_IF_EQUAL) && fields.nth(2) == Some(number.to_string().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_of_the_network_is_found() {
        let u32_rules = "-P OUTPUT ACCEPT\n\
            -A OUTPUT -p udp -m udp --dport 4789 -m u32 --u32 \"0x0>>0x16&0x3c@0xc&0xffffff00=0x100200\" -j MARK --set-xmark 0xd0c4e3/0xffffffff\n\
            -A OUTPUT -p udp -m udp --dport 4789 -m u32 --u32 \"0x0>>0x16&0x3c@0xc&0xffffff00=0x100300\" -j MARK --set-xmark 0xd0c4e3/0xffffffff\n";
        let bpf_rules = "-P OUTPUT ACCEPT\n\
            -A OUTPUT -p udp -m udp --dport 4789 -m bpf --bytecode \"7,32 0 0 4294963252,7 0 0 0,64 0 0 4,116 0 0 8,21 1 0 4098,6 0 0 0,6 0 0 4294967295\" -j MARK --set-xmark 0xd0c4e3/0xffffffff\n\
            -A OUTPUT -p udp -m udp --dport 4789 -m bpf --bytecode \"7,32 0 0 4294963252,7 0 0 0,64 0 0 4,116 0 0 8,21 1 0 4099,6 0 0 0,6 0 0 4294967295\" -j MARK --set-xmark 0xd0c4e3/0xffffffff\n";
        for (rules, number) in [(u32_rules, "0x100300"), (bpf_rules, " 4099,")] {
            let found: Vec<&str> = of_network(rules, 4099).collect();
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(number), "{found:?}");
            assert_eq!(of_network(rules, 4096).count(), 0);
        }
    }
}
