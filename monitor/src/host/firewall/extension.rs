//! Matches and targets of iptables, as the kernel keeps them (`include/uapi/linux/netfilter/xt_*.h`): in iptables' own
//! tables, and in the rules that iptables makes in nf_tables.

use super::rule_parts::RuleParts;
use super::rules::MARK;
use super::vni_set::VniSet;

/// A match or target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extension<'a> {
    /// Its name, without the padding.
    pub(super) name: &'a [u8],
    /// Revision of its structure.
    pub(super) revision: u32,
    /// Its structure, in the byte order of this machine.
    pub(super) data: &'a [u8],
}

/// A name up to its first zero.
pub(super) fn name(padded: &[u8]) -> &[u8] {
    let end = padded.iter().position(|byte| *byte == 0);
    padded.get(..end.unwrap_or(padded.len())).unwrap_or(padded)
}

impl RuleParts {
    /// Adds a match. One that Docker's rules do not have narrows the rule.
    pub(super) fn add_match(&mut self, at: Extension<'_>) {
        self.of_iptables = true;
        let vnis = match (at.name, at.revision) {
            (b"comment", _) => return,
            (b"udp", 0) => {
                self.negated |= byte(at.data, UDP_INVERTED) != Some(0);
                return;
            }
            (b"policy", 0) => {
                let is_none = half(at.data, POLICY_FLAGS).map(|flags| flags & POLICY_NONE != 0);
                match is_none {
                    Some(true) => self.of_cleartext = true,
                    Some(false) | None => self.narrowed = true,
                }
                return;
            }
            (b"u32", 0) => u32_match(at.data),
            (b"bpf", 0) => bpf_match(at.data, BPF_PROGRAM),
            // Mode 0 is a program in the rule itself.
            (b"bpf", 1) if half(at.data, 0) == Some(0) => at
                .data
                .get(2..)
                .and_then(|data| bpf_match(data, BPF_1_PROGRAM)),
            _ => None,
        };
        match vnis {
            Some(vnis) if self.vnis.is_empty() => self.vnis = vnis,
            // No form of Docker's, or a second one.
            Some(_) | None => self.narrowed = true,
        }
    }

    /// Adds a target.
    pub(super) fn add_target(&mut self, at: Extension<'_>) {
        self.of_iptables = true;
        match (at.name, at.revision) {
            // `struct xt_mark_tginfo2`: what `--set-xmark 0xd0c4e3/0xffffffff` makes.
            (b"MARK", 2) => {
                self.marks = word(at.data, 0) == Some(MARK) && word(at.data, 4) == Some(u32::MAX);
            }
            (b"REJECT", _) => self.drops = true,
            _ => {}
        }
    }
}

/// `invflags` of `struct xt_udp`.
const UDP_INVERTED: usize = 8;
/// `flags` of `struct xt_policy_info`, after four elements of 76 bytes; `XT_POLICY_MATCH_NONE`.
const POLICY_FLAGS: usize = 4 * 76;
const POLICY_NONE: u16 = 4;
/// Where the instructions of `struct xt_bpf_info` begin, and those of `struct xt_bpf_info_v1` after its mode.
const BPF_PROGRAM: usize = 4;
const BPF_1_PROGRAM: usize = 6;

fn byte(data: &[u8], at: usize) -> Option<u8> {
    data.get(at).copied()
}

fn half(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

/// `0>>22&0x3C@12&0xFFFFFF00=VNI<<8` (`iptables-extensions(8)`): skip the IPv4 header, then 12 bytes of UDP and VXLAN,
/// compare 24 bits. Docker had no `u32` form for IPv6, whose header has 40 bytes.
fn u32_match(data: &[u8]) -> Option<VniSet> {
    /// Operator (`enum xt_u32_ops`) and number of each step; the first has no operator.
    const LOCATION: [(u8, u32); 5] = [(0, 0), (2, 22), (0, 0x3c), (3, 12), (0, 0xffff_ff00)];
    /// `struct xt_u32_test`: eleven steps and eleven ranges of 8 bytes each, and how many of both are used.
    const RANGES: usize = 11 * 8;
    const COUNTS: usize = 2 * RANGES;
    const TEST: usize = COUNTS + 4;
    /// `ntests` and `invert` of `struct xt_u32`, after eleven tests.
    const TESTS: usize = 11 * TEST;
    if (byte(data, TESTS)?, byte(data, TESTS + 1)?) != (1, 0) {
        return None;
    }
    if usize::from(byte(data, COUNTS)?) != LOCATION.len() {
        return None;
    }
    for (index, (operator, number)) in LOCATION.into_iter().enumerate() {
        let is_first = index == 0;
        let at = index * 8;
        if word(data, at)? != number || !is_first && byte(data, at + 4)? != operator {
            return None;
        }
    }
    let ranges = usize::from(byte(data, COUNTS + 1)?).min(11);
    let mut vnis = VniSet::default();
    for at in (0..ranges).map(|index| RANGES + index * 8) {
        // The bits below the VNI are masked.
        vnis.add(word(data, at)?.div_ceil(256)..=word(data, at + 4)? >> 8);
    }
    Some(vnis)
}

/// `ld poff; tax; ld [x + 4]; rsh #8; jeq #VNI, match; ret #0; match: ret #-1`: classic BPF (`struct sock_filter`), which
/// begins at `program`, after the number of its instructions.
fn bpf_match(data: &[u8], program: usize) -> Option<VniSet> {
    /// Opcode and operand of each instruction; `None` is any operand (`include/uapi/linux/bpf_common.h`,
    /// `SKF_AD_OFF + SKF_AD_PAY_OFFSET` of `filter.h`).
    const PROGRAM: [(u16, Option<u32>); 7] = [
        (0x20, Some(0xffff_f000 + 52)),
        (0x07, None),
        (0x40, Some(4)),
        (0x74, Some(8)),
        (JEQ, None),
        (0x06, Some(0)),
        (0x06, Some(u32::MAX)),
    ];
    const JEQ: u16 = 0x15;
    if usize::from(half(data, 0)?) != PROGRAM.len() {
        return None;
    }
    let mut vnis = VniSet::default();
    for (index, (opcode, operand)) in PROGRAM.into_iter().enumerate() {
        let at = program + index * 8;
        let found = word(data, at + 4)?;
        if half(data, at)? != opcode || operand.is_some_and(|operand| operand != found) {
            return None;
        }
        if opcode == JEQ {
            if (byte(data, at + 2)?, byte(data, at + 3)?) != (1, 0) {
                return None;
            }
            vnis.add(found..=found);
        }
    }
    Some(vnis)
}

#[cfg(test)]
pub(super) mod tests;
