//! A capture without an end takes bounded memory.

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use overlay_tests::frame::{VNI, ethernet, ipv4, ipv4_between, overlay, tcp, udp};
use overlay_tests::process::program;
use overlay_tests::scale;

/// Most memory that `read --flows` may take, in KiB: what docs/overlays.md says.
const MEMORY_MAX: i64 = 320 << 10;
/// Flows at least: three times as many as are followed at a time.
const FLOWS: u32 = 786_432;

/// An unfinished request: its bytes are kept for the rest.
const REQUEST: &[u8] = b"GET /a/rather/long/path?token=secret HTTP/1.1\r\nHost: app1\r\nAuthoriz";
/// Where the VNI stands in a frame, and the inner IPv4 packet.
const AT_VNI: usize = 14 + 20 + 8 + 4;
const AT_INNER: usize = AT_VNI + 4 + 14;

/// Packets of ever new flows, with all that is kept of them: beginnings of messages, ends of connections, first
/// fragments, security associations.
struct Endless {
    request: Vec<u8>,
    reset: Vec<u8>,
    fragment: Vec<u8>,
    esp: Vec<u8>,
    number: u32,
}

impl Endless {
    fn new() -> Endless {
        let (from, to) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 1, 3));
        let inside = |protocol: u8, payload: &[u8]| {
            let packet = ipv4_between(from, to, protocol, &[], payload);
            overlay(VNI, &ethernet(0x0800, &packet))
        };
        let mut reset = inside(6, &tcp(40_000, 80, b""));
        // The flags.
        reset[AT_INNER + 20 + 13] = 0x14;
        let mut fragment = inside(17, &udp(40_000, 53, &[7; 64]));
        // More of it follows.
        fragment[AT_INNER + 6] = 0x20;
        Endless {
            request: inside(6, &tcp(40_000, 80, REQUEST)),
            reset,
            fragment,
            esp: ethernet(0x0800, &ipv4(50, &[], &[0x5a; 64])),
            number: 0,
        }
    }

    /// The packets of one more flow.
    fn write(&mut self, out: &mut Vec<u8>) {
        let number = self.number.to_be_bytes();
        for frame in [&mut self.request, &mut self.reset, &mut self.fragment] {
            frame[AT_VNI + 2] = number[3] & 15;
            // Client and port: a flow of its own.
            frame[AT_INNER + 13..AT_INNER + 16].copy_from_slice(&number[..3]);
            frame[AT_INNER + 21] = number[3];
            // Identification of an IP packet.
            frame[AT_INNER + 4..AT_INNER + 6].copy_from_slice(&number[2..]);
        }
        self.esp[34..38].copy_from_slice(&number);
        record(out, self.number, &self.request);
        if self.number.is_multiple_of(8) {
            record(out, self.number, &self.fragment);
            record(out, self.number, &self.esp);
        }
        if self.number.is_multiple_of(4) {
            record(out, self.number, &self.reset);
        }
        self.number += 1;
    }
}

/// A packet of a pcap file.
fn record(out: &mut Vec<u8>, number: u32, frame: &[u8]) {
    let length = u32::try_from(frame.len()).unwrap();
    for word in [1_700_000_000, number % 1_000_000, length, length] {
        out.extend(word.to_ne_bytes());
    }
    out.extend(frame);
}

/// Memory of a process that lives, in KiB.
fn memory(child: &Child) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let words = line.unwrap().split_whitespace().next();
    words.unwrap().parse().unwrap()
}

/// Waits for a process; whether it ended well, and the most memory that it took, in KiB, as it was last seen to run. What
/// wait4(2) says includes the memory of the process that started it: this one, which has other tests in it.
fn wait(child: &mut Child) -> (bool, i64) {
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        // Without memory it has ended, and was not waited for.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        if let Some(peak) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            let words = peak.split_whitespace().next();
            most = words.unwrap().parse().unwrap();
        }
        if let Some(ended) = child.try_wait().unwrap() {
            return (ended.success(), most);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As many flows as make the tables full three times over, and as many more as come in the seconds of
/// `OVERLAY_TEST_SECONDS`.
#[test]
fn flows_without_end_through_a_pipe_take_bounded_memory() {
    let mut child = Command::new(program())
        .args(["read", "--flows", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let stdout = child.stdout.take().unwrap();
    let counter = std::thread::spawn(move || {
        let (mut flows, mut last) = (0_u32, String::new());
        for line in BufReader::new(stdout).lines() {
            last = line.unwrap();
            flows += u32::from(last.starts_with("{\"type\":\"flow\""));
        }
        (flows, last)
    });

    let mut packets = overlay_tests::tshark::capture(&[]);
    let mut endless = Endless::new();
    let (start, long) = (Instant::now(), scale::duration(Duration::ZERO));
    let (mut written, mut full) = (0, 0);
    while endless.number < FLOWS || start.elapsed() < long {
        for _ in 0..4096 {
            endless.write(&mut packets);
        }
        stdin.write_all(&packets).unwrap();
        written += packets.len();
        packets.clear();
        // Everything is full by then, and is full again at the end.
        if endless.number == FLOWS / 2 {
            full = memory(&child);
        }
    }
    let end = memory(&child);
    drop(stdin);
    let (flows, summary) = counter.join().unwrap();
    let (is_well, most) = wait(&mut child);
    println!(
        "{} MiB, {} flows, {:.1} s: {full} KiB half way, {end} KiB at the end, {most} KiB at most",
        written >> 20,
        flows,
        start.elapsed().as_secs_f64()
    );
    assert!(is_well);
    // Those of TCP, of UDP and of ESP.
    let number = endless.number;
    assert!(flows > number, "{flows} of {number}");
    assert!(summary.contains("\"type\":\"read_summary\""), "{summary}");
    assert!(most <= MEMORY_MAX, "{most} KiB; {MEMORY_MAX} are allowed");
    assert!(end <= full + full / 10, "grows: {full} KiB, then {end}");
}

/// A gigabyte in a megabyte: what is decompressed is consumed at once.
#[test]
fn a_compressed_capture_of_any_size_takes_bounded_memory() {
    const PACKETS: u32 = 16_384;
    const FRAME: usize = 65_520;
    /// Buffers before and after decompression, windows, and the program.
    const MEMORY_MAX: i64 = 64 << 10;
    for compressor in ["gzip", "zstd"] {
        let mut compress = Command::new(compressor)
            .args(["-q", "-c"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = compress.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            let mut packet = Vec::new();
            record(&mut packet, 0, &[0; FRAME]);
            stdin
                .write_all(&overlay_tests::tshark::capture(&[]))
                .unwrap();
            for _ in 0..PACKETS {
                stdin.write_all(&packet).unwrap();
            }
        });
        let mut child = Command::new(program())
            .args(["read", "--flows", "--format", "json", "-"])
            .stdin(compress.stdout.take().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (is_well, most) = wait(&mut child);
        writer.join().unwrap();
        assert!(compress.wait().unwrap().success() && is_well);
        let summary: String = BufReader::new(child.stdout.unwrap())
            .lines()
            .map(Result::unwrap)
            .collect();
        let packets = format!("\"packets\":{PACKETS},");
        assert!(summary.contains(&packets), "{summary}");
        println!("{compressor}: {most} KiB at most");
        assert!(most <= MEMORY_MAX, "{compressor}: {most} KiB");
    }
}
