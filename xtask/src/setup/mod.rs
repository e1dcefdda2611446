//! Finds what this machine has and installs what it lacks.

pub(crate) mod apt;
pub(crate) mod cargo_tool;
pub(crate) mod compiler;
pub(crate) mod docker;
pub(crate) mod linker;
pub(crate) mod os;
pub(crate) mod packages;
mod services;
pub(crate) mod unpack;
