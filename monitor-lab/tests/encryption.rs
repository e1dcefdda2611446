//! A very short benchmark of encryption. Needs root. On a kernel without ESP or WireGuard their ways are left out; in a
//! virtual machine with both all are measured.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows only functions marked #[test] as tests, not their helpers"
)]

use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs `overlay-lab bench` and returns its report.
fn bench(arguments: &[&str]) -> Value {
    // Beside this test's folder: the test is built by two packages, and only one of them has the program.
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("overlay-lab");
    let output = Command::new(program)
        .arg("bench")
        .args(arguments)
        .args(["--json", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(row: &Value, of: &str) -> f64 {
    row[of]["median"].as_f64().unwrap()
}

/// What each way puts on the wire for a datagram of 64, 512 and 1400 bytes, and its MTU: added up by hand from the RFCs.
const BY_HAND: &[(&str, [u64; 3], u64)] = &[
    ("direct", [106, 554, 1442], 1500),
    ("vxlan", [156, 604, 1492], 1450),
    ("esp-aes-128-gcm", [182, 630, 1510 + 118], 1424),
    ("esp-aes-256-gcm", [190, 638, 1510 + 134], 1416),
    ("esp-chacha20-poly1305", [190, 638, 1510 + 134], 1416),
    ("esp-aes-cbc-hmac-sha256", [202, 650, 1514 + 154], 1408),
    ("esp-null-hmac-sha256", [182, 630, 1510 + 118], 1424),
    ("wireguard", [218, 666, 1514 + 186], 1390),
    ("tls", [156, 604, 1492], 1450),
];

#[test]
fn encryption_is_measured_in_every_way_that_this_kernel_has() {
    let folder = std::env::temp_dir().join(format!("encryption-cost-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let report = bench(&[
        "encryption",
        "--quick",
        "--runs",
        "1",
        "--milliseconds",
        "100",
        "--docs",
        folder.to_str().unwrap(),
    ]);
    let page = std::fs::read_to_string(folder.join("encryption-cost.md")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let list = |key: &str| report[key].as_array().unwrap();
    for (name, bytes, mtu) in BY_HAND {
        let named = |entry: &&Value| entry["way"] == *name;
        let Some(way) = list("ways").iter().find(named) else {
            // Only what the kernel lacks is missing, and the page gives the reason.
            let left = list("left_out").iter().find(named).unwrap();
            assert!(name.starts_with("esp") || *name == "wireguard", "{left}");
            assert!(std::env::var_os("OVERLAY_VM").is_none(), "{left}");
            assert!(page.contains(left["why"].as_str().unwrap()), "{page}");
            continue;
        };
        let sizes = way["sizes"].as_array().unwrap();
        for (payload, bytes) in [64, 512, 1400].into_iter().zip(bytes) {
            let size = sizes
                .iter()
                .find(|size| size["payload"] == payload)
                .unwrap();
            assert_eq!(
                size["bytes"].as_f64(),
                Some(*bytes as f64),
                "{name}: {size}"
            );
        }
        for size in sizes {
            assert_eq!(
                size["bytes"].as_f64(),
                size["formula_bytes"].as_f64(),
                "{name}: {size}"
            );
            assert_eq!(
                size["frames"].as_f64(),
                size["formula_frames"].as_f64(),
                "{name}: {size}"
            );
        }
        assert_eq!(way["mtu"], *mtu, "{name}");
        assert_eq!(
            way["frames_around_the_mtu"],
            serde_json::json!([1.0, 2.0]),
            "{name}"
        );
        let rows: Vec<&Value> = list("rows").iter().filter(named).collect();
        // Seven loads, of which three are requests.
        assert_eq!(rows.len(), if *name == "tls" { 3 } else { 7 }, "{name}");
        for row in rows {
            assert!(number(row, "rate") > 0.0, "{row}");
            assert!(number(row, "cpu_seconds_per_million") > 0.0, "{row}");
        }
    }
    // TLS adds a record's header and tag to each request and answer.
    let bytes_of = |name: &str| {
        let named = |row: &&Value| row["way"] == name && row["load"] == "http";
        number(list("rows").iter().find(named).unwrap(), "wire_bytes")
    };
    assert!(bytes_of("tls") > bytes_of("vxlan") + 20.0);
}
