//! The document around the content, and the event that replaces the content.

use std::fmt::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::content::Content;
use crate::surface::html::{Markup, STYLE};

/// What only this page looks like.
const OWN_STYLE: &str = include_str!("page.css");
/// Keeps the page current. Without it the page is whole, and as old as it says.
const SCRIPT: &str = include_str!("page.js");

/// What the browser may load and run: the style and the script of this page, by their digests, and nothing else from
/// anywhere. The script may ask this endpoint alone.
pub(in crate::surface) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = [STYLE, OWN_STYLE].concat();
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        digest(SCRIPT),
        digest(&style)
    )
});

/// A digest as a policy names it.
fn digest(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    format!("sha256-{}", BASE64_STANDARD.encode(digest))
}

/// The other pages.
const LINKS: &str = "<ul class=\"links\">\
    <li><a href=\"/metrics\">/metrics</a>: counts and states, for Prometheus</li>\n\
    <li><a href=\"/networks\">/networks</a>: networks and violations, as JSON lines</li>\n\
    <li><a href=\"/-/ready\">/-/ready</a>: whether all that should be watched is watched</li>\n\
    <li><a href=\"/-/healthy\">/-/healthy</a>: whether the agent answers</li></ul>\n";

/// What the script offers: without it these are not there.
const TOOLS: &str = "<p id=\"tools\" class=\"soft\" hidden>\
    <label>Filter networks <input id=\"filter\" type=\"search\" maxlength=\"40\" autocomplete=\"off\" spellcheck=\"false\"></label>\n\
    <label>Sort by <select id=\"order\"><option value=\"\">what is wrong</option><option>name</option>\
    <option>received</option><option>sent</option><option>readable</option></select></label>\n\
    <button id=\"pause\" type=\"button\" aria-pressed=\"false\">Pause</button> <span id=\"matches\" role=\"status\"></span></p>\n";

/// A page of the other pages alone.
pub(in crate::surface) fn links() -> String {
    let mut page = Markup::default();
    page.element(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>overlay-monitor</title></head>\n\
         <body><h1>overlay-monitor ",
        env!("CARGO_PKG_VERSION"),
        "</h1>\n",
    );
    page.raw(LINKS).raw("</body></html>\n");
    page.finish()
}

/// The whole page.
pub(in crate::surface) fn document(content: &Content) -> String {
    let mut page = Markup::default();
    page.element(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n<title>",
        &content.title,
        "</title>\n<style>",
    );
    page.raw(STYLE).raw(OWN_STYLE);
    page.raw(
        "</style>\n</head>\n<body>\n<header>\n<h1>overlay-monitor</h1>\n\
         <p class=\"soft\" id=\"live\"><a href=\"/\">Reload</a> for the newest.</p>\n",
    );
    page.raw(TOOLS).raw(
        "</header>\n<main>\n\
         <p id=\"lost\" class=\"verdict dim\" role=\"alert\" hidden></p>\n",
    );
    let mut text = page.finish();
    text += &content.markup;
    let mut page = Markup::default();
    page.raw("</main>\n<footer>\n").raw(LINKS);
    page.element(
        "<p>overlay-monitor ",
        env!("CARGO_PKG_VERSION"),
        ". It shows which networks exist and which nodes they join: share it accordingly.</p>\n</footer>\n<script>",
    );
    page.raw(SCRIPT).raw("</script>\n</body>\n</html>\n");
    text + &page.finish()
}

/// The content as a server-sent event.
pub(in crate::surface) fn event(content: &Content) -> String {
    let mut event = String::with_capacity(content.markup.len() + 1024);
    for line in content.markup.lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(event, "data: {line}");
    }
    event.push('\n');
    event
}
