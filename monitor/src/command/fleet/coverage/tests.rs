use proptest::prelude::*;

use super::*;

const WINDOW: Stretch = Stretch {
    from: 1_000.0,
    to: 5_000.0,
};

/// A sample of a run that knows the network since a moment, encrypted for its first hundred seconds and idle since.
fn sample(at: f64, since: f64) -> StateSample {
    let total = at - since;
    let mut states = [0.0; State::ALL.len()];
    states[State::Encrypted as usize] = total.min(100.0);
    states[State::Idle as usize] = (total - 100.0).max(0.0);
    StateSample { at, states }
}

fn stretches(gaps: &[Gap]) -> Vec<(f64, f64, f64)> {
    let of = |gap: &Gap| (gap.stretch.from, gap.stretch.to, gap.missing);
    gaps.iter().map(of).collect()
}

#[test]
fn two_samples_of_one_run_prove_what_lies_between() {
    let samples = [sample(990.0, 0.0), sample(4_990.0, 0.0)];
    let covered = of_network(&samples, WINDOW, true);
    assert_eq!(covered.gaps, []);
    assert_eq!(covered.states[State::Idle as usize], 4_000.0);
}

#[test]
fn a_run_that_ended_leaves_a_hole_until_the_next_one_knows_the_network() {
    let samples = [
        sample(990.0, 0.0),
        sample(2_000.0, 0.0),
        sample(2_615.0, 2_610.0),
        sample(4_990.0, 2_610.0),
    ];
    let covered = of_network(&samples, WINDOW, true);
    assert_eq!(stretches(&covered.gaps), [(2_000.0, 2_610.0, 610.0)]);
    let all: f64 = covered.states.iter().sum();
    assert_eq!(all, 1_010.0 + 2_380.0);
    assert_eq!(covered.states[State::Encrypted as usize], 100.0);
    // The same where the second run has come to know it for longer than the first one had.
    let samples = [sample(1_010.0, 1_000.0), sample(4_990.0, 1_600.0)];
    let covered = of_network(&samples, WINDOW, true);
    assert_eq!(stretches(&covered.gaps), [(1_010.0, 1_600.0, 590.0)]);
}

#[test]
fn a_run_that_stood_still_has_a_hole_somewhere_between() {
    let mut late = sample(4_990.0, 0.0);
    late.states[State::Idle as usize] -= 600.0;
    let covered = of_network(&[sample(990.0, 0.0), late], WINDOW, true);
    assert_eq!(stretches(&covered.gaps), [(1_000.0, 4_990.0, 600.0)]);
    assert!(covered.gaps[0].is_hole);
}

#[test]
fn the_ends_of_a_window_are_covered_or_named() {
    assert_eq!(
        stretches(&of_network(&[], WINDOW, false).gaps),
        [(1_000.0, 5_000.0, 4_000.0)]
    );
    let covered = of_network(&[sample(1_500.0, 1_400.0)], WINDOW, false);
    assert_eq!(
        stretches(&covered.gaps),
        [(1_000.0, 1_400.0, 400.0), (1_500.0, 5_000.0, 3_500.0)]
    );
    // An older run that was not scraped at the beginning.
    let covered = of_network(&[sample(1_500.0, 0.0)], WINDOW, true);
    assert_eq!(stretches(&covered.gaps), [(1_000.0, 1_500.0, 500.0)]);
    assert!(covered.gaps[0].is_hole);
    assert_eq!(covered.states.iter().sum::<f64>(), 0.0);
}

#[test]
fn what_was_before_a_window_is_not_of_it() {
    let samples = [sample(900.0, 0.0), sample(1_100.0, 1_050.0)];
    let covered = of_network(&samples, WINDOW, true);
    assert_eq!(stretches(&covered.gaps), [(1_000.0, 1_050.0, 50.0)]);
    let samples = [sample(900.0, 0.0), sample(1_100.0, 950.0)];
    assert_eq!(of_network(&samples, WINDOW, true).gaps, []);
}

#[test]
fn a_gap_is_a_hole_only_while_no_agent_ran() {
    let gap = |from, to| Gap {
        stretch: Stretch { from, to },
        missing: to - from,
        is_hole: false,
    };
    let down = [Stretch {
        from: 2_000.0,
        to: 2_600.0,
    }];
    let of = |gap| {
        let (holes, undescribed) = holes(&[gap], &down);
        let holes = holes.iter().map(|(at, _)| (at.from, at.to));
        (Vec::from_iter(holes), undescribed)
    };
    // The agent knows its networks a while after its start.
    assert_eq!(of(gap(2_000.0, 2_610.0)), (vec![(2_000.0, 2_610.0)], 0.0));
    // The network was gone from the node for longer.
    assert_eq!(
        of(gap(1_500.0, 4_000.0)),
        (vec![(2_000.0, 2_600.0)], 1_900.0)
    );
    assert_eq!(of(gap(3_000.0, 3_100.0)), (vec![], 100.0));
}

#[test]
fn a_node_is_covered_by_its_processes() {
    let at = |at, began| RunSample { at, began };
    let of = |samples: &[RunSample], is_there| {
        let gaps = of_node(samples, WINDOW, is_there);
        Vec::from_iter(gaps.iter().map(|gap| (gap.from, gap.to)))
    };
    assert_eq!(of(&[], false), [(1_000.0, 5_000.0)]);
    assert_eq!(of(&[at(990.0, 5.0), at(4_990.0, 5.0)], true), []);
    // Not scraped at the beginning, but it ran.
    assert_eq!(of(&[at(1_600.0, 5.0)], true), []);
    assert_eq!(
        of(
            &[at(990.0, 5.0), at(2_000.0, 5.0), at(2_700.0, 2_600.0)],
            false
        ),
        [(2_000.0, 2_600.0), (2_700.0, 5_000.0)]
    );
    // A clock that is wrong by years moves nothing outside its scrapes.
    assert_eq!(
        of(&[at(990.0, 5.0), at(2_000.0, 9e9)], true),
        [(1_000.0, 2_000.0)]
    );
}

proptest! {
    /// Runs and pauses at random, scraped at random: states and holes add up to the window, and each pause is named.
    #[test]
    fn states_and_gaps_add_up(
        lives in prop::collection::vec((20.0..900.0f64, 5.0..900.0f64), 1..8),
        scrape in 5.0..60.0f64,
    ) {
        let (mut samples, mut pauses, mut at) = (Vec::new(), 0.0, WINDOW.from);
        for (life, pause) in &lives {
            let (started, ended) = (at, at + life);
            let mut next = started + 1.0;
            while next < ended {
                samples.push(sample(next, started));
                next += scrape;
            }
            pauses += pause;
            at = ended + pause;
        }
        let window = Stretch { to: at, ..WINDOW };
        let covered = of_network(&samples, window, false);
        let missing: f64 = covered.gaps.iter().map(|gap| gap.missing).sum();
        let states: f64 = covered.states.iter().sum();
        prop_assert!((missing + states - window.length()).abs() < 1e-6);
        prop_assert!(missing >= pauses - 1e-6 && missing <= pauses + scrape * lives.len() as f64 + 1e-6);
    }
}
