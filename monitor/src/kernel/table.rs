//! A hash map of the kernel, read in bulk.
//!
//! One system call brings thousands of entries (`BPF_MAP_LOOKUP_BATCH`, Linux 5.6), where one each for
//! the next key and its value would make a scrape of many networks slow.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::Context;
use aya::maps::{Map, MapData};

use crate::base::failure::Failure;

// Numbers of `enum bpf_cmd`, flags of `BPF_MAP_UPDATE_ELEM` (`include/uapi/linux/bpf.h`).
const MAP_LOOKUP_ELEM: libc::c_long = 1;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const MAP_DELETE_ELEM: libc::c_long = 3;
const MAP_LOOKUP_AND_DELETE_ELEM: libc::c_long = 21;
const MAP_LOOKUP_BATCH: libc::c_long = 24;
const ANY: u64 = 0;
const NOEXIST: u64 = 1;

/// Entries that a batch asks for at first.
const BATCH: usize = 4096;

/// `struct { __u32 map_fd; __aligned_u64 key, value, flags; }` of `union bpf_attr`.
#[repr(C)]
struct Element {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `batch` of `union bpf_attr`.
#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// A hash map, or an array, with keys of `K` and values of `V` bytes.
pub(super) struct Table<const K: usize, const V: usize> {
    fd: OwnedFd,
    /// Values of each key: 1, or one for each possible CPU.
    copies: usize,
    name: &'static str,
}

impl<const K: usize, const V: usize> Table<K, V> {
    /// Distance of two CPUs' values: the kernel rounds them up.
    const STRIDE: usize = V.next_multiple_of(8);

    /// The map of this name, whose values the kernel has once for each of `cpus` (1: shared by all).
    ///
    /// # Errors
    /// A kernel failure, if there is no such map.
    pub(super) fn new(map: &Map, name: &'static str, cpus: usize) -> Result<Table<K, V>, Failure> {
        let data = data(map);
        let fd = data
            .fd()
            .as_fd()
            .try_clone_to_owned()
            .with_context(|| format!("map {name}"))
            .map_err(Failure::kernel)?;
        Ok(Table {
            fd,
            copies: cpus,
            name,
        })
    }

