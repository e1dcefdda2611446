//! What every page has around its content: head, style and footer.

use std::fmt::Display;

use crate::surface::html::{Markup, STYLE};

/// The browser must load and run nothing, whatever the page contains.
const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>";

/// Begins the page.
pub(super) fn open(page: &mut Markup, title: impl Display) {
    page.element(HEAD, title, "</title>\n<style>\n")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n");
}

/// Ends the page, after its `<main>`. The footer says what the page gives away.
pub(super) fn close(page: &mut Markup, gives_away: &'static str) {
    page.element(
        "</main>\n<footer>Made by overlay-monitor ",
        env!("CARGO_PKG_VERSION"),
        ". ",
    );
    page.raw(gives_away).raw("</footer>\n</body>\n</html>\n");
}
