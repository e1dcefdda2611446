//! The fit, on made-up loads whose answer is known.

use super::*;

fn point(packets: f64, bytes: f64, seconds: f64, half: f64) -> Point {
    Point {
        packets,
        bytes,
        low: seconds - half,
        seconds,
        high: seconds + half,
    }
}

#[test]
fn loads_on_a_line_give_the_line() {
    let of = |packets: f64, bytes: f64| point(packets, bytes, 3e-6 * packets + 2e-9 * bytes, 0.0);
    let points = [of(1.0, 92.0), of(1.0, 540.0), of(2.0, 1448.0)];
    let model = Model::fit(&points).unwrap();
    assert!((model.packet - 3e-6).abs() < 1e-12 && (model.byte - 2e-9).abs() < 1e-15);
    let second = model.seconds(50_000.0, 50_000_000.0);
    assert!((second.value - 0.25).abs() < 1e-9, "{second:?}");
    assert!(second.low < 0.25 && second.high > 0.25);
}

#[test]
fn the_interval_grows_with_those_of_the_loads_and_with_their_scatter() {
    let width = |halves: f64, off: f64| {
        let of = |packets, bytes, add| {
            let seconds = 3e-6 * packets + 2e-9 * bytes + add;
            point(packets, bytes, seconds, halves * seconds)
        };
        let points = [
            of(1.0, 92.0, off),
            of(1.0, 540.0, -off),
            of(2.0, 1448.0, off),
        ];
        let interval = Model::fit(&points).unwrap().seconds(1.0, 500.0);
        interval.high - interval.low
    };
    assert!(width(0.3, 0.0) > 1.5 * width(0.1, 0.0));
    assert!(width(0.1, 2e-6) > 1.5 * width(0.1, 0.0));
}

#[test]
fn loads_of_one_size_do_not_make_a_model() {
    assert_eq!(Model::fit(&[]), None);
    let same = point(1.0, 92.0, 1e-6, 0.0);
    assert_eq!(Model::fit(&[same]), None);
    assert_eq!(Model::fit(&[same, same, same]), None);
    assert_eq!(Model::fit(&[same, point(1.0, f64::NAN, 1e-6, 0.0)]), None);
}
