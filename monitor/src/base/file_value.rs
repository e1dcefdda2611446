//! Values in a configuration file, whose errors list what is allowed.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::StringDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, SeqAccess, Unexpected, Visitor};

/// A whole number from `MIN` to `MAX`; for `deserialize_with`.
///
/// # Errors
/// Anything else, with the bounds.
pub fn number<'de, D: Deserializer<'de>, const MIN: u32, const MAX: u32>(
    value: D,
) -> Result<Option<u32>, D::Error> {
    struct Number<const MIN: u32, const MAX: u32>;
    impl<const MIN: u32, const MAX: u32> Visitor<'_> for Number<MIN, MAX> {
        type Value = u32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a number, {MIN} to {MAX}")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
            let valid = u32::try_from(number).ok();
            valid
                .filter(|valid| (MIN..=MAX).contains(valid))
                .ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
        }
    }
    value.deserialize_any(Number::<MIN, MAX>).map(Some)
}

/// Text, of which `expected` says what may stand in it.
///
/// # Errors
/// What is no text.
pub fn text<'de, D: Deserializer<'de>>(
    value: D,
    expected: &'static str,
) -> Result<Option<String>, D::Error> {
    struct Text(&'static str);
    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }
    value.deserialize_any(Text(expected)).map(Some)
}

/// Whether something is on; for `deserialize_with`.
///
/// # Errors
/// What is not `true` or `false`.
pub fn switch<'de, D: Deserializer<'de>>(value: D) -> Result<Option<bool>, D::Error> {
    struct Switch;
    impl Visitor<'_> for Switch {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true or false, without quotes")
        }

        fn visit_bool<E: Error>(self, is_on: bool) -> Result<bool, E> {
            Ok(is_on)
        }
    }
    value.deserialize_any(Switch).map(Some)
}

/// A word of an enum; for `deserialize_with`. A value without quotes is compared too, so that its error lists the words.
///
/// # Errors
/// Anything else, with the words.
pub fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<T, D::Error> {
    struct Word<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Word<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
            self.visit_string(value.to_string())
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
            self.visit_string(value.to_string())
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            self.visit_string(text.to_owned())
        }

        fn visit_string<E: Error>(self, text: String) -> Result<T, E> {
            let text: StringDeserializer<E> = text.into_deserializer();
            T::deserialize(text)
        }
    }
    value.deserialize_any(Word(PhantomData))
}

/// The same for a key that may be left out; with `default`.
///
/// # Errors
/// As [`word`].
pub fn some_word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<T>, D::Error> {
    word(value).map(Some)
}

/// A list of UDP ports; for `deserialize_with`. An empty one is an error: it looks as if it switched the encapsulation
/// off, and no list does.
///
/// # Errors
/// Anything else.
pub fn ports<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<u16>, D::Error> {
    struct Port(u16);
    impl<'de> Deserialize<'de> for Port {
        fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Port, D::Error> {
            let port = number::<D, 1, 65_535>(value)?.and_then(|port| u16::try_from(port).ok());
            port.map(Port)
                .ok_or_else(|| D::Error::custom("a port is 1 to 65535"))
        }
    }
    let ports = list.deserialize_any(List::<Port>(
        "a list of UDP ports, such as [4789]",
        PhantomData,
    ))?;
    match ports.is_empty() {
        true => Err(D::Error::custom(
            "an empty list of ports; give at least one, or remove the key for the usual ones",
        )),
        false => Ok(ports.into_iter().map(|Port(port)| port).collect()),
    }
}

/// A list of names; for `deserialize_with`.
///
/// # Errors
/// Anything else.
pub fn names<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<String>, D::Error> {
    list.deserialize_any(List("a list of names, such as [\"eth0\"]", PhantomData))
}

/// A list of host names, without ports; for `deserialize_with`.
///
/// # Errors
/// Anything else.
pub fn hosts<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<String>, D::Error> {
    const EXPECTED: &str = "a list of host names, such as [\"node1.example.com\"]";
    let hosts: Vec<String> = list.deserialize_any(List(EXPECTED, PhantomData))?;
    let is_host = |host: &String| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        (1..=253).contains(&host.len()) && host.chars().all(fits)
    };
    match hosts.iter().find(|host| !is_host(host)) {
        Some(host) => Err(D::Error::invalid_value(Unexpected::Str(host), &EXPECTED)),
        None => Ok(hosts),
    }
}

/// A list, by an example of it.
struct List<T>(&'static str, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(all)
    }
}
