//! Who speaks what with whom, from samples. The number of conversations is bounded, whatever VNIs and addresses are forged.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use jiff::Timestamp;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::NetworkId;

use crate::traffic::sample_record::SampleRecord;
use monitor_classify::{
    Confidence, CredentialKind, Evidence, Exposure, Protocol, Transport, is_usual_port,
};

/// Conversations that are kept: in all, of networks without a requirement, and of one network.
const ALL: usize = 16_384;
const UNDESCRIBED: usize = 4_096;
const OF_ONE: usize = 64;
/// Conversations of the host's own traffic.
const OF_HOST: usize = 256;
/// Networks without a requirement that are tracked.
const UNDESCRIBED_PLACES: usize = 2_048;
/// Nodes of a network.
const NODES: usize = 64;
/// Protocols of one conversation.
const KINDS: usize = 6;
/// First port that systems assign to clients (`net.ipv4.ip_local_port_range` of Linux).
const EPHEMERAL: u16 = 32_768;

/// Where packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In an overlay network, by its VXLAN Network Identifier.
    Vni(u32),
    /// In networks without a row of their own in the maps.
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

/// One protocol of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speech {
    /// The protocol.
    pub protocol: Protocol,
    /// Its exposure.
    pub exposure: Exposure,
    /// The best confidence of its samples.
    pub confidence: Confidence,
    /// Evidence: redacted and escaped.
    pub evidence: Option<Evidence>,
    /// Credentials in cleartext.
    pub credentials: BTreeSet<CredentialKind>,
    /// Samples with this verdict.
    pub samples: u64,
}

/// All packets between a client, whatever its ports, and one port of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// VNI of a network inside the place's, if the packets are in one.
    pub inner_vni: Option<u32>,
    /// The transport protocol.
    pub transport: Transport,
    /// The client, as far as ports show it.
    pub client: IpAddr,
    /// The server.
    pub server: IpAddr,
    /// The server's port; 0 if there is none.
    pub port: u16,
    /// Times of the first and the last sample.
    pub seen: (Timestamp, Timestamp),
    /// Its protocols, in order of appearance.
    pub speech: Vec<Speech>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    place: Place,
    inner_vni: Option<u32>,
    transport: Transport,
    client: IpAddr,
    server: IpAddr,
    port: u16,
}

impl Key {
    /// The key of a packet, and whether its ports identify the server.
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
            inner_vni: record.inner_vni(),
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

/// What is kept of a place beside its conversations.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Other nodes that its packets are sent to or received from; at most 64.
    pub nodes: BTreeSet<IpAddr>,
    /// Credentials by protocol and exposure, of all conversations.
    pub credentials: BTreeMap<(Protocol, Exposure), BTreeSet<CredentialKind>>,
    /// Samples of conversations beyond the limit.
    pub beyond: u64,
    conversations: usize,
}

/// All conversations.
#[derive(Clone, Debug, Default)]
pub struct Conversations {
    all: HashMap<Key, Conversation>,
    around: HashMap<Place, Around>,
    known: HashSet<u32>,
    undescribed: usize,
    undescribed_places: usize,
}

impl Conversations {
    /// Sets the known networks: forged VNIs cannot displace them.
    pub fn set_known(&mut self, known: HashSet<u32>) {
        self.known = known;
    }

    /// Adds a sample.
    pub fn add(&mut self, record: &SampleRecord) {
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
        let is_undescribed = matches!(place, Place::Vni(vni) if !self.known.contains(&vni));
        if !self.around.contains_key(&place) {
            if is_undescribed && self.undescribed_places >= UNDESCRIBED_PLACES {
                return;
            }
            self.undescribed_places += usize::from(is_undescribed);
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
            // The sender of the first sample is taken for the client.
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
                || is_undescribed && self.undescribed >= UNDESCRIBED
            {
                around.beyond += 1;
                return;
            }
            around.conversations += 1;
            self.undescribed += usize::from(is_undescribed);
        }
        self.all
            .entry(key)
            .or_insert_with(|| Conversation {
                inner_vni: key.inner_vni,
                transport,
                client: key.client,
                server: key.server,
                port: key.port,
                seen: (record.time, record.time),
                speech: Vec::new(),
            })
            .add(record);
    }

    /// What is kept of a place beside its conversations.
    #[must_use]
    pub fn around(&self, place: Place) -> Option<&Around> {
        self.around.get(&place)
    }

    /// All conversations, by place.
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
    fn add(&mut self, record: &SampleRecord) {
        self.seen = (self.seen.0.min(record.time), self.seen.1.max(record.time));
        let verdict = &record.verdict;
        let same =
            |at: &&mut Speech| at.protocol == verdict.protocol && at.exposure == verdict.exposure;
        if let Some(speech) = self.speech.iter_mut().find(same) {
            speech.samples += 1;
            speech.confidence = speech.confidence.max(verdict.confidence);
            // A sample with credentials is the better example.
            let is_better = speech.credentials.is_empty() && !verdict.credentials.is_empty();
            if speech.evidence.is_none() || is_better {
                speech.evidence.clone_from(&verdict.evidence);
            }
            speech.credentials.extend(&verdict.credentials);
            return;
        }
        // A sample that adds nothing: unknown beside a verdict, or unnamed text beside a named protocol.
        let adds_nothing = |at: &Speech| match verdict.exposure {
            Exposure::Unknown => at.exposure != Exposure::Unknown,
            Exposure::Plaintext => {
                verdict.protocol == Protocol::Unknown && at.exposure == Exposure::Plaintext
            }
            Exposure::Encrypted => false,
        };
        if self.speech.iter().any(adds_nothing) {
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
