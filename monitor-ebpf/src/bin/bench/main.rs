//! The kernel programs of `cargo xtask bench`: what the cost of the real ones is compared with, and programs
//! that vary the packet, so that a test run does not repeat one hot packet.
#![allow(
    clippy::needless_borrows_for_generic_args,
    reason = "a value that is inserted by copy would be made on the stack, where the verifier refuses its layout"
)]
#![no_std]
#![no_main]

mod floor;
mod three_hashes;
mod vary;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
