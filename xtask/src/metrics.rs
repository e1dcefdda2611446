//! A page of metrics, as the agent serves it.

use std::collections::BTreeMap;

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// A page of metrics.
pub(crate) struct Metrics(Vec<(String, BTreeMap<String, String>, f64)>);

impl Metrics {
    /// Reads a page.
    pub(crate) fn parse(page: &str) -> Self {
        Self(page.lines().filter_map(sample).collect())
    }

    /// The sum of a metric over all series with these labels; `None` if there is no such series.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        let mut found = None;
        for (metric, series, value) in &self.0 {
            let fits = |(label, value): &(&str, &str)| {
                series.get(*label).is_some_and(|known| known == value)
            };
            if metric == name && labels.iter().all(fits) {
                // Counts of packets are far below 2^53.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let value = *value as u64;
                found = Some(found.unwrap_or(0) + value);
            }
        }
        found
    }

    /// `NAME_packets_total` and `NAME_bytes_total` of these labels.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> Count {
        let get = |unit| self.sum(&format!("overlay_{name}{unit}_total"), labels);
        Count {
            packets: get("packets").unwrap_or(0),
            bytes: get("bytes").unwrap_or(0),
        }
    }
}

/// A line `name{label="value",…} number`; `None` for comments.
fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = series.split_once('{') else {
        return Some((series.to_owned(), BTreeMap::new(), value));
    };
    // No label of ours has a comma, a quote or a brace in its value.
    let labels = rest
        .trim_end_matches('}')
        .split(',')
        .filter_map(|label| {
            let (name, value) = label.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('"').to_owned()))
        })
        .collect();
    Some((name.to_owned(), labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_by_labels() {
        let page = "overlay_packets_total{interface=\"eth0\",direction=\"rx\",vni=\"4096\"} 3\n\
            overlay_packets_total{interface=\"eth0\",direction=\"tx\",vni=\"4096\"} 4\n\
            overlay_bytes_total{interface=\"eth0\",direction=\"tx\",vni=\"4096\"} 400\n\
            overlay_docker_up 1\n";
        let metrics = Metrics::parse(page);
        assert_eq!(
            metrics.sum("overlay_packets_total", &[("vni", "4096")]),
            Some(7)
        );
        assert_eq!(metrics.sum("overlay_packets_total", &[("vni", "1")]), None);
        assert_eq!(metrics.sum("overlay_docker_up", &[]), Some(1));
        let tx = [("direction", "tx")];
        let want = Count {
            packets: 4,
            bytes: 400,
        };
        assert_eq!(metrics.count("", &tx), want);
    }
}
