//! A real browser without a screen and without a network, driven by the Chrome DevTools Protocol over pipes.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use monitor_lab::Host;
use serde_json::{Value, json};

/// For an answer: to start takes seconds, on a busy machine many.
const PATIENCE: Duration = Duration::from_secs(120);
/// Descriptors on which the browser takes commands, and answers.
const ORDERS: i32 = 3;
const ANSWERS: i32 = 4;

/// A browser with one page. Ended when this is dropped.
pub struct Browser {
    child: Child,
    orders: File,
    answers: Receiver<Value>,
    profile: PathBuf,
    session: Option<String>,
    last: u64,
    /// What happened in the page, oldest first: objects with `method` and `params`.
    pub events: Vec<Value>,
}

impl Browser {
    /// Starts Debian's `chromium` in a network namespace of its own, in which there is nothing: it takes root.
    #[must_use]
    pub fn start() -> Browser {
        Browser::start_in(None, &[])
    }

    /// The same in the network namespace of a host of the lab. Every name ends at the host itself, as one that was rebound.
    #[must_use]
    pub fn start_on(host: &Host) -> Browser {
        Browser::start_in(Some(File::open(host.namespace_path()).unwrap()), &[])
    }

    /// The same, of a user who trusts the key with this fingerprint: SHA-256 of its `SubjectPublicKeyInfo`, in base 64.
    #[must_use]
    pub fn start_trusting(host: &Host, fingerprint: &str) -> Browser {
        let trusted = format!("--ignore-certificate-errors-spki-list={fingerprint}");
        let namespace = File::open(host.namespace_path()).unwrap();
        Browser::start_in(Some(namespace), &[&trusted])
    }

