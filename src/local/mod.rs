//! IO. Real servers on this machine: start, stop, freeze, revive; for the demo, `local` and tests.
