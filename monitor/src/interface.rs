//! Interfaces of this network namespace, by name.

use std::ffi::CString;
use std::fmt;

use anyhow::anyhow;

use crate::failure::Failure;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name when it was looked up.
    pub name: String,
    /// Its index, which a rename does not change.
    pub index: u32,
}

impl Interface {
    /// Looks a name up.
    ///
    /// # Errors
    /// A usage failure that lists the interfaces there are.
    pub fn by_name(name: &str) -> Result<Interface, Failure> {
        let index = CString::new(name).ok().map_or(0, |c_name| {
            // SAFETY: a valid C string, only read.
            unsafe { libc::if_nametoindex(c_name.as_ptr()) }
        });
        if index == 0 {
            return Err(Failure::usage(anyhow!(
                "no interface {name:?} here; there are: {}. Name one with -i",
                Names(&list())
            )));
        }
        Ok(Interface {
            name: name.to_owned(),
            index,
        })
    }
}

/// All interfaces of this network namespace. Empty if they cannot be listed.
#[must_use]
pub fn list() -> Vec<Interface> {
    let mut found = Vec::new();
    // SAFETY: returns an array that ends with index 0 and a null name, or null; it is freed below,
    // and not read after.
    unsafe {
        let all = libc::if_nameindex();
        if all.is_null() {
            return found;
        }
        let mut at = all;
        while (*at).if_index != 0 && !(*at).if_name.is_null() {
            let name = std::ffi::CStr::from_ptr((*at).if_name)
                .to_string_lossy()
                .into_owned();
            found.push(Interface {
                name,
                index: (*at).if_index,
            });
            at = at.add(1);
        }
        libc::if_freenameindex(all);
    }
    found
}

struct Names<'a>(&'a [Interface]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, interface) in self.0.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { "" } else { ", " }, interface.name)?;
        }
        Ok(())
    }
}