    fn start_in(namespace: Option<File>, arguments: &[&str]) -> Browser {
        // One each: a second browser with the profile of a running one hands its work over to that one, and ends.
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let nth = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("overlay-monitor-browser-{}-{nth}", std::process::id());
        let profile = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&profile).unwrap();
        let (their_orders, orders) = pipe();
        let (answers, their_answers) = pipe();
        let mut command = Command::new("chromium");
        command
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-first-run",
            ])
            // The sandbox takes a user other than root; the page is one of ours, and there is no network.
            .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-extensions", "--disable-background-networking"])
            .arg("--host-resolver-rules=MAP * 127.0.0.1, EXCLUDE 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(arguments)
            .env("HOME", &profile)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let (from, to) = (their_orders.as_raw_fd(), their_answers.as_raw_fd());
        let into = namespace.as_ref().map(AsRawFd::as_raw_fd);
        // SAFETY: only system calls, on descriptors that are open until the child has been started; both are above those
        // that they are copied to.
        unsafe {
            command.pre_exec(move || {
                let entered = match into {
                    Some(namespace) => libc::setns(namespace, libc::CLONE_NEWNET),
                    None => libc::unshare(libc::CLONE_NEWNET),
                };
                let ok = entered == 0
                    && libc::dup2(from, ORDERS) == ORDERS
                    && libc::dup2(to, ANSWERS) == ANSWERS;
                if ok {
                    Ok(())
                } else {
                    Err(std::io::Error::last_os_error())
                }
            });
        }
        let child = command
            .spawn()
            .expect("chromium, of the Debian package chromium, as root");
        drop((their_orders, their_answers));
        let (send, receive) = channel();
        std::thread::spawn(move || {
            let mut answers = File::from(answers);
            let (mut buffer, mut message) = ([0; 65_536], Vec::new());
            while let Ok(n @ 1..) = answers.read(&mut buffer) {
                for byte in &buffer[..n] {
                    if *byte != 0 {
                        message.push(*byte);
                    } else if send
                        .send(serde_json::from_slice(&message).unwrap())
                        .is_err()
                    {
                        return;
                    } else {
                        message.clear();
                    }
                }
            }
        });
        let mut browser = Browser {
            child,
            orders: File::from(orders),
            answers: receive,
            profile,
            session: None,
            last: 0,
            events: Vec::new(),
        };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.ask(
            "Target.attachToTarget",
            json!({"targetId": target["targetId"], "flatten": true}),
        );
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Network", "Runtime", "Log"] {
            let _ = browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Asks the page, or the browser while there is none, for something; the result.
    #[must_use]
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut order = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            order["sessionId"] = session.as_str().into();
        }
        let mut bytes = order.to_string().into_bytes();
        bytes.push(0);
        self.orders.write_all(&bytes).unwrap();
        loop {
            let mut answer = self.next(method);
            if answer["id"] == self.last {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    fn next(&mut self, what: &str) -> Value {
        let answer = self.answers.recv_timeout(PATIENCE);
        answer.unwrap_or_else(|_| panic!("{what}: the browser does not answer"))
    }

    /// Opens a file, and waits until all of it is loaded.
    pub fn open(&mut self, path: &Path) {
        self.go(&format!("file://{}", path.display()));
    }

    /// Opens a URL, and waits until all of it is loaded. What happened before is forgotten.
    pub fn go(&mut self, url: &str) {
        let _ = self.tries(url);
    }

    /// The same; the error's name if the browser refuses to show the page, and shows one of its own.
    #[must_use]
    pub fn tries(&mut self, url: &str) -> Option<String> {
        self.events.clear();
        let answer = self.ask("Page.navigate", json!({"url": url}));
        while self.happened("Page.loadEventFired").is_empty() {
            let event = self.next("loading");
            self.events.push(event);
        }
        answer["errorText"].as_str().map(str::to_owned)
    }

    /// The parameters of each event of this kind so far.
    #[must_use]
    pub fn happened(&self, method: &str) -> Vec<Value> {
        let of = self.events.iter().filter(|event| event["method"] == method);
        of.map(|event| event["params"].clone()).collect()
    }

    /// The value of an expression in the page.
    #[must_use]
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.ask("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].take()
    }

    /// Makes the page so wide, in CSS pixels.
    pub fn resize(&mut self, width: u32, mobile: bool) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile});
        let _ = self.ask("Emulation.setDeviceMetricsOverride", size);
    }

    /// Shows it as on paper or on a screen, in a dark or a light room.
    pub fn medium(&mut self, media: &str, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let medium = json!({"media": media, "features": features});
        let _ = self.ask("Emulation.setEmulatedMedia", medium);
    }

    /// The whole page as a PNG file.
    pub fn picture(&mut self, path: &Path) {
        let how = json!({"format": "png", "captureBeyondViewport": true});
        std::fs::write(path, self.captured(how)).unwrap();
    }

    /// A part of the page as a picture, by its selector.
    pub fn picture_of(&mut self, selector: &str) -> Vec<u8> {
        let place = format!(
            "(() => {{ const r = document.querySelector({selector:?}).getBoundingClientRect(); \
             return {{x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height, scale: 1}}; }})()"
        );
        let clip = self.value(&place);
        self.captured(json!({"format": "png", "captureBeyondViewport": true, "clip": clip}))
    }

    fn captured(&mut self, how: Value) -> Vec<u8> {
        let answer = self.ask("Page.captureScreenshot", how);
        base64(answer["data"].as_str().unwrap())
    }

    /// The page printed, as a PDF file.
    pub fn print(&mut self, path: &Path) {
        let how = json!({"preferCSSPageSize": true, "printBackground": false});
        let answer = self.ask("Page.printToPDF", how);
        std::fs::write(path, base64(answer["data"].as_str().unwrap())).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its helpers end with it, a moment later, and write until then.
        for _ in 0..100 {
            if std::fs::remove_dir_all(&self.profile).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A pipe, to read from and to write to, with descriptors above those that the browser uses.
fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [-1; 2];
    // SAFETY: writes two descriptors.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    let [read, write] = ends.map(|end| {
        // SAFETY: opened just now, without another owner; the copy is new, and the first one is closed.
        unsafe {
            let end = OwnedFd::from_raw_fd(end);
            OwnedFd::from_raw_fd(libc::fcntl(end.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 10))
        }
    });
    (read, write)
}

/// The bytes of a text in base 64 (RFC 4648, section 4).
fn base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() * 3 / 4), 0_u32, 0);
    for character in text.bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
