//! PURE. Roles of things on a screen → styles; themes are TOML files from themes/.
