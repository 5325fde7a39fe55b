//! Several calls of a Safe as one transaction, through `MultiSendCallOnly`: all of them happen, or none.
//!
//! Only that contract is used, never `MultiSend`, which would make delegate calls inside the batch. Source: its
//! `multiSend(bytes)`, the same from 1.3.0 to 1.5.0.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, sol};

use super::{Operation, SafeTransaction};

mod abi {
    #![allow(missing_docs, reason = "expanded by `sol!`")]

    use super::sol;

    sol! {
        function multiSend(bytes transactions) external payable;
    }
}

/// One call of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCall {
    /// The contract called.
    pub to: Address,
    /// Wei sent along.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
}

/// What is wrong with a batch that somebody else packed.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// Not a call of `multiSend(bytes)`.
    #[error("is not a call of `multiSend(bytes)`")]
    Selector,
    /// Bytes end within a call.
    #[error("the batch ends within call {index}")]
    Truncated {
        /// Which call, from 0.
        index: usize,
    },
    /// A delegate call, or no operation at all.
    #[error("call {index} of the batch has operation {seen}, only 0 (call) may stand there")]
    Operation {
        /// Which call, from 0.
        index: usize,
        /// What stands there.
        seen: u8,
    },
}

/// One transaction for `calls`: itself where it is one, else a delegate call of the deployed `multi_send_call_only`.
pub fn batched(calls: &[BatchCall], multi_send_call_only: Address, nonce: U256) -> SafeTransaction {
    if let [one] = calls {
        return SafeTransaction { value: one.value, ..SafeTransaction::call(one.to, one.data.clone(), nonce) };
    }
    let data = abi::multiSendCall { transactions: packed(calls) }.abi_encode().into();
    SafeTransaction { operation: Operation::DelegateCall, ..SafeTransaction::call(multi_send_call_only, data, nonce) }
}

fn packed(calls: &[BatchCall]) -> Bytes {
    let mut bytes = Vec::new();
    for call in calls {
        bytes.push(Operation::Call.code());
        bytes.extend_from_slice(call.to.as_slice());
        bytes.extend(call.value.to_be_bytes::<32>());
        bytes.extend(U256::from(call.data.len()).to_be_bytes::<32>());
        bytes.extend_from_slice(&call.data);
    }
    bytes.into()
}

/// Takes the calldata of `multiSend` apart, so that signers see every call of a batch.
///
/// # Errors
/// [`BatchError`]; a delegate call inside is one.
pub fn unpacked(calldata: &[u8]) -> Result<Vec<BatchCall>, BatchError> {
    let call = abi::multiSendCall::abi_decode(calldata).map_err(|_| BatchError::Selector)?;
    let mut rest: &[u8] = &call.transactions;
    let mut calls = Vec::new();
    while let Some((operation, after)) = rest.split_first() {
        let index = calls.len();
        if *operation != 0 {
            return Err(BatchError::Operation { index, seen: *operation });
        }
        let truncated = || BatchError::Truncated { index };
        let (to, after) = after.split_first_chunk::<20>().ok_or_else(truncated)?;
        let (value, after) = after.split_first_chunk::<32>().ok_or_else(truncated)?;
        let (length, after) = after.split_first_chunk::<32>().ok_or_else(truncated)?;
        let length = usize::try_from(U256::from_be_bytes(*length)).map_err(|_| truncated())?;
        let (data, after) = after.split_at_checked(length).ok_or_else(truncated)?;
        calls.push(BatchCall {
            to: Address::from(*to),
            value: U256::from_be_bytes(*value),
            data: Bytes::copy_from_slice(data),
        });
        rest = after;
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    fn calls() -> impl Strategy<Value = Vec<BatchCall>> {
        let call = (any::<[u8; 20]>(), any::<[u8; 32]>(), prop::collection::vec(any::<u8>(), 0..80)).prop_map(
            |(to, value, data)| BatchCall { to: to.into(), value: U256::from_be_bytes(value), data: data.into() },
        );
        prop::collection::vec(call, 0..5)
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_a_signer_is_shown(calls in calls()) {
            let data = abi::multiSendCall { transactions: packed(&calls) }.abi_encode();
            prop_assert_eq!(unpacked(&data).unwrap(), calls);
        }

        #[test]
        fn a_batch_that_ends_early_or_delegates_is_refused(calls in calls(), cut in 1..60_usize, operation in 1..=255_u8) {
            prop_assume!(!calls.is_empty());
            let whole = packed(&calls);
            let short = whole.slice(..whole.len() - cut.min(whole.len() - 1));
            let data = abi::multiSendCall { transactions: short.clone() }.abi_encode();
            let read = unpacked(&data);
            // A cut may fall between two calls; then fewer are read, never other ones.
            let is_prefix = read.as_ref().is_ok_and(|read| read.len() < calls.len() && calls.starts_with(read));
            prop_assert!(is_prefix || matches!(read, Err(BatchError::Truncated { .. })), "{read:?}");
            let mut delegating = whole.to_vec();
            delegating[0] = operation;
            let data = abi::multiSendCall { transactions: delegating.into() }.abi_encode();
            prop_assert_eq!(unpacked(&data).unwrap_err(), BatchError::Operation { index: 0, seen: operation });
        }
    }

    #[test]
    fn one_call_needs_no_batch() {
        let call = BatchCall { to: Address::with_last_byte(1), value: U256::from(2), data: vec![3].into() };
        let transaction = batched(&[call], Address::with_last_byte(9), U256::from(4));
        assert_eq!((transaction.operation, transaction.to), (Operation::Call, Address::with_last_byte(1)));
        assert_eq!(transaction.value, U256::from(2));
    }
}
