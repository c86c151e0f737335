//! IO. The demo's players: a steady stream of writes, and an honest account of what became of them.