    /// Hands every entry to `take`: its key, and the value of each CPU.
    ///
    /// # Errors
    /// A runtime failure with what the kernel answered.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(&[u8; K], &mut dyn Iterator<Item = &[u8; V]>),
    ) -> Result<(), Failure> {
        let value_len = self.value_len();
        let mut room = BATCH;
        let mut keys = vec![0u8; room * K];
        let mut values = vec![0u8; room * value_len];
        let (mut next, mut position) = (0u64, 0u64);
        let mut is_first = true;
        loop {
            let mut batch = Batch {
                in_batch: if is_first {
                    0
                } else {
                    (&raw const position) as u64
                },
                out_batch: (&raw mut next) as u64,
                keys: keys.as_mut_ptr() as u64,
                values: values.as_mut_ptr() as u64,
                count: u32::try_from(room).unwrap_or(u32::MAX),
                map_fd: self.fd.as_raw_fd().cast_unsigned(),
                elem_flags: 0,
                flags: 0,
            };
            // SAFETY: all pointers are to buffers as long as `count` entries take, and live on.
            let result = unsafe { call(MAP_LOOKUP_BATCH, &raw mut batch) };
            let is_last = match result {
                Ok(()) => false,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                // One bucket alone holds more than there is room for.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) && room < 1 << 24 => {
                    room *= 2;
                    keys.resize(room * K, 0);
                    values.resize(room * value_len, 0);
                    continue;
                }
                Err(error) => return Err(self.failure(error)),
            };
            let count = (batch.count as usize).min(room);
            let entries = keys
                .as_chunks::<K>()
                .0
                .iter()
                .zip(values.chunks_exact(value_len));
            for (key, value) in entries.take(count) {
                let mut values = value
                    .chunks_exact(Self::STRIDE)
                    .filter_map(|value| value.first_chunk::<V>());
                take(key, &mut values);
            }
            if is_last {
                return Ok(());
            }
            position = next;
            is_first = false;
        }
    }

    /// The value of each CPU under a key; `None` if there is none.
    ///
    /// # Errors
    /// A runtime failure with what the kernel answered.
    pub(super) fn get(&self, key: &[u8; K]) -> Result<Option<Vec<[u8; V]>>, Failure> {
        self.read(MAP_LOOKUP_ELEM, key)
            .map_err(|error| self.failure(error))
    }

    /// The value of each CPU under a key, which is removed; `None` if there was none. Before Linux 5.14
    /// the two are not one, and what is added in between is lost.
    ///
    /// # Errors
    /// A runtime failure with what the kernel answered.
    pub(super) fn take(&self, key: &[u8; K]) -> Result<Option<Vec<[u8; V]>>, Failure> {
        match self.read(MAP_LOOKUP_AND_DELETE_ELEM, key) {
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EINVAL | libc::EOPNOTSUPP | ENOTSUPP)
                ) =>
            {
                let value = self.get(key)?;
                self.remove(key)?;
                Ok(value)
            }
            result => result.map_err(|error| self.failure(error)),
        }
    }

    fn read(&self, command: libc::c_long, key: &[u8; K]) -> io::Result<Option<Vec<[u8; V]>>> {
        let mut value = vec![0u8; self.value_len()];
        let mut element = self.element(key, value.as_mut_ptr() as u64, 0);
        // SAFETY: the pointers are to a key, and to room for the values of all CPUs.
        match unsafe { call(command, &raw mut element) } {
            Ok(()) => Ok(Some(
                value
                    .chunks_exact(Self::STRIDE)
                    .filter_map(|value| value.first_chunk::<V>().copied())
                    .collect(),
            )),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the value of every CPU under a key.
    ///
    /// # Errors
    /// A runtime failure with what the kernel answered.
    pub(super) fn set(&self, key: &[u8; K], value: &[u8; V]) -> Result<(), Failure> {
        self.update(key, value, ANY)
            .map_err(|error| self.failure(error))
    }

    /// Sets the value of every CPU under a key, unless there is one.
    ///
    /// # Errors
    /// A runtime failure with what the kernel answered.
    pub(super) fn ensure(&self, key: &[u8; K], value: &[u8; V]) -> Result<(), Failure> {
        match self.update(key, value, NOEXIST) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            other => other.map_err(|error| self.failure(error)),
        }
    }

    fn update(&self, key: &[u8; K], value: &[u8; V], flags: u64) -> io::Result<()> {
        let mut one = vec![0u8; Self::STRIDE];
        one[..V].copy_from_slice(value);
        let all = one.repeat(self.copies);
        let mut element = self.element(key, all.as_ptr() as u64, flags);
        // SAFETY: the pointers are to a key, and to the values of all CPUs.
        unsafe { call(MAP_UPDATE_ELEM, &raw mut element) }
    }

    /// Removes a key, if it is there.
    ///
    /// # Errors
    /// A runtime failure with what the kernel answered.
    pub(super) fn remove(&self, key: &[u8; K]) -> Result<(), Failure> {
        let mut element = self.element(key, 0, 0);
        // SAFETY: the pointer is to a key.
        match unsafe { call(MAP_DELETE_ELEM, &raw mut element) } {
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(self.failure(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn element(&self, key: &[u8; K], value: u64, flags: u64) -> Element {
        Element {
            map_fd: self.fd.as_raw_fd().cast_unsigned(),
            pad: 0,
            key: key.as_ptr() as u64,
            value,
            flags,
        }
    }

    fn value_len(&self) -> usize {
        Self::STRIDE * self.copies
    }

    fn failure(&self, error: io::Error) -> Failure {
        Failure::runtime(anyhow::Error::new(error).context(format!("map {}", self.name)))
    }
}

/// The kernel's own number for "not supported" (`include/linux/errno.h`).
const ENOTSUPP: i32 = 524;

fn data(map: &Map) -> &MapData {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuHashMap(data)
        | Map::PerCpuLruHashMap(data)
        | Map::RingBuf(data)
        | Map::Unsupported(data) => data,
        // The object has no other kinds; which it has is fixed when it is built.
        _ => unreachable!("a map of a kind that the object does not have"),
    }
}

/// `bpf(2)`.
///
/// # Safety
/// `attributes` must be those of the command, with pointers to memory as long as the map says.
unsafe fn call<T>(command: libc::c_long, attributes: *mut T) -> io::Result<()> {
    // SAFETY: by contract of the caller.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes,
            size_of::<T>() as libc::c_long,
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
