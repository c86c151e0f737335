//! PURE. What the operator looks at and does: `update(app, event, now)` gives the effects to carry out.
