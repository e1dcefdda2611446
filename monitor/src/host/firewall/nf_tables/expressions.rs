//! The expressions of a rule: they load a field of the packet into a register, compare it, and act.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use monitor_common::wire::VNI_MAX;

use super::elements::vni;
use crate::base::netlink::{attribute, attributes};
use crate::host::firewall::extension::{Extension, name as trimmed};
use crate::host::firewall::rule_parts::RuleParts;
use crate::host::firewall::rules::MARK;

/// `NFTA_LIST_ELEM`, `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`.
const LIST_ELEMENT: u16 = 1;
const NAME: u16 = 1;
const DATA: u16 = 2;
/// `NFTA_DATA_VALUE`, `NFTA_DATA_VERDICT` and in it `NFTA_VERDICT_CODE`.
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const CODE: u16 = 1;
/// UDP's number as the protocol above IP.
const UDP: u8 = 17;
/// `NF_DROP`.
const DROP: u32 = 0;

/// What a register holds.
enum Register {
    /// The 24 bits after 8 bytes of UDP and 4 of VXLAN: `@th,96,24`.
    Vni,
    /// Whether the packet came through IPsec: `meta ipsec`, in older versions `meta secpath`.
    Ipsec,
    /// A value of the rule.
    Value(Vec<u8>),
    /// The protocol above IP.
    Protocol,
    /// The version of IP, or UDP's port: Docker's rules have them too, and each VXLAN datagram fits.
    OfVxlan,
}

/// What a rule does, and the set by which it finds VNIs.
pub(super) fn parse(expressions: &[u8]) -> (RuleParts, Option<&[u8]>) {
    let mut rule = Rule::default();
    for (kind, expression) in attributes(expressions) {
        if kind == LIST_ELEMENT
            && let Some(name) = attribute(expression, NAME)
        {
            let data = attribute(expression, DATA).unwrap_or_default();
            rule.add(trimmed(name), data);
        }
    }
    rule.whole()
}

/// A rule of which some expressions were read.
#[derive(Default)]
struct Rule<'a> {
    parts: RuleParts,
    registers: HashMap<u32, Register>,
    set: Option<&'a [u8]>,
    /// The VNIs that comparisons have left, once there was one.
    compared: Option<RangeInclusive<u32>>,
}

impl<'a> Rule<'a> {
    fn whole(mut self) -> (RuleParts, Option<&'a [u8]>) {
        if let Some(range) = self.compared {
            // Two conditions on the VNI.
            self.parts.narrowed |= self.set.is_some() || !self.parts.vnis.is_empty();
            self.parts.vnis.add(range);
        }
        (self.parts, self.set)
    }

    fn add(&mut self, kind: &[u8], data: &'a [u8]) {
        match kind {
            b"payload" => self.payload(data),
            b"meta" => self.meta(data),
            b"immediate" => self.immediate(data),
            b"cmp" => self.compare(data),
            b"lookup" => self.look_up(data),
            b"range" => self.range(data),
            b"reject" => self.parts.drops = true,
            b"match" => self.parts.add_match(extension(data)),
            b"target" => self.parts.add_target(extension(data)),
            b"counter" | b"log" => {}
            // Another kind leaves packets out (limit, quota, ct, …), and may write any register.
            _ => {
                self.registers.clear();
                self.parts.narrowed = true;
            }
        }
    }

    fn set_register(&mut self, register: Option<u32>, to: Option<Register>) {
        let Some(register) = register else {
            return;
        };
        match to {
            Some(to) => drop(self.registers.insert(register, to)),
            None => drop(self.registers.remove(&register)),
        }
    }

    /// `NFTA_PAYLOAD_DREG`, `_BASE` (1 is the network header, 2 the transport header), `_OFFSET` and `_LEN` in bytes.
    fn payload(&mut self, data: &[u8]) {
        let loaded = match [2, 3, 4].map(|at| number(data, at)) {
            [Some(2), Some(12), Some(3)] => Some(Register::Vni),
            [Some(2), Some(2), Some(2)] => Some(Register::OfVxlan),
            // `ip protocol`, which iptables 1.8.11 and later make of `-p`. Nothing loads this byte of an IPv6 address alone.
            [Some(1), Some(9), Some(1)] => Some(Register::Protocol),
            _ => None,
        };
        self.set_register(number(data, 1), loaded);
    }

    /// `NFTA_META_DREG`, `_KEY`, `_SREG`.
    fn meta(&mut self, data: &[u8]) {
        const KEY_MARK: u32 = 3;
        const KEY_NFPROTO: u32 = 15;
        const KEY_L4PROTO: u32 = 16;
        const KEY_SECPATH: u32 = 25;
        let key = number(data, 2);
        match number(data, 3).map(|register| self.registers.get(&register)) {
            None => {
                let loaded = match key {
                    Some(KEY_SECPATH) => Some(Register::Ipsec),
                    Some(KEY_NFPROTO) => Some(Register::OfVxlan),
                    Some(KEY_L4PROTO) => Some(Register::Protocol),
                    _ => None,
                };
                self.set_register(number(data, 1), loaded);
            }
            // A mark has the byte order of this machine.
            Some(value) if key == Some(KEY_MARK) => {
                self.parts.marks =
                    matches!(value, Some(Register::Value(value)) if *value == MARK.to_ne_bytes());
            }
            Some(_) => {}
        }
    }

