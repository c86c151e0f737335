//! PURE. One TOML file, checked as a whole.
