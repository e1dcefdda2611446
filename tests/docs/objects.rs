//! `docs/json.md` and `docs/schema`, against each other and against what `read` prints.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use monitor::command::check::Check;
use monitor::traffic::packet_doubt::PacketDoubt;
use monitor_classify::{Confidence, CredentialKind, Exposure, Protocol};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::reason::Reason;
use overlay_tests::frame::{esp, ethernet, ipv4, overlay, redis_command, udp};
use overlay_tests::process::program;
use overlay_tests::schema::{self, COMMON, Output, Validator};
use overlay_tests::tshark::capture;
use serde_json::Value;

/// `read --format json` of these files, or of standard input.
fn read(arguments: &[&str], files: &[&Path], input: &[u8]) -> String {
    let mut command = Command::new(program());
    command.args(["read", "--format", "json"]).args(arguments);
    match files {
        [] => command.arg("-"),
        _ => command.args(files),
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn read_prints_what_is_described() {
    let validator = Validator::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/traffic");
    let recorded: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|name| name == "pcap"))
        .collect();
    assert!(recorded.len() > 40);
    let files: Vec<&Path> = recorded.iter().map(AsRef::as_ref).collect();
    let met = validator.check(Output::Samples, &read(&["--all"], &files, b""));
    assert_eq!(Vec::from_iter(met), ["sample"]);
    let met = validator.check(
        Output::Samples,
        &read(&["--show-payload"], &files[..4], b""),
    );
    assert_eq!(Vec::from_iter(met), ["sample"]);
    validator.check(Output::Flows, &read(&["--flows"], &files, b""));

    // ESP, a frame that is cut, and one that is not IP.
    let whole = overlay(7, &redis_command());
    let frames = [
        overlay(7, &[0x45]),
        ethernet(0x0800, &ipv4(50, &[], &esp(0x1234_5678, 9))),
        ethernet(0x0800, &ipv4(17, &[], &udp(4789, 4789, &[8, 0, 0]))),
        vec![0; 60],
        whole,
    ];
    let input = capture(&frames);
    validator.check(Output::Samples, &read(&["--all"], &[], &input));
    let flows = read(&["--flows", "--node", "n"], &[], &input);
    let met = validator.check(Output::Flows, &flows);
    assert_eq!(
        Vec::from_iter(met),
        ["esp", "flow", "frames", "read-summary"]
    );
    assert!(flows.contains(r#""unparsed":{""#), "{flows}");
}

/// The names that a definition in `common.json` lists.
fn listed(definition: &Value) -> BTreeSet<&str> {
    let names = definition["enum"].as_array().unwrap();
    names.iter().map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn the_lists_of_names_are_complete() {
    let common = schema::read(COMMON);
    let of = |name: &str| &common["$defs"][name];
    let names = |names: Vec<&'static str>| BTreeSet::from_iter(names);
    let all = |list: &[Protocol]| list.iter().map(|at| at.name()).collect();
    assert_eq!(listed(of("protocol")), names(all(Protocol::ALL)));
    let all = |list: &[Exposure]| list.iter().map(|at| at.name()).collect();
    assert_eq!(listed(of("exposure")), names(all(Exposure::ALL)));
    let all = |list: &[Confidence]| list.iter().map(|at| at.name()).collect();
    assert_eq!(listed(of("confidence")), names(all(Confidence::ALL)));
    let all = |list: &[CredentialKind]| list.iter().map(|at| at.name()).collect();
    let credentials = &of("credentials")["items"];
    assert_eq!(listed(credentials), names(all(CredentialKind::ALL)));
    let all = |list: &[Direction]| list.iter().map(|at| at.label()).collect();
    assert_eq!(listed(of("direction")), names(all(&Direction::ALL)));
    let all = |list: &[Encapsulation]| list.iter().map(|at| at.label()).collect();
    assert_eq!(listed(of("encapsulation")), names(all(Encapsulation::ALL)));
    let all = |list: &[Reason]| list.iter().map(|at| at.label()).collect();
    assert_eq!(listed(of("reason")), names(all(Reason::ALL)));
    let doubts = PacketDoubt::ALL.map(|doubt| serde_json::to_value(doubt).unwrap());
    let doubts = doubts.iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(listed(&of("packet_doubts")["items"]), doubts);
    let checks = Check::ALL.map(|check| serde_json::to_value(check).unwrap());
    let checks = checks.iter().map(|name| name.as_str().unwrap()).collect();
    let check = schema::read("check");
    assert_eq!(listed(&check["properties"]["check"]), checks);
}

/// Every name that a schema gives a field, those of objects in it too.
fn fields(schema: &Value, common: &Value, into: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference
            .strip_prefix("common.json#/$defs/")
            .or(reference.strip_prefix("#/$defs/"));
        fields(&common["$defs"][name.unwrap()], common, into);
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, of) in properties {
            into.insert(name.clone());
            fields(of, common, into);
        }
    }
    if !schema["items"].is_null() {
        fields(&schema["items"], common, into);
    }
}

/// The names in the first column of the tables in a section.
fn described(section: &str) -> BTreeSet<String> {
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').nth(1).unwrap());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

#[test]
fn the_document_has_a_section_for_each_schema_with_every_field() {
    let text = super::document("docs/json.md");
    let common = schema::read(COMMON);
    for name in schema::names() {
        if name == COMMON {
            continue;
        }
        let link = format!("(schema/{name}.json)");
        let section = text.split("\n## ").find(|section| section.contains(&link));
        let section = section.unwrap_or_else(|| panic!("docs/json.md has no section for {name}"));
        let mut all = BTreeSet::new();
        fields(&schema::read(&name), &common, &mut all);
        assert_eq!(described(section), all, "{name}");
    }
}

#[test]
fn the_examples_are_valid() {
    let text = super::document("docs/json.md");
    let validator = Validator::new();
    let blocks = text.split("```json\n").skip(1);
    let lines: Vec<&str> = blocks
        .map(|block| block.split_once("\n```").unwrap().0)
        .collect();
    assert!(lines.len() >= 8);
    for line in lines {
        let object: Value = serde_json::from_str(line).unwrap();
        let name = match object["type"].as_str().unwrap() {
            "audit_summary" => "audit-summary",
            "read_summary" => "read-summary",
            name => name,
        };
        validator.validate(name, &object).unwrap();
    }
}
