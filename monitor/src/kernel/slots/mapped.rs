//! An array map of the kernel in this process' memory.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

use anyhow::Context;
use aya::Ebpf;
use monitor_common::shared::Shared;

use crate::base::failure::Failure;
use crate::kernel::table::{data, map};

/// An array with elements `T`, which programs and other threads change meanwhile: so it is read and written one aligned
/// word at a time.
pub(super) struct Mapped<T> {
    start: NonNull<u8>,
    len: usize,
    elements: usize,
    kind: PhantomData<fn() -> T>,
}

// SAFETY: the memory is the kernel's, and is only accessed through atomic words.
unsafe impl<T> Send for Mapped<T> {}
// SAFETY: see above.
unsafe impl<T> Sync for Mapped<T> {}

impl<T: Shared> Mapped<T> {
    /// Maps an array of the object, which must have been made with `BPF_F_MMAPABLE` and as many elements.
    ///
    /// # Errors
    /// A kernel failure, if it cannot be mapped.
    pub(super) fn new(ebpf: &Ebpf, name: &str, elements: usize) -> Result<Mapped<T>, Failure> {
        // The kernel rounds the size of an element up to 8 bytes, and that of all to pages.
        const { assert!(T::SIZE % 8 == 0) };
        let len = elements * T::SIZE;
        let fd = data(map(ebpf, name)?).fd();
        // SAFETY: a new mapping, at a place that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_fd().as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error())
                .with_context(|| format!("mapping {name}"))
                .map_err(Failure::kernel);
        }
        let start = NonNull::new(start.cast())
            .with_context(|| format!("mapping {name}"))
            .map_err(Failure::kernel)?;
        Ok(Mapped {
            start,
            len,
            elements,
            kind: PhantomData,
        })
    }

    /// The 64 bits at this offset of an element. Panics outside the array, as a slice does.
    pub(super) fn word(&self, element: usize, offset: usize) -> &AtomicU64 {
        let at = self.at(element, offset, size_of::<u64>());
        // SAFETY: inside the mapping and aligned, as `at` checked.
        unsafe { AtomicU64::from_ptr(at.cast()) }
    }

    /// The 32 bits at this offset of an element.
    pub(super) fn half(&self, element: usize, offset: usize) -> &AtomicU32 {
        let at = self.at(element, offset, size_of::<u32>());
        // SAFETY: see above.
        unsafe { AtomicU32::from_ptr(at.cast()) }
    }

    /// The byte at this offset of an element.
    pub(super) fn byte(&self, element: usize, offset: usize) -> &AtomicU8 {
        let at = self.at(element, offset, 1);
        // SAFETY: see above.
        unsafe { AtomicU8::from_ptr(at) }
    }

    fn at(&self, element: usize, offset: usize, size: usize) -> *mut u8 {
        assert!(
            element < self.elements && offset + size <= T::SIZE && offset.is_multiple_of(size),
            "element {element} of {}, byte {offset}",
            self.elements
        );
        // SAFETY: inside the mapping, as just checked.
        unsafe { self.start.as_ptr().add(element * T::SIZE + offset) }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, to which no reference is left.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.len);
        }
    }
}
