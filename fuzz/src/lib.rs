//! Fuzz targets for all that reads what strangers wrote: pure functions of some bytes, which panic when a promise is broken.
//!
//! `cargo xtask fuzz` runs them under libFuzzer, with the coverage of instrumented code; `cargo test -p overlay-fuzz`
//! runs them on the recorded fixtures and on what was found once. Each input is also held to a bound of
//! memory and of time ([`bounds`]).

mod answers;
pub mod bounds;
mod captures;
mod classifiers;
mod config;
mod docker;
mod printed;
mod samples;
mod seeds;

use monitor_classify::{Protocol, recognised};

pub use classifiers::{HEADER, Input};
pub use seeds::{payloads, regressions};

/// Something that is fuzzed.
pub struct Target {
    /// Its name: `read`, `classify`, `classify-redis`, …
    pub name: String,
    /// Its part of all inputs, in thousandths.
    pub share: u32,
    /// Longest input that is tried, in bytes.
    pub length: usize,
    /// Most bytes of the heap that one input may take at a time.
    pub heap: usize,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Classify,
    Text,
    As(Protocol),
    Capture,
    Read,
    Sample,
    Config,
    Docker,
    WebConfig,
    NfTables,
    IpTables,
    Prometheus,
    Pages,
}

/// Longest payload: some more than is looked at.
const PAYLOAD: usize = 2304;
/// Longest capture file.
const FILE: usize = 8192;

impl Target {
    fn new(name: &str, share: u32, length: usize, heap: usize, kind: Kind) -> Target {
        Target {
            name: name.to_owned(),
            share,
            length,
            heap,
            kind,
        }
    }

    /// Every target; the shares add up to 1000 or a little less. The wide ones take longest for each input.
    #[must_use]
    pub fn all() -> Vec<Target> {
        let known: Vec<Protocol> = Protocol::ALL
            .iter()
            .copied()
            .filter(|protocol| recognised(*protocol))
            .collect();
        let mut all = vec![
            Target::new("classify", 60, PAYLOAD, 64 << 10, Kind::Classify),
            Target::new("text", 60, PAYLOAD, 64 << 10, Kind::Text),
            Target::new("capture", 60, FILE, 8 << 20, Kind::Capture),
            Target::new("read", 60, FILE, 16 << 20, Kind::Read),
            Target::new("sample", 60, PAYLOAD, 256 << 10, Kind::Sample),
            Target::new("config", 5, 4096, 1 << 20, Kind::Config),
            Target::new("docker", 1, 8192, 4 << 20, Kind::Docker),
            Target::new("web-config", 5, 4096, 1 << 20, Kind::WebConfig),
            Target::new("nf-tables", 20, FILE, 1 << 20, Kind::NfTables),
            Target::new("ip-tables", 20, 4096, 1 << 20, Kind::IpTables),
            Target::new("prometheus", 5, FILE, 1 << 20, Kind::Prometheus),
            Target::new("pages", 5, FILE, 4 << 20, Kind::Pages),
        ];
        let left = 1000 - all.iter().map(|target| target.share).sum::<u32>();
        let each = left / u32::try_from(known.len()).unwrap_or(u32::MAX);
        all.extend(known.into_iter().map(|protocol| {
            let name = format!("classify-{protocol}");
            Target::new(&name, each, PAYLOAD, 64 << 10, Kind::As(protocol))
        }));
        all
    }

    /// The target of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Target> {
        Target::all().into_iter().find(|target| target.name == name)
    }

    /// Runs it on one input.
    ///
    /// # Panics
    /// When it breaks a promise.
    pub fn run(&self, input: &[u8]) {
        match self.kind {
            Kind::Classify => classifiers::all(input),
            Kind::Text => classifiers::text(input),
            Kind::As(protocol) => classifiers::one(protocol, input),
            Kind::Capture => captures::capture(input),
            Kind::Read => captures::read(input),
            Kind::Sample => samples::sample(input),
            Kind::Config => config::config(input),
            Kind::Docker => docker::docker(input),
            Kind::WebConfig => config::web_config(input),
            Kind::NfTables => answers::nf_tables(input),
            Kind::IpTables => answers::ip_tables(input),
            Kind::Prometheus => answers::prometheus(input),
            Kind::Pages => answers::pages(input),
        }
    }

    /// Inputs to begin with: what was recorded of real servers, in this target's form.
    #[must_use]
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        match self.kind {
            Kind::Classify | Kind::Text => seeds::inputs(|_| true),
            Kind::As(protocol) => seeds::inputs(|input| classifiers::is_of(protocol, input)),
            Kind::Capture | Kind::Read => seeds::files(),
            Kind::Sample => seeds::frames(),
            Kind::Config => seeds::configs(),
            Kind::Docker => seeds::answers(),
            Kind::WebConfig => seeds::web_configs(),
            Kind::NfTables | Kind::IpTables | Kind::Prometheus | Kind::Pages => {
                seeds::kept(&self.name)
            }
        }
    }
}
