//! PURE. Keys and the mouse, where no dialog and no prompt is open.

pub(crate) mod mouse;
pub(crate) mod press;
