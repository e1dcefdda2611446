//! The answer of the API as series. It is untrusted: its size was bounded before, its depth is bounded by the parser, each
//! number is checked, and names become text only when they are escaped.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, anyhow, bail};
use monitor_classify::text::escape;
use serde::Deserialize;

/// Most characters shown of a message.
const MESSAGE_MAX: usize = 200;
/// Most characters shown of an instance.
const INSTANCE_MAX: usize = 80;
/// Warnings that are kept.
const WARNINGS: usize = 8;
/// The last moment that is taken for one, in seconds: the year 9999.
const LAST: f64 = 253_402_300_799.0;

/// Series, and why they may not be all.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The series.
    pub series: Vec<Series>,
    /// What the server warns of, escaped: a part of its data may be missing.
    pub warnings: Vec<String>,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    labels: BTreeMap<String, String>,
    /// Seconds of the Unix epoch with a finite value, in order.
    pub samples: Vec<(f64, f64)>,
}

/// The name by which Prometheus knows an agent. It is shown escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(String);

impl Instance {
    /// An instance of the command line.
    #[must_use]
    pub fn new(name: &str) -> Instance {
        Instance(name.to_owned())
    }

    /// As it stands in labels.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0, INSTANCE_MAX))
    }
}

impl Series {
    /// A label as it came; empty without it.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The label `instance`.
    #[must_use]
    pub fn instance(&self) -> Instance {
        Instance(self.label("instance").to_owned())
    }

    /// The label `vni`; `None` for `other`, and for what is no number of 24 bits.
    #[must_use]
    pub fn vni(&self) -> Option<u32> {
        let vni = self.label("vni").parse().ok();
        vni.filter(|vni| *vni <= monitor_common::wire::VNI_MAX)
    }

    /// The last value.
    #[must_use]
    pub fn last(&self) -> Option<f64> {
        self.samples.last().map(|(_, value)| *value)
    }
}

#[derive(Deserialize)]
struct Body {
    status: String,
    data: Option<Data>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    values: Option<Vec<(f64, String)>>,
}

/// Reads an answer.
///
/// # Errors
/// The server's error, or what is wrong with the answer.
pub fn parse(body: &[u8]) -> Result<Answer> {
    let body: Body = serde_json::from_slice(body).map_err(|error| {
        // The error's text can hold a part of the answer; its kind and place cannot.
        anyhow!(
            "the answer is no result of a query ({:?} in line {}, column {}); check the URL",
            error.classify(),
            error.line(),
            error.column()
        )
    })?;
    if let Some(error) = body.error {
        bail!("{}", escape(error, MESSAGE_MAX));
    }
    let data = body.data.context("the answer has no data")?;
    if body.status != "success" || !["vector", "matrix"].contains(&data.result_type.as_str()) {
        bail!("the answer is neither a vector nor a matrix");
    }
    let series = data.result.into_iter().map(series);
    let warnings = body.warnings.iter().take(WARNINGS);
    Ok(Answer {
        series: series.collect::<Result<_>>()?,
        warnings: warnings.map(|text| escape(text, MESSAGE_MAX)).collect(),
    })
}

fn series(row: Row) -> Result<Series> {
    let pairs = match (row.value, row.values) {
        (Some(one), None) => vec![one],
        (None, Some(all)) => all,
        _ => bail!("a series of the answer has no values"),
    };
    let mut samples: Vec<(f64, f64)> = Vec::with_capacity(pairs.len());
    for (time, text) in pairs {
        let value: f64 = text
            .parse()
            .map_err(|_| anyhow!("a value of the answer is no number"))?;
        let is_ordered = samples.last().is_none_or(|(last, _)| *last < time);
        if !is_ordered || !(0.0..=LAST).contains(&time) {
            bail!("the times of the answer are not in order");
        }
        // A share of nothing is not a number.
        if value.is_finite() {
            samples.push((time, value));
        }
    }
    Ok(Series {
        labels: row.metric,
        samples,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_becomes_series() {
        let answer = parse(
            br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"instance":"a\u001b[2J","vni":"4096"},"values":[[1.5,"2"],[3,"NaN"],[4,"1e3"]]}]},
            "warnings":["partial\u0007"],"infos":["x"]}"#,
        )
        .unwrap();
        let one = &answer.series[0];
        assert_eq!(one.samples, [(1.5, 2.0), (4.0, 1000.0)]);
        assert_eq!(one.vni(), Some(4096));
        assert_eq!(one.instance().to_string(), "a\\x1b[2J");
        assert_eq!(answer.warnings, ["partial\\x07"]);
    }

    #[test]
    fn what_is_no_result_is_an_error_without_its_content() {
        let deep = "[".repeat(100_000);
        let wrap = |result: &str| {
            format!(
                "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{result}]}}}}"
            )
        };
        for (body, says) in [
            (deep.as_str(), "no result of a query"),
            ("<html>\u{1b}[2J", "no result of a query"),
            (r#"{"status":"success"}"#, "no data"),
            (r#"{"status":"error","error":"bad\u001b"}"#, "bad\\x1b"),
            (&wrap(r#"{"metric":{},"value":[1,"x"]}"#), "no number"),
            (&wrap(r#"{"metric":{},"value":[-1,"1"]}"#), "not in order"),
            (
                &wrap(r#"{"metric":{},"value":[1e300,"1"]}"#),
                "not in order",
            ),
            (
                &wrap(r#"{"metric":{},"values":[[2,"1"],[1,"1"]]}"#),
                "not in order",
            ),
            (&wrap(r#"{"metric":{}}"#), "no values"),
        ] {
            let error = format!("{:#}", parse(body.as_bytes()).unwrap_err());
            assert!(error.contains(says) && !error.contains('\u{1b}'), "{error}");
        }
    }
}
