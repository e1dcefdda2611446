//! The log as lines: text for people, or one JSON object a line.
//!
//! A finding of the log has fields beside its message: network, direction, protocol and the like. The objects have
//! them; in text they are in the message already.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer, debug_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::traffic::json_object::{SCHEMA, rfc3339};

/// The object of type `log`.
#[derive(Debug, Default, Serialize)]
struct LogObject {
    r#type: &'static str,
    schema: u32,
    time: String,
    level: String,
    event: Option<String>,
    vni: Option<u64>,
    network: Option<String>,
    breach: Option<String>,
    direction: Option<String>,
    packets: Option<u64>,
    bytes: Option<u64>,
    protocol: Option<String>,
    credentials: Vec<String>,
    message: String,
}

/// Whether a field of an event is one of the object, and not of the text.
fn is_of_object(name: &str) -> bool {
    matches!(
        name,
        "event"
            | "vni"
            | "network"
            | "breach"
            | "direction"
            | "packets"
            | "bytes"
            | "protocol"
            | "credentials"
    )
}

impl Visit for LogObject {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "vni" => self.vni = Some(value),
            "packets" => self.packets = Some(value),
            "bytes" => self.bytes = Some(value),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value.to_owned();
        match field.name() {
            "message" => self.message = value,
            "event" => self.event = Some(value),
            "network" => self.network = Some(value),
            "breach" => self.breach = Some(value),
            "direction" => self.direction = Some(value),
            "protocol" => self.protocol = Some(value),
            // An event carries no list: the names are separated by commas there.
            "credentials" => self.credentials = value.split(',').map(str::to_owned).collect(),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

/// Formats events as objects of type `log`.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut object = LogObject {
            r#type: "log",
            schema: SCHEMA,
            time: rfc3339(Timestamp::now()),
            level: event.metadata().level().as_str().to_ascii_lowercase(),
            ..LogObject::default()
        };
        event.record(&mut object);
        let text = serde_json::to_string(&object).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

/// Formats the fields of an event as text: its message, and what the object does not have.
pub fn text_fields() -> impl for<'a> FormatFields<'a> + Clone + Send + Sync + 'static {
    debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if is_of_object(name) || name.starts_with("log.") => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn events() {
        tracing::warn!(
            event = "plaintext",
            vni = 4096_u64,
            network = "app1",
            protocol = "http",
            credentials = "cookie,http_basic",
            "app1: \"http\" is readable"
        );
        tracing::info!("plain");
    }

    #[test]
    fn a_finding_is_one_object_and_its_text_is_the_message_alone() {
        let buffer = Buffer::default();
        let to = buffer.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonLines)
            .with_writer(move || to.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, events);
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2, "{text}");
        for (name, value) in [
            ("type", Value::from("log")),
            ("level", "warn".into()),
            ("event", "plaintext".into()),
            ("vni", 4096.into()),
            ("credentials", ["cookie", "http_basic"][..].into()),
            ("breach", Value::Null),
            ("message", "app1: \"http\" is readable".into()),
        ] {
            assert_eq!(lines[0][name], value, "{text}");
        }
        assert_eq!(lines[1]["event"], Value::Null);
        assert_eq!(lines[1]["credentials"], Value::Array(Vec::new()));

        let buffer = Buffer::default();
        let to = buffer.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(text_fields())
            .with_target(false)
            .without_time()
            .with_ansi(false)
            .with_writer(move || to.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, events);
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, " WARN app1: \"http\" is readable\n INFO plain\n");
    }
}
