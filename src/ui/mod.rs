//! PURE. Draws the app into a frame; changes nothing.
