//! State: prestate traces, access lists, the contents of a transaction pool.

use alloy_eips::eip7702::{Authorization as Unsigned, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, U256};
use cofferdam_types::{AccessListItem, AccountState, Authorization, PreAccount, PreState, Transaction};

use super::block::MinedTransaction;
use super::{Hex, Items, Pairs, Quantity, parse, wire_object};

wire_object! {
    /// One account of a prestate trace; what is absent is empty.
    TracedAccount, "an account object" {
        balance: Hex<U256> = "balance", optional;
        nonce: Quantity = "nonce", optional;
        code: Hex<Bytes> = "code", optional;
        storage: Pairs<Hex<U256>, Hex<U256>> = "storage", optional;
    }
}

wire_object! {
    /// The trace of one transaction of a block.
    TracedTransaction, "a trace object" {
        transaction: Hex<B256> = "txHash", optional;
        result: Pairs<Hex<Address>, TracedAccount> = "result", required;
    }
}

wire_object! {
    /// One entry of an access list.
    AccessEntry, "an access list entry" {
        address: Hex<Address> = "address", required;
        slots: Items<Hex<B256>> = "storageKeys", required;
    }
}

wire_object! {
    /// The answer of `eth_createAccessList`.
    AccessAnswer, "an access list answer" {
        list: Items<AccessEntry> = "accessList", required;
    }
}

wire_object! {
    /// The answer of `txpool_content`.
    PoolObject, "a pool object" {
        pending: Pairs<Hex<Address>, Pairs<serde::de::IgnoredAny, MinedTransaction>> = "pending", required;
        queued: Pairs<Hex<Address>, Pairs<serde::de::IgnoredAny, MinedTransaction>> = "queued", optional;
    }
}

/// The state that one traced execution read.
pub(crate) fn prestate(text: &str) -> Result<PreState, String> {
    let seen: Pairs<Hex<Address>, TracedAccount> = parse(text)?;
    Ok(PreState { accounts: accounts(seen) })
}

/// A transaction's hash, where the node names it, and what it read.
pub(crate) type Traced = (Option<B256>, PreState);

/// The prestate of each transaction of a block, in order.
pub(crate) fn block_prestates(text: &str) -> Result<Option<Vec<Traced>>, String> {
    let seen: Option<Items<TracedTransaction>> = parse(text)?;
    Ok(seen.map(|items| {
        let each = |traced: TracedTransaction| {
            (traced.transaction.map(|hash| hash.0), PreState { accounts: accounts(traced.result) })
        };
        items.0.into_iter().map(each).collect()
    }))
}

/// The entries of an access list that the node made for a call.
pub(crate) fn access_list(text: &str) -> Result<Vec<AccessListItem>, String> {
    parse::<AccessAnswer>(text).map(|seen| access_items(seen.list))
}

/// Executable and waiting transactions of a pool.
pub(crate) fn pool(text: &str) -> Result<(Vec<Transaction>, Vec<Transaction>), String> {
    let seen: PoolObject = parse(text)?;
    let flat = |senders: Pairs<Hex<Address>, Pairs<serde::de::IgnoredAny, MinedTransaction>>| {
        let all = senders.0.into_iter().flat_map(|(_, by_nonce)| by_nonce.0);
        all.map(|(_, mined)| mined.transaction).collect::<Vec<_>>()
    };
    Ok((flat(seen.pending), seen.queued.map(flat).unwrap_or_default()))
}

pub(crate) fn access_items(list: Items<AccessEntry>) -> Vec<AccessListItem> {
    let item = |entry: AccessEntry| AccessListItem {
        address: entry.address.0,
        slots: entry.slots.0.into_iter().map(|slot| slot.0).collect(),
    };
    list.0.into_iter().map(item).collect()
}

/// An authorization with its signer recovered from parity, `r` and `s`.
pub(crate) fn authorization(
    chain_id: U256,
    address: Address,
    nonce: u64,
    signature: (u8, U256, U256),
) -> Authorization {
    let (parity, r, s) = signature;
    let signed = SignedAuthorization::new_unchecked(Unsigned { chain_id, address, nonce }, parity, r, s);
    Authorization { chain_id, address, nonce, authority: signed.recover_authority().ok() }
}

/// Code as a node writes it: some dumps of anvil carry `0x00` for accounts that have none.
pub(crate) fn code_of(seen: Bytes) -> Bytes {
    if seen.as_ref() == [0] { Bytes::new() } else { seen }
}

fn accounts(seen: Pairs<Hex<Address>, TracedAccount>) -> Vec<PreAccount> {
    let account = |(address, traced): (Hex<Address>, TracedAccount)| {
        let state = AccountState {
            balance: traced.balance.map_or(U256::ZERO, |balance| balance.0),
            nonce: traced.nonce.map_or(0, |nonce| nonce.0),
            code: traced.code.map_or_else(Bytes::new, |code| code_of(code.0)),
        };
        PreAccount {
            address: address.0,
            state: exists(state),
            slots: traced.storage.unwrap_or_default().0.into_iter().map(|(slot, value)| (slot.0, value.0)).collect(),
        }
    };
    seen.0.into_iter().map(account).collect()
}

/// `None` for an empty account, which since EIP-161 is the same as one that does not exist.
pub(crate) fn exists(state: AccountState) -> Option<AccountState> {
    (state != AccountState::default()).then_some(state)
}
