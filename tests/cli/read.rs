//! `read`, on what was recorded of real conversations.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use monitor_lab::{Lab, Process};
use overlay_tests::process::{Ended, Monitor, PATIENCE, finish, program, wait_until};
use serde_json::Value;

use super::folder::Folder;

/// `read` with these arguments, anywhere, and without privileges beyond the file's.
fn read(arguments: &[&str], files: &[&Path]) -> Ended {
    let mut command = Command::new(program());
    command.arg("read").args(arguments).args(files);
    finish(command)
}

fn objects(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of_type<'a>(objects: &'a [Value], name: &str) -> Vec<&'a Value> {
    objects
        .iter()
        .filter(|object| object["type"] == name)
        .collect()
}

/// tcpdump on a host's wire, until it is dropped.
fn tcpdump(lab: &Lab, file: &Path) -> Process {
    let mut command = lab.node1().command("tcpdump").unwrap();
    command
        .args(["-i", "eth0", "-U", "-s", "0", "-w"])
        .arg(file);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let process = lab.node1().spawn(command).unwrap();
    // The header is written when it listens.
    wait_until("tcpdump listens", || {
        std::fs::metadata(file).is_ok_and(|meta| meta.len() != 0)
    });
    process
}

/// What tshark counts in a capture: packets, and bytes of frames.
fn tshark(file: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(file).args(["-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let ended = finish(command);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended
        .out
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

#[test]
fn what_tcpdump_recorded_and_what_tail_saved_tell_the_same_conversations() {
    let mut lab = super::quiet();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    let folder = Folder::new("recorded");
    let (dumped, saved) = (folder.file("dumped.pcap"), folder.file("saved.pcapng"));
    let dumping = tcpdump(&lab, &dumped);
    let mut tail = Monitor::tail(
        lab.node1(),
        &["--write", saved.to_str().unwrap(), "--snap", "1536"],
    );
    assert_eq!(lab.http_get(1).unwrap()[0].status, 200);
    tail.wait_for("the whole conversation", |tail| {
        tail.out().contains("HGETALL ip")
    });
    // Both connections end.
    std::thread::sleep(std::time::Duration::from_secs(1));
    tail.stop();
    drop(dumping);

    for file in [&dumped, &saved] {
        let name = file.display();
        let ended = read(&["--flows", "--format", "json", "--node", "node1"], &[file]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{name}");
        let found = objects(&ended.out);
        let flows = of_type(&found, "flow");
        let of = |protocol: &str| -> &Value {
            let mut of = flows.iter().filter(|flow| flow["protocol"] == protocol);
            of.next()
                .unwrap_or_else(|| panic!("{name}: no {protocol} in {}", ended.out))
        };
        for (protocol, client, server, port, evidence) in [
            ("http", "10.0.1.9", "10.0.1.7", 80, "GET / host01"),
            ("redis", "10.0.1.7", "10.0.1.3", 6379, ""),
        ] {
            let flow = of(protocol);
            assert_eq!(flow["schema"], 1);
            assert_eq!(flow["node"], "node1");
            assert_eq!(flow["vni"], 4096);
            assert_eq!(
                (&flow["src"], &flow["dst"]),
                (&Value::from(client), &Value::from(server))
            );
            assert_eq!(
                (&flow["dst_port"], &flow["transport"]),
                (&Value::from(port), &Value::from("tcp"))
            );
            assert_eq!(flow["exposure"], "plaintext");
            assert_eq!(flow["complete"], true);
            let shown = flow["evidence"].as_str().unwrap();
            assert!(shown.contains(evidence), "{name}: {shown}");
            // Every packet of it, as tshark lists them: inner frames.
            let stream = tshark(file, &["frame.len", "ip.src", "tcp.port"]);
            let (mut sent, mut received) = ((0, 0), (0, 0));
            let ports = format!("{},{port}", flow["src_port"]);
            let back = format!("{port},{}", flow["src_port"]);
            for packet in stream {
                let of_flow = packet[2] == ports || packet[2] == back;
                let inner_source = packet[1].split(',').next_back().unwrap();
                let length: u64 = packet[0].parse().unwrap();
                if of_flow {
                    let count = if inner_source == client {
                        &mut sent
                    } else {
                        &mut received
                    };
                    *count = (count.0 + 1, count.1 + length - 50);
                }
            }
            assert_ne!((sent.0, received.0), (0, 0));
            let counted = |packets: &str, bytes: &str| {
                (
                    flow[packets].as_u64().unwrap(),
                    flow[bytes].as_u64().unwrap(),
                )
            };
            assert_eq!(counted("packets", "bytes"), sent, "{name} {protocol}");
            assert_eq!(
                counted("reverse_packets", "reverse_bytes"),
                received,
                "{name} {protocol}"
            );
        }
        let summary = of_type(&found, "read_summary");
        assert_eq!(summary.len(), 1);
        let frames = tshark(file, &["frame.len"]);
        let bytes: u64 = frames
            .iter()
            .map(|frame| frame[0].parse::<u64>().unwrap())
            .sum();
        assert_eq!(
            summary[0]["packets"].as_u64(),
            Some(frames.len() as u64),
            "{name}"
        );
        assert_eq!(summary[0]["bytes"].as_u64(), Some(bytes), "{name}");
        assert_eq!(summary[0]["truncated"], false);
        // The values of Redis are not shown.
        assert!(!ended.out.contains("<td>"));
    }

    // Wireshark shows the verdict, the interface and the direction.
    let comments = tshark(
        &saved,
        &[
            "frame.comment",
            "frame.interface_name",
            "frame.packet_flags_direction",
        ],
    );
    let request = comments
        .iter()
        .find(|packet| packet[0].contains("GET / host01"))
        .unwrap();
    assert!(
        request[0].starts_with("http  plaintext  GET / host01"),
        "{request:?}"
    );
    assert_eq!(request[1], "eth0");
    assert!(comments.iter().any(|packet| packet[0] == "no payload"));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&saved).unwrap());
    assert_eq!(mode & 0o777, 0o600, "only the owner may read payloads");

    // A line for each packet, as `tail` printed it: time, interface, nodes, and all the rest.
    let lines = read(&[], &[&saved]).out;
    let tailed = tail.out();
    assert_eq!(lines, tailed);
    // From standard input, while it comes.
    let mut command = Command::new(program());
    command
        .args(["read", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let file = std::fs::read(&saved).unwrap();
    stdin.write_all(&file).unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = vec![0; lines.len()];
    std::io::Read::read_exact(&mut out, &mut first).unwrap();
    assert_eq!(
        String::from_utf8(first).unwrap(),
        lines,
        "before the end of the input"
    );
    // A file cut off mid-packet is reported, and is no failure.
    stdin.write_all(&file[..200]).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// A capture of this link type with these frames.
fn capture(link_type: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = overlay_tests::tshark::capture(frames);
    file[20..24].copy_from_slice(&link_type.to_ne_bytes());
    file
}

#[test]
fn damaged_files_are_errors_that_say_where_after_what_was_read() {
    let folder = Folder::new("damaged");
    let path = folder.file("file.pcap");
    let frame = overlay_tests::frame::overlay(7, &overlay_tests::frame::redis_command());
    let good = capture(1, &[frame.clone(), frame.clone()]);
    let flows = ["--flows", "--format", "json"];

    std::fs::write(&path, &good[..good.len() - 1]).unwrap();
    let ended = read(&flows, &[&path]);
    assert_eq!(ended.code, Some(0), "a cut last packet is a result");
    assert!(
        ended.err.contains("ends in the middle of a packet"),
        "{}",
        ended.err
    );
    let found = objects(&ended.out);
    assert_eq!(of_type(&found, "flow")[0]["packets"], 1);
    assert_eq!(of_type(&found, "flow")[0]["complete"], false);
    assert_eq!(of_type(&found, "read_summary")[0]["truncated"], true);

    let mut corrupt = good.clone();
    let second = 24 + 16 + frame.len();
    corrupt[second + 8..second + 12].fill(0xff);
    std::fs::write(&path, &corrupt).unwrap();
    for arguments in [&flows[..], &[]] {
        let ended = read(arguments, &[&path]);
        assert_eq!(ended.code, Some(4));
        let place = format!("corrupt at byte {second}");
        assert!(
            ended.err.contains(&place) && ended.err.contains("file.pcap"),
            "{}",
            ended.err
        );
        assert!(ended.out.contains("redis"), "{}", ended.out);
    }

    for (bytes, says) in [
        (&b""[..], "is empty"),
        (b"hello, world", "is not a capture file"),
        (b"\x1f\x8b\x08\x00\x00", "ends within its header"),
        (b"BZh91AY", "bzcat FILE | overlay-monitor read -"),
        (b"snoop\0\0\0", "convert it: `editcap FILE NEW.pcapng`"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let ended = read(&flows, &[&path]);
        assert_eq!(ended.code, Some(4));
        assert!(ended.err.contains(says), "{}", ended.err);
    }
    let ended = read(&[], &[&folder.file("none")]);
    assert_eq!(ended.code, Some(4));
    assert!(ended.err.contains("cannot open"), "{}", ended.err);
    assert_eq!(read(&[], &[]).code, Some(2));
    assert_eq!(read(&["--flows", "--show-payload"], &[&path]).code, Some(2));
}

#[test]
fn one_bad_file_keeps_no_other_from_being_read() {
    let folder = Folder::new("several");
    let (good, bad) = (folder.file("good.pcap"), folder.file("bad.pcap"));
    let frame = overlay_tests::frame::overlay(7, &overlay_tests::frame::redis_command());
    std::fs::write(&good, capture(1, &[frame])).unwrap();
    std::fs::write(&bad, b"nothing of the kind").unwrap();
    let ended = read(&["--flows", "--format", "json"], &[&bad, &good, &good]);
    assert_eq!(ended.code, Some(4));
    let found = objects(&ended.out);
    assert_eq!(of_type(&found, "flow").len(), 1);
    assert_eq!(of_type(&found, "flow")[0]["packets"], 2);
    assert_eq!(of_type(&found, "read_summary")[0]["files"], 2);
}

#[test]
fn any_mutation_of_a_capture_ends_in_time_with_a_code_that_is_promised() {
    let folder = Folder::new("mutated");
    let path = folder.file("file.pcap");
    let frame = overlay_tests::frame::overlay(7, &overlay_tests::frame::redis_command());
    let good = capture(1, &vec![frame; 20]);
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..60 {
        let mut file = good.clone();
        for _ in 0..1 + random() % 8 {
            let at = random() as usize % file.len();
            file[at] = random() as u8;
        }
        file.truncate(1 + random() as usize % file.len());
        std::fs::write(&path, &file).unwrap();
        for arguments in [
            &["--flows", "--format", "json"][..],
            &["--all"],
            &["--show-payload"],
        ] {
            let ended = read(arguments, &[&path]);
            assert!(
                matches!(ended.code, Some(0 | 4)),
                "{file:02x?}: {}",
                ended.err
            );
            assert!(ended.took < PATIENCE);
            let is_control = |c: char| c.is_control() && c != '\n';
            assert!(!ended.out.contains(is_control), "{:?}", ended.out);
        }
    }
}

#[test]
fn a_compressed_capture_is_read_as_the_one_inside() {
    let folder = Folder::new("compressed");
    let plain = folder.file("plain.pcap");
    let frame = overlay_tests::frame::overlay(7, &overlay_tests::frame::redis_command());
    let good = capture(1, &vec![frame; 50]);
    std::fs::write(&plain, &good).unwrap();
    for program in ["gzip", "zstd"] {
        let mut command = Command::new(program);
        command.args(["-q", "-c"]).arg(&plain);
        let compressed = command.output().unwrap();
        assert!(compressed.status.success(), "{program}");
        let file = folder.file(program);
        std::fs::write(&file, &compressed.stdout).unwrap();
        for arguments in [&["--flows", "--format", "json"][..], &["--format", "json"]] {
            let expected = read(arguments, &[&plain]);
            let ended = read(arguments, &[&file]);
            assert_eq!(
                (ended.code, ended.out),
                (Some(0), expected.out),
                "{program}"
            );
        }
        // As for every file, one that breaks off is no failure. A file this small is one block of Zstandard, of which nothing
        // is decompressed without its end.
        if program == "zstd" {
            continue;
        }
        let cut = compressed.stdout.len() - 3;
        std::fs::write(&file, &compressed.stdout[..cut]).unwrap();
        let ended = read(&["--flows", "--format", "json"], &[&file]);
        assert_eq!(ended.code, Some(0), "{program}: {}", ended.err);
        assert!(
            ended.err.contains("ends in the middle of a packet"),
            "{}",
            ended.err
        );
        let found = objects(&ended.out);
        assert_eq!(of_type(&found, "read_summary")[0]["truncated"], true);
    }
}
