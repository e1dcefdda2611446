//! Who says what to whom, from samples: bounded, whoever makes up networks and endpoints.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use jiff::Timestamp;
use monitor_common::key::NetworkId;
use monitor_common::label::{Direction, Encapsulation};

use crate::traffic::sample_record::SampleRecord;
use monitor_classify::{Confidence, CredentialKind, Exposure, Protocol, Transport, is_usual_port};

/// Conversations that are kept: of all networks, of all those that nobody described, and of one.
const ALL: usize = 16_384;
const STRANGERS: usize = 4_096;
const OF_ONE: usize = 64;
/// Conversations of the host's own wire.
const OF_HOST: usize = 256;
/// Networks of which anything is kept that nobody described.
const STRANGE_PLACES: usize = 2_048;
/// Nodes of a network.
const NODES: usize = 64;
/// Protocols of one conversation.
const KINDS: usize = 6;
/// First port that systems give to clients (`net.ipv4.ip_local_port_range` of Linux).
const EPHEMERAL: u16 = 32_768;

/// Where packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In an overlay network, by its VXLAN Network Identifier.
    Vni(u32),
    /// In networks that found no room in the maps.
    Others,
    /// Outside any overlay.
    Host,
}

impl From<NetworkId> for Place {
    fn from(network: NetworkId) -> Place {
        match network {
            NetworkId::HOST => Place::Host,
            NetworkId::OTHER => Place::Others,
            NetworkId(vni) => Place::Vni(vni),
        }
    }
}

/// What one conversation speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speech {
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether that can be read.
    pub exposure: Exposure,
    /// How sure that is, at best.
    pub confidence: Confidence,
    /// What could be read: redacted and escaped.
    pub evidence: Option<String>,
    /// Credentials in the clear.
    pub credentials: BTreeSet<CredentialKind>,
    /// Samples that said so.
    pub samples: u64,
}

/// Everything between a client, whatever its ports, and one port of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// What carries it.
    pub transport: Transport,
    /// Who asks, as far as ports tell.
    pub client: IpAddr,
    /// Who answers.
    pub server: IpAddr,
    /// The server's port; 0 where there is none.
    pub port: u16,
    /// When the first sample was taken, and the last one.
    pub seen: (Timestamp, Timestamp),
    /// What it speaks, in order of appearance.
    pub speech: Vec<Speech>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    place: Place,
    transport: Transport,
    client: IpAddr,
    server: IpAddr,
    port: u16,
}

impl Key {
    /// The key of a packet, and whether its ports tell the server.
    fn new(place: Place, transport: Transport, record: &SampleRecord) -> Option<(Key, bool)> {
        let inner = record.inner?;
        let protocol = record.verdict.protocol;
        let looks = |port: u16| match port {
            0 => 0,
            _ if is_usual_port(protocol, port) => 3,
            1..1024 => 2,
            1024..EPHEMERAL => 1,
            EPHEMERAL.. => 0,
        };
        let there = looks(record.destination_port);
        let here = looks(record.source_port);
        let key = Key {
            place,
            transport,
            client: inner.source,
            server: inner.destination,
            port: record.destination_port,
        };
        let turned = Key {
            client: inner.destination,
            server: inner.source,
            port: record.source_port,
            ..key
        };
        Some((if there >= here { key } else { turned }, there != here))
    }
}

/// What is kept of a network beside its conversations.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Other nodes that its packets go to and come from; at most 64.
    pub nodes: BTreeSet<IpAddr>,
    /// Credentials by what they were seen in, of all conversations.
    pub credentials: BTreeMap<(Protocol, Exposure), BTreeSet<CredentialKind>>,
    /// Samples of conversations that found no room.
    pub beyond: u64,
    conversations: usize,
}

/// All conversations.
#[derive(Clone, Debug, Default)]
pub struct Conversations {
    all: HashMap<Key, Conversation>,
    around: HashMap<Place, Around>,
    known: HashSet<u32>,
    strangers: usize,
    strange_places: usize,
}

impl Conversations {
    /// Tells which networks somebody described: they keep their room, whoever makes up others.
    pub fn know(&mut self, known: HashSet<u32>) {
        self.known = known;
    }

