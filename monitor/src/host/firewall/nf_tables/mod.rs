//! Docker's rules in nf_tables, over netlink (`include/uapi/linux/netfilter/nf_tables.h`): as nft makes them, and as
//! iptables does.

mod elements;
mod expressions;
mod presence;

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::rule_parts::Way;
use super::rules::Rules;
use crate::base::netlink::{self, BUFFER, Request, attribute, push_attribute};
use elements::Elements;

/// Most bytes of one reading.
const BYTES_MAX: usize = 64 << 20;
/// Why a reading is given up when its time is over.
const TOO_LONG: &str = "reading the rules took too long";
/// How often rules are read again because they changed meanwhile.
const TRIES: usize = 8;

/// Messages (`enum nf_tables_msg_types`).
const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;
const NEW_ELEMENTS: u16 = 12;
const GET_ELEMENTS: u16 = 13;
const NEW_GENERATION: u16 = 15;
const GET_GENERATION: u16 = 16;
/// `NFNL_SUBSYS_NFTABLES`, the upper half of a type of message.
const SUBSYSTEM: u16 = 10 << 8;

/// Length of `struct nfgenmsg`, which begins with the family.
const HEADER: usize = 4;
const INET: u8 = 1;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
const ANY_FAMILY: u8 = 0;

/// `NFTA_GEN_ID`.
const GENERATION_ID: u16 = 1;
/// `NFTA_TABLE_NAME`, `_FLAGS`, and `NFT_TABLE_F_DORMANT`: its chains see no packet.
const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const DORMANT: u32 = 1;
/// `NFTA_CHAIN_TABLE`, `_NAME`, `_HOOK`, and in it `NFTA_HOOK_HOOKNUM`.
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const HOOK_NUMBER: u16 = 1;
/// `NFTA_RULE_TABLE`, `_CHAIN`, `_EXPRESSIONS`.
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
/// `NFTA_SET_ELEM_LIST_TABLE`, `_SET`, `_ELEMENTS`.
const ELEMENTS_TABLE: u16 = 1;
const ELEMENTS_SET: u16 = 2;
const ELEMENTS_LIST: u16 = 3;

/// A chain that sees all packets that this host sends, or receives. Names have at most 255 bytes.
struct Chain {
    family: u8,
    table: Vec<u8>,
    name: Vec<u8>,
    way: Way,
}

impl Chain {
    /// Whether iptables makes Docker's rules for this way in this chain.
    fn is_of_iptables(&self) -> bool {
        let names = (self.table.as_slice(), self.name.as_slice());
        match self.way {
            Way::Sent => names == (b"mangle", b"OUTPUT"),
            Way::Received => names == (b"filter", b"INPUT"),
        }
    }
}

/// Why a reading ended early.
enum Ended {
    /// The rules changed.
    Changed,
    /// A message for the user.
    Refused(String),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Ended {
        match error.raw_os_error() {
            // A chain or set is gone, or the kernel asks for another try.
            Some(libc::ENOENT | libc::EAGAIN | libc::EINTR) => Ended::Changed,
            _ => Ended::Refused(netlink::reason(&error)),
        }
    }
}

/// The rules of this thread's network namespace.
///
/// # Errors
/// Why they cannot be read, as a message.
pub(super) fn read(until: Instant) -> Result<Rules, String> {
    if !presence::has_nf_tables() {
        return Ok(Rules::default());
    }
    let mut reading = Reading {
        until,
        bytes: 0,
        buffer: vec![0; BUFFER],
    };
    for _ in 0..TRIES {
        match reading.generation_and_rules() {
            Ok(rules) if rules.is_cut() => {
                return Err("the rules have too many ranges of VNIs".to_owned());
            }
            Ok(rules) => return Ok(rules),
            Err(Ended::Changed) => {}
            Err(Ended::Refused(reason)) => return Err(reason),
        }
    }
    Err(format!(
        "the rules changed {TRIES} times while they were read; try again"
    ))
}

