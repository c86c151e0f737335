//! IO. server → observation: pollers with jitter and back-off, one task a node.
