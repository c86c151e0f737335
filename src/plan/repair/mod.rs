//! PURE. Repairs of slots: which one a slot needs, and the plan that carries it out.

pub(crate) mod fix;
pub(crate) mod lookup;
pub(crate) mod meet;
