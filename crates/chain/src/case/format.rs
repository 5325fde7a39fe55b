//! The document of a case: reading and writing `cofferdam-case/1`.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use cofferdam_types::{AccessListItem, AccountState, Authorization, Transaction};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value, json};

use super::{Case, CaseAccount, Env};
use crate::wire::{self, Hex, Items, Pairs, Quantity, wire_object};

wire_object! {
    /// The whole document.
    Document, "a case object" {
        name: String = "name", required;
        chain_id: Quantity = "chain_id", required;
        spec: String = "spec", required;
        env: EnvObject = "env", required;
        block_hashes: Pairs<Number, Hex<B256>> = "block_hashes", optional;
        pre: Pairs<Hex<Address>, AccountObject> = "pre", required;
        transactions: Items<TransactionObject> = "txs", required;
        expected_gas_used: Quantity = "expected_gas_used", optional;
    }
}

wire_object! {
    /// `env`.
    EnvObject, "an env object" {
        number: Quantity = "number", required;
        coinbase: Hex<Address> = "coinbase", required;
        timestamp: Quantity = "timestamp", required;
        gas_limit: Quantity = "gas_limit", required;
        basefee: Quantity = "basefee", optional;
        difficulty: Hex<U256> = "difficulty", optional;
        prevrandao: Hex<B256> = "prevrandao", optional;
        excess_blob_gas: Quantity = "excess_blob_gas", optional;
        beacon_root: Hex<B256> = "beacon_root", optional;
        parent_hash_sys: Hex<B256> = "parent_hash_sys", optional;
        bfraction: Quantity = "bfraction", optional;
    }
}

wire_object! {
    /// One account of `pre`.
    AccountObject, "an account object" {
        balance: Hex<U256> = "balance", required;
        nonce: Quantity = "nonce", required;
        code: Hex<Bytes> = "code", optional;
        storage: Pairs<Hex<U256>, Hex<U256>> = "storage", optional;
    }
}

wire_object! {
    /// One of `txs`.
    TransactionObject, "a transaction object" {
        hash: Hex<B256> = "hash", optional;
        kind: Quantity = "type", optional;
        from: Hex<Address> = "from", required;
        to: Hex<Address> = "to", optional;
        gas: Quantity = "gas", required;
        gas_price: Hex<u128> = "gas_price", optional;
        max_fee: Hex<u128> = "max_fee", optional;
        max_prio: Hex<u128> = "max_prio", optional;
        value: Hex<U256> = "value", required;
        input: Hex<Bytes> = "input", required;
        nonce: Quantity = "nonce", required;
        chain_id: Quantity = "chain_id", optional;
        access_list: Items<AccessObject> = "access_list", optional;
        blob_hashes: Items<Hex<B256>> = "blob_hashes", optional;
        max_blob_fee: Hex<u128> = "max_blob_fee", optional;
        auth_list: Items<AuthorizationObject> = "auth_list", optional;
    }
}

wire_object! {
    /// One entry of `access_list`.
    AccessObject, "an access list entry" {
        address: Hex<Address> = "address", required;
        slots: Items<Hex<U256>> = "storageKeys" | "storage_keys", required;
    }
}

wire_object! {
    /// One entry of `auth_list`: recovered, or with the signature to recover from.
    AuthorizationObject, "an authorization object" {
        chain_id: Hex<U256> = "chainId" | "chain_id", required;
        address: Hex<Address> = "address", required;
        nonce: Quantity = "nonce", required;
        authority: Hex<Address> = "authority", optional;
        y_parity: Quantity = "yParity" | "y_parity", optional;
        r: Hex<U256> = "r", optional;
        s: Hex<U256> = "s", optional;
    }
}

/// A decimal number as a key.
#[derive(Debug)]
pub(crate) struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format_args!("key {text:?}, expected a decimal block number"));
        text.parse().map(Self).map_err(|_| wrong())
    }
}

