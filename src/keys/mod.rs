//! PURE. The one table of actions: chord, words, condition, danger; help, footer and README are derived from it.
