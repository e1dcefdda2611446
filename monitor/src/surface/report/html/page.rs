//! The page: head, verdict, figures, and its sections in order.

use jiff::tz::TimeZone;

use super::{chart, exposure_section, networks_section, shell};
use crate::base::failure::FailureKind;
use crate::base::plural::counted;
use crate::surface::forecast::{computed, sentence};
use crate::surface::html::Markup;
use crate::surface::numbers::{bytes, percent, some};
use crate::surface::report::Audit;
use crate::surface::report::conclusion;

/// The page.
#[must_use]
pub fn page(audit: &Audit) -> String {
    let mut page = Markup::default();
    shell::open(&mut page, format_args!("Audit of {}", audit.node));
    chart::patterns(&mut page);
    page.raw("<header>\n");
    page.element("<h1>Audit of ", &audit.node, "</h1>\n");
    about(&mut page, audit);
    page.raw("</header>\n<main>\n");
    verdict(&mut page, audit);
    tiles(&mut page, audit);
    networks_section::violations(&mut page, audit);
    networks_section::doubts(&mut page, audit);
    exposure_section::credentials(&mut page, &audit.exposure);
    if audit.exposure.is_watched && !audit.exposure.chapters.is_empty() {
        charts(&mut page, audit);
    }
    networks_section::tables(&mut page, audit);
    exposure_section::all(&mut page, &audit.exposure);
    forecasts(&mut page, audit);
    if let Some(limit) = conclusion::limit(audit) {
        page.element("<h2>Limits of this host</h2>\n<p>", limit, ".</p>\n");
    }
    page.raw(WORDS);
    shell::close(&mut page, FOOTER);
    page.finish()
}

fn forecasts(page: &mut Markup, audit: &Audit) {
    let (shown, more) = audit.shown_forecasts();
    if shown.is_empty() {
        return;
    }
    page.raw("<h2>What it would cost to encrypt</h2>\n<ul>");
    for forecast in shown {
        page.element("<li>", sentence(forecast), ".</li>");
    }
    page.raw("</ul>\n");
    if more != 0 {
        let more = counted(more, "more network");
        page.element("<p>And ", more, ", which carry less.</p>\n");
    }
    for line in computed(&audit.forecasts) {
        page.element("<p class=\"soft\">", line, "</p>\n");
    }
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
            "<p>Partial: ended before the planned ",
            format_args!("{:.0} s", audit.planned.as_secs_f64()),
            ".</p>\n",
        );
    }
}

fn verdict(page: &mut Markup, audit: &Audit) {
    let (class, says) = match audit.outcome() {
        Ok(()) => ("<p class=\"verdict good\"><strong>", "No policy violations"),
        Err(failure) => match failure.kind {
            FailureKind::Violation => ("<p class=\"verdict bad\"><strong>", "Policy is violated"),
            FailureKind::Undecided
            | FailureKind::Usage
            | FailureKind::Kernel
            | FailureKind::Runtime => ("<p class=\"verdict dim\"><strong>", "Undecided"),
        },
    };
    page.element(class, says, "</strong> ")
        .element("", conclusion::sentence(audit), ".</p>\n");
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
        tile("Readable", &percent(shares.readable, total));
        let hidden = shares.encrypted + shares.in_esp;
        tile("Encrypted", &percent(hidden, total));
        tile("Unknown", &percent(shares.unknown, total));
        let kinds = exposure.credentials().len() as u64;
        tile("Credentials in cleartext", &some(kinds, "kind"));
    }
    // As listed below: both directions of one cause are one.
    let findings = conclusion::findings(&audit.report.violations).len();
    tile("Violations", &findings.to_string());
    page.raw("</dl>\n");
}

fn charts(page: &mut Markup, audit: &Audit) {
    let exposure = &audit.exposure;
    page.raw("<h2>Bytes by exposure</h2>\n");
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
            ", with less plaintext.</p>\n",
        );
    }
    chart::timeline(page, &exposure.timeline);
}

const FOOTER: &str = "Redacted: it names kinds of credentials, never their values. It shows who communicates with whom: share it accordingly.";

const WORDS: &str = "<h2>Terms</h2>\n<dl class=\"words card\">\
    <dt>readable, plaintext</dt><dd>Anyone on the path can read it.</dd>\
    <dt>encrypted</dt><dd>End to end (TLS, SSH, …): no one on the path can read the content, but names in handshakes, addresses and sizes are visible. In ESP: by the network (IPsec); not even the network is visible.</dd>\
    <dt>unknown</dt><dd>No verdict was possible: no payload was seen, or its bytes fit no known protocol. Unknown is never counted as encrypted.</dd>\
    <dt>bytes, packets</dt><dd>Counted by the kernel, each packet once, under the verdict on its flow. In ESP: from the inner UDP header on.</dd>\
    <dt>endpoints, evidence, credentials</dt><dd>From samples: the first packets of each flow, and some later ones. There may be more.</dd></dl>\n";

#[cfg(test)]
mod tests;