pub(super) fn parse(text: &[u8]) -> Result<Case, String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("not UTF-8: {error}"))?;
    let document: Document = wire::parse(text)?;
    let mut transactions = Vec::with_capacity(document.transactions.0.len());
    for (index, seen) in document.transactions.0.into_iter().enumerate() {
        let own = seen.hash.map_or_else(|| Case::synthetic_transaction(&document.name, index), |hash| hash.0);
        transactions.push(transaction(seen, own).map_err(|detail| format!("`txs`: item {index}: {detail}"))?);
    }
    let mut pre = BTreeMap::new();
    for (address, seen) in document.pre.0 {
        let state = AccountState {
            balance: seen.balance.0,
            nonce: seen.nonce.0,
            code: seen.code.map_or_else(Bytes::new, |code| wire::code_of(code.0)),
        };
        let storage = seen.storage.unwrap_or_default().0.into_iter().map(|(slot, value)| (slot.0, value.0)).collect();
        if pre.insert(address.0, CaseAccount { state, storage }).is_some() {
            return Err(format!("`pre`: account {} comes twice", address.0));
        }
    }
    let hashes = document.block_hashes.unwrap_or_default().0;
    Ok(Case {
        name: document.name,
        chain_id: document.chain_id.0,
        spec: document.spec,
        env: env(document.env),
        block_hashes: hashes.into_iter().map(|(number, hash)| (number.0, hash.0)).collect(),
        pre,
        transactions,
        expected_gas_used: document.expected_gas_used.map(|gas| gas.0),
    })
}

fn env(seen: EnvObject) -> Env {
    Env {
        number: seen.number.0,
        coinbase: seen.coinbase.0,
        timestamp: seen.timestamp.0,
        gas_limit: seen.gas_limit.0,
        basefee: seen.basefee.map_or(0, |fee| fee.0),
        difficulty: seen.difficulty.map_or(U256::ZERO, |difficulty| difficulty.0),
        prevrandao: seen.prevrandao.map(|hash| hash.0),
        excess_blob_gas: seen.excess_blob_gas.map(|gas| gas.0),
        beacon_root: seen.beacon_root.map(|root| root.0),
        parent_hash_sys: seen.parent_hash_sys.map(|hash| hash.0),
        bfraction: seen.bfraction.map(|fraction| fraction.0),
    }
}

fn transaction(seen: TransactionObject, hash: B256) -> Result<Transaction, String> {
    let kind = seen.kind.map_or(0, |kind| kind.0);
    let kind = u8::try_from(kind).map_err(|_| format!("`type`: {kind}, expected at most 255"))?;
    let missing = |field: &str| format!("`{field}` is missing in a transaction of type {kind}");
    let gas_price = seen.gas_price.map(|price| price.0);
    let (max_fee_per_gas, max_priority_fee_per_gas) = match kind {
        0 | 1 => (gas_price.ok_or_else(|| missing("gas_price"))?, None),
        2..=4 => {
            let max_fee = seen.max_fee.map(|fee| fee.0).ok_or_else(|| missing("max_fee"))?;
            (max_fee, Some(seen.max_prio.ok_or_else(|| missing("max_prio"))?.0))
        }
        _ => (seen.max_fee.map(|fee| fee.0).or(gas_price).unwrap_or(0), seen.max_prio.map(|fee| fee.0)),
    };
    let max_fee_per_blob_gas = match kind {
        3 => Some(seen.max_blob_fee.ok_or_else(|| missing("max_blob_fee"))?.0),
        _ => None,
    };
    let access = |item: AccessObject| AccessListItem {
        address: item.address.0,
        slots: item.slots.0.into_iter().map(|slot| B256::from(slot.0)).collect(),
    };
    let mut authorizations = Vec::new();
    for (index, item) in seen.auth_list.map_or_else(Vec::new, |list| list.0).into_iter().enumerate() {
        authorizations.push(authorization(item).map_err(|detail| format!("`auth_list`: item {index}: {detail}"))?);
    }
    Ok(Transaction {
        hash,
        kind,
        from: seen.from.0,
        to: seen.to.map(|to| to.0),
        nonce: seen.nonce.0,
        gas_limit: seen.gas.0,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        value: seen.value.0,
        input: seen.input.0,
        chain_id: seen.chain_id.map(|id| id.0),
        access_list: seen.access_list.map_or_else(Vec::new, |list| list.0.into_iter().map(access).collect()),
        blob_hashes: seen.blob_hashes.map_or_else(Vec::new, |list| list.0.into_iter().map(|hash| hash.0).collect()),
        max_fee_per_blob_gas,
        authorizations,
    })
}

