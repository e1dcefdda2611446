//! What is readable, network by network: exact counts of the kernel, joined with what samples show.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use monitor_common::count::{Count, Total};

use super::conversation::{Conversation, Conversations, Place, Speech};
use super::shares::Shares;
use crate::agent::snapshot::Snapshot;
use crate::host::described_network::{shown, title};
use crate::policy::{Network, NetworkKind, PolicyReport};
use crate::traffic::exposure_class::of_class;
use monitor_classify::{CredentialKind, Exposure, Protocol};

/// Networks that get a chapter of their own.
pub const CHAPTERS: usize = 256;

/// What is readable of one network, or of the host's own traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// Where the packets are.
    pub place: Place,
    /// The network's requirement, if it is known.
    pub network: Option<Network>,
    /// By protocol and exposure: plaintext first, and most bytes first.
    pub rows: Vec<Row>,
    /// What ESP carries of it: packets, and bytes from the UDP header on.
    pub in_esp: Count,
    /// Other nodes that samples were sent to or received from; at most 64.
    pub nodes: BTreeSet<IpAddr>,
    /// Samples of conversations beyond the limit.
    pub beyond: u64,
}

/// What was counted of one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The protocol.
    pub protocol: Protocol,
    /// Its exposure.
    pub exposure: Exposure,
    /// Packets, and bytes of their frames on the wire.
    pub count: Count,
    /// Credentials in cleartext.
    pub credentials: BTreeSet<CredentialKind>,
    /// Its conversations: those with credentials first, then those with most samples.
    pub conversations: Vec<(Conversation, Speech)>,
}

impl Chapter {
    /// Bytes by exposure.
    #[must_use]
    pub fn shares(&self) -> Shares {
        let mut shares = Shares {
            in_esp: self.in_esp.bytes,
            ..Shares::default()
        };
        for row in &self.rows {
            *shares.part(row.exposure) += row.count.bytes;
        }
        shares
    }

    /// Its title, fit to be shown.
    #[must_use]
    pub fn title(&self) -> String {
        match (self.place, &self.network) {
            (Place::Vni(_), Some(network)) => network.title(),
            (Place::Vni(vni), None) => title(vni, ""),
            (Place::Others, _) => "Networks without a row in the map".to_owned(),
            (Place::Host, _) => "Host traffic outside any overlay".to_owned(),
        }
    }

    /// The network's name, fit to be shown.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let name = self.network.as_ref().map(|network| &network.name)?;
        (!name.is_empty()).then(|| shown(name))
    }

    /// Whether it is the network of Docker's routing mesh.
    #[must_use]
    pub fn is_ingress(&self) -> bool {
        let network = self.network.as_ref();
        network.is_some_and(|network| network.kind == NetworkKind::Ingress)
    }

    /// Credentials in cleartext, of all protocols.
    #[must_use]
    pub fn credentials(&self) -> BTreeSet<CredentialKind> {
        let all = self.rows.iter().flat_map(|row| &row.credentials);
        all.copied().collect()
    }

    /// Who can read it: the end of a sentence.
    #[must_use]
    pub fn readers(&self) -> String {
        /// Nodes that are listed.
        const NAMED: usize = 4;
        match self.place {
            Place::Host => "anyone on the path between this host and its peers".to_owned(),
            Place::Vni(_) | Place::Others if self.nodes.is_empty() => {
                "anyone on the path between the nodes".to_owned()
            }
            Place::Vni(_) | Place::Others => {
                let mut names: Vec<String> = self
                    .nodes
                    .iter()
                    .take(NAMED)
                    .map(IpAddr::to_string)
                    .collect();
                if self.nodes.len() > NAMED {
                    names.push(format!("{} more", self.nodes.len() - NAMED));
                }
                format!(
                    "anyone on the path between this node and {}",
                    names.join(", ")
                )
            }
        }
    }
}

