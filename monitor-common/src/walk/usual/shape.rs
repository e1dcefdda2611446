//! What a packet of the usual shape is.

/// What a packet of the usual shape is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Shape {
    /// IP outside any overlay.
    Host,
    /// VXLAN with a valid VNI.
    Vxlan,
    /// ESP directly on IP.
    Esp,
    /// Not of the usual shape: it needs the whole walk.
    Unusual,
}
