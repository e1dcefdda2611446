//! YAML as far as a web configuration needs it: mappings, lists, texts, `true` and `false`.
//!
//! Anchors are refused, since a few lines of them can stand for any amount of memory; so are keys that occur twice in a mapping, of
//! which the first would be ignored.

use anyhow::{Result, anyhow, bail};
use monitor_classify::text::escape;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// Mappings and lists in each other.
const DEPTH: usize = 8;
/// Characters shown of a key.
const KEY_SHOWN: usize = 80;
/// Bytes of the parser's message that are shown.
const MESSAGE_SHOWN: usize = 200;

/// Reads the only document of a file. An empty file is an empty mapping.
///
/// # Errors
/// What is wrong, and in which line.
pub(super) fn read(text: &str) -> Result<Value> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        line: 1,
    };
    let mut value = None;
    loop {
        match reader.next()? {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event if value.is_none() => value = Some(reader.value(event, 0)?),
            _ => bail!(
                "line {}: a second document; only one is allowed",
                reader.line
            ),
        }
    }
    Ok(match value {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(value) => value,
    })
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    line: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => {
                let line = error.marker().line();
                bail!("line {line}: {}", escape(error.info(), MESSAGE_SHOWN))
            }
            None => Ok(Event::StreamEnd),
        }
    }

    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<Value> {
        if depth > DEPTH {
            bail!("line {}: nested too deeply", self.line);
        }
        match event {
            Event::Scalar(text, style, 0, _) => Ok(scalar(&text, style)),
            Event::SequenceStart(0, _) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => return Ok(Value::Array(list)),
                        event => list.push(self.value(event, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(0, _) => self.mapping(depth),
            Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::MappingStart(..) => {
                bail!(
                    "line {}: anchors (& and *) are not supported; write the value again",
                    self.line
                )
            }
            _ => Err(anyhow!("line {}: a value is missing", self.line)),
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value> {
        let mut map = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Value::Object(map)),
                Event::Scalar(key, _, 0, _) => key.into_owned(),
                _ => bail!("line {}: a key must be a text", self.line),
            };
            let line = self.line;
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
            if map.insert(key.clone(), value).is_some() {
                bail!("line {line}: {} occurs twice", escape(&key, KEY_SHOWN));
            }
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "true") => Value::Bool(true),
        (ScalarStyle::Plain, "false") => Value::Bool(false),
        (ScalarStyle::Plain, "" | "~" | "null") => Value::Null,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_document_becomes_a_value() {
        let text =
            "# comment\na:\n  b: 'true'\n  \"c\": true\n  7: [x, y z]\nkey: |\n  one\n  two\n";
        assert_eq!(
            read(text).unwrap(),
            json!({"a": {"b": "true", "c": true, "7": ["x", "y z"]}, "key": "one\ntwo\n"})
        );
        assert_eq!(read("").unwrap(), json!({}));
        assert_eq!(read("# nothing\n").unwrap(), json!({}));
    }

    #[test]
    fn what_could_mislead_or_fill_memory_is_an_error_with_its_line() {
        let deep = "[".repeat(100);
        for (text, says) in [
            ("a: 1\na: 2\n", "line 2: a occurs twice"),
            ("a: &x [1]\nb: *x\n", "line 1: anchors"),
            ("a: 1\n---\nb: 2\n", "a second document"),
            ("a: [1\n", "line "),
            ("[a]: 1\n", "line 1: a key must be a text"),
            (&deep, "nested too deeply"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\PC\\n\\t:&*\\[\\]{}|>'\"#,? -]{0,200}") {
            let _ = read(&text);
        }
    }
}
