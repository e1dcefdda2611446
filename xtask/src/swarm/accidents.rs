//! Three accidents that an encrypted network can have. The monitor must name the
//! first two within two seconds, with network and peer, and must not take the
//! third for one.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::agent::{self, Alarm};
use super::keys::Ring;
use super::rules;
use super::story::{Story, Vnis, heading, of_vni};
use super::stranger;
use super::table::Row;
use crate::nodes::clock::now;
use crate::nodes::frame::What;
use crate::nodes::node::{Node, both};

/// From the first packet on the wire to the line in the log.
const PROMPT: f64 = 2.0;
/// How long is waited for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a violation may last on when its cause is gone: the window, and what
/// TCP repeats.
const OVER: Duration = Duration::from_secs(180);
/// Packets that the stranger sends.
const INJECTED: usize = 20;
/// Docker does one in twelve hours.
const ROTATIONS: usize = 10;

/// What the log line of a violation must contain, and that on its cause.
struct Expected {
    words: String,
    cause: &'static str,
    /// What that on its cause must not contain, because it is not so.
    wrong: &'static str,
}

/// Said where the agent finds the rules of no network. Those of the second network are there in each accident.
const NO_RULES: &str = "no network on this host has one";
/// Said where the agent does not find the rule that drops the network's cleartext. It is there in each accident.
const ACCEPTED: &str = "so cleartext is accepted";

impl Story {
    /// The rule is lost that marks a network's packets for encryption (CVE-2023-28841).
    pub(super) fn rule_lost(&mut self, vni: u32) -> Result<()> {
        const STEP: &str = "rule lost";
        heading("Accident 1: node1 loses the rule that marks packets for encryption");
        let before = both(&mut self.nodes, |node| {
            node.compare_clocks()?;
            agent::alarms(node)
        })?;
        self.flow(true)?;
        let since = now();
        let rule = rules::marking(&mut self.nodes[0], vni)?;
        self.nodes[0].sh(&format!("iptables -t mangle -D {rule}"))?;
        let first = self.wire.first_cleartext(since, vni, PATIENCE);
        let first = first.map(|seen| seen.time);
        let sent = Expected {
            words: format!("cleartext was sent to {}", self.nodes[1].address),
            cause: "the rule that marks this network's datagrams for IPsec is missing",
            wrong: NO_RULES,
        };
        let received = Expected {
            words: format!("cleartext was received from {}", self.nodes[0].address),
            cause: "that node encrypts with this one and sent cleartext",
            wrong: ACCEPTED,
        };
        for (index, expected) in [sent, received].into_iter().enumerate() {
            self.alarm(STEP, index, before[index].len(), vni, &expected, first)?;
        }
        self.nodes[0].sh(&format!("iptables -t mangle -A {rule}"))?;
        self.flow(false)?;
        self.over(vni)?;
        self.counts(STEP, &[vni])?;
        self.violation_counts(STEP, vni)
    }

    /// A third host sends cleartext into the network (CVE-2023-28840, CVE-2023-28842).
    pub(super) fn injected(&mut self, vni: u32) -> Result<()> {
        const STEP: &str = "injection";
        heading("Accident 2: a stranger on the wire sends cleartext into the network");
        let before = both(&mut self.nodes, |node| {
            node.compare_clocks()?;
            agent::alarms(node)
        })?;
        let refused = rules::refused(&mut self.nodes[1], vni)?;
        let since = now();
        for _ in 0..INJECTED {
            stranger::inject(&self.wire, vni);
            std::thread::sleep(Duration::from_millis(50));
        }
        let first = self.wire.first_cleartext(since, vni, PATIENCE);
        let first = first.map(|seen| seen.time);
        let expected = Expected {
            words: format!("cleartext was received from {}", stranger::ADDRESS),
            cause: "the datagrams are injected",
            wrong: ACCEPTED,
        };
        self.alarm(STEP, 1, before[1].len(), vni, &expected, first)?;
        let others = agent::alarms(&mut self.nodes[0])?.len() - before[0].len();
        self.table.add(Row {
            step: STEP,
            question: "does node1, which has no part in it, say anything?".to_owned(),
            monitor: format!("{others} violations"),
            wire: "nothing of it went to node1".to_owned(),
            agrees: others == 0,
        });
        let now_refused = rules::refused(&mut self.nodes[1], vni)? - refused;
        self.table.add(Row {
            step: STEP,
            question: "does the engine refuse it?".to_owned(),
            monitor: "(its rule comes behind the monitor)".to_owned(),
            wire: format!("{INJECTED} frames; its rule dropped {now_refused}"),
            agrees: now_refused == INJECTED as u64,
        });
        self.over(vni)?;
        self.counts(STEP, &[vni])?;
        self.violation_counts(STEP, vni)
    }

