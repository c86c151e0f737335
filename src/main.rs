//! IO. Parse, load, choose, exit code.

fn main() {}
