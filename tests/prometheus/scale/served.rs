//! A page that is served at many addresses: to Prometheus each is a node.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use monitor_lab::Host;

use super::page::Text;

const PORT: u16 = 9470;

/// Address of a target, by its number: all of 127.0.0.0/8 is this host.
pub(super) fn address(number: usize) -> String {
    format!("127.1.{}.{}:{PORT}", number / 250, number % 250 + 1)
}

/// The server.
pub(super) struct Served {
    page: Arc<Mutex<Text>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(super) fn start(host: &Host, page: Text) -> Served {
        let bound = host.enter(|| TcpListener::bind(("0.0.0.0", PORT)));
        let listener = bound.unwrap().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (page, ends) = (Arc::new(Mutex::new(page)), Arc::new(AtomicBool::new(false)));
        let (served, until) = (Arc::clone(&page), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((connection, _)) => {
                        let page = served.lock().unwrap().clone();
                        std::thread::spawn(move || answer(connection, &page));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Served {
            page,
            ends,
            thread: Some(thread),
        }
    }

    /// Another page from now on.
    pub(super) fn serve(&self, page: Text) {
        *self.page.lock().unwrap() = page;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Answers one request. Prometheus gives up on what fails, and the test then finds a target missing.
fn answer(mut connection: TcpStream, page: &Text) {
    let mut request = [0; 4096];
    drop(connection.set_nonblocking(false));
    drop(connection.read(&mut request));
    let (kind, length) = (&page.content_type, page.text.len());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    drop(connection.write_all(&[head.as_bytes(), page.text.as_bytes()].concat()));
}
