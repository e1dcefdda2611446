//! A claim that is certain on its usual port is made without asking the rows of other ports.

use super::samples::SAMPLES;
use super::*;
use crate::classify::{Claim, HIGHEST, Rank, surest, surest_of};
use crate::protocol::CLASSIFIERS;

/// All of a claim that decides between protocols.
fn parts(claim: Option<&Claim>) -> Option<(Rank, Protocol, bool, bool)> {
    claim.map(|claim| (claim.rank, claim.protocol, claim.contested, claim.plaintext))
}

#[test]
fn it_is_the_one_that_all_rows_together_make() {
    let ports: Vec<u16> = SAMPLES.iter().map(|sample| sample.port).collect();
    let mut certain = 0;
    for sample in SAMPLES {
        for port in &ports {
            let whole = Payload {
                dst_port: *port,
                ..sample.off_port()
            };
            let cut = Payload {
                bytes: &whole.bytes[..whole.bytes.len() / 2],
                ..whole
            };
            for payload in [whole, cut] {
                let claim = surest(&payload);
                let rows = CLASSIFIERS.iter();
                let of_all = surest_of(rows.filter(|row| row.takes(payload.transport)), &payload);
                assert_eq!(parts(claim.as_ref()), parts(of_all.as_ref()), "{port}");
                certain += usize::from(claim.is_some_and(|claim| claim.rank == HIGHEST));
            }
        }
    }
    assert!(certain > SAMPLES.len(), "{certain}");
}
