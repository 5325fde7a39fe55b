//! EIP-712 typed data as wallets want it: the argument of `eth_signTypedData_v4`.
//!
//! Numbers are decimal strings, so that a person reads on the wallet what stands in the file.

use std::borrow::Cow;

use alloy_sol_types::{Eip712Domain, SolStruct};
use serde_json::{Map, Value, json};

/// The typed data of a struct `T` whose fields are `message`.
pub(crate) fn typed_data<T: SolStruct>(domain: &Eip712Domain, message: &Value) -> Value {
    let root = T::eip712_root_type();
    let mut types = Map::new();
    let (domain_fields, domain_values) = domain_parts(domain);
    types.insert("EIP712Domain".to_owned(), domain_fields);
    for component in std::iter::once(root.clone()).chain(T::eip712_components()) {
        let (name, fields) = fields_of(&component);
        types.insert(name.to_owned(), fields);
    }
    let (primary, _) = fields_of(&root);
    json!({ "types": types, "primaryType": primary, "domain": domain_values, "message": message })
}

fn domain_parts(domain: &Eip712Domain) -> (Value, Value) {
    let given = [
        ("name", "string", domain.name.as_ref().map(|name: &Cow<'_, str>| json!(name))),
        ("version", "string", domain.version.as_ref().map(|version: &Cow<'_, str>| json!(version))),
        ("chainId", "uint256", domain.chain_id.map(|id| json!(id.to_string()))),
        ("verifyingContract", "address", domain.verifying_contract.map(|contract| json!(contract))),
        ("salt", "bytes32", domain.salt.map(|salt| json!(salt))),
    ];
    let mut fields = Vec::new();
    let mut values = Map::new();
    for (name, kind, value) in given {
        if let Some(value) = value {
            fields.push(json!({ "name": name, "type": kind }));
            values.insert(name.to_owned(), value);
        }
    }
    (Value::Array(fields), Value::Object(values))
}

/// Takes `Name(type field,type field)` apart.
fn fields_of(encoded: &str) -> (&str, Value) {
    let (name, rest) = encoded.split_once('(').unwrap_or((encoded, ""));
    let fields = rest.trim_end_matches(')').split(',').filter_map(|field| field.split_once(' '));
    (name, fields.map(|(kind, name)| json!({ "name": name, "type": kind })).collect())
}
