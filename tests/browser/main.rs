//! The page of an audit, and that of a running agent, in a real browser: they fetch nothing from elsewhere, fit a phone and a
//! sheet of paper, have enough contrast, and text of strangers stays text.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod live;
mod live_secure;

use std::path::{Path, PathBuf};
use std::process::Command;

use monitor_lab::{CLIENT, Lab, Publish, WEB};
use overlay_tests::browser::Browser;
use overlay_tests::frame::{ethernet, ip_between, tcp, udp, vxlan};
use overlay_tests::process::Monitor;
use overlay_tests::wire::Raw;
use serde_json::Value;

/// What would run, were it not text. It is the name of a network, a path, a host and a key.
const HOSTILE: &str =
    "<script>window.hacked=1</script><img/src=//192.0.2.9/x/onerror=window.hacked=2>";
/// The configuration file's form of it, with what only a name can hold.
const NAME: &str = "<script>hacked=1</script><img src=x onerror='hacked=2'>\\\"><b>";

/// The least contrast of text against its background (WCAG 2.1, 1.4.3, AA).
const CONTRAST: f64 = 4.5;
/// Height of the screen of a small phone, in CSS pixels.
const FIRST_SCREEN: f64 = 568.0;

/// A folder, removed in the end, unless the variable `OVERLAY_TEST_KEEP` names one to keep.
struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    fn new(name: &str) -> Folder {
        let kept = std::env::var_os("OVERLAY_TEST_KEEP").map(PathBuf::from);
        let name = format!("overlay-monitor-{name}-{}", std::process::id());
        let folder = Folder {
            is_kept: kept.is_some(),
            path: kept.unwrap_or_else(|| std::env::temp_dir().join(name)),
        };
        std::fs::create_dir_all(&folder.path).unwrap();
        folder
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A packet of a network from another node, inside it one of TCP.
fn forged(vni: u32, client: u8, port: u16, payload: &[u8]) -> Vec<u8> {
    let segment = tcp(40_000 + u16::from(client), port, payload);
    let (source, destination) = ([10, 0, 9, client].into(), [10, 0, 9, 250].into());
    let inner = ethernet(0x0800, &ip_between(source, destination, 6, &segment));
    let (source, destination) = ([192, 168, 77, 2].into(), [192, 168, 77, 1].into());
    let outer = udp(40_000, 4789, &vxlan(vni, &inner));
    ethernet(0x0800, &ip_between(source, destination, 17, &outer))
}

/// An audit of the application under real traffic, and of what a stranger sends: its page is written to `page`.
fn audit(folder: &Folder, page: &Path) {
    let mut lab = Lab::builder().quiet(true).build().unwrap();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    lab.publish(Publish::Plain).unwrap();
    let config = folder.file("config.toml");
    let networks = format!(
        "[[network]]\nvni = 4096\nname = \"app1-network\"\nencrypted = \"required\"\n\
         [[network]]\nvni = 4097\nname = \"{NAME}\"\nencrypted = \"optional\"\n\
         [[network]]\nvni = 4098\nname = \"idle-network\"\nencrypted = \"required\"\n"
    );
    std::fs::write(&config, networks).unwrap();
    let arguments = [
        "audit",
        "-i",
        "eth0",
        "--docker",
        "off",
        "--duration",
        "1h",
        "--config",
        config.to_str().unwrap(),
        "--output",
        page.to_str().unwrap(),
    ];
    let mut monitor = Monitor::start(lab.node1(), &arguments);
    monitor.wait_for("it watches", |monitor| monitor.err().contains("watching"));
    let address = lab.container(WEB).unwrap().address();
    for round in 0..4 {
        lab.http_get(5 + 5 * round).unwrap();
        lab.http_get_published(2).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    let url = format!("http://{address}/admin?next={HOSTILE}");
    let log_in = [
        "-s",
        "-g",
        "--noproxy",
        "*",
        "--max-time",
        "30",
        "-u",
        "admin:pass",
        &url,
    ];
    lab.container(CLIENT).unwrap().run("curl", &log_in).unwrap();
    let wire = Raw::open(lab.node2(), "eth0");
    let request = format!("GET /{HOSTILE} HTTP/1.1\r\nHost: {HOSTILE}\r\nCookie: a=b\r\n\r\n");
    let key = format!("*2\r\n$3\r\nGET\r\n${}\r\n{HOSTILE}\r\n", HOSTILE.len());
    for client in 0..40 {
        wire.send(&forged(4097, client, 80, request.as_bytes()));
        wire.send(&forged(4097, client, 6379, key.as_bytes()));
        wire.send(&forged(
            70_000 + u32::from(client),
            client,
            6379,
            key.as_bytes(),
        ));
    }
    monitor.wait_for("the violation is logged", |monitor| {
        monitor.err().contains("violation")
    });
    std::thread::sleep(std::time::Duration::from_millis(1500));
    monitor.signal(libc::SIGINT);
    let (status, _) = monitor.wait();
    assert_eq!(status.code(), Some(1), "{}", monitor.err());
}

/// The conclusion, and how far down in the page it ends, in CSS pixels.
const CONCLUSION: &str = "(() => { const e = document.querySelector('p.verdict'); \
    return {text: e.textContent, bottom: e.getBoundingClientRect().bottom + window.scrollY}; })()";

/// What in a page is wider than the page, in CSS pixels beyond its edge.
const TOO_WIDE: &str = "(() => { const most = document.scrollingElement.scrollWidth - window.innerWidth; \
    const all = [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, .defs') || e.matches('.scroll')); \
    const wide = all.filter(e => e.getBoundingClientRect().right > window.innerWidth + 1).map(e => e.tagName + '.' + e.getAttribute('class')); \
    return {most, wide: wide.slice(0, 5)}; })()";

/// Tables and their like that are wider than the sheet.
const TOO_WIDE_ON_PAPER: &str = "[...document.querySelectorAll('body *')].filter(e => !e.closest('.defs') && \
    e.getBoundingClientRect().right > window.innerWidth + 1).map(e => e.tagName + ' ' + e.textContent.slice(0, 60)).slice(0, 5)";

/// The least contrast of any text, and which text that is.
const LEAST_CONTRAST: &str = "(() => { \
    const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return {rgb: m.slice(0, 3), a: m[3] ?? 1}; }; \
    const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); \
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; }; \
    const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); \
        if (c.a === 1) return c.rgb; } return [255, 255, 255]; }; \
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); \
    let least = {ratio: 99}; \
    while (texts.nextNode()) { const text = texts.currentNode.data.trim(); if (!text) continue; \
        const e = texts.currentNode.parentElement; \
        const a = light(parse(getComputedStyle(e).color).rgb), b = light(behind(e)); \
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); \
        if (ratio < least.ratio) least = {ratio, text: text.slice(0, 60)}; } \
    return least; })()";

/// What is missing for who does not see the page.
const UNSPOKEN: &str = "(() => { const bad = []; \
    for (const t of document.querySelectorAll('table')) if (!t.caption?.textContent.trim() || !t.querySelector('thead th[scope=col]')) bad.push('table'); \
    for (const r of document.querySelectorAll('tbody tr')) if (!r.querySelector('th[scope=row]')) bad.push('row ' + r.textContent); \
    for (const s of document.querySelectorAll('svg')) if (!s.ariaHidden && !(s.getAttribute('role') === 'img' && s.getAttribute('aria-label'))) bad.push('chart'); \
    for (const s of document.querySelectorAll('.scroll')) if (s.tabIndex !== 0 || !s.getAttribute('aria-label')) bad.push('scroll'); \
    let level = 0; for (const h of document.querySelectorAll('h1,h2,h3,h4')) { const n = +h.tagName[1]; if (n > level + 1) bad.push(h.textContent); level = n; } \
    if (document.querySelectorAll('h1').length !== 1 || document.documentElement.lang !== 'en' || !document.querySelector('main')) bad.push('frame'); \
    return bad; })()";

fn pdf(program: &str, path: &Path, more: &[&str]) -> String {
    let mut command = Command::new(program);
    command.arg(path).args(more);
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{program}, of the Debian package poppler-utils: {error}"));
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Asserts that the browser has complained of nothing, and that no text has become a script.
fn assert_untroubled(browser: &mut Browser) {
    for trouble in [
        "Log.entryAdded",
        "Runtime.exceptionThrown",
        "Runtime.consoleAPICalled",
    ] {
        assert_eq!(browser.happened(trouble), Vec::<Value>::new(), "{trouble}");
    }
    assert_eq!(browser.value("window.hacked ?? null"), Value::Null);
}

#[test]
fn a_browser_shows_and_prints_the_page_and_hostile_text_stays_text() {
    let folder = Folder::new("page");
    let page = folder.file("report.html");
    audit(&folder, &page);
    let mut browser = Browser::start();
    browser.resize(1100, false);
    browser.medium("screen", "light");
    browser.open(&page);

    // Nothing is asked for but the page, nothing runs, and the browser has nothing to complain of.
    let asked = browser.happened("Network.requestWillBeSent");
    let urls: Vec<&Value> = asked.iter().map(|at| &at["request"]["url"]).collect();
    assert_eq!(urls, [&Value::from(format!("file://{}", page.display()))]);
    assert_untroubled(&mut browser);
    assert_eq!(
        browser.value("document.querySelectorAll('script,img,b,a,link,iframe').length"),
        0
    );
    let text = browser.value("document.body.textContent");
    let text = text.as_str().unwrap();
    for part in [
        "Policy is violated",
        "Credentials in cleartext",
        "more networks, with less plaintext",
        "Bytes over time",
        "app1-network (VNI 4096)",
        "<script>hacked=1</script>",
        "onerror='hacked=2'>\"><b>",
        "http_basic",
        "10.0.1.3:6379",
        "published",
        "idle-network (VNI 4098) was idle",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }

    // The number at the top is that of the findings below it.
    let tile = "[...document.querySelectorAll('.tiles div')].find(e => e.textContent.startsWith('Violations')).lastChild.textContent";
    assert_eq!(browser.value(tile), "1");

    // It fits, from a small phone to a sheet of paper, and can be read in any light.
    for (media, scheme, width) in [
        ("screen", "light", 1100),
        ("screen", "dark", 1100),
        ("screen", "light", 360),
        ("screen", "dark", 320),
    ] {
        browser.medium(media, scheme);
        browser.resize(width, width < 500);
        browser.picture(&folder.file(&format!("{scheme}-{width}.png")));
        let wide = browser.value(TOO_WIDE);
        assert!(
            wide["most"].as_i64().unwrap() <= 0 && wide["wide"] == serde_json::json!([]),
            "{width}: {wide}"
        );
        // The first screen, of a small phone too, says in one sentence what the page concludes.
        let conclusion = browser.value(CONCLUSION);
        let text = conclusion["text"].as_str().unwrap();
        for part in [
            "Policy is violated",
            "1 of 2 networks with a requirement violates it; 1 could not be judged",
            "of the bytes can be read on the path, with",
        ] {
            assert!(text.contains(part), "{width}: no {part:?} in {text}");
        }
        assert!(
            conclusion["bottom"].as_f64().unwrap() <= FIRST_SCREEN,
            "{width}: {conclusion}"
        );
        let least = browser.value(LEAST_CONTRAST);
        assert!(
            least["ratio"].as_f64().unwrap() >= CONTRAST,
            "{scheme}: {least}"
        );
        println!("{scheme} at {width}: least contrast {least}");
    }
    assert_eq!(browser.value(UNSPOKEN), serde_json::json!([]));

    // A4 less the margins, whatever the room: paper is white.
    browser.medium("print", "dark");
    browser.resize(703, false);
    assert_eq!(browser.value(TOO_WIDE_ON_PAPER), serde_json::json!([]));
    let least = browser.value(LEAST_CONTRAST);
    assert!(
        least["ratio"].as_f64().unwrap() >= CONTRAST,
        "paper: {least}"
    );
    assert_eq!(
        browser.value("getComputedStyle(document.body).backgroundColor"),
        "rgb(255, 255, 255)"
    );
    let printed = folder.file("report.pdf");
    browser.print(&printed);
    let about = pdf("pdfinfo", &printed, &[]);
    assert!(about.contains("A4"), "{about}");
    let pages = about.lines().find_map(|line| line.strip_prefix("Pages:"));
    let pages: u32 = pages.unwrap().trim().parse().unwrap();
    assert!((2..=60).contains(&pages), "{about}");
    let words = pdf("pdftotext", &printed, &["-layout", "-"]);
    for part in [
        "Policy is violated",
        "app1-network (VNI 4096)",
        "10.0.1.3:6379",
        "http_basic",
        "To do",
    ] {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
}
