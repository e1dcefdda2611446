//! The bpf(2) system call, for what aya has no function for.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Commands: `enum bpf_cmd` (`include/uapi/linux/bpf.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Command {
    /// `BPF_MAP_CREATE`.
    MapCreate = 0,
    /// `BPF_MAP_LOOKUP_ELEM`.
    MapLookUp = 1,
    /// `BPF_MAP_UPDATE_ELEM`.
    MapUpdate = 2,
    /// `BPF_MAP_DELETE_ELEM`.
    MapDelete = 3,
    /// `BPF_MAP_GET_NEXT_KEY`, which aya calls.
    MapNextKey = 4,
    /// `BPF_PROG_GET_NEXT_ID`; aya lists programs by this and the next one.
    ProgramNextId = 11,
    /// `BPF_PROG_GET_FD_BY_ID`.
    ProgramById = 13,
    /// `BPF_OBJ_GET_INFO_BY_FD`.
    ObjectInfo = 15,
    /// `BPF_PROG_QUERY`.
    ProgramQuery = 16,
    /// `BPF_RAW_TRACEPOINT_OPEN`, which attaches tracing programs too.
    RawTracepointOpen = 17,
    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`.
    MapLookUpAndDelete = 21,
    /// `BPF_MAP_LOOKUP_BATCH`.
    MapLookUpBatch = 24,
    /// `BPF_LINK_CREATE`.
    LinkCreate = 28,
    /// `BPF_LINK_UPDATE`.
    LinkUpdate = 29,
    /// `BPF_LINK_GET_FD_BY_ID`.
    LinkById = 30,
    /// `BPF_LINK_DETACH`.
    LinkDetach = 34,
}

impl Command {
    /// What a started agent calls: it reads and writes maps, attaches programs, and looks for those of others. It makes no map,
    /// loads no program and pins nothing.
    pub const AFTER_START: [Command; 13] = [
        Command::MapLookUp,
        Command::MapUpdate,
        Command::MapDelete,
        Command::MapNextKey,
        Command::ProgramNextId,
        Command::ProgramById,
        Command::ObjectInfo,
        Command::ProgramQuery,
        Command::RawTracepointOpen,
        Command::MapLookUpAndDelete,
        Command::MapLookUpBatch,
        Command::LinkCreate,
        Command::LinkDetach,
    ];
}

/// Calls bpf(2), and returns its result, which is not negative.
///
/// # Errors
/// The error number of the kernel.
///
/// # Safety
/// `attributes` must start `union bpf_attr` as the command takes it (the kernel takes the rest of it as 0), and every
/// pointer in it must be valid for as many bytes as the kernel reads or writes there.
pub unsafe fn call<T>(command: Command, attributes: &mut T) -> io::Result<i64> {
    // SAFETY: by contract of the caller.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_long,
            &raw mut *attributes,
            size_of::<T>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// As [`call`], of a command that returns a file descriptor.
///
/// # Errors
/// See [`call`].
///
/// # Safety
/// See [`call`]; and the command must be one that returns a descriptor.
pub unsafe fn call_for_fd<T>(command: Command, attributes: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: by contract of the caller.
    let result = unsafe { call(command, attributes)? };
    let fd = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: a descriptor that the kernel has just opened for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Bytes of a map's keys, and of its values: those of one CPU, where each has its own.
///
/// # Errors
/// The error number of the kernel: the descriptor is not that of a map.
pub fn sizes_of_map(map: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    /// The start of `struct bpf_map_info`.
    #[repr(C, align(8))]
    #[derive(Default)]
    struct MapInfo {
        map_type: u32,
        id: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
        map_flags: u32,
    }
    #[repr(C)]
    struct Attr {
        fd: u32,
        length: u32,
        info: u64,
    }
    let mut info = MapInfo::default();
    let mut attr = Attr {
        fd: map.as_raw_fd().cast_unsigned(),
        length: size_of::<MapInfo>() as u32,
        info: (&raw mut info).addr() as u64,
    };
    // SAFETY: the kernel reads the attributes, and writes at most `length` bytes of `info`, which outlives the call.
    unsafe { call(Command::ObjectInfo, &mut attr)? };
    Ok((info.key_size, info.value_size))
}

/// What `BPF_MAP_UPDATE_ELEM` does with an existing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Update {
    /// `BPF_ANY`: it replaces the value.
    Any = 0,
    /// `BPF_NOEXIST`: it fails.
    NoExist = 1,
    /// `BPF_EXIST`: it replaces the value, and a key that does not exist is an error.
    Exist = 2,
}

/// The part of `union bpf_attr` for one element of a map.
#[repr(C)]
struct Element {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl Element {
    fn new(map: BorrowedFd<'_>, key: &[u8], value: u64, flags: u64) -> Element {
        Element {
            map_fd: map.as_raw_fd().cast_unsigned(),
            padding: 0,
            key: key.as_ptr() as u64,
            value,
            flags,
        }
    }
}

/// Reads the value of a key into `value`, and removes it if `command` is [`Command::MapLookUpAndDelete`].
///
/// # Errors
/// `ENOENT` if there is no such key.
///
/// # Safety
/// `key` must have the key size of the map, and `value` its value size, for every possible CPU if it is a per-CPU map.
pub unsafe fn look_up(
    command: Command,
    map: BorrowedFd<'_>,
    key: &[u8],
    value: &mut [u8],
) -> io::Result<()> {
    let mut element = Element::new(map, key, value.as_mut_ptr() as u64, 0);
    // SAFETY: by contract of the caller.
    unsafe { call(command, &mut element) }.map(drop)
}

/// Sets the value of a key.
///
/// # Errors
/// `EEXIST` if there is one and `update` is [`Update::NoExist`]; `ENOENT` if there is none and it is [`Update::Exist`].
///
/// # Safety
/// See [`look_up`].
pub unsafe fn update(
    map: BorrowedFd<'_>,
    key: &[u8],
    value: &[u8],
    update: Update,
) -> io::Result<()> {
    let mut element = Element::new(map, key, value.as_ptr() as u64, update as u64);
    // SAFETY: by contract of the caller.
    unsafe { call(Command::MapUpdate, &mut element) }.map(drop)
}

/// Removes a key.
///
/// # Errors
/// `ENOENT` if there is no such key.
///
/// # Safety
/// `key` must have the key size of the map.
pub unsafe fn delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<()> {
    let mut element = Element::new(map, key, 0, 0);
    // SAFETY: by contract of the caller.
    unsafe { call(Command::MapDelete, &mut element) }.map(drop)
}
