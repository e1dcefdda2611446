//! Which classifiers a payload's ports are usual for, found without asking each of them.

use crate::classifier::Classifier;
use crate::payload::Payload;
use crate::protocol::CLASSIFIERS;

/// A row of [`CLASSIFIERS`] has a bit in this.
type Rows = u128;
const _: () = assert!(CLASSIFIERS.len() <= Rows::BITS as usize);

/// How many pairs of a port and a row there are.
const PAIRS: usize = {
    let (mut row, mut pairs) = (0, 0);
    while row < CLASSIFIERS.len() {
        pairs += CLASSIFIERS[row].ports().len();
        row += 1;
    }
    pairs
};

/// Every usual port with its rows, sorted by port. A port of several rows is there as often.
static BY_PORT: [(u16, Rows); PAIRS] = by_port();

const fn by_port() -> [(u16, Rows); PAIRS] {
    let mut all = [(0, 0); PAIRS];
    let (mut row, mut known) = (0, 0);
    while row < CLASSIFIERS.len() {
        let (ports, mut n) = (CLASSIFIERS[row].ports(), 0);
        while n < ports.len() {
            let mut place = known;
            while place != 0 && all[place - 1].0 > ports[n] {
                all[place] = all[place - 1];
                place -= 1;
            }
            all[place] = (ports[n], 1 << row);
            known += 1;
            n += 1;
        }
        row += 1;
    }
    all
}

/// The rows for which the port of either end is usual, in the order of the table.
pub(crate) fn rows_on_port(p: &Payload<'_>) -> impl Iterator<Item = &'static Classifier> {
    let mut rows = of(p.src_port) | of(p.dst_port);
    std::iter::from_fn(move || {
        let row = CLASSIFIERS.get(rows.trailing_zeros() as usize)?;
        rows &= rows - 1;
        Some(row)
    })
}

fn of(port: u16) -> Rows {
    let first = BY_PORT.partition_point(|(other, _)| *other < port);
    let same = BY_PORT[first..]
        .iter()
        .take_while(|(other, _)| *other == port);
    same.fold(0, |rows, (_, row)| rows | row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Transport;

    #[test]
    fn they_are_those_that_say_so_themselves() {
        for port in 0..=u16::MAX {
            for other in [0, 53, 443] {
                let payload = Payload {
                    bytes: &[],
                    wire_len: 0,
                    transport: Transport::Tcp,
                    src_port: port,
                    dst_port: other,
                };
                let asked = CLASSIFIERS
                    .iter()
                    .filter(|row| row.is_on_usual_port(&payload));
                let same = |one: &Classifier, other: &Classifier| {
                    (one.protocol(), one.ports()) == (other.protocol(), other.ports())
                };
                let equal = rows_on_port(&payload).zip(asked.clone());
                assert_eq!(rows_on_port(&payload).count(), asked.count());
                assert!(equal.into_iter().all(|(one, other)| same(one, other)));
            }
        }
    }
}
