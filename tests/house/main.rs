//! The house rules, so that nobody has to remember them.
