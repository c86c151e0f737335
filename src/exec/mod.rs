//! IO. plan → deeds: carries out a plan step by step, check → do → verify.
