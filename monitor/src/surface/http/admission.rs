//! Admits or refuses a request before a page is made, and adds the headers of all answers.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::own_hosts::OwnHosts;
use super::web_config::{Admission, WebConfig};

/// Pages that a probe without a password asks for. It learns yes or no.
const PROBES: [&str; 3] = ["/-/healthy", "/-/ready", "/healthz"];
/// How the browser is asked for a password.
const CHALLENGE: &str = "Basic realm=\"overlay-monitor\", charset=\"UTF-8\"";
/// Seconds after which a client may try again.
const RETRY_AFTER: &str = "2";

/// What a browser must know of every answer: it is what its type says, and no page of another origin may have it.
static ALWAYS: [(HeaderName, HeaderValue); 2] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Who may ask for what.
pub struct Site {
    /// TLS and users.
    pub web: Arc<WebConfig>,
    /// Names by which a browser may ask.
    pub hosts: OwnHosts,
    /// Whether `/` shows what the agent sees.
    pub has_page: bool,
}

/// The answer to a request. It is the last one of the connection where the client is not admitted: such clients hold no place.
pub(super) async fn answer(
    site: &Site,
    routes: &TowerToHyperService<Router>,
    request: Request<Incoming>,
) -> Response {
    let rules = site.web.rules();
    // With TLS the browser compares the name with the certificate.
    let is_of_stranger = rules.tls.is_none() && site.hosts.refuse(&request);
    let admission = match is_of_stranger {
        true => Admission::Refused,
        false => site.web.admit(&rules, request.headers()).await,
    };
    let is_probe = PROBES.contains(&request.uri().path());
    let is_admitted = admission == Admission::Admitted;
    let mut response = match admission {
        Admission::Refused if is_of_stranger => {
            let text = "this endpoint does not know that name: ask by its address, or add the name to `hosts` in its configuration\n";
            (StatusCode::MISDIRECTED_REQUEST, text).into_response()
        }
        Admission::Admitted => page(routes, request).await,
        Admission::Anonymous if is_probe => yes_or_no(page(routes, request).await),
        Admission::Anonymous | Admission::Refused => {
            let text = "a user and a password are needed\n";
            let challenge = [(header::WWW_AUTHENTICATE, CHALLENGE)];
            (StatusCode::UNAUTHORIZED, challenge, text).into_response()
        }
        Admission::Busy => {
            let text = "too many passwords are being verified\n";
            let later = [(header::RETRY_AFTER, RETRY_AFTER)];
            (StatusCode::SERVICE_UNAVAILABLE, later, text).into_response()
        }
    };
    // Those of the web configuration last: they replace ours.
    for (name, value) in ALWAYS.iter().chain(&rules.headers) {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    if !is_admitted {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn page(routes: &TowerToHyperService<Router>, request: Request<Incoming>) -> Response {
    match routes.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The answer without what it names: interfaces, and what is missing.
fn yes_or_no(response: Response) -> Response {
    let text = match response.status().is_success() {
        true => "ok\n",
        false => "not ok\n",
    };
    let mut plain = Response::new(Body::from(text));
    *plain.status_mut() = response.status();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    plain.headers_mut().insert(header::CONTENT_TYPE, kind);
    plain
}
