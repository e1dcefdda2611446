//! The steps of the demo: what each one sets up, and what the monitor is expected to show.

use monitor_lab::Publish;

/// A step of the demo.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// 1 to 4.
    pub(super) number: usize,
    /// Heading.
    pub(super) title: &'static str,
    /// Name in the table at the end.
    pub(super) short: &'static str,
    /// What is set up, and the question: lines of text.
    pub(super) setup: &'static [&'static str],
    /// Whether app1-network is encrypted.
    pub(super) encrypted: bool,
    /// How the web app is published. `None`: the client is a container in the overlay.
    pub(super) publish: Option<Publish>,
    /// What anyone on the wire is expected to be able to read.
    pub(super) expected: Expected,
}

/// What anyone on the wire is expected to be able to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// HTTP and Redis, inside VXLAN.
    ReadableOverlay,
    /// HTTP, outside the overlay.
    ReadablePublished,
    /// Nothing.
    Nothing,
}

impl Expected {
    /// For the table at the end.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::ReadableOverlay | Self::ReadablePublished => "readable",
            Self::Nothing => "nothing",
        }
    }
}

impl Step {
    /// The client's command line, with the prompt of its host.
    pub(super) fn request(&self) -> &'static str {
        match self.publish {
            None => "app1-client$ curl http://host01/",
            Some(Publish::Plain) => "node2$ curl http://host01/",
            Some(Publish::Tls) => "node2$ curl --insecure https://host01/",
        }
    }
}

/// The steps in order.
pub(super) const STEPS: [Step; 4] = [
    Step {
        number: 1,
        title: "A plain overlay network",
        short: "plain overlay",
        setup: &[
            "node1 runs app1-web; node2 runs app1-redis and app1-client. All are on app1-network, an overlay",
            "without encryption (VXLAN, VNI 4096). The client requests a page, and app1-web queries Redis for it.",
            "What can anyone on the wire between the nodes read?",
        ],
        encrypted: false,
        publish: None,
        expected: Expected::ReadableOverlay,
    },
    Step {
        number: 2,
        title: "The same overlay network, encrypted",
        short: "encrypted overlay",
        setup: &[
            "The same requests, with app1-network as `--opt encrypted` sets it up (IPsec ESP, AES-GCM).",
            "Can anyone still read the traffic of VNI 4096, or even recognise it?",
        ],
        encrypted: true,
        publish: None,
        expected: Expected::Nothing,
    },
    Step {
        number: 3,
        title: "A published port in front of the encrypted overlay",
        short: "published port",
        setup: &[
            "app1-web is also published on port 80 of node1, by nginx, as `--publish 80:80` would.",
            "The client is now outside the overlay, on node2's own address. Does the encryption cover its requests?",
        ],
        encrypted: true,
        publish: Some(Publish::Plain),
        expected: Expected::ReadablePublished,
    },
    Step {
        number: 4,
        title: "TLS on the published port",
        short: "published with TLS",
        setup: &[
            "The same, published on port 443 with TLS. The overlay behind it stays encrypted.",
            "Can anyone on the wire still read anything?",
        ],
        encrypted: true,
        publish: Some(Publish::Tls),
        expected: Expected::Nothing,
    },
];