    /// The keys rotate under traffic: no accident at all. The ring, with all keys that were used.
    pub(super) fn rotations(&mut self, vnis: &Vnis) -> Result<Ring> {
        const STEP: &str = "rotation";
        heading("Accident 3 that is none: ten rotations of the keys");
        let before = both(&mut self.nodes, agent::alarms)?;
        let mut ring = Ring::read(&mut self.nodes)?;
        self.flow(true)?;
        let since = now();
        for _ in 0..ROTATIONS {
            ring.rotate(&mut self.nodes)?;
            std::thread::sleep(Duration::from_secs(1));
        }
        // A violation would be logged by then.
        std::thread::sleep(Duration::from_secs(3));
        self.flow(false)?;
        let after = both(&mut self.nodes, agent::alarms)?;
        let alarms = after[0].len() + after[1].len() - before[0].len() - before[1].len();
        let seen = self.wire.since(since);
        let clear: usize = vnis.app.iter().map(|vni| of_vni(&seen, *vni)).sum();
        let mut spis: Vec<u32> = seen
            .iter()
            .filter_map(|seen| match seen.what {
                What::Esp { spi, .. } => Some(spi),
                What::Vxlan { .. } | What::Fragment | What::Host => None,
            })
            .collect();
        let packets = spis.len();
        spis.sort_unstable();
        spis.dedup();
        self.table.add(Row {
            step: STEP,
            question: format!("{ROTATIONS} rotations under traffic: a violation?"),
            monitor: format!("{alarms} violations"),
            wire: format!(
                "{clear} frames in clear; {packets} in ESP, under {} SPIs",
                spis.len()
            ),
            agrees: alarms == 0 && clear == 0 && spis.len() > ROTATIONS,
        });
        self.counts(STEP, &[vnis.ingress])?;
        self.networks_in_esp(STEP)?;
        Ok(ring)
    }

    /// Starts or ends visits without a pause, from the first node.
    fn flow(&mut self, on: bool) -> Result<()> {
        let script = if on {
            "touch /run/flow; (while [ -e /run/flow ]; do curl -s -m 5 http://node1/ >/dev/null; sleep 0.1; done) \
             >/dev/null 2>&1 &"
        } else {
            "rm -f /run/flow"
        };
        self.nodes[0].sh(script)?;
        if on {
            std::thread::sleep(Duration::from_secs(2));
        }
        Ok(())
    }

    /// Waits until no violation of a network lasts.
    fn over(&mut self, vni: u32) -> Result<()> {
        let end = Instant::now() + OVER;
        while self.violations(vni)? != 0 {
            if Instant::now() > end {
                bail!("the violation of VNI {vni} does not end");
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    /// Waits for a violation in a node's log behind those that were there, and compares it with the first
    /// frame in clear.
    fn alarm(
        &mut self,
        step: &'static str,
        index: usize,
        behind: usize,
        vni: u32,
        expected: &Expected,
        first: Option<f64>,
    ) -> Result<()> {
        let node = &mut self.nodes[index];
        let alarm = new_alarm(node, behind, vni, &expected.words)?;
        // It is logged a moment later, from the state of the host at that time.
        let cause = new_alarm(node, behind, vni, expected.cause)?;
        let late = alarm
            .as_ref()
            .zip(first)
            .map(|(alarm, first)| alarm.time - first);
        for alarm in alarm.iter().chain(&cause) {
            println!("  {}: {}", self.nodes[index].name, alarm.text);
        }
        let wrong = cause
            .as_ref()
            .is_some_and(|cause| cause.text.contains(expected.wrong));
        let cause = cause.is_some() && !wrong;
        let late_text =
            late.map_or_else(|| "nothing".to_owned(), |late| format!("{late:.2} s later"));
        let cause_text = match (cause, wrong) {
            (true, _) => "named".to_owned(),
            (false, true) => format!("wrong, as it says `{}`", expected.wrong),
            (false, false) => "not named".to_owned(),
        };
        self.table.add(Row {
            step,
            question: format!(
                "does {} say `{}` of VNI {vni} within {PROMPT} s, and why?",
                self.nodes[index].name, expected.words
            ),
            monitor: format!("{late_text}; the cause is {cause_text}"),
            wire: match first {
                Some(_) => format!("frames of VNI {vni} in clear"),
                None => "nothing in clear".to_owned(),
            },
            // The clocks were compared to some hundredths of a second.
            agrees: late.is_some_and(|late| (-0.2..=PROMPT).contains(&late)) && cause,
        });
        Ok(())
    }

    /// Packets of violations against frames in clear, in sum since the agents watch.
    fn violation_counts(&mut self, step: &'static str, vni: u32) -> Result<()> {
        let pages = both(&mut self.nodes, agent::metrics)?;
        let seen = self.wire.since(self.watched_since);
        for (node, page) in pages.iter().enumerate() {
            let said = |direction| {
                let labels = [
                    ("vni", vni.to_string()),
                    ("direction", String::from(direction)),
                ];
                let labels = labels
                    .each_ref()
                    .map(|(name, value)| (*name, value.as_str()));
                page.sum("overlay_violation_packets_total", &labels)
                    .unwrap_or(0)
            };
            let (rx, tx) = (said("rx"), said("tx"));
            let of = |to: usize| {
                let is = |seen: &&crate::nodes::wire::Seen| {
                    seen.what == What::Vxlan { vni }
                        && seen.to == to
                        && (to == node || !seen.injected)
                };
                seen.iter().filter(is).count() as u64
            };
            let (wire_rx, wire_tx) = (of(node), of(1 - node));
            self.table.add(Row {
                step,
                question: format!("packets of violations on {}?", self.nodes[node].name),
                monitor: format!("received {rx}, sent {tx}"),
                wire: format!("received {wire_rx}, sent {wire_tx}"),
                agrees: rx == wire_rx && tx == wire_tx,
            });
        }
        Ok(())
    }
}

/// Waits for a violation in the log behind those that were there.
fn new_alarm(node: &mut Node, behind: usize, vni: u32, words: &str) -> Result<Option<Alarm>> {
    let end = Instant::now() + PATIENCE;
    let network = format!("(VNI {vni})");
    loop {
        let alarms = agent::alarms(node)?;
        let fits = |alarm: &&Alarm| alarm.text.contains(&network) && alarm.text.contains(words);
        let found = alarms.iter().skip(behind).find(fits).cloned();
        if found.is_some() || Instant::now() > end {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
