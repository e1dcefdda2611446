//! What `cargo xtask bench` measures with: the programs that the cost of the real ones is compared with,
//! and those that vary a packet, so that a test run is not one hot packet over and over.
#![no_std]
#![no_main]

mod floor;
mod varied;
mod vary;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
