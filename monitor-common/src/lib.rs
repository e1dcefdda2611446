//! Wire formats and kernel/user contracts, shared by the eBPF programs, the agent and the tests.
#![no_std]
