//! The page at `/` of a running agent on real traffic: whole without a script, live with it, and for no page of a stranger.

use std::time::{Duration, Instant};

use monitor_lab::{Host, Lab};
use overlay_tests::agent::Agent;
use overlay_tests::browser::Browser;
use overlay_tests::wire::Raw;
use serde_json::{Value, json};

use super::{
    CONTRAST, FIRST_SCREEN, Folder, HOSTILE, LEAST_CONTRAST, NAME, TOO_WIDE, TOO_WIDE_ON_PAPER,
    UNSPOKEN, assert_untroubled, forged, pdf,
};

const PAGE: &str = "http://127.0.0.1:9469/";
/// Time in which something appears: an event a second, on a busy machine.
const SOON: Duration = Duration::from_secs(30);
/// Rows of the table of networks.
const ROWS: &str = "document.querySelectorAll('table.networks tbody tr').length";
/// Cells of the first network that are not inside the width of the screen, or have no size.
const OUT_OF_SIGHT: &str = "[...document.querySelector('table.networks tbody tr').children].filter(e => { \
    const r = e.getBoundingClientRect(); \
    return e.textContent.trim() && !(r.width > 0 && r.height > 0 && r.left >= 0 && r.right <= window.innerWidth + 1); \
    }).map(e => e.textContent)";

fn start<'a>(host: &'a Host, folder: &Folder) -> Agent<'a> {
    let config = folder.file("agent.toml");
    let text = format!(
        "interfaces = ['eth0']\ndocker = 'off'\n\
         [[network]]\nvni = 4096\nname = \"app1-network\"\nencrypted = \"required\"\n\
         [[network]]\nvni = 4097\nname = \"{NAME}\"\nencrypted = \"optional\"\n\
         [[network]]\nvni = 4098\nname = \"idle-network\"\nencrypted = \"required\"\n"
    );
    std::fs::write(&config, text).unwrap();
    Agent::configured(host, 9469, config.to_str().unwrap())
}

