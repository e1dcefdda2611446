//! Events when interfaces or the default route change.

use std::io;

use netlink_sys::Socket;
use tokio::io::unix::AsyncFd;

use crate::base::netlink;

/// Multicast groups (`include/uapi/linux/rtnetlink.h`).
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV6_ROUTE: u32 = 11;
/// Message types.
const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;

/// Most datagrams read before an event is reported.
const DATAGRAMS: usize = 256;

/// A subscription to the kernel's notifications about interfaces. An event says only that something changed; the
/// receiver lists the interfaces anew, so a lost notification does no harm.
pub struct ChangeSubscription(Socket);

impl ChangeSubscription {
    /// Subscribes to changes from now on: of interfaces, and with `routes` of the default route.
    ///
    /// # Errors
    /// The error that the kernel answered.
    pub fn new(routes: bool) -> io::Result<ChangeSubscription> {
        let groups: &[u32] = if routes {
            &[RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE]
        } else {
            &[RTNLGRP_LINK]
        };
        netlink::subscribe(groups).map(ChangeSubscription)
    }

    /// Registers the socket with the caller's tokio runtime.
    ///
    /// # Errors
    /// The runtime cannot poll the socket.
    pub(crate) fn into_events(self) -> io::Result<ChangeEvents> {
        // SAFETY: the socket owns its descriptor and returns the same one until it is dropped together with the
        // AsyncFd.
        let socket = unsafe { AsyncFd::register(self.0) };
        Ok(ChangeEvents(socket?))
    }
}

/// The events of a subscription.
pub(crate) struct ChangeEvents(AsyncFd<Socket>);

impl ChangeEvents {
    /// Returns once something has changed.
    ///
    /// # Errors
    /// The socket failed permanently.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        let mut buffer = vec![0u8; 32 * 1024];
        loop {
            let mut ready = self.0.readable().await?;
            let mut relevant = false;
            // Bounded, so that a stream of notifications cannot delay the event.
            for _ in 0..DATAGRAMS {
                match self.0.get_ref().recv(&mut &mut buffer[..], 0) {
                    Ok(length) => {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        relevant |=
                            netlink::messages(datagram).any(|message| is_relevant(&message));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready.clear_ready();
                        break;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // The socket's buffer overflowed, so notifications were lost.
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => relevant = true,
                    Err(error) => return Err(error),
                }
            }
            if relevant {
                return Ok(());
            }
        }
    }
}

/// Whether a notification is about an interface or a default route (prefix length 0). Other routes are ignored: on a
/// router thousands may change each second.
fn is_relevant(message: &netlink::Raw<'_>) -> bool {
    match message.message_type {
        NEW_LINK | DELETE_LINK => true,
        NEW_ROUTE | DELETE_ROUTE => message.payload.get(1) == Some(&0),
        _ => false,
    }
}
