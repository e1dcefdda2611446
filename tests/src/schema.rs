//! The objects that the program prints, against the schemas of `docs/schema`.

use std::collections::{BTreeMap, BTreeSet};

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::Value;

/// The folder of the schemas.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema");
/// What several objects have; the schema of no object.
pub const COMMON: &str = "common";

/// A way of printing objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Output {
    /// `tail`, and `read` without `--flows`.
    Samples,
    /// `read --flows`.
    Flows,
    /// `audit`, and the page `/networks`.
    Networks,
    /// `fleet`.
    Fleet,
    /// `top`.
    Top,
    /// `forecast`.
    Forecast,
    /// `check`.
    Checks,
    /// `run --log-format json`, on standard error.
    Log,
}

impl Output {
    /// The objects, as type and schema.
    const fn schemas(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Output::Samples => &[("sample", "sample")],
            Output::Flows => &[
                ("flow", "flow"),
                ("frames", "frames"),
                ("esp", "esp"),
                ("read_summary", "read-summary"),
            ],
            Output::Networks => &[
                ("network", "network"),
                ("violation", "violation"),
                ("exposure", "exposure"),
                ("forecast", "forecast"),
                ("audit_summary", "audit-summary"),
            ],
            Output::Fleet => &[
                ("fleet_network", "fleet-network"),
                ("fleet_history", "fleet-history"),
                ("fleet_summary", "fleet-summary"),
            ],
            Output::Top => &[("top_network", "top-network")],
            Output::Forecast => &[("forecast", "forecast")],
            Output::Checks => &[("check", "check")],
            Output::Log => &[("log", "log")],
        }
    }
}

/// All schemas, compiled.
pub struct Validator {
    schemas: Schemas,
    compiled: BTreeMap<String, SchemaIndex>,
}

impl Validator {
    /// Of every schema in the folder.
    #[must_use]
    pub fn new() -> Validator {
        let (mut schemas, mut compiled) = (Schemas::new(), BTreeMap::new());
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        let names = names();
        for name in &names {
            compiler.add_resource(&url(name), read(name)).unwrap();
        }
        for name in names {
            let schema = compiler.compile(&url(&name), &mut schemas);
            let schema = schema.unwrap_or_else(|error| panic!("{name}: {error:#}"));
            compiled.insert(name, schema);
        }
        Validator { schemas, compiled }
    }

    /// Holds each line to the schema of its type, and gives the names of the schemas that were met.
    pub fn check(&self, output: Output, lines: &str) -> BTreeSet<&'static str> {
        let mut met = BTreeSet::new();
        for line in lines.lines() {
            let object: Value = serde_json::from_str(line).unwrap();
            let of = |(name, _): &&(&str, &str)| object["type"] == *name;
            let schema = output.schemas().iter().find(of);
            let (_, schema) = schema.unwrap_or_else(|| panic!("{output:?}: no schema for {line}"));
            if let Err(error) = self.validate(schema, &object) {
                panic!("{error}\nin {line}");
            }
            self.is_strict(schema, &object);
            met.insert(*schema);
        }
        met
    }

    /// # Errors
    /// What is wrong with the object.
    pub fn validate(&self, schema: &str, object: &Value) -> Result<(), String> {
        let validated = self.schemas.validate(object, self.compiled[schema]);
        validated.map_err(|error| format!("{schema}: {error:#}"))
    }

    /// A field more, a field less, and a field of another kind are each refused.
    fn is_strict(&self, schema: &str, object: &Value) {
        let refuses = |what: &str, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            let mut other = object.clone();
            change(other.as_object_mut().unwrap());
            assert!(
                self.validate(schema, &other).is_err(),
                "the schema {schema} takes an object {what}: {other}"
            );
        };
        refuses("with a field more", &|fields| {
            fields.insert("surplus".to_owned(), Value::Null);
        });
        for name in object.as_object().unwrap().keys() {
            if name != "payload" {
                refuses(&format!("without {name}"), &|fields| {
                    fields.remove(name);
                });
            }
            refuses(&format!("with another {name}"), &|fields| {
                fields.insert(name.clone(), Value::Array(vec![Value::Array(vec![])]));
            });
        }
    }
}

impl Default for Validator {
    fn default() -> Validator {
        Validator::new()
    }
}

/// The names of the schemas in the folder.
#[must_use]
pub fn names() -> Vec<String> {
    let files = std::fs::read_dir(FOLDER).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(".json").unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// A schema as it is written.
#[must_use]
pub fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{FOLDER}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Where the schemas refer to each other. Nothing is fetched from there.
fn url(name: &str) -> String {
    format!("https://schema.invalid/{name}.json")
}