fn authorization(seen: AuthorizationObject) -> Result<Authorization, String> {
    let (chain_id, address, nonce) = (seen.chain_id.0, seen.address.0, seen.nonce.0);
    if let Some(authority) = seen.authority {
        return Ok(Authorization { chain_id, address, nonce, authority: Some(authority.0) });
    }
    match (seen.y_parity, seen.r, seen.s) {
        (Some(parity), Some(r), Some(s)) => {
            let parity = u8::try_from(parity.0).map_err(|_| format!("`yParity`: {}, expected 0 or 1", parity.0))?;
            Ok(wire::authorization(chain_id, address, nonce, (parity, r.0, s.0)))
        }
        // An authorization whose signature did not recover: execution skips it.
        (None, None, None) => Ok(Authorization { chain_id, address, nonce, authority: None }),
        _ => Err("`yParity`, `r` and `s` must come together".to_owned()),
    }
}

fn hex(number: u64) -> Value {
    json!(format!("{number:#x}"))
}

fn wei(number: u128) -> Value {
    json!(format!("{number:#x}"))
}

pub(super) fn document(case: &Case) -> Value {
    let env = &case.env;
    let mut block = json!({
        "number": hex(env.number),
        "coinbase": env.coinbase,
        "timestamp": hex(env.timestamp),
        "gas_limit": hex(env.gas_limit),
        "basefee": hex(env.basefee),
        "difficulty": env.difficulty,
        "prevrandao": env.prevrandao,
        "excess_blob_gas": env.excess_blob_gas.map(hex),
        "beacon_root": env.beacon_root,
    });
    if let Some(parent) = env.parent_hash_sys {
        block["parent_hash_sys"] = json!(parent);
    }
    if let Some(fraction) = env.bfraction {
        block["bfraction"] = hex(fraction);
    }
    let hashes: Map<String, Value> =
        case.block_hashes.iter().map(|(number, hash)| (number.to_string(), json!(hash))).collect();
    let pre: Map<String, Value> =
        case.pre.iter().map(|(address, account)| (format!("{address:#x}"), account_value(account))).collect();
    let mut document = json!({
        "name": case.name,
        "chain_id": case.chain_id,
        "spec": case.spec,
        "env": block,
        "block_hashes": hashes,
        "pre": pre,
        "txs": case.transactions.iter().map(transaction_value).collect::<Vec<_>>(),
    });
    if let Some(gas) = case.expected_gas_used {
        document["expected_gas_used"] = hex(gas);
    }
    document
}

fn account_value(account: &CaseAccount) -> Value {
    let slot = |(slot, value): (&U256, &U256)| (format!("{slot:#x}"), json!(value));
    json!({
        "balance": account.state.balance,
        "nonce": account.state.nonce,
        "code": account.state.code,
        "storage": account.storage.iter().map(slot).collect::<Map<String, Value>>(),
    })
}

fn transaction_value(transaction: &Transaction) -> Value {
    let access = |item: &AccessListItem| json!({ "address": item.address, "storageKeys": item.slots });
    let signed = |item: &Authorization| {
        json!({
            "chainId": item.chain_id, "address": item.address, "nonce": hex(item.nonce), "authority": item.authority,
        })
    };
    let dynamic = transaction.max_priority_fee_per_gas.is_some();
    let max_fee = if dynamic { transaction.max_fee_per_gas } else { 0 };
    json!({
        "hash": transaction.hash,
        "type": hex(transaction.kind.into()),
        "from": transaction.from,
        "to": transaction.to,
        "gas": hex(transaction.gas_limit),
        "gas_price": wei(transaction.max_fee_per_gas),
        "max_fee": wei(max_fee),
        "max_prio": wei(transaction.max_priority_fee_per_gas.unwrap_or(0)),
        "value": transaction.value,
        "input": transaction.input,
        "nonce": hex(transaction.nonce),
        "chain_id": transaction.chain_id.map(hex),
        "access_list": transaction.access_list.iter().map(access).collect::<Vec<_>>(),
        "blob_hashes": transaction.blob_hashes,
        "max_blob_fee": wei(transaction.max_fee_per_blob_gas.unwrap_or(0)),
        "auth_list": transaction.authorizations.iter().map(signed).collect::<Vec<_>>(),
    })
}
