//! IO. Wires link, watch and exec into one open cluster; used by console and command line alike.
