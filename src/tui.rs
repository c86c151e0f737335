//! IO. The loop: input, observations and progress in; frames and effects out.
