//! Answers of nodes, parsed by our own strict structs.
//!
//! A library's consensus types reject what they do not know; these keep every transaction type of every chain. Parsing
//! borrows from the answer, decodes hex in place and skips what nobody reads (`logsBloom` above all).
//!
//! It must never panic on an answer, and never guess: a field that is wrong is an error that names the field, the
//! value seen and what was expected.

mod block;
pub(crate) mod object;
mod receipt;
mod scalar;
mod state;

pub(crate) use block::{Head, MinedTransaction, head, pending_transaction, whole_header, with_transactions};
pub(crate) use object::wire_object;
pub use receipt::MinedReceipt;
pub(crate) use receipt::{check_receipts, receipt, receipts};
pub(crate) use scalar::{Hex, HexValue, Items, Pairs, Quantity};
pub(crate) use state::{access_list, authorization, block_prestates, code_of, exists, pool, prestate};

use serde::Deserialize;

/// Parses a whole answer of one hex value.
pub(crate) fn hex<T: HexValue>(text: &str) -> Result<T, String> {
    parse::<Hex<T>>(text).map(|value| value.0)
}

/// Parses an answer, with the parser's complaint as text.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// How many kinds of answer `text` passes for. For fuzzing: whatever `text` is, this must return.
#[doc(hidden)]
pub fn kinds_that_accept(text: &str) -> usize {
    let accepted = [
        head(text).is_ok(),
        whole_header(text).is_ok(),
        with_transactions(text).is_ok(),
        pending_transaction(text).is_ok(),
        receipt(text).is_ok(),
        receipts(text).is_ok(),
        prestate(text).is_ok(),
        block_prestates(text).is_ok(),
        access_list(text).is_ok(),
        pool(text).is_ok(),
        hex::<alloy_primitives::U256>(text).is_ok(),
        hex::<alloy_primitives::Bytes>(text).is_ok(),
    ];
    accepted.into_iter().filter(|accepted| *accepted).count()
}

#[cfg(test)]
mod tests;