/// The rules in some messages, whichever chain they are of and whichever way its packets go.
pub(super) fn rules_in(datagram: &[u8]) -> Rules {
    let mut rules = Rules::default();
    let mut elements = Elements::default();
    for message in netlink::messages(datagram) {
        let attributes = message.payload.get(HEADER..).unwrap_or_default();
        let family = message.payload.first().copied().unwrap_or_default();
        match message.message_type & 0xff {
            NEW_CHAIN => drop(chain(family, attributes)),
            NEW_ELEMENTS => elements.add(attribute(attributes, ELEMENTS_LIST).unwrap_or_default()),
            NEW_RULE => {
                let expressions = attribute(attributes, RULE_EXPRESSIONS).unwrap_or_default();
                let (rule, _) = expressions::parse(expressions);
                rules.add(Way::Sent, &rule);
                rules.add(Way::Received, &rule);
            }
            _ => {}
        }
    }
    elements.add_to(|vnis| {
        rules.add_networks(Way::Sent, vnis);
        rules.add_networks(Way::Received, vnis);
    });
    rules
}

/// A reading in progress.
struct Reading {
    until: Instant,
    bytes: usize,
    buffer: Vec<u8>,
}

impl Reading {
    /// The rules, all of one generation: the kernel counts the changes.
    fn generation_and_rules(&mut self) -> Result<Rules, Ended> {
        self.bytes = 0;
        let before = self.generation()?;
        let rules = self.rules()?;
        match self.generation()? == before {
            true => Ok(rules),
            false => Err(Ended::Changed),
        }
    }

    fn generation(&mut self) -> Result<Vec<u8>, Ended> {
        let mut found = Vec::new();
        let request = [ANY_FAMILY, 0, 0, 0];
        self.ask(
            GET_GENERATION,
            NLM_F_ACK,
            NEW_GENERATION,
            &request,
            |_, answer| {
                found = attribute(answer, GENERATION_ID)
                    .unwrap_or_default()
                    .to_vec();
            },
        )?;
        Ok(found)
    }

    /// Rules are asked for by chain: most rules of a busy host are in chains that Docker's rules are not in.
    fn rules(&mut self) -> Result<Rules, Ended> {
        let mut rules = Rules::default();
        for chain in self.chains()? {
            let mut sets = BTreeSet::new();
            let mut request = vec![chain.family, 0, 0, 0];
            push_attribute(&mut request, RULE_TABLE, &terminated(&chain.table));
            push_attribute(&mut request, RULE_CHAIN, &terminated(&chain.name));
            self.ask(
                GET_RULE,
                NLM_F_DUMP,
                NEW_RULE,
                &request,
                |family, answer| {
                    let is = |which, name: &[u8]| text(answer, which) == Some(name);
                    let here = is(RULE_TABLE, &chain.table) && is(RULE_CHAIN, &chain.name);
                    let Some(expressions) = attribute(answer, RULE_EXPRESSIONS) else {
                        return;
                    };
                    let (rule, set) = expressions::parse(expressions);
                    let elsewhere = rule.of_iptables && !chain.is_of_iptables();
                    if family == chain.family && here && !elsewhere && rule.encrypts(chain.way) {
                        rules.add_networks(chain.way, &rule.vnis);
                        sets.extend(set.map(<[u8]>::to_vec));
                    }
                },
            )?;
            for set in sets {
                let elements = self.elements(&chain, &set)?;
                elements.add_to(|vnis| rules.add_networks(chain.way, vnis));
            }
        }
        Ok(rules)
    }

    /// The tables that are switched off, by family and name.
    fn dormant(&mut self) -> Result<BTreeSet<(u8, Vec<u8>)>, Ended> {
        let mut dormant = BTreeSet::new();
        let request = [ANY_FAMILY, 0, 0, 0];
        self.ask(
            GET_TABLE,
            NLM_F_DUMP,
            NEW_TABLE,
            &request,
            |family, answer| {
                let flags = attribute(answer, TABLE_FLAGS).and_then(<[u8]>::first_chunk);
                let is_dormant =
                    flags.is_some_and(|flags| u32::from_be_bytes(*flags) & DORMANT != 0);
                if let Some(name) = text(answer, TABLE_NAME).filter(|_| is_dormant) {
                    dormant.insert((family, name.to_vec()));
                }
            },
        )?;
        Ok(dormant)
    }

