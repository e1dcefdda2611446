//! Captures that are easy to read wrongly: lines, JSON and flows of `read` agree, and are right.

mod copies;
mod cut;
mod layers;
mod null_cipher;
mod other_port;
mod tunnels;

use std::path::Path;
use std::process::Command;

use overlay_tests::process::{finish, program};
use overlay_tests::schema::{Output, Validator};
use serde_json::Value;

/// A case of `tests/fixtures/cases`, as `read` prints it in each of its forms.
struct Case {
    /// Lines on standard output.
    lines: Vec<String>,
    /// Objects of type `sample`.
    samples: Vec<Value>,
    /// Lines of `--flows`.
    flow_lines: Vec<String>,
    /// Objects of `--flows`.
    objects: Vec<Value>,
    /// What is written to standard error after the lines.
    messages: String,
}

impl Case {
    fn read(name: &str, arguments: &[&str]) -> Case {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases");
        let file = Path::new(folder).join(format!("{name}.pcap"));
        let run = |more: &[&str]| {
            let mut command = Command::new(program());
            command.arg("read").args(arguments).args(more).arg(&file);
            let ended = finish(command);
            assert_eq!(ended.code, Some(0), "{name}: {}", ended.err);
            ended
        };
        let lines = |out: &str| out.lines().map(str::to_owned).collect();
        let objects = |out: &str| {
            let objects = out.lines().map(|line| serde_json::from_str(line).unwrap());
            objects.collect()
        };
        let samples = run(&["--format", "json"]).out;
        let flows = run(&["--flows", "--format", "json"]).out;
        let validator = Validator::new();
        validator.check(Output::Samples, &samples);
        validator.check(Output::Flows, &flows);
        let text = run(&[]);
        Case {
            lines: lines(&text.out),
            samples: objects(&samples),
            flow_lines: lines(&run(&["--flows"]).out),
            objects: objects(&flows),
            messages: text.err,
        }
    }

    /// The objects of this type.
    fn of_type(&self, name: &str) -> Vec<&Value> {
        let of = self.objects.iter().filter(|object| object["type"] == name);
        of.collect()
    }

    fn flows(&self) -> Vec<&Value> {
        self.of_type("flow")
    }

    /// The only flow that this field has this value in.
    fn flow(&self, field: &str, value: impl Into<Value>) -> &Value {
        let value = value.into();
        let flows = self.flows();
        let of: Vec<_> = flows.iter().filter(|flow| flow[field] == value).collect();
        assert_eq!(of.len(), 1, "{field} {value}: {flows:#?}");
        of[0]
    }

    fn summary(&self) -> &Value {
        self.of_type("read_summary")[0]
    }
}

/// Packets and bytes, there and back.
fn counts(flow: &Value) -> [u64; 4] {
    ["packets", "bytes", "reverse_packets", "reverse_bytes"]
        .map(|name| flow[name].as_u64().unwrap())
}

/// The object of a sample or a flow is HTTP in the clear, with its password.
fn is_readable_http(object: &Value) {
    assert_eq!(
        (&object["protocol"], &object["exposure"]),
        (&"http".into(), &"plaintext".into())
    );
    let credentials = object["credentials"].as_array().unwrap();
    assert!(credentials.contains(&"http_basic".into()), "{object}");
}
