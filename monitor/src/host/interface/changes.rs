//! That something has changed: interfaces, or the default route.

use std::io;

use netlink_sys::Socket;
use tokio::io::unix::AsyncFd;

use crate::base::netlink;

/// Multicast groups (`include/uapi/linux/rtnetlink.h`).
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV6_ROUTE: u32 = 11;
/// Messages.
const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;

/// Datagrams that are read at a time.
const DATAGRAMS: usize = 256;

/// A subscription to what the kernel tells of interfaces. What is told is only that something changed: who is
/// told asks for the state, so that a lost message costs nothing.
pub struct Changes(Socket);

impl Changes {
    /// Subscribes. Changes from here on are seen.
    ///
    /// # Errors
    /// What the kernel answered.
    pub fn new(routes: bool) -> io::Result<Changes> {
        let groups: &[u32] = if routes {
            &[RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE]
        } else {
            &[RTNLGRP_LINK]
        };
        netlink::subscribe(groups).map(Changes)
    }

    /// To be waited on, in the runtime of the caller.
    ///
    /// # Errors
    /// If the socket cannot be waited on.
    pub(crate) fn watch(self) -> io::Result<Events> {
        // SAFETY: the socket owns its descriptor, and gives the same one until it is dropped with the AsyncFd.
        let socket = unsafe { AsyncFd::register(self.0) };
        Ok(Events(socket?))
    }
}

/// A subscription that can be waited on.
pub(crate) struct Events(AsyncFd<Socket>);

impl Events {
    /// Returns once something has changed.
    ///
    /// # Errors
    /// If the socket fails for good.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        let mut buffer = vec![0u8; 32 * 1024];
        loop {
            let mut ready = self.0.readable().await?;
            let mut relevant = false;
            // Not for ever: what is left is read after the state was asked for.
            for _ in 0..DATAGRAMS {
                match self.0.get_ref().recv(&mut &mut buffer[..], 0) {
                    Ok(length) => {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        relevant |= netlink::messages(datagram).any(|message| tells(&message));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready.clear_ready();
                        break;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // More has changed than there was room for.
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

/// Of routes only the default ones count (prefix length 0): a router may change thousands a second.
fn tells(message: &netlink::Raw<'_>) -> bool {
    match message.kind {
        NEW_LINK | DELETE_LINK => true,
        NEW_ROUTE | DELETE_ROUTE => message.payload.get(1) == Some(&0),
        _ => false,
    }
}
