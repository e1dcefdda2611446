//! Admits or refuses a request before a page is made, and adds the headers of all answers.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::web_config::{Admission, WebConfig};

/// Pages that a probe without a password asks for. It learns yes or no.
const PROBES: [&str; 3] = ["/-/healthy", "/-/ready", "/healthz"];
/// How the browser is asked for a password.
const CHALLENGE: &str = "Basic realm=\"overlay-monitor\", charset=\"UTF-8\"";
/// Seconds after which a client may try again.
const RETRY_AFTER: &str = "2";

/// The answer to a request. It is the last one of the connection where the client is not admitted: such clients hold no place.
pub(super) async fn answer(
    web: &WebConfig,
    routes: &TowerToHyperService<Router>,
    request: Request<Incoming>,
) -> Response {
    let rules = web.rules();
    let admission = web.admit(&rules, request.headers()).await;
    let is_probe = PROBES.contains(&request.uri().path());
    let is_admitted = admission == Admission::Admitted;
    let mut response = match admission {
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
    for (name, value) in &rules.headers {
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
