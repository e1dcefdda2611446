//! Violations with their nodes and causes.

use crate::base::plural::counted;
use crate::surface::html::Markup;
use crate::surface::live::{Live, Violation, title};

/// Violations that are over and still listed.
const OVER: usize = 5;

/// Open violations first, as many as fit in so many bytes.
pub(super) fn section(page: &mut Markup, live: &Live, max: usize) {
    let last = live.last();
    let mut over = 0;
    let mut left_out = 0;
    let mut is_first = true;
    for violation in &last.violations {
        over += usize::from(!violation.is_active);
        let name = last.networks.get(&violation.vni).map(|at| at.name.as_str());
        let card = card(violation, name.unwrap_or_default());
        if over > OVER || page.len() + card.len() > max {
            left_out += 1;
            continue;
        }
        if is_first {
            page.raw("<h2>Violations</h2>\n");
            is_first = false;
        }
        page.part(&card);
    }
    if left_out != 0 {
        page.element("<p>And ", counted(left_out, "more violation"), "");
        page.raw(": <a href=\"/networks\">/networks</a> has all.</p>\n");
    }
}

fn card(violation: &Violation, name: &str) -> Markup {
    let mut card = Markup::default();
    card.raw("<div class=\"card\"><h3>");
    card.raw(match violation.is_active {
        true => "<span class=\"tag bad\">! now</span> ",
        false => "<span class=\"tag dim\">over</span> ",
    });
    card.element("", title(violation.vni, name), "</h3>\n<p>");
    card.element("", &violation.text, ".</p>\n");
    if !violation.peers.is_empty() {
        card.element("<p>Peers: ", violation.peers.join("; "), "</p>\n");
    }
    if !violation.causes.is_empty() {
        card.raw("<ul class=\"do\">");
        for cause in &violation.causes {
            card.element("<li>Likely cause: ", cause, "</li>");
        }
        card.raw("</ul>\n");
    }
    card.raw("</div>\n");
    card
}
