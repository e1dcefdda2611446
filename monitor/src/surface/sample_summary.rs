//! What was shown, in a few lines at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use monitor_classify::{CredentialKind, Exposure, Protocol};

use crate::base::plural::counted;
use crate::traffic::packet_doubt::PacketDoubt;
use crate::traffic::sample_record::SampleRecord;

/// Networks that are counted; packets of further ones are summed.
const NETWORKS: usize = 1024;
/// Networks, and protocols of one exposure, that are listed.
const LISTED: usize = 8;

/// Counts of the packets that were shown.
#[derive(Debug, Default)]
pub struct SampleSummary {
    /// Packets that were examined.
    examined: u64,
    shown: u64,
    esp: u64,
    protocols: BTreeMap<(Exposure, Protocol), u64>,
    credentials: BTreeSet<CredentialKind>,
    /// Decrypted copies of ESP, which are counted nowhere else.
    copies: u64,
    repeated: u64,
    /// `None` outside any overlay.
    networks: BTreeMap<Option<u32>, u64>,
    other_networks: u64,
}

impl SampleSummary {
    /// Counts a packet that was examined.
    pub fn examine(&mut self) {
        self.examined += 1;
    }

    /// Counts one that was shown.
    pub fn show(&mut self, record: &SampleRecord) {
        self.shown += 1;
        self.repeated += u64::from(record.doubts.contains(&PacketDoubt::OtherDevice));
        if record.doubts.contains(&PacketDoubt::DecryptedCopy) {
            self.copies += 1;
            return;
        }
        let network = record.network_vni();
        if record.spi.is_some() && network.is_none() {
            self.esp += 1;
        } else {
            if self.networks.len() < NETWORKS || self.networks.contains_key(&network) {
                *self.networks.entry(network).or_default() += 1;
            } else {
                self.other_networks += 1;
            }
            let key = (record.verdict.exposure, record.verdict.protocol);
            *self.protocols.entry(key).or_default() += 1;
        }
        self.credentials.extend(&record.verdict.credentials);
    }
}

/// The largest counts first, at most [`LISTED`], and how many more there are.
fn list<K: Ord + Copy>(
    counts: impl Iterator<Item = (K, u64)>,
    name: impl Fn(K) -> String,
) -> String {
    let mut counts = Vec::from_iter(counts);
    counts.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
    let more = counts.len().saturating_sub(LISTED);
    let mut parts = Vec::from_iter(
        counts
            .iter()
            .take(LISTED)
            .map(|(key, count)| format!("{} {count}", name(*key))),
    );
    if more != 0 {
        parts.push(format!("{more} more"));
    }
    parts.join(", ")
}

/// The lines, without the last line break.
impl fmt::Display for SampleSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} shown",
            self.shown,
            counted(self.examined, "packet")
        )?;
        if self.esp != 0 {
            write!(f, "\n  ipsec      {}", self.esp)?;
        }
        if self.copies != 0 {
            let copies = counted(self.copies, "packet");
            write!(
                f,
                "\n  decrypted copies of ESP, not in the clear on the wire: {copies}"
            )?;
        }
        if self.repeated != 0 {
            let repeated = counted(self.repeated, "packet");
            write!(f, "\n  the same as before, on another device: {repeated}")?;
        }
        for exposure in Exposure::ALL {
            let of = self.protocols.iter().filter(|((at, _), _)| at == exposure);
            let text = list(of.map(|((_, name), count)| (*name, *count)), |name| {
                name.to_string()
            });
            if !text.is_empty() {
                write!(f, "\n  {exposure:<10} {text}")?;
            }
        }
        if !self.networks.is_empty() {
            let networks = self.networks.iter().map(|(vni, count)| (*vni, *count));
            let text = list(networks, |vni| {
                vni.map_or_else(|| "no overlay".to_owned(), |vni| format!("vni {vni}"))
            });
            write!(f, "\n  networks   {text}")?;
            if self.other_networks != 0 {
                write!(f, ", of other networks {}", self.other_networks)?;
            }
        }
        if !self.credentials.is_empty() {
            let names = Vec::from_iter(self.credentials.iter().map(ToString::to_string));
            write!(f, "\n  credentials: {}", names.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use monitor_classify::Verdict;

    use super::*;

    fn record(vni: Option<u32>, protocol: Protocol) -> SampleRecord {
        SampleRecord {
            vni,
            verdict: Verdict {
                protocol,
                exposure: Exposure::Plaintext,
                credentials: vec![CredentialKind::HttpBasic],
                ..Verdict::unknown()
            },
            ..SampleRecord::new(Timestamp::UNIX_EPOCH, "", None)
        }
    }

    #[test]
    fn it_lists_what_was_shown_and_stays_short() {
        let mut summary = SampleSummary::default();
        summary.examine();
        assert_eq!(summary.to_string(), "0 of 1 packet shown");
        for vni in 0..2000 {
            summary.examine();
            summary.show(&record(Some(vni), Protocol::Http));
        }
        summary.show(&record(None, Protocol::Redis));
        summary.show(&record(Some(7), Protocol::Http));
        insta::assert_snapshot!(summary, @r"
        2002 of 2001 packets shown
          plaintext  http 2001, redis 1
          networks   vni 7 2, vni 0 1, vni 1 1, vni 2 1, vni 3 1, vni 4 1, vni 5 1, vni 6 1, 1016 more, of other networks 977
          credentials: http_basic
        ");
        assert_eq!(summary.networks.len(), NETWORKS);
    }
}
