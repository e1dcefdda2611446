//! The loads, as data.

use serde::{Deserialize, Serialize};

use super::way::Way;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Load {
    /// Bytes as fast as they go, on each of `streams` connections.
    Tcp {
        /// Connections.
        streams: usize,
    },
    /// Datagrams as fast as the receiver acknowledges them, in each of `streams` flows.
    Udp {
        /// Bytes of UDP payload.
        payload: u32,
        /// Flows.
        streams: usize,
    },
    /// Redis: SET.
    Redis,
    /// HTTP requests on connections that stay.
    Http,
    /// HTTP requests on a new connection each.
    Connections,
}

/// Sizes that the forecast is not fitted to.
const HELD_OUT: [u32; 5] = [128, 256, 800, 1100, 1300];

impl Load {
    /// The loads of `--check-forecast`: UDP of the sizes that a forecast is fitted to, and of others, in one stream and in eight.
    pub(super) fn of_forecast() -> Vec<Load> {
        let payloads = || [64, 512, 1400].into_iter().chain(HELD_OUT);
        [1, 8]
            .into_iter()
            .flat_map(|streams| payloads().map(move |payload| Self::Udp { payload, streams }))
            .collect()
    }

    /// Whether the forecast is not fitted to it.
    pub(super) fn is_held_out(self) -> bool {
        self.payload()
            .is_some_and(|bytes| HELD_OUT.contains(&bytes))
    }

    /// Whether any run has it.
    pub(super) fn is_known(&self) -> bool {
        Load::of_bench(false).contains(self) || Load::of_forecast().contains(self)
    }

    /// The loads of a bench, or those of `--quick`.
    pub(super) fn of_bench(quick: bool) -> Vec<Load> {
        let mut loads = vec![
            Self::Tcp { streams: 1 },
            Self::Udp {
                payload: 64,
                streams: 1,
            },
            Self::Udp {
                payload: 512,
                streams: 1,
            },
            Self::Udp {
                payload: 1400,
                streams: 1,
            },
            Self::Redis,
            Self::Http,
            Self::Connections,
        ];
        if !quick {
            for streams in [8, 64] {
                loads.push(Self::Tcp { streams });
                loads.extend([64, 512, 1400].map(|payload| Self::Udp { payload, streams }));
            }
        }
        loads
    }

    /// Whether it differs between a way and another. TLS is between client and server, so streams know nothing of it.
    pub(super) fn applies_to(self, way: Way) -> bool {
        way != Way::Tls || matches!(self, Self::Redis | Self::Http | Self::Connections)
    }

    /// Its name in tables.
    pub(super) fn label(self) -> String {
        let several = |streams: usize| match streams {
            1 => "1 stream".to_owned(),
            more => format!("{more} streams"),
        };
        match self {
            Self::Tcp { streams } => format!("TCP, {}", several(streams)),
            Self::Udp { payload, streams } => {
                format!("UDP of {payload} bytes, {}", several(streams))
            }
            Self::Redis => "Redis, SET of 1024 bytes, 16 clients".to_owned(),
            Self::Http => "HTTP, page of 1024 bytes, 16 connections".to_owned(),
            Self::Connections => "HTTP, each request on a new connection".to_owned(),
        }
    }

    /// Its name in the JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::Udp { .. } => "udp",
            Self::Redis => "redis",
            Self::Http => "http",
            Self::Connections => "connections",
        }
    }

    /// Streams and payload, where it has them.
    pub(super) fn streams(self) -> Option<usize> {
        match self {
            Self::Tcp { streams } | Self::Udp { streams, .. } => Some(streams),
            Self::Redis | Self::Http | Self::Connections => None,
        }
    }

    /// Bytes of payload in a datagram.
    pub(super) fn payload(self) -> Option<u32> {
        match self {
            Self::Udp { payload, .. } => Some(payload),
            Self::Tcp { .. } | Self::Redis | Self::Http | Self::Connections => None,
        }
    }

    /// What its rate counts per second.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Tcp { .. } => "Mbit/s",
            Self::Udp { .. } => "packets/s",
            Self::Redis | Self::Http => "requests/s",
            Self::Connections => "connections/s",
        }
    }
}
