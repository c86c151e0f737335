//! PURE. Rules over the model: what does not hold (findings), and findings over time (alerts).