    /// `NFTA_IMMEDIATE_DREG` (0 is the verdict), `_DATA`.
    fn immediate(&mut self, data: &[u8]) {
        let value = attribute(data, 2).unwrap_or_default();
        match number(data, 1) {
            Some(0) => {
                let verdict = attribute(value, VERDICT);
                let code = verdict.and_then(|verdict| number(verdict, CODE));
                self.parts.drops |= code == Some(DROP);
            }
            register => {
                let value = attribute(value, VALUE).map(<[u8]>::to_vec);
                self.set_register(register, value.map(Register::Value));
            }
        }
    }

    /// `NFTA_CMP_SREG`, `_OP`, `_DATA`.
    fn compare(&mut self, data: &[u8]) {
        const EQUAL: u32 = 0;
        const NOT_EQUAL: u32 = 1;
        let operator = number(data, 2).unwrap_or(NOT_EQUAL);
        let value = attribute(data, 3).and_then(|value| attribute(value, VALUE));
        let value = value.unwrap_or_default();
        let register = number(data, 1).and_then(|register| self.registers.get(&register));
        self.parts.negated |= operator == NOT_EQUAL;
        match register {
            Some(Register::Vni) => {
                let before = self.compared.take().unwrap_or(0..=VNI_MAX);
                match vni(value).and_then(|value| compared(before, operator, value)) {
                    Some(left) => self.compared = Some(left),
                    None => self.parts.narrowed = true,
                }
            }
            Some(Register::Ipsec) => match (operator, value) {
                (EQUAL, [0]) => self.parts.of_cleartext = true,
                _ => self.parts.narrowed = true,
            },
            Some(Register::Protocol) if operator == EQUAL && value == [UDP] => {}
            Some(Register::OfVxlan) if operator == EQUAL => {}
            // An address, an interface, or whatever else Docker's rules do not look at.
            Some(Register::Protocol | Register::OfVxlan | Register::Value(_)) | None => {
                self.parts.narrowed = true
            }
        }
    }

    /// `NFTA_RANGE_SREG`, `_OP` (1 negates), `_FROM_DATA`, `_TO_DATA`.
    fn range(&mut self, data: &[u8]) {
        let register = number(data, 1).and_then(|register| self.registers.get(&register));
        let end = |which| vni(attribute(attribute(data, which)?, VALUE)?);
        match (register, number(data, 2), end(3), end(4)) {
            (Some(Register::Vni), Some(0), Some(from), Some(to)) => {
                let (first, last) = self.compared.take().unwrap_or(0..=VNI_MAX).into_inner();
                self.compared = Some(first.max(from)..=last.min(to));
            }
            _ => self.parts.narrowed = true,
        }
    }

    /// `NFTA_LOOKUP_SET`, `_SREG`, `_DREG`, `_FLAGS` (1 inverts).
    fn look_up(&mut self, data: &'a [u8]) {
        let is_inverted = number(data, 5).is_some_and(|flags| flags & 1 != 0);
        let result = number(data, 3);
        self.parts.negated |= is_inverted;
        let register = number(data, 2).and_then(|register| self.registers.get(&register));
        if matches!(register, Some(Register::Vni)) {
            // A map gives a value or a verdict for each VNI: that is no rule of Docker's.
            self.parts.narrowed |= is_inverted || result.is_some() || self.set.is_some();
            self.set = attribute(data, 1).map(trimmed);
        } else {
            self.parts.narrowed = true;
        }
        self.set_register(result, None);
    }
}

/// What a comparison (`enum nft_cmp_ops`) leaves of a range; `None` for one that is not in Docker's rules.
fn compared(range: RangeInclusive<u32>, operator: u32, value: u32) -> Option<RangeInclusive<u32>> {
    let (from, to) = range.into_inner();
    Some(match operator {
        0 => from.max(value)..=to.min(value),
        2 => from..=to.min(value.checked_sub(1)?),
        3 => from..=to.min(value),
        4 => from.max(value + 1)..=to,
        5 => from.max(value)..=to,
        _ => return None,
    })
}

/// `NFTA_MATCH_NAME`, `_REV`, `_INFO`; the same for targets.
fn extension(data: &[u8]) -> Extension<'_> {
    Extension {
        name: attribute(data, 1).map(trimmed).unwrap_or_default(),
        revision: number(data, 2).unwrap_or_default(),
        data: attribute(data, 3).unwrap_or_default(),
    }
}

/// A number, in network order as all of nf_tables' own.
fn number(attributes: &[u8], which: u16) -> Option<u32> {
    let value = attribute(attributes, which)?.first_chunk()?;
    Some(u32::from_be_bytes(*value))
}

#[cfg(test)]
mod tests;
