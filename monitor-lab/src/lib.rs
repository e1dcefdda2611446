//! Hosts in network namespaces joined by VXLAN, plain or ESP, with real traffic.
