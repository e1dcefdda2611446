//! The model against a bench that was recorded: Linux 6.1 with ESP, in emulation, one round.

use proptest::prelude::*;

use super::*;

/// Of the bench's rows those of UDP in plain VXLAN and in ESP as Docker makes it.
const RECORDED: &[u8] = include_bytes!("emulated-linux-6.1.json");

pub(in crate::surface::forecast) fn recorded() -> BenchRecord {
    BenchRecord::parse(RECORDED).unwrap()
}

/// Each load is forecast by a model that was fitted without it.
#[test]
fn a_load_that_was_left_out_lies_in_the_interval() {
    let points = points(&parsed(RECORDED).unwrap());
    let sizes: Vec<(f64, f64)> = points.iter().map(|at| (at.packets, at.bytes)).collect();
    // 1,400 bytes of payload exceed the MTU, and cross in two packets.
    assert_eq!(sizes, [(1.0, 92.0), (1.0, 540.0), (2.0, 1448.0)]);
    for (index, left_out) in points.iter().enumerate() {
        let mut others = points.clone();
        others.remove(index);
        let model = Model::fit(&others).unwrap();
        let forecast = model.seconds(left_out.packets, left_out.bytes);
        let interval = forecast.low..=forecast.high;
        assert!(
            interval.contains(&left_out.seconds),
            "{forecast:?} {left_out:?}"
        );
        // The smallest is far outside the sizes of the others.
        if index > 0 {
            let half = (forecast.high - forecast.low) / 2.0 / forecast.value;
            assert!(half <= 0.25, "{forecast:?}");
        }
    }
}

/// `overlay-lab bench encryption --check-forecast` in the virtual machine, whose clock counted instructions. The model and its
/// interval were chosen before the second one was measured.
const CHECKED: [&[u8]; 2] = [
    include_bytes!("held-out-linux-6.1.json"),
    include_bytes!("held-out-linux-6.12.json"),
];

#[test]
fn nine_of_ten_loads_that_were_held_out_lie_in_the_interval() {
    for json in CHECKED {
        let loads = BenchRecord::check(json).unwrap();
        let inside = loads.iter().filter(|load| load.is_inside()).count();
        assert_eq!(loads.len(), 10);
        assert!(inside >= 9, "{loads:?}");
        assert!(
            loads.iter().all(|load| load.half_width() <= 0.25),
            "{loads:?}"
        );
    }
}

/// The same bench, with its rows of 512 bytes marked as held out.
#[test]
fn a_load_that_is_held_out_is_forecast_and_not_fitted_to() {
    let mut json: serde_json::Value = serde_json::from_slice(RECORDED).unwrap();
    for row in json["rows"].as_array_mut().unwrap() {
        row["held_out"] = (row["payload"] == 512).into();
    }
    let marked = json.to_string().into_bytes();
    assert_eq!(BenchRecord::check(RECORDED).unwrap(), []);
    assert_eq!(BenchRecord::parse(&marked).unwrap().loads, 2);
    let held_out = BenchRecord::check(&marked).unwrap();
    let [one] = held_out[..] else {
        panic!("{held_out:?}");
    };
    let all = points(&parsed(RECORDED).unwrap());
    assert_eq!((one.payload, one.streams), (512, 1));
    assert!((one.measured - 1e6 * all[1].seconds).abs() < 1e-9);
    let model = Model::fit(&[all[0], all[2]]).unwrap();
    let forecast = model.seconds(1.0, 540.0);
    assert!((one.forecast[1] - 1e6 * forecast.value).abs() < 1e-9);
    assert!(one.is_inside() && one.half_width() <= 0.25, "{one:?}");
    let outside = HeldOut {
        measured: 2.0 * one.forecast[2],
        ..one
    };
    assert!(!outside.is_inside());
}

#[test]
fn the_recorded_bench_is_described() {
    let bench = recorded();
    assert_eq!(bench.loads, 3);
    assert!(bench.measured.contains("2026-11-28, QEMU TCG CPU"));
    assert!(!bench.offloads);
    assert!(bench.model.packet > 0.0 && bench.model.byte > 0.0);
}

#[test]
fn a_bench_without_esp_and_other_files_are_refused_with_what_to_do() {
    let without = String::from_utf8(RECORDED.to_vec())
        .unwrap()
        .replace(WAY, "wireguard");
    for (json, says) in [
        (without.as_str(), "on a kernel with ESP"),
        ("{}", "is not the JSON of `overlay-lab bench encryption`"),
        ("[\"\u{1b}[2J\"]", "is not the JSON"),
    ] {
        let error = format!("{:#}", BenchRecord::parse(json.as_bytes()).unwrap_err());
        assert!(error.contains(says) && !error.contains('\u{1b}'), "{error}");
    }
    let other = without.replacen("\"schema\": 1", "\"schema\": 2", 1);
    let error = BenchRecord::parse(other.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("another format"));
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(at in 0..RECORDED.len(), byte: u8) {
        let mut damaged = RECORDED.to_vec();
        damaged[at] = byte;
        drop(BenchRecord::parse(&damaged));
    }
}
