//! IO. The terminal: taken, given back whatever happens, and its keys as events.