    /// Takes a sample into account.
    pub fn note(&mut self, record: &SampleRecord) {
        let (Some(transport), true) = (record.transport, record.payload_len != 0) else {
            return;
        };
        let place = match (record.vni, record.encapsulation) {
            (Some(vni), _) => Place::Vni(vni),
            (None, Encapsulation::None) => Place::Host,
            (None, _) => return,
        };
        let Some((mut key, is_sure)) = Key::new(place, transport, record) else {
            return;
        };
        let is_strange = matches!(place, Place::Vni(vni) if !self.known.contains(&vni));
        if !self.around.contains_key(&place) {
            if is_strange && self.strange_places >= STRANGE_PLACES {
                return;
            }
            self.strange_places += usize::from(is_strange);
        }
        let around = self.around.entry(place).or_default();
        if let (Some(outer), Some(direction)) = (record.outer, record.direction)
            && around.nodes.len() < NODES
        {
            around.nodes.insert(match direction {
                Direction::Rx => outer.source,
                Direction::Tx => outer.destination,
            });
        }
        let verdict = &record.verdict;
        if !verdict.credentials.is_empty() {
            let kinds = around
                .credentials
                .entry((verdict.protocol, verdict.exposure));
            kinds.or_default().extend(&verdict.credentials);
        }
        if !is_sure {
            // Whoever was seen to speak first asks.
            let turned = Key {
                client: key.server,
                server: key.client,
                port: record.source_port,
                ..key
            };
            if !self.all.contains_key(&key) && self.all.contains_key(&turned) {
                key = turned;
            }
        }
        if !self.all.contains_key(&key) {
            let of_one = if place == Place::Host {
                OF_HOST
            } else {
                OF_ONE
            };
            if around.conversations >= of_one
                || self.all.len() >= ALL
                || is_strange && self.strangers >= STRANGERS
            {
                around.beyond += 1;
                return;
            }
            around.conversations += 1;
            self.strangers += usize::from(is_strange);
        }
        self.all
            .entry(key)
            .or_insert_with(|| Conversation {
                transport,
                client: key.client,
                server: key.server,
                port: key.port,
                seen: (record.time, record.time),
                speech: Vec::new(),
            })
            .note(record);
    }

    /// What is kept of networks beside their conversations.
    #[must_use]
    pub fn around(&self, place: Place) -> Option<&Around> {
        self.around.get(&place)
    }

    /// All of them, by where they are.
    #[must_use]
    pub fn by_place(&self) -> BTreeMap<Place, Vec<&Conversation>> {
        let mut all = BTreeMap::<Place, Vec<&Conversation>>::new();
        for (key, conversation) in &self.all {
            all.entry(key.place).or_default().push(conversation);
        }
        all
    }
}

impl Conversation {
    fn note(&mut self, record: &SampleRecord) {
        self.seen = (self.seen.0.min(record.time), self.seen.1.max(record.time));
        let verdict = &record.verdict;
        let same =
            |at: &&mut Speech| at.protocol == verdict.protocol && at.exposure == verdict.exposure;
        if let Some(speech) = self.speech.iter_mut().find(same) {
            speech.samples += 1;
            speech.confidence = speech.confidence.max(verdict.confidence);
            // What holds credentials is the better example.
            let is_better = speech.credentials.is_empty() && !verdict.credentials.is_empty();
            if speech.evidence.is_none() || is_better {
                speech.evidence.clone_from(&verdict.evidence);
            }
            speech.credentials.extend(&verdict.credentials);
            return;
        }
        // What one more packet does not tell is said already, and text is told by its name.
        let says_nothing_new = |at: &Speech| match verdict.exposure {
            Exposure::Unknown => at.exposure != Exposure::Unknown,
            Exposure::Plaintext => {
                verdict.protocol == Protocol::Unknown && at.exposure == Exposure::Plaintext
            }
            Exposure::Encrypted => false,
        };
        if self.speech.iter().any(says_nothing_new) {
            return;
        }
        self.speech.retain(|at| match (at.protocol, at.exposure) {
            (_, Exposure::Unknown) => verdict.exposure == Exposure::Unknown,
            (Protocol::Unknown, Exposure::Plaintext) => verdict.exposure != Exposure::Plaintext,
            (_, Exposure::Plaintext | Exposure::Encrypted) => true,
        });
        if self.speech.len() < KINDS {
            self.speech.push(Speech {
                protocol: verdict.protocol,
                exposure: verdict.exposure,
                confidence: verdict.confidence,
                evidence: verdict.evidence.clone(),
                credentials: verdict.credentials.iter().copied().collect(),
                samples: 1,
            });
        }
    }
}

#[cfg(test)]
mod tests;
