//! A protocol that can be read appears in a network, and then a password in it.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use monitor_lab::{Lab, REDIS, WEB};
use overlay_tests::prometheus::{Alert, Proven, scaled};

use super::limits::{DELIVERY, seconds};
use overlay_tests::prometheus::nodes::{REQUIRED, agent, target, watch_with};

/// Both agents have answered for two hours, and a day is 48 minutes here: what is new is compared with what was there before.
fn up_before(targets: &[String]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut out = "# TYPE up gauge\n".to_owned();
    for target in targets {
        for minute in (15..120).rev() {
            let time = now.as_secs() - minute * 60;
            writeln!(
                out,
                "up{{instance=\"{target}\",job=\"overlay-monitor\"}} 1 {time}"
            )
            .unwrap();
        }
    }
    out + "# EOF\n"
}

pub(super) fn accidents() -> Vec<Proven> {
    let mut lab = Lab::builder().quiet(true).build().unwrap();
    lab.start_redis().unwrap();
    let (one, two) = (lab.node1(), lab.node2());
    let _agents = [one, two].map(|host| agent(host, &["--docker", "off"]));
    let targets = [one, two].map(target);
    let watch = watch_with(&lab, scaled(), Some(up_before(&targets)));
    let redis = lab.container(REDIS).unwrap().address().to_string();
    let ask = |command: &[&str]| {
        let client = lab.container(WEB).unwrap();
        client
            .run("redis-cli", &[&["-h", &redis][..], command].concat())
            .unwrap();
    };
    let of = |name, labels: &[(&'static str, &str)]| {
        let labels = [&[("vni", REQUIRED)], labels].concat();
        let alerts = targets.iter();
        alerts
            .map(|target| Alert::at(name, target, &labels))
            .collect::<Vec<_>>()
    };

    let mut accident = watch.accident(
        "Redis is asked in the clear, where no protocol could be read for a day",
        of("OverlayNewPlaintextProtocol", &[("protocol", "redis")]),
    );
    ask(&["GET", "order"]);
    accident.fires(DELIVERY);
    let mut proven = accident.clears(seconds(30) + DELIVERY);

    let mut accident = watch.accident(
        "a client logs on to Redis in the clear",
        of("OverlayCredentialsInCleartext", &[]),
    );
    // Redis has no password set, and answers with an error; the client has sent one all the same.
    ask(&["AUTH", "s3cret"]);
    accident.fires(DELIVERY);
    proven.extend(accident.clears(seconds(30) + DELIVERY));
    proven
}
