//! A map of the kernel as a typed table: a hash map, read in bulk, or an array.
//!
//! One system call returns thousands of entries (`BPF_MAP_LOOKUP_BATCH`, Linux 5.6). With one call for the next key and
//! one for its value a scrape of many networks would be slow.

use std::hash::Hash;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, anyhow};
use aya::Ebpf;
use aya::maps::{Map, MapData};
use monitor_common::count::Total;
use monitor_common::shared::Shared;
use smallvec::{SmallVec, smallvec};

use super::bpf::{self, Command, Update};
use crate::base::failure::Failure;
use crate::base::hash::HashMap;

/// A map of the loaded object.
///
/// # Errors
/// A kernel failure if the object has no map of this name.
pub(super) fn map<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a Map, Failure> {
    ebpf.map(name)
        .ok_or_else(|| Failure::kernel(anyhow!("the eBPF object has no map {name}: rebuild it")))
}

/// Entries that the first batch asks for.
const BATCH: usize = 1024;
/// Entries that a batch asks for at most, however many one bucket of the kernel's hash holds.
const BATCH_MAX: usize = 1 << 24;

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

/// A key, or the values of a key. Most are small: three calls for each new flow take no memory of the heap.
type Bytes = SmallVec<[u8; 64]>;

/// A hash map or an array with keys `K` and values `V`.
pub(super) struct Table<K, V> {
    fd: OwnedFd,
    /// Values of each key: 1, or one for each possible CPU.
    copies: usize,
    name: &'static str,
    /// How many rows there were when all were read last.
    rows: AtomicUsize,
    kinds: PhantomData<fn() -> (K, V)>,
}

impl<K: Shared, V: Shared> Table<K, V> {
    /// The map of this name, which has each value once for each of `cpus`; 1 if the CPUs share it.
    ///
    /// # Errors
    /// A kernel failure, if the descriptor cannot be duplicated.
    pub(super) fn new(map: &Map, name: &'static str, cpus: usize) -> Result<Table<K, V>, Failure> {
        let fd = data(map)
            .fd()
            .as_fd()
            .try_clone_to_owned()
            .with_context(|| format!("map {name}"))
            .map_err(Failure::kernel)?;
        Ok(Table {
            fd,
            copies: cpus,
            name,
            rows: AtomicUsize::new(0),
            kinds: PhantomData,
        })
    }

    /// The map of this descriptor, which another process made, as [`Table::new`].
    ///
    /// # Errors
    /// A runtime failure, if its keys and values have other sizes.
    pub(super) fn of_another(
        fd: OwnedFd,
        name: &'static str,
        cpus: usize,
    ) -> Result<Table<K, V>, Failure> {
        let (key, value) = bpf::sizes_of_map(fd.as_fd())
            .with_context(|| format!("map {name}"))
            .map_err(Failure::runtime)?;
        if (key as usize, value as usize) != (K::SIZE, V::SIZE) {
            return Err(Failure::runtime(anyhow!(
                "map {name} has keys of {key} and values of {value} bytes, not {} and {}",
                K::SIZE,
                V::SIZE
            )));
        }
        Ok(Table {
            fd,
            copies: cpus,
            name,
            rows: AtomicUsize::new(0),
            kinds: PhantomData,
        })
    }

    /// The map's descriptor, with its name.
    pub(super) fn descriptor(&self) -> (&'static str, BorrowedFd<'_>) {
        (self.name, self.fd.as_fd())
    }

