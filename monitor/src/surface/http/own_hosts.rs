//! Whether a request is meant for this endpoint, by the name in its URL.
//!
//! A web page of a stranger can have its own name resolve to this endpoint's address (DNS rebinding). The browser then asks
//! here and lets that page read the answer, as both have one origin. The name of such a page is one of a stranger, in `Host`.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, header};

use crate::base::procfs;

/// What a browser sends and the programs that scrape do not. A script cannot take all of them out.
static OF_BROWSERS: [HeaderName; 4] = [
    header::ACCEPT_LANGUAGE,
    header::ORIGIN,
    header::REFERER,
    HeaderName::from_static("sec-fetch-mode"),
];
/// Pages for browsers alone. All else is also asked for by programs, by the names of services that only their network knows.
const PAGES: [&str; 2] = ["/", "/events"];

/// The names by which this endpoint may be asked.
#[derive(Clone, Debug, Default)]
pub struct OwnHosts {
    /// Names of the configuration, in lower case.
    named: Vec<String>,
}

impl OwnHosts {
    /// Those of the configuration, besides addresses, `localhost`, and the name of this machine.
    #[must_use]
    pub fn new(named: &[String]) -> OwnHosts {
        OwnHosts {
            named: named.iter().map(|name| plain(name)).collect(),
        }
    }

    /// Whether a request may come from a page of a stranger.
    pub(super) fn refuse<B>(&self, request: &Request<B>) -> bool {
        let of_page = PAGES.contains(&request.uri().path());
        let of_browser = OF_BROWSERS
            .iter()
            .any(|name| request.headers().contains_key(name));
        (of_page || of_browser) && !self.are_asked(request)
    }

    fn are_asked<B>(&self, request: &Request<B>) -> bool {
        let asked = request.headers().get_all(header::HOST).iter();
        let asked: Vec<Option<Authority>> = asked.map(authority).collect();
        // A browser always names the host.
        asked
            .iter()
            .all(|host| host.as_ref().is_some_and(|host| self.are(host)))
            && request.uri().authority().is_none_or(|host| self.are(host))
            && is_same_origin(request.headers(), &asked)
    }

    fn are(&self, asked: &Authority) -> bool {
        let host = asked.host();
        // Nothing stands around it but a port.
        let rest = asked.as_str().strip_prefix(host);
        let host = plain(host);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            && (is_address(&host)
                || host == "localhost"
                || self.named.contains(&host)
                || host == plain(procfs::read("/proc/sys/kernel/hostname").trim()))
    }
}

fn authority(value: &HeaderValue) -> Option<Authority> {
    value.to_str().ok()?.parse().ok()
}

/// Whether a page that asks is one of this endpoint.
fn is_same_origin(headers: &HeaderMap, asked: &[Option<Authority>]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| {
        let origin = origin.to_str().ok().and_then(|text| text.split_once("://"));
        let origin = origin.and_then(|(_, host)| host.parse().ok());
        origin.is_some() && asked.contains(&origin)
    })
}

/// A name as it is compared: a dot at its end and upper case mean nothing.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// No DNS is asked for an address, so none can have been rebound.
fn is_address(host: &str) -> bool {
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match inside {
        Some(inside) => inside.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let hosts = OwnHosts::new(&["Monitor.example.com".to_owned()]);
        hosts.refuse(&request.body(()).unwrap())
    }

    #[test]
    fn a_page_is_for_addresses_and_names_of_its_own_only() {
        let machine = procfs::read("/proc/sys/kernel/hostname");
        let machine = format!("{}:9469", machine.trim());
        for host in [
            "127.0.0.1",
            "10.0.0.5:9469",
            "[::1]:9469",
            "localhost",
            "LOCALHOST.:9469",
            "monitor.EXAMPLE.com",
            "monitor.example.com.:1",
            &machine,
        ] {
            assert!(!refused("/", &[("host", host)]), "{host}");
            let browser = [("host", host), ("accept-language", "en")];
            assert!(!refused("/networks", &browser), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.localhost.example",
            "monitor.example.com.evil.example",
            "[::1].evil.example",
            "127.1",
            "0x7f000001",
            "",
            "a@b",
            "\u{fc}",
        ] {
            for path in ["/", "/events"] {
                assert!(refused(path, &[("host", host)]), "{host}");
            }
            for header in ["accept-language", "origin", "referer", "sec-fetch-mode"] {
                let browser = [("host", host), (header, "")];
                assert!(refused("/metrics", &browser), "{host} {header}");
            }
            // Prometheus, by the name of a service.
            let program = [("host", host), ("user-agent", "Prometheus/2.42.0")];
            assert!(!refused("/metrics", &program), "{host}");
        }
    }

    #[test]
    fn one_host_among_several_and_one_in_the_request_line_count_too() {
        assert!(refused(
            "/",
            &[("host", "127.0.0.1"), ("host", "evil.example")]
        ));
        assert!(refused("http://evil.example/", &[("host", "127.0.0.1")]));
        assert!(!refused("http://127.0.0.1/", &[("host", "127.0.0.1")]));
        // HTTP/1.0; no browser speaks it.
        assert!(!refused("/", &[]));
    }

    #[test]
    fn a_page_of_another_origin_gets_no_events() {
        let own = ("host", "127.0.0.1:9469");
        for origin in [
            "http://evil.example",
            "null",
            "",
            "http://127.0.0.1",
            "http://127.0.0.1:80",
        ] {
            assert!(refused("/events", &[own, ("origin", origin)]), "{origin}");
        }
        assert!(!refused(
            "/events",
            &[own, ("origin", "http://127.0.0.1:9469")]
        ));
    }
}
