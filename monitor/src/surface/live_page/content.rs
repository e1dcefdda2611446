//! What changes: the headline, violations, and the table of networks, within a bound of bytes.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{minute, violations};
use crate::base::plural::counted;
use crate::policy::State;
use crate::surface::html::Markup;
use crate::surface::live::{Concern, Headline, Live, Network, rate, share, symbol, title};

/// Bytes of the content: what the page may have, without its style, its script and its frame.
const CONTENT_MAX: usize = 48 << 10;
/// Of these, what is kept for the sentences below the table.
const RESERVE: usize = 1 << 10;
/// Networks that the headline names.
const NAMED: usize = 3;
/// Protocols that are listed of a network.
const PROTOCOLS: usize = 6;

/// What changes of the page.
#[derive(Debug, Default)]
pub(in crate::surface) struct Content {
    /// Title of the document: the headline in a few words, for who sees only a tab.
    pub(super) title: String,
    /// One element, with the id `now`.
    pub(super) markup: String,
}

/// The content of this moment.
pub(in crate::surface) fn content(live: &Live, time: Timestamp) -> Content {
    let headline = live.headline();
    let says = says(&headline);
    let node = &live.last().node;
    let title = format!("{says}: {node}");
    let mut page = Markup::default();
    page.element("<div id=\"now\" data-title=\"", &title, "\">\n");
    page.raw(match headline.concern() {
        Concern::Violated => "<p class=\"verdict bad\" role=\"status\"><strong>",
        Concern::Undecided | Concern::Readable => {
            "<p class=\"verdict dim\" role=\"status\"><strong>"
        }
        Concern::Fine => "<p class=\"verdict good\" role=\"status\"><strong>",
    });
    page.element("", says, "</strong> ");
    page.element("", detail(live, &headline), "</p>\n");
    let networks = counted(live.last().networks.len(), "network");
    let time = time.to_zoned(TimeZone::UTC);
    let time = time.strftime("%Y-%m-%d %H:%M:%S UTC");
    page.element("<p class=\"soft\">", node, ": ")
        .text(networks);
    page.element(", as of <time>", time, "</time>.</p>\n");
    violations::section(&mut page, live, CONTENT_MAX / 2);
    networks_section(&mut page, live);
    page.raw("</div>\n");
    Content {
        title,
        markup: page.finish(),
    }
}

/// The headline in a few words, with a symbol beside its colour.
fn says(headline: &Headline<'_>) -> String {
    match headline {
        Headline::NoAnswer(_) => "? No answer".to_owned(),
        Headline::Violated(networks) => format!("! {} violated", counted(*networks, "network")),
        Headline::Blind(_) => "? Blind".to_owned(),
        Headline::Undecided(networks) => format!("? {} undecided", counted(*networks, "network")),
        Headline::Fine => "+ No violation".to_owned(),
    }
}

/// The sentence after it.
fn detail(live: &Live, headline: &Headline<'_>) -> String {
    let named = |concern: Concern| {
        let networks = live.last().networks.iter();
        let mut of = networks.filter(|(vni, network)| live.concern(**vni, network) == concern);
        let first = of.by_ref().take(NAMED);
        let mut names: Vec<String> = first.map(|(vni, at)| title(*vni, &at.name)).collect();
        match of.count() {
            0 => {}
            more => names.push(format!("{more} more")),
        }
        names.join(", ")
    };
    match headline {
        Headline::NoAnswer(why) => (*why).to_owned(),
        Headline::Violated(_) => named(Concern::Violated),
        Headline::Blind(what) => format!("Not watched: {}.", what.join(", ")),
        Headline::Undecided(_) => format!(
            "Nothing shows that these are encrypted as required: {}.",
            named(Concern::Undecided)
        ),
        Headline::Fine => "No network breaks its requirement.".to_owned(),
    }
}