    /// Passes every entry to `take`: its key, and the value of each CPU.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(K, &mut dyn Iterator<Item = V>),
    ) -> Result<(), Failure> {
        let value_len = self.value_len();
        let mut room = BATCH;
        let mut keys = vec![0u8; room * K::SIZE];
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
            // SAFETY: all pointers are to buffers with room for `count` entries, which live on.
            let result = unsafe { bpf::call(Command::MapLookUpBatch, &mut batch) };
            let is_last = match result {
                Ok(_) => false,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                // One bucket alone holds more than there is room for.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) && room < BATCH_MAX => {
                    room *= 2;
                    keys.resize(room * K::SIZE, 0);
                    values.resize(room * value_len, 0);
                    continue;
                }
                Err(error) => return Err(self.failure(error)),
            };
            let count = (batch.count as usize).min(room);
            let entries = keys
                .chunks_exact(K::SIZE)
                .zip(values.chunks_exact(value_len));
            for (key, value) in entries.take(count) {
                if let Some((key, _)) = K::take(key) {
                    take(key, &mut each_cpu(value));
                }
            }
            if is_last {
                return Ok(());
            }
            position = next;
            is_first = false;
        }
    }

    /// The value of each CPU under a key; `None` if there is no such key.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn get(&self, key: K) -> Result<Option<Vec<V>>, Failure> {
        let value = self.look_up(key)?;
        Ok(value.map(|value| each_cpu(&value).collect()))
    }

    /// The value under a key that the CPUs share; `None` if there is no such key.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn get_one(&self, key: K) -> Result<Option<V>, Failure> {
        Ok(self.look_up(key)?.and_then(|value| first(&value)))
    }

    /// Removes a key, and returns the value of each CPU; `None` if there was no such key. Before Linux 5.14 these are two
    /// steps, and what is added between them is lost.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn take(&self, key: K) -> Result<Option<Vec<V>>, Failure> {
        let value = self.look_up_and_delete(key)?;
        Ok(value.map(|value| each_cpu(&value).collect()))
    }

    /// As [`Table::take`], of a value that the CPUs share.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn take_one(&self, key: K) -> Result<Option<V>, Failure> {
        let value = self.look_up_and_delete(key)?;
        Ok(value.and_then(|value| first(&value)))
    }

    fn look_up_and_delete(&self, key: K) -> Result<Option<Bytes>, Failure> {
        match self.read(Command::MapLookUpAndDelete, key) {
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EINVAL | libc::EOPNOTSUPP | ENOTSUPP)
                ) =>
            {
                let value = self.look_up(key)?;
                self.remove(key)?;
                Ok(value)
            }
            result => result.map_err(|error| self.failure(error)),
        }
    }

    fn look_up(&self, key: K) -> Result<Option<Bytes>, Failure> {
        self.read(Command::MapLookUp, key)
            .map_err(|error| self.failure(error))
    }

    fn read(&self, command: Command, key: K) -> io::Result<Option<Bytes>> {
        let mut value = smallvec![0; self.value_len()];
        // SAFETY: the key has the size of the map's, and there is room for the values of all CPUs.
        let result = unsafe { bpf::look_up(command, self.fd.as_fd(), &bytes(key), &mut value) };
        match result {
            Ok(()) => Ok(Some(value)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the value of every CPU under a key.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn set(&self, key: K, value: V) -> Result<(), Failure> {
        self.update(key, value, Update::Any)
            .map_err(|error| self.failure(error))
    }

    /// Sets the value of every CPU under a key, unless the key exists.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn ensure(&self, key: K, value: V) -> Result<(), Failure> {
        self.insert(key, value).map(drop)
    }

    /// As [`Table::ensure`]. Returns whether the key is new.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn insert(&self, key: K, value: V) -> Result<bool, Failure> {
        match self.update(key, value, Update::NoExist) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Sets the value of every CPU under a key, if the key exists.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn replace(&self, key: K, value: V) -> Result<(), Failure> {
        match self.update(key, value, Update::Exist) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            other => other.map_err(|error| self.failure(error)),
        }
    }

    fn update(&self, key: K, value: V, update: Update) -> io::Result<()> {
        let mut all: Bytes = smallvec![0; self.value_len()];
        for one in all.chunks_exact_mut(stride::<V>()) {
            value.put(one);
        }
        // SAFETY: the key has the size of the map's, and the values are those of all CPUs.
        unsafe { bpf::update(self.fd.as_fd(), &bytes(key), &all, update) }
    }

    /// Removes a key. Returns whether it was there.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn remove(&self, key: K) -> Result<bool, Failure> {
        // SAFETY: the key has the size of the map's.
        match unsafe { bpf::delete(self.fd.as_fd(), &bytes(key)) } {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Bytes of the values of all CPUs.
    fn value_len(&self) -> usize {
        stride::<V>() * self.copies
    }

    fn failure(&self, error: io::Error) -> Failure {
        Failure::runtime(anyhow::Error::new(error).context(format!("map {}", self.name)))
    }
}

impl<K: Shared + Eq + Hash, V: Shared> Table<K, V> {
    /// Every row of a map whose values the CPUs share.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn all(&self) -> Result<HashMap<K, V>, Failure> {
        let mut all = HashMap::default();
        self.each(|key, values| {
            if let Some(value) = values.next() {
                all.insert(key, value);
            }
        })?;
        Ok(all)
    }
}

impl<K: Shared + Eq + Hash, V: Shared + Total> Table<K, V> {
    /// Every row, the values of all CPUs added up.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error.
    pub(super) fn totals(&self) -> Result<HashMap<K, V>, Failure> {
        let mut all = HashMap::default();
        // A table that grows is copied again and again.
        all.reserve(self.rows.load(Ordering::Relaxed));
        self.each(|key, values| {
            all.insert(key, total(values));
        })?;
        self.rows.store(all.len(), Ordering::Relaxed);
        Ok(all)
    }
}

/// The values of all CPUs, added up.
pub(super) fn total<V: Total>(values: impl Iterator<Item = V>) -> V {
    let mut total = V::default();
    values.for_each(|value| total.add(value));
    total
}

/// Distance of two CPUs' values in bytes: the kernel rounds their size up.
const fn stride<V: Shared>() -> usize {
    V::SIZE.next_multiple_of(8)
}

/// The values of all CPUs.
fn each_cpu<V: Shared>(values: &[u8]) -> impl Iterator<Item = V> {
    values
        .chunks_exact(stride::<V>())
        .filter_map(|value| V::take(value).map(|(value, _)| value))
}

/// The value of the first CPU, or that which all share.
fn first<V: Shared>(values: &[u8]) -> Option<V> {
    each_cpu(values).next()
}

fn bytes<K: Shared>(key: K) -> Bytes {
    let mut out = smallvec![0; K::SIZE];
    key.put(&mut out);
    out
}

/// The kernel's own number for "not supported" (`include/linux/errno.h`).
const ENOTSUPP: i32 = 524;

/// The map without its kind.
pub(super) fn data(map: &Map) -> &MapData {
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