/// All chapters, those with most plaintext first and the host's own traffic last; and how many are left out.
#[must_use]
pub fn chapters(
    snapshot: &Snapshot,
    report: &PolicyReport,
    conversations: &Conversations,
) -> (Vec<Chapter>, usize) {
    let mut counts = BTreeMap::<Place, BTreeMap<(Protocol, Exposure), Count>>::new();
    let mut count = |place: Place, kind, more: Count| {
        let total = counts.entry(place).or_default().entry(kind).or_default();
        total.add(more);
    };
    for row in &snapshot.counted.exposure {
        let kind = of_class(row.key.class());
        count(row.key.network().into(), kind, row.count);
    }
    // At the end of an audit, a flow without a verdict is unknown.
    for row in &snapshot.counted.pending {
        let kind = (Protocol::Unknown, Exposure::Unknown);
        count(
            row.network.into(),
            kind,
            Count {
                packets: row.packets,
                bytes: row.bytes,
            },
        );
    }
    let mut in_esp = BTreeMap::<Place, Count>::new();
    let networks = snapshot.counted.esp_networks.iter();
    let networks = networks.map(|row| (Place::Vni(row.vni), row.count.count()));
    let others = snapshot.counted.esp_others.iter();
    for (place, count) in networks.chain(others.map(|row| (Place::Others, row.count.count()))) {
        in_esp.entry(place).or_default().add(count);
    }
    let mut talks = conversations.by_place();
    let places: BTreeSet<Place> = counts.keys().chain(in_esp.keys()).copied().collect();
    let described: HashMap<u32, &Network> = report
        .networks
        .iter()
        .filter_map(|status| Some((status.vni, status.network.as_ref()?)))
        .collect();
    let mut all: Vec<Chapter> = places
        .into_iter()
        .map(|place| {
            let network = match place {
                Place::Vni(vni) => described.get(&vni).copied().cloned(),
                Place::Others | Place::Host => None,
            };
            let around = conversations.around(place).cloned().unwrap_or_default();
            let talks = talks.remove(&place).unwrap_or_default();
            let counts = counts.remove(&place).unwrap_or_default();
            Chapter {
                place,
                network,
                rows: rows(counts, &around.credentials, &talks),
                in_esp: in_esp.get(&place).copied().unwrap_or_default(),
                nodes: around.nodes,
                beyond: around.beyond,
            }
        })
        .filter(|chapter| chapter.in_esp.packets != 0 || !chapter.rows.is_empty())
        .collect();
    all.sort_by_key(|chapter| {
        let shares = chapter.shares();
        (
            chapter.place == Place::Host,
            chapter.network.is_none(),
            Reverse(shares.readable),
            Reverse(shares.total()),
        )
    });
    let more = all.len().saturating_sub(CHAPTERS);
    if more != 0 {
        // The host's own traffic is always kept.
        let host = all.pop_if(|chapter| chapter.place == Place::Host);
        all.truncate(CHAPTERS - usize::from(host.is_some()));
        all.extend(host);
    }
    (all, more)
}

fn rows(
    mut counts: BTreeMap<(Protocol, Exposure), Count>,
    credentials: &BTreeMap<(Protocol, Exposure), BTreeSet<CredentialKind>>,
    talks: &[&Conversation],
) -> Vec<Row> {
    counts.retain(|_, count| count.packets != 0);
    // What a sample showed was there, even if its packets are counted under what its flow spoke before or after.
    for conversation in talks {
        for speech in &conversation.speech {
            if speech.exposure != Exposure::Unknown {
                counts
                    .entry((speech.protocol, speech.exposure))
                    .or_default();
            }
        }
    }
    for kind in credentials.keys() {
        counts.entry(*kind).or_default();
    }
    let row = |(kind, count): ((Protocol, Exposure), Count)| {
        let of = |conversation: &&Conversation| {
            let mut speech = conversation.speech.iter();
            let speech = speech.find(|at| (at.protocol, at.exposure) == kind)?;
            Some(((*conversation).clone(), speech.clone()))
        };
        let mut conversations: Vec<(Conversation, Speech)> = talks.iter().filter_map(of).collect();
        conversations.sort_by_key(|(conversation, speech)| {
            (
                speech.credentials.is_empty(),
                Reverse(speech.samples),
                conversation.client,
                conversation.server,
                conversation.port,
            )
        });
        Row {
            protocol: kind.0,
            exposure: kind.1,
            count,
            credentials: credentials.get(&kind).cloned().unwrap_or_default(),
            conversations,
        }
    };
    let mut rows: Vec<Row> = counts.into_iter().map(row).collect();
    rows.sort_by_key(|row| {
        (
            row.exposure,
            Reverse(row.count.bytes),
            Reverse(row.count.packets),
            row.protocol,
        )
    });
    rows
}

#[cfg(test)]
mod tests;
