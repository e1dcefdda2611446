//! A report as one page for a browser. It asks for nothing else, runs no script, and prints.

mod chapter;
mod chart;
mod markup;
mod networks;

use jiff::tz::TimeZone;

use super::numbers::{bytes, percent, some};
use super::{Audit, Shares};
use crate::base::failure::FailureKind;
use crate::kernel::Attribution;
use markup::Markup;

/// The browser is told to fetch and run nothing, whatever stands in the page.
const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>";
const STYLE: &str = concat!(
    "</title>\n<style>\n",
    include_str!("style.css"),
    "</style>\n</head>\n<body>\n"
);

/// The page.
#[must_use]
pub fn page(audit: &Audit) -> String {
    let mut page = Markup::default();
    page.element(HEAD, format_args!("Audit of {}", audit.node), STYLE);
    chart::patterns(&mut page);
    page.raw("<header>\n");
    page.element("<h1>Audit of ", &audit.node, "</h1>\n");
    about(&mut page, audit);
    page.raw("</header>\n<main>\n");
    verdict(&mut page, audit);
    tiles(&mut page, audit);
    networks::violations(&mut page, audit);
    chapter::credentials(&mut page, &audit.exposure);
    if audit.exposure.is_watched && !audit.exposure.chapters.is_empty() {
        charts(&mut page, audit);
    }
    networks::tables(&mut page, audit);
    chapter::all(&mut page, &audit.exposure);
    networks::doubts(&mut page, audit);
    page.raw(WORDS);
    page.element(
        "</main>\n<footer>Made by overlay-monitor ",
        env!("CARGO_PKG_VERSION"),
        ". Redacted: it names kinds of credentials, and never their values. It tells who talks to whom: keep it to those who may know.</footer>\n</body>\n</html>\n",
    );
    page.finish()
}

fn about(page: &mut Markup, audit: &Audit) {
    let started = audit.started.to_zoned(TimeZone::system());
    page.raw("<p class=\"soft\">")
        .text(format_args!(
            "{:.0} s from {}; watched: {}",
            audit.took.as_secs_f64(),
            started.strftime("%Y-%m-%d %H:%M:%S %Z"),
            audit.watching
        ))
        .raw("</p>\n");
    if audit.took < audit.planned {
        page.element(
            "<p>Partial: it should have watched for ",
            format_args!("{:.0} s", audit.planned.as_secs_f64()),
            ".</p>\n",
        );
    }
    match &audit.attribution {
        Attribution::Exact => {}
        Attribution::None => {
            page.raw("<p>ESP is not attributed to networks.</p>\n");
        }
        Attribution::Impossible(why) => {
            page.element("<p>ESP cannot be attributed to networks: ", why, ".</p>\n");
        }
    }
}

fn verdict(page: &mut Markup, audit: &Audit) {
    let undecided = audit.undecided().join("; ");
    let (class, says, why) = match audit.outcome() {
        Ok(()) => (
            "<p class=\"verdict good\"><strong>",
            "No network has what it must not have",
            "What can be read all the same is said below".to_owned(),
        ),
        Err(failure) => match failure.kind {
            FailureKind::Violation => (
                "<p class=\"verdict bad\"><strong>",
                "Policy is violated",
                failure.to_string(),
            ),
            FailureKind::Undecided
            | FailureKind::Usage
            | FailureKind::Kernel
            | FailureKind::Runtime => (
                "<p class=\"verdict dim\"><strong>",
                "It cannot be told whether all is well",
                undecided,
            ),
        },
    };
    page.element(class, says, "</strong> ")
        .element("", why, ".</p>\n");
}

fn tiles(page: &mut Markup, audit: &Audit) {
    let exposure = &audit.exposure;
    page.raw("<dl class=\"tiles\">");
    let mut tile = |name: &str, value: &str| {
        page.element("<div><dt>", name, "</dt>")
            .element("<dd>", value, "</dd></div>");
    };
    if exposure.is_watched {
        let shares = exposure.shares();
        let total = shares.total();
        tile("Seen", &bytes(total));
        tile("Can be read", &percent(shares.readable, total));
        let hidden = shares.encrypted + shares.in_esp;
        tile("Encrypted", &percent(hidden, total));
        tile("Unknown", &percent(shares.unknown, total));
        let kinds = exposure.credentials().len() as u64;
        tile("Credentials in the clear", &some(kinds, "kind"));
    }
    tile("Violations", &audit.report.violations.len().to_string());
    page.raw("</dl>\n");
}

fn charts(page: &mut Markup, audit: &Audit) {
    let exposure = &audit.exposure;
    page.raw("<h2>Where the bytes are</h2>\n");
    chart::legend(page);
    page.raw("<figure><figcaption>Share of bytes, by network</figcaption>\n<div class=\"bars\">\n");
    let (shown, left_out) = exposure.shown();
    for chapter in shown {
        let shares = chapter.shares();
        page.element("<div>", chapter.title(), "");
        page.element(
            " <span class=\"soft\">",
            bytes(shares.total()),
            "</span></div>\n",
        );
        chart::bar(page, &shares);
    }
    page.raw("</div></figure>\n");
    if left_out != 0 {
        page.element(
            "<p class=\"soft\">",
            some(left_out as u64, "more network"),
            ", with less to read.</p>\n",
        );
    }
    chart::timeline(page, &exposure.timeline);
}

const WORDS: &str = "<h2>What the words mean</h2>\n<dl class=\"words card\">\
    <dt>readable, plaintext</dt><dd>Everybody on the path can read it as it is.</dd>\
    <dt>encrypted</dt><dd>By who talks (TLS, SSH, …): nobody on the path can read it, but names in handshakes, addresses and sizes stay visible. In ESP: by the network (IPsec); not even which network it is can be seen.</dd>\
    <dt>unknown</dt><dd>No honest verdict was possible: no payload was seen, or bytes that fit nothing. It is never called encrypted.</dd>\
    <dt>bytes, packets</dt><dd>Counted by the kernel, each packet once, under the verdict on its flow. Of what is in ESP: from the inner UDP header on.</dd>\
    <dt>who, what, credentials</dt><dd>From samples: the first packets of each flow, and some later ones. There may be more.</dd></dl>\n";

/// The class of a tag for a share of what can be read.
fn tag(shares: &Shares) -> &'static str {
    if shares.readable != 0 {
        "<span class=\"tag bad\">"
    } else if shares.unknown != 0 {
        "<span class=\"tag dim\">"
    } else {
        "<span class=\"tag good\">"
    }
}

#[cfg(test)]
mod tests;
