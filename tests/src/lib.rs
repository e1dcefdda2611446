//! Shared helpers of the kernel and end-to-end tests.
