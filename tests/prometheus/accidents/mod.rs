//! Each alert is proven by an accident: exactly the right alerts arrive, in time, and clear.
//!
//! In the rules' copy that Prometheus has here each duration is a thirtieth, so half an hour is a minute. The accidents are made
//! in labs of their own, side by side. `UPDATE_DOCS=1` writes the times to `docs/alert-times.md`.

mod cleartext;
mod docker;
mod esp;
mod flood;
mod interfaces;
mod limits;
mod loss;
mod protocols;
mod samples;

use std::collections::BTreeSet;
use std::time::Duration;

use overlay_tests::prometheus::{Proven, SCALE, alert_names, write_section};

/// Alerts that no accident raises here, and why.
const NOT_HERE: [(&str, &str); 1] = [(
    "OverlayForbiddenEncryption",
    "needs a kernel that encrypts with ESP: `vm_alerts` makes it in the virtual machine",
)];

/// The labs in which accidents are made.
const LABS: [fn() -> Vec<Proven>; 8] = [
    cleartext::accidents,
    docker::accidents,
    esp::accidents,
    flood::accidents,
    interfaces::accidents,
    loss::accidents,
    protocols::accidents,
    samples::accidents,
];

#[test]
fn each_accident_raises_its_alerts_and_no_other_and_they_clear() {
    let proven: Vec<Proven> = std::thread::scope(|scope| {
        let labs = LABS.map(|accidents| scope.spawn(accidents));
        labs.into_iter()
            .flat_map(|lab| lab.join().unwrap())
            .collect()
    });
    let alerts = alert_names();
    let all = BTreeSet::from_iter(alerts.iter().map(|(name, _)| name.as_str()));
    let elsewhere = NOT_HERE.iter().map(|(name, _)| *name);
    let shown = proven.iter().map(|at| at.alert).chain(elsewhere);
    assert_eq!(BTreeSet::from_iter(shown), all);
    write_section("docs/alert-times.md", "accidents", &table(&proven, &alerts));
}

/// The table of accidents.
fn table(proven: &[Proven], alerts: &[(String, u64)]) -> String {
    let mut out = format!(
        "\nDurations of the rules are divided by {SCALE}; pages are scraped and rules evaluated every 2 s.\n\n\
         | accident | alert | `for` / {SCALE}, s | fired after, s | limit | cleared after, s | limit |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for at in proven {
        let hold = alerts.iter().find(|(name, _)| name == at.alert).unwrap().1;
        let time = |(took, limit): (Duration, Duration)| {
            format!("{:.1} | {}", took.as_secs_f64(), limit.as_secs())
        };
        out.push_str(&format!(
            "| {} | [{}](alerts.md#{}) | {hold} | {} | {} |\n",
            at.accident,
            at.alert,
            at.alert.to_lowercase(),
            time(at.fired),
            time(at.cleared)
        ));
    }
    out.push('\n');
    for (name, why) in NOT_HERE {
        let link = name.to_lowercase();
        out.push_str(&format!(
            "Not among them: [{name}](alerts.md#{link}), which {why}.\n"
        ));
    }
    out
}