/// Waits until an expression is true in the page; fails, saying what, when it does not become so.
pub(super) fn wait(browser: &mut Browser, what: &str, expression: &str) -> Duration {
    let start = Instant::now();
    while browser.value(expression) != true {
        if start.elapsed() > SOON {
            let text = browser.value("document.body.innerText");
            panic!("{what}: {}", text.as_str().unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    start.elapsed()
}

pub(super) fn says(text: &str) -> String {
    format!("document.getElementById('now').textContent.includes({text:?})")
}

/// What was asked for, each once.
fn asked(browser: &Browser) -> Vec<String> {
    let asked = browser.happened("Network.requestWillBeSent");
    let urls = asked.iter().map(|at| at["request"]["url"].as_str());
    let mut urls: Vec<String> = urls.map(|url| url.unwrap().to_owned()).collect();
    urls.sort_unstable();
    urls.dedup();
    urls
}

#[test]
fn a_browser_shows_what_the_agent_sees_and_follows_it() {
    let folder = Folder::new("live");
    let mut lab = Lab::builder().quiet(true).build().unwrap();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    let mut agent = start(lab.node1(), &folder);
    let wire = Raw::open(lab.node2(), "eth0");
    let send = |vni: u32| {
        let request = format!("GET /{HOSTILE} HTTP/1.1\r\nHost: {HOSTILE}\r\n\r\n");
        for client in 0..3 {
            wire.send(&forged(vni, client, 80, request.as_bytes()));
        }
    };
    send(4097);
    let mut browser = Browser::start_on(lab.node1());
    browser.resize(1100, false);
    browser.medium("screen", "light");

    without_a_script(&mut browser, &lab);
    follows(&mut browser, &lab, &send);
    chooses(&mut browser, &lab, &send);
    fits(&mut browser, &folder);
    holds_its_policy(&mut browser);
    is_for_no_stranger(&mut browser);

    // Nobody answers: the page does not go on to say what it said.
    browser.go(PAGE);
    wait(
        &mut browser,
        "live",
        "document.getElementById('live').textContent === 'Live.'",
    );
    agent.monitor.stop();
    let lost = "document.getElementById('lost').checkVisibility() && \
        document.title.startsWith('?') && !document.querySelector('#now .verdict').checkVisibility()";
    let took = wait(&mut browser, "that nobody answers", lost);
    browser.picture(&folder.file("live-lost.png"));
    println!("an agent that is gone is shown after {took:?}");
}

fn without_a_script(browser: &mut Browser, lab: &Lab) {
    let switch = |browser: &mut Browser, off: bool| {
        let _ = browser.ask(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": off}),
        );
    };
    switch(browser, true);
    let start = Instant::now();
    loop {
        lab.http_get(5).unwrap();
        browser.go(PAGE);
        let text = browser.value("document.body.innerText");
        let text = text.as_str().unwrap();
        let parts = [
            "! 1 network violated",
            "app1-network (VNI 4096)",
            "idle-network (VNI 4098)",
            "cleartext sent",
            "Peers: 192.168.77.2",
            "http 100.0 %",
            "Reload for the newest",
            "/metrics: counts and states",
            "<script>hacked=1</script>",
        ];
        match parts.iter().find(|part| !text.contains(**part)) {
            None => break,
            Some(part) => assert!(start.elapsed() < SOON, "no {part:?} in {text}"),
        }
    }
    assert_eq!(asked(browser), [PAGE]);
    // Both rates are numbers.
    let rates = "[...document.querySelectorAll('table.networks tbody tr')[0].querySelectorAll('.n')].slice(0, 2).every(e => / [kM]?B\\/s$/.test(e.textContent))";
    assert_eq!(browser.value(rates), true);
    switch(browser, false);
}

fn follows(browser: &mut Browser, lab: &Lab, send: &dyn Fn(u32)) {
    browser.go(PAGE);
    let _ = browser.value("window.same = true");
    wait(
        browser,
        "live",
        "document.getElementById('live').textContent === 'Live.'",
    );
    let rate = "document.querySelector('table.networks tbody tr .n').textContent";
    wait(browser, "a quiet network", &format!("{rate} === '0 B/s'"));
    for _ in 0..3 {
        lab.http_get(40).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    wait(browser, "its rate", &format!("{rate} !== '0 B/s'"));
    send(4711);
    let took = wait(browser, "a new network", &says("VNI 4711"));
    println!("a new network is on the page after {took:?}");
    // It is the same document all the while.
    assert_eq!(browser.value("window.same"), true);
    assert_eq!(asked(browser), [PAGE.to_owned(), format!("{PAGE}events")]);
    assert_untroubled(browser);
    let foreign = "document.querySelectorAll('img,b,iframe,object,form').length";
    assert_eq!(browser.value(foreign), 0);
    assert_eq!(browser.value("document.scripts.length"), 1);
    let node = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let title = format!("! 1 network violated: {}", node.trim());
    assert_eq!(browser.value("document.title"), title);
}

/// The reader filters, sorts and pauses with the keyboard; events change nothing of it.
fn chooses(browser: &mut Browser, lab: &Lab, send: &dyn Fn(u32)) {
    let names = "[...document.querySelectorAll('table.networks tbody th')].map(e => e.textContent)";
    let all = browser.value(names);
    let all = all.as_array().unwrap().clone();
    assert!(all.len() >= 4, "{all:?}");
    let focus = |browser: &mut Browser, id: &str| {
        let _ = browser.value(&format!("document.getElementById('{id}').focus()"));
    };
    let type_in = |browser: &mut Browser, text: &str| {
        let _ = browser.ask("Input.insertText", json!({"text": text}));
    };
    let press = |browser: &mut Browser, key: &str, code: u32| {
        for kind in ["rawKeyDown", "char", "keyUp"] {
            let event =
                json!({"type": kind, "key": key, "text": key, "windowsVirtualKeyCode": code});
            let _ = browser.ask("Input.dispatchKeyEvent", event);
        }
    };
    focus(browser, "filter");
    type_in(browser, "IDLE-");
    let only = |browser: &mut Browser| {
        let found = browser.value(names);
        let found = found.as_array().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].as_str().unwrap().contains("idle-network"));
    };
    only(browser);
    let matches = "document.getElementById('matches').textContent";
    let said = format!("1 of {} on this page", all.len());
    assert_eq!(browser.value(matches), said.as_str());
    // What is wrong is said whatever is filtered, and the next events keep the filter.
    let time = "document.querySelector('#now time').textContent";
    let before = browser.value(time);
    wait(browser, "the next event", &format!("{time} !== {before}"));
    only(browser);
    assert_eq!(browser.value(&says("1 network violated")), true);
    assert_eq!(browser.value("document.activeElement.id"), "filter");
    type_in(browser, "<img src=x onerror=hacked=5>");
    assert_eq!(browser.value(names), json!([]));
    let _ = browser.value("document.getElementById('filter').select()");
    press(browser, "\u{8}", 8);
    assert_eq!(browser.value(names), json!(all));
    assert_eq!(browser.value(matches), "");

    // Sorted by name, then by what is sent: each network's own row, whole.
    focus(browser, "order");
    press(browser, "n", 78);
    wait(
        browser,
        "sorted by name",
        &format!(
            "(names => names.join() === [...names].sort((a, b) => a.localeCompare(b, 'en', {{numeric: true}})).join())({names}) \
         && document.getElementById('order').value === 'name'"
        ),
    );
    // Letters in quick succession are one word to a browser.
    std::thread::sleep(Duration::from_secs(2));
    press(browser, "s", 83);
    lab.http_get(40).unwrap();
    wait(
        browser,
        "the busiest network first",
        &format!(
            "document.getElementById('order').value === 'sent' && {names}[0].includes('4096') \
         && document.querySelectorAll('table.networks tbody tr .n')[1].textContent !== '0 B/s'"
        ),
    );
    std::thread::sleep(Duration::from_secs(2));
    press(browser, "w", 87);
    wait(
        browser,
        "what is wrong first",
        "document.getElementById('order').value === ''",
    );

    focus(browser, "pause");
    press(browser, " ", 32);
    assert_eq!(
        browser.value("document.getElementById('live').textContent"),
        "Paused."
    );
    let before = browser.value(time);
    send(4712);
    // Events arrive each second.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(browser.value(time), before);
    assert_eq!(browser.value(&says("VNI 4712")), false);
    press(browser, " ", 32);
    wait(
        browser,
        "live again",
        "document.getElementById('live').textContent === 'Live.'",
    );
    wait(browser, "what came meanwhile", &says("VNI 4712"));
    assert_untroubled(browser);
}

/// From a small phone to a sheet of paper, in any light.
fn fits(browser: &mut Browser, folder: &Folder) {
    for (scheme, width) in [
        ("light", 1100),
        ("dark", 1100),
        ("light", 360),
        ("dark", 320),
    ] {
        browser.medium("screen", scheme);
        browser.resize(width, width < 500);
        browser.picture(&folder.file(&format!("live-{scheme}-{width}.png")));
        let wide = browser.value(TOO_WIDE);
        assert!(
            wide["most"].as_i64().unwrap() <= 0 && wide["wide"] == json!([]),
            "{width}: {wide}"
        );
        let verdict = "(() => { const e = document.querySelector('#now .verdict'); \
            return {text: e.textContent, bottom: e.getBoundingClientRect().bottom + scrollY}; })()";
        let verdict = browser.value(verdict);
        assert!(
            verdict["text"]
                .as_str()
                .unwrap()
                .starts_with("! 1 network violated")
        );
        assert!(
            verdict["bottom"].as_f64().unwrap() <= FIRST_SCREEN / 2.0,
            "{width}: {verdict}"
        );
        let least = browser.value(LEAST_CONTRAST);
        assert!(
            least["ratio"].as_f64().unwrap() >= CONTRAST,
            "{scheme}: {least}"
        );
        println!("live, {scheme} at {width}: least contrast {least}");
        assert_eq!(browser.value(OUT_OF_SIGHT), json!([]), "{width}");
        // The table is in the picture, not only in the document.
        let rows = "table.networks tbody";
        let shown = browser.picture_of(rows).len();
        // Of what an event does not replace.
        let visibility = |browser: &mut Browser, value: &str| {
            let set = format!("document.querySelector('main').style.visibility = {value:?}");
            let _ = browser.value(&set);
        };
        visibility(browser, "hidden");
        let blank = browser.picture_of(rows).len();
        visibility(browser, "");
        assert!(
            shown > 3 * blank,
            "{scheme} at {width}: {shown} bytes, blank {blank}"
        );
        spoken(browser);
    }
    browser.medium("print", "dark");
    browser.resize(703, false);
    assert_eq!(browser.value(TOO_WIDE_ON_PAPER), json!([]));
    let least = browser.value(LEAST_CONTRAST);
    assert!(
        least["ratio"].as_f64().unwrap() >= CONTRAST,
        "paper: {least}"
    );
    let paper = browser.value("getComputedStyle(document.body).backgroundColor");
    assert_eq!(paper, "rgb(255, 255, 255)");
    let printed = folder.file("live.pdf");
    browser.print(&printed);
    let words = pdf("pdftotext", &printed, &["-layout", "-"]);
    for part in [
        "! 1 network violated",
        "app1-network (VNI 4096)",
        "idle-network",
        "VNI 4711",
    ] {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
}

/// What a screen reader has of the table, also where it does not look like one; and what the keyboard reaches.
fn spoken(browser: &mut Browser) {
    assert_eq!(browser.value(UNSPOKEN), json!([]));
    let tree = browser.ask("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let of = |role: &str| {
        let of = nodes
            .iter()
            .filter(|node| node["role"]["value"] == role && node["ignored"] == false);
        of.count()
    };
    let rows = usize::try_from(browser.value(ROWS).as_u64().unwrap()).unwrap();
    assert!(rows >= 4);
    assert_eq!(
        (of("table"), of("rowheader"), of("columnheader")),
        (1, rows, 7)
    );
    // The headline, and how many networks match the filter.
    assert_eq!((of("row"), of("status"), of("main")), (rows + 1, 2, 1));
    let links = "[...document.querySelectorAll('a')].filter(e => e.checkVisibility()).every(e => e.tabIndex === 0 && e.textContent.trim())";
    assert_eq!(browser.value(links), true);
}

/// What is not of the page does not run, and nothing goes elsewhere.
fn holds_its_policy(browser: &mut Browser) {
    browser.medium("screen", "light");
    browser.go(PAGE);
    let run = "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked = 3'}))";
    let _ = browser.value(run);
    let inline = "(() => { const p = document.createElement('p'); p.setAttribute('onclick', 'window.hacked = 4'); p.click(); })()";
    let _ = browser.value(inline);
    assert_eq!(browser.value("window.hacked ?? null"), Value::Null);
    let elsewhere = "fetch('http://127.0.0.1:9470/').then(() => 'sent', e => String(e))";
    let elsewhere = browser.value(elsewhere);
    assert!(
        elsewhere.as_str().unwrap().contains("TypeError"),
        "{elsewhere}"
    );
    let refused = browser.happened("Log.entryAdded").len();
    assert!(refused >= 2, "{refused}");
}

/// A page of a stranger whose name was rebound to the agent's address reads nothing.
fn is_for_no_stranger(browser: &mut Browser) {
    browser.go("http://evil.example:9469/");
    assert_eq!(browser.value("document.getElementById('now')"), Value::Null);
    let text = browser.value("document.body.textContent");
    assert!(
        text.as_str().unwrap().contains("does not know that name"),
        "{text}"
    );
    for path in ["/", "/events", "/metrics", "/networks", "/-/ready"] {
        for how in [
            "{}",
            "{referrerPolicy: 'no-referrer', headers: {'Accept-Language': '', 'User-Agent': 'Prometheus'}}",
        ] {
            let status = browser.value(&format!("fetch('{path}', {how}).then(r => r.status)"));
            assert_eq!(status, 421, "{path} {how}");
        }
    }
}
