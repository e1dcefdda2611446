//! The story: what each step sets up, and what must be seen.

use monitor_lab::Publish;

/// One step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// 1 to 4.
    pub(super) number: usize,
    pub(super) title: &'static str,
    /// What is set up and what is asked, a line each.
    pub(super) setup: &'static [&'static str],
    /// Whether app1-network is encrypted.
    pub(super) encrypted: bool,
    /// How the web app is published; without, the client is a container in the overlay.
    pub(super) publish: Option<Publish>,
    /// What somebody on the wire must be able to do.
    pub(super) expected: Expected,
}

/// What must be seen.
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
    /// For the table.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::ReadableOverlay | Self::ReadablePublished => "readable",
            Self::Nothing => "nothing",
        }
    }
}

impl Step {
    /// The command line that the visitor sends, as it is shown.
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
        setup: &[
            "node1 runs app1-web; node2 runs app1-redis and app1-client. All are on app1-network, an overlay",
            "without encryption (VXLAN, VNI 4096). The client asks for a page, and app1-web asks Redis for it.",
            "What can be read on the wire between the nodes?",
        ],
        encrypted: false,
        publish: None,
        expected: Expected::ReadableOverlay,
    },
    Step {
        number: 2,
        title: "The same overlay network, encrypted",
        setup: &[
            "The same requests, with app1-network as `--opt encrypted` sets it up (IPsec ESP, AES-GCM).",
            "Is anything of VNI 4096 left to read, or even to see?",
        ],
        encrypted: true,
        publish: None,
        expected: Expected::Nothing,
    },
    Step {
        number: 3,
        title: "A published port, in front of the encrypted overlay",
        setup: &[
            "app1-web is also published on port 80 of node1, by nginx, as `--publish 80:80` would.",
            "The client is now outside the overlay, on node2's own address. Does the encryption cover it?",
        ],
        encrypted: true,
        publish: Some(Publish::Plain),
        expected: Expected::ReadablePublished,
    },
    Step {
        number: 4,
        title: "TLS on the published port",
        setup: &[
            "The same, published on port 443 with TLS. The overlay behind it stays encrypted.",
            "Is there anything left to read?",
        ],
        encrypted: true,
        publish: Some(Publish::Tls),
        expected: Expected::Nothing,
    },
];