fn networks_section(page: &mut Markup, live: &Live) {
    page.raw("<h2>Networks</h2>\n");
    let networks = &live.last().networks;
    if networks.is_empty() {
        page.raw("<p>No networks: none is configured, Docker reports none, and no overlay traffic was seen.</p>\n");
        return;
    }
    let mut rows: Vec<(Concern, u32, &Network)> = networks
        .iter()
        .map(|(vni, network)| (live.concern(*vni, network), *vni, network))
        .collect();
    rows.sort_by_key(|(concern, vni, _)| (*concern, *vni));
    page.raw(
        "<table class=\"networks\" role=\"table\"><caption>What is wrong comes first; rates are of the last seconds</caption>\n\
         <thead role=\"rowgroup\"><tr role=\"row\"><th scope=\"col\" role=\"columnheader\">State</th>\
         <th scope=\"col\" role=\"columnheader\">Network</th>\
         <th scope=\"col\" role=\"columnheader\" class=\"n\">Received</th>\
         <th scope=\"col\" role=\"columnheader\" class=\"n\">Sent</th>\
         <th scope=\"col\" role=\"columnheader\">Last minute</th>\
         <th scope=\"col\" role=\"columnheader\" class=\"n\">Readable</th>\
         <th scope=\"col\" role=\"columnheader\">By protocol</th></tr></thead>\n<tbody role=\"rowgroup\">\n",
    );
    let mut shown = 0;
    for (concern, vni, network) in &rows {
        let row = row(live, *concern, *vni, network);
        if page.len() + row.len() > CONTENT_MAX - RESERVE {
            break;
        }
        page.part(&row);
        shown += 1;
    }
    page.raw("</tbody></table>\n");
    let more = rows.len() - shown;
    if more != 0 {
        page.element("<p>And ", counted(more, "more network"), "");
        page.raw(", none of them worse: <a href=\"/networks\">/networks</a> has all.</p>\n");
    }
}

fn row(live: &Live, concern: Concern, vni: u32, network: &Network) -> Markup {
    let mut row = Markup::default();
    row.raw("<tr role=\"row\"><td role=\"cell\">");
    row.raw(match (concern, network.state) {
        (Concern::Violated, _) => "<span class=\"tag bad\">",
        (Concern::Readable, _) => "<span class=\"tag warn\">",
        (Concern::Undecided, _) | (_, State::Idle | State::Unknown) => "<span class=\"tag dim\">",
        (Concern::Fine, _) => "<span class=\"tag good\">",
    });
    row.element("", symbol(concern, network.state), " ");
    row.element("", network.state.name(), "</span>");
    let wanted = network.required.map_or("", |required| required.name());
    row.element(
        "</td><th scope=\"row\" role=\"rowheader\">",
        title(vni, &network.name),
        "",
    );
    if !wanted.is_empty() {
        row.element(" <span class=\"soft\">", wanted, "</span>");
    }
    for doubt in &network.doubts {
        row.element(" <span class=\"soft\">not certain: ", doubt, "</span>");
    }
    row.raw("</th>");
    let rates = live.rate(vni).map(|both| both.map(rate));
    let [received, sent] = rates.unwrap_or_else(|| ["-", "-"].map(str::to_owned));
    row.element(
        "<td role=\"cell\" class=\"n\" data-of=\"received \">",
        received,
        "</td>",
    );
    row.element(
        "<td role=\"cell\" class=\"n\" data-of=\"sent \">",
        sent,
        "</td>",
    );
    row.raw("<td role=\"cell\">");
    minute::chart(&mut row, live, vni);
    row.element(
        "</td><td role=\"cell\" class=\"n\" data-of=\"readable \">",
        share(network.readable()),
        "</td><td role=\"cell\">",
    );
    protocols(&mut row, network);
    row.raw("</td></tr>\n");
    row
}

/// The readable part of each protocol, that with the most readable bytes first.
fn protocols(row: &mut Markup, network: &Network) {
    let mut all: Vec<(&String, f64, f64)> = network
        .protocols
        .iter()
        .map(|(name, [readable, all])| (name, *readable, *all))
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.2.total_cmp(&a.2)));
    for (n, (name, readable, bytes)) in all.iter().take(PROTOCOLS).enumerate() {
        row.raw(if n == 0 { "" } else { ", " });
        let part = share((*bytes > 0.0).then_some(readable / bytes));
        row.element("", name, " ").text(part);
    }
    match all.len().saturating_sub(PROTOCOLS) {
        0 => {}
        more => {
            row.element(", ", more, " more");
        }
    }
}
