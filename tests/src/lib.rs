//! What black-box tests need around the program.