    /// The chains whose rules may encrypt.
    fn chains(&mut self) -> Result<Vec<Chain>, Ended> {
        let dormant = self.dormant()?;
        let mut chains = Vec::new();
        let request = [ANY_FAMILY, 0, 0, 0];
        self.ask(
            GET_CHAIN,
            NLM_F_DUMP,
            NEW_CHAIN,
            &request,
            |family, answer| {
                chains.extend(chain(family, answer));
            },
        )?;
        chains.retain(|at: &Chain| !dormant.contains(&(at.family, at.table.clone())));
        Ok(chains)
    }

    fn elements(&mut self, chain: &Chain, set: &[u8]) -> Result<Elements, Ended> {
        let mut elements = Elements::default();
        let mut request = vec![chain.family, 0, 0, 0];
        push_attribute(&mut request, ELEMENTS_TABLE, &terminated(&chain.table));
        push_attribute(&mut request, ELEMENTS_SET, &terminated(set));
        self.ask(
            GET_ELEMENTS,
            NLM_F_DUMP,
            NEW_ELEMENTS,
            &request,
            |_, answer| {
                elements.add(attribute(answer, ELEMENTS_LIST).unwrap_or_default());
            },
        )?;
        Ok(elements)
    }

    /// Asks, and passes on family and attributes of the answers of a type.
    fn ask(
        &mut self,
        request: u16,
        flags: u16,
        answer: u16,
        payload: &[u8],
        mut each: impl FnMut(u8, &[u8]),
    ) -> Result<(), Ended> {
        let request = Request {
            protocol: NETLINK_NETFILTER,
            message_type: SUBSYSTEM | request,
            flags,
            payload,
        };
        let (until, bytes) = (self.until, &mut self.bytes);
        // Here as well: an answer may be empty, and there may be many chains.
        if Instant::now() > until {
            return Err(Ended::Refused(TOO_LONG.to_owned()));
        }
        let mut exceeded = None;
        let whole = netlink::ask(request, &mut self.buffer, |message| {
            *bytes += message.payload.len();
            if *bytes > BYTES_MAX {
                exceeded = Some(format!("more than {} MiB of rules", BYTES_MAX >> 20));
            } else if Instant::now() > until {
                exceeded = Some(TOO_LONG.to_owned());
            }
            if exceeded.is_some() {
                return ControlFlow::Break(());
            }
            if message.message_type == SUBSYSTEM | answer
                && let (Some(family), Some(attributes)) =
                    (message.payload.first(), message.payload.get(HEADER..))
            {
                each(*family, attributes);
            }
            ControlFlow::Continue(())
        })?;
        match (exceeded, whole) {
            (Some(reason), _) => Err(Ended::Refused(reason)),
            (None, false) => Err(Ended::Changed),
            (None, true) => Ok(()),
        }
    }
}

/// A chain that sees all packets of a way, if it is one: those of other families and hooks are left out.
fn chain(family: u8, attributes: &[u8]) -> Option<Chain> {
    if ![INET, IPV4, IPV6].contains(&family) {
        return None;
    }
    let hook = attribute(attributes, CHAIN_HOOK)?;
    let number = attribute(hook, HOOK_NUMBER)?.first_chunk()?;
    // `enum nf_inet_hooks`: prerouting, input, and output.
    let way = match u32::from_be_bytes(*number) {
        0 | 1 => Way::Received,
        3 => Way::Sent,
        _ => return None,
    };
    Some(Chain {
        family,
        table: text(attributes, CHAIN_TABLE)?.to_vec(),
        name: text(attributes, CHAIN_NAME)?.to_vec(),
        way,
    })
}

/// A name, without the zero that ends it.
fn text(attributes: &[u8], which: u16) -> Option<&[u8]> {
    attribute(attributes, which).map(super::extension::name)
}

fn terminated(name: &[u8]) -> Vec<u8> {
    [name, &[0]].concat()
}
