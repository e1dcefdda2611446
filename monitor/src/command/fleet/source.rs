//! A server, and which of its series are those of the agents that are meant.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::failure::Failure;
use crate::surface::prometheus::{Answer, Instance, Selector, Server};

/// Warnings of the server that are kept.
const WARNINGS: usize = 8;

/// A server, and which agents are meant.
pub(super) struct Fleet {
    server: Server,
    /// The matchers of the agents' series.
    pub(super) selector: Selector,
    /// Nodes that must be there.
    pub(super) expected: Vec<Instance>,
    /// What the server has warned of.
    warnings: BTreeSet<String>,
}

impl Fleet {
    pub(super) fn new(server: Server, selector: Selector, expected: Vec<Instance>) -> Fleet {
        Fleet {
            server,
            selector,
            expected,
            warnings: BTreeSet::new(),
        }
    }

    /// The values of an expression at a moment.
    pub(super) async fn at(
        &mut self,
        expression: &str,
        time: Timestamp,
    ) -> Result<Answer, Failure> {
        let answer = self.server.at(expression, time).await?;
        self.heed(&answer);
        Ok(answer)
    }

    /// The values of an expression over a time, each `step`.
    pub(super) async fn range(
        &mut self,
        expression: &str,
        times: (Timestamp, Timestamp),
        step: Duration,
    ) -> Result<Answer, Failure> {
        let answer = self.server.range(expression, times, step).await?;
        self.heed(&answer);
        Ok(answer)
    }

    /// Keeps what the server warns of: a part of its data may be missing.
    fn heed(&mut self, answer: &Answer) {
        for warning in &answer.warnings {
            if self.warnings.len() < WARNINGS {
                self.warnings.insert(warning.clone());
            }
        }
    }

    /// The warnings so far.
    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings).into_iter().collect()
    }
}
