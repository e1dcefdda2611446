//! Network devices: the kernel's counters, and offloads.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::ops::Sub;
use std::os::fd::AsRawFd;

use serde::{Deserialize, Serialize};

/// The kernel's counters of a device since it was created: frames, and bytes of layer 2 without FCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceStats {
    /// Frames received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Received frames that were dropped.
    pub rx_dropped: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames to be sent that were dropped.
    pub tx_dropped: u64,
}

impl Sub for DeviceStats {
    type Output = Self;

    /// The counts between two readings of the same device; `self` is the later one.
    fn sub(self, earlier: Self) -> Self {
        Self {
            rx_packets: self.rx_packets.saturating_sub(earlier.rx_packets),
            rx_bytes: self.rx_bytes.saturating_sub(earlier.rx_bytes),
            rx_dropped: self.rx_dropped.saturating_sub(earlier.rx_dropped),
            tx_packets: self.tx_packets.saturating_sub(earlier.tx_packets),
            tx_bytes: self.tx_bytes.saturating_sub(earlier.tx_bytes),
            tx_dropped: self.tx_dropped.saturating_sub(earlier.tx_dropped),
        }
    }
}

/// Counters of a device in the network namespace of the calling thread.
///
/// # Errors
/// `NotFound` when there is no such device.
pub(crate) fn stats(device: &str) -> io::Result<DeviceStats> {
    // Not /proc/net, which shows the namespace of the main thread.
    let table = fs::read_to_string("/proc/thread-self/net/dev")?;
    parse(&table, device)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no device {device} here")))
}

/// Parses `/proc/net/dev`. After the name come eight columns for receive (bytes, packets, errors, drop, …), then
/// eight for transmit (`dev_seq_printf_stats` in net/core/net-procfs.c).
fn parse(table: &str, device: &str) -> Option<DeviceStats> {
    let line = table.lines().find_map(|line| {
        let (name, numbers) = line.split_once(':')?;
        (name.trim() == device).then_some(numbers)
    })?;
    let numbers: Vec<u64> = line
        .split_whitespace()
        .map_while(|n| n.parse().ok())
        .collect();
    let [
        rx_bytes,
        rx_packets,
        _,
        rx_dropped,
        _,
        _,
        _,
        _,
        tx_bytes,
        tx_packets,
        _,
        tx_dropped,
        ..,
    ] = numbers[..]
    else {
        return None;
    };
    Some(DeviceStats {
        rx_packets,
        rx_bytes,
        rx_dropped,
        tx_packets,
        tx_bytes,
        tx_dropped,
    })
}

/// Turns off GRO, GSO and TSO of a device in the network namespace of the calling thread, so that each packet on
/// the device is one packet on the wire.
pub(crate) fn disable_offloads(device: &str) -> io::Result<()> {
    // linux/ethtool.h
    const ETHTOOL_STSO: u32 = 0x1f;
    const ETHTOOL_SGSO: u32 = 0x24;
    const ETHTOOL_SGRO: u32 = 0x2c;
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    for command in [ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO] {
        let mut value = Value { command, data: 0 };
        // SAFETY: all zeroes is a valid ifreq.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if device.len() >= request.ifr_name.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
            *to = from.cast_signed() as libc::c_char;
        }
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: SIOCETHTOOL takes an ifreq whose data points to the command's struct (ethtool_value);
        // both live until it returns.
        if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) } < 0
        {
            let error = io::Error::last_os_error();
            // The device does not have this offload.
            if error.raw_os_error() != Some(libc::EOPNOTSUPP) {
                return Err(error);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0: 1000 10 0 3 0 0 0 0 2000 20 0 4 0 0 0 0
";

    #[test]
    fn columns_are_where_the_kernel_prints_them() {
        let stats = parse(TABLE, "eth0").unwrap();
        assert_eq!(
            (stats.rx_bytes, stats.rx_packets, stats.rx_dropped),
            (1000, 10, 3)
        );
        assert_eq!(
            (stats.tx_bytes, stats.tx_packets, stats.tx_dropped),
            (2000, 20, 4)
        );
        assert_eq!(parse(TABLE, "eth"), None);
        assert_eq!(parse(" eth0: 1 2 x", "eth0"), None);
    }
}
