//! Files of the Safe Transaction Builder: written for people who sign in its web page, read from people who drafted there.
//!
//! The checksum is the builder's own (`apps/tx-builder/src/lib/checksum.ts`): Keccak over keys in order and values, with the
//! batch's name left out. It finds accidents; it proves nothing about who wrote the file.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use serde_json::{Map, Value, json};

use super::batch::BatchCall;

/// The most bytes that a file may have: a batch does not fit a block long before.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The largest whole number that JavaScript keeps exactly.
const MOST_EXACT: u64 = 1 << 53;

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuilderFile {
    /// EIP-155 id of the chain it is meant for.
    pub chain_id: u64,
    /// When it was made, milliseconds since 1970.
    pub created_at: u64,
    /// Its name; no part of the checksum.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The Safe it was made for; absent in files of older builders.
    pub safe: Option<Address>,
    /// The calls, in order.
    pub calls: Vec<BatchCall>,
}

/// A file cannot be used.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuilderError {
    /// Larger than [`MOST_BYTES`].
    #[error("the file has {seen} bytes, at most {MOST_BYTES} are read")]
    Size {
        /// Its length.
        seen: usize,
    },
    /// Not JSON.
    #[error("is not JSON: {0}")]
    Json(String),
    /// A field that is missing or of another shape.
    #[error("`{field}` is {seen}, expected {expected}")]
    Field {
        /// Where.
        field: String,
        /// What stands there, shortened.
        seen: String,
        /// What may.
        expected: &'static str,
    },
    /// The calldata is described and not given: encoding it would be our word, not the file's.
    #[error("`transactions[{index}]` describes its call and has no `data`: export it again with the call encoded")]
    NoData {
        /// Which call, from 0.
        index: usize,
    },
    /// The contents were changed after the checksum was made.
    #[error("the checksum is {seen}, the contents give {expected}: the file was changed after it was made")]
    Checksum {
        /// What the file says.
        seen: String,
        /// What it should say.
        expected: B256,
    },
}

impl BuilderFile {
    /// The file, with its checksum.
    pub fn to_json(&self) -> Value {
        let call = |call: &BatchCall| json!({ "to": call.to, "value": call.value.to_string(), "data": call.data });
        let mut file = json!({
            "version": "1.0",
            "chainId": self.chain_id.to_string(),
            "createdAt": self.created_at,
            "meta": {
                "name": self.name,
                "description": self.description,
                "txBuilderVersion": "1.18.0",
                "createdFromSafeAddress": self.safe.map_or_else(String::new, |safe| safe.to_string()),
                "createdFromOwnerAddress": "",
            },
            "transactions": self.calls.iter().map(call).collect::<Vec<_>>(),
        });
        let checksum = checksum(&file);
        if let Some(meta) = file.get_mut("meta").and_then(Value::as_object_mut) {
            meta.insert("checksum".to_owned(), json!(checksum));
        }
        file
    }

    /// Reads a file. Its checksum must be right where it has one.
    ///
    /// # Errors
    /// [`BuilderError`] with the field, what was seen and what was expected.
    pub fn parse(bytes: &[u8]) -> Result<Self, BuilderError> {
        if bytes.len() > MOST_BYTES {
            return Err(BuilderError::Size { seen: bytes.len() });
        }
        let file: Value = serde_json::from_slice(bytes).map_err(|error| BuilderError::Json(error.to_string()))?;
        check_checksum(&file)?;
        let text = |path: &str| file.pointer(path).and_then(Value::as_str);
        let chain_id = text("/chainId").and_then(digits).and_then(|id| id.parse().ok());
        let chain_id = chain_id.ok_or_else(|| wrong("chainId", file.get("chainId"), "the chain's id in quotes"))?;
        let created_at = match file.get("createdAt") {
            None => 0,
            Some(at) => at
                .as_u64()
                .filter(|at| *at <= MOST_EXACT)
                .ok_or_else(|| wrong("createdAt", Some(at), "milliseconds since 1970"))?,
        };
        let safe = match text("/meta/createdFromSafeAddress").filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                wrong("meta.createdFromSafeAddress", Some(&json!(text)), "an address, `0x` and 40 hex digits")
            })?),
        };
        let Some(Value::Array(entries)) = file.get("transactions") else {
            return Err(wrong("transactions", file.get("transactions"), "a list of calls"));
        };
        let calls =
            entries.iter().enumerate().map(|(index, entry)| read_call(index, entry)).collect::<Result<_, _>>()?;
        let owned = |path| text(path).unwrap_or_default().to_owned();
        let (name, description) = (owned("/meta/name"), owned("/meta/description"));
        Ok(Self { chain_id, created_at, name, description, safe, calls })
    }
}

fn read_call(index: usize, entry: &Value) -> Result<BatchCall, BuilderError> {
    let at = |field: &str| format!("transactions[{index}].{field}");
    let text = |field: &str| entry.get(field).and_then(Value::as_str);
    let to = text("to").and_then(|to| to.parse().ok());
    let to = to.ok_or_else(|| wrong(at("to"), entry.get("to"), "an address, `0x` and 40 hex digits"))?;
    let value = text("value").and_then(digits).and_then(|value| U256::from_str_radix(value, 10).ok());
    let value = value.ok_or_else(|| wrong(at("value"), entry.get("value"), "wei as decimal digits in quotes"))?;
    let data = match entry.get("data") {
        None | Some(Value::Null) if entry.get("contractMethod").is_some_and(|method| !method.is_null()) => {
            return Err(BuilderError::NoData { index });
        }
        None | Some(Value::Null) => Bytes::new(),
        Some(data) => data
            .as_str()
            .filter(|text| text.starts_with("0x"))
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| wrong(at("data"), Some(data), "`0x` and an even number of hex digits"))?,
    };
    Ok(BatchCall { to, value, data })
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn wrong(field: impl Into<String>, seen: Option<&Value>, expected: &'static str) -> BuilderError {
    let seen = seen.map_or_else(|| "missing".to_owned(), |seen| format!("`{}`", shortened(&seen.to_string())));
    BuilderError::Field { field: field.into(), seen, expected }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The builder removes the checksum before it makes it again.
fn check_checksum(file: &Value) -> Result<(), BuilderError> {
    let Some(seen) = file.pointer("/meta/checksum") else { return Ok(()) };
    let mut bare = file.clone();
    if let Some(meta) = bare.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("checksum");
    }
    let expected = checksum(&bare);
    match seen.as_str().and_then(|seen| seen.parse::<B256>().ok()) {
        Some(seen) if seen == expected => Ok(()),
        _ => Err(BuilderError::Checksum { seen: shortened(&seen.to_string()), expected }),
    }
}

/// The builder's checksum of a file as it stands, less the batch's name.
fn checksum(file: &Value) -> B256 {
    let mut file = file.clone();
    if let Some(meta) = file.get_mut("meta").and_then(Value::as_object_mut) {
        meta.insert("name".to_owned(), Value::Null);
    }
    let mut text = String::new();
    serialise(&file, &mut text);
    keccak256(text)
}

/// `{["a","b"]a,b,}` for an object, `[a,b]` for a list, JSON for all else.
fn serialise(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => serialise_object(object, text),
        Value::Array(entries) => {
            text.push('[');
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                serialise(entry, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
    }
}

fn serialise_object(object: &Map<String, Value>, text: &mut String) {
    let mut entries: Vec<(&String, &Value)> = object.iter().collect();
    // JavaScript sorts by UTF-16 units.
    entries.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
    let keys: Vec<&String> = entries.iter().map(|(key, _)| *key).collect();
    text.push('{');
    text.push_str(&json!(keys).to_string());
    for (_, value) in entries {
        serialise(value, text);
        text.push(',');
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use alloy_primitives::b256;
    use proptest::prelude::*;

    use super::*;

    /// The object of the builder's own test.
    fn upstream() -> Value {
        let to = "0x49d4450977E2c95362C13D3a31a09311E0Ea26A6";
        let method = |name: &str, input: &str, kind: &str| {
            let inputs = json!([{ "internalType": kind, "name": input, "type": kind }]);
            json!({ "inputs": inputs, "name": name, "payable": false })
        };
        json!({
            "version": "1.0",
            "chainId": "4",
            "createdAt": 1_646_321_521_061_u64,
            "meta": {
                "name": "test batch file",
                "txBuilderVersion": "1.4.0",
                "checksum": "",
                "createdFromSafeAddress": "0xDF8a1Ce35c9a6ACE153B4e0767942f1E2291a1Aa",
                "createdFromOwnerAddress": to,
            },
            "transactions": [
                { "to": to, "value": "0", "contractMethod": method("testAddress", "paramAddress", "address"),
                  "contractInputsValues": { "paramAddress": to } },
                { "to": to, "value": "0", "contractMethod": method("testBool", "paramBool", "bool"),
                  "contractInputsValues": { "paramAddress": "", "paramBool": "false" } },
                { "to": to, "value": "2000000000000000000",
                  "data": "0x42f4579000000000000000000000000049d4450977e2c95362c13d3a31a09311e0ea26a6" },
            ],
        })
    }

    #[test]
    fn the_checksum_is_the_builders() {
        let golden = b256!("4ecbfd364aa6759983915644e73f8bd411e85a2dc306f252a387c2728c4db64c");
        assert_eq!(checksum(&upstream()), golden);
        let mut without = upstream();
        without["meta"].as_object_mut().unwrap().remove("checksum");
        let golden = b256!("86c81826dbf7e8a37612153294cc85fdf5c81998dd0a44b86d945502a7eace7c");
        assert_eq!(checksum(&without), golden);
    }

    fn file() -> impl Strategy<Value = BuilderFile> {
        let call = (any::<[u8; 20]>(), any::<[u8; 32]>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(
            |(to, value, data)| BatchCall { to: to.into(), value: U256::from_be_bytes(value), data: data.into() },
        );
        let calls = prop::collection::vec(call, 0..4);
        (any::<u64>(), 0..MOST_EXACT, any::<String>(), any::<String>(), any::<Option<[u8; 20]>>(), calls).prop_map(
            |(chain_id, created_at, name, description, safe, calls)| BuilderFile {
                chain_id,
                created_at,
                name,
                description,
                safe: safe.map(Address::from),
                calls,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_may_be_renamed(file in file(), name in any::<String>()) {
            let mut json = file.to_json();
            prop_assert_eq!(BuilderFile::parse(json.to_string().as_bytes()).unwrap(), file.clone());
            json["meta"]["name"] = json!(name);
            let renamed = BuilderFile::parse(json.to_string().as_bytes()).unwrap();
            prop_assert_eq!(renamed.calls, file.calls);
        }

        #[test]
        fn a_changed_file_is_refused(file in file(), value in any::<u64>()) {
            let mut json = file.to_json();
            prop_assume!(json["chainId"] != json!(value.to_string()));
            json["chainId"] = json!(value.to_string());
            let error = BuilderFile::parse(json.to_string().as_bytes()).unwrap_err();
            let is_checksum = matches!(error, BuilderError::Checksum { .. });
            prop_assert!(is_checksum);
        }
    }

    #[test]
    fn every_mistake_names_its_field() {
        let with = |pointer: &str, value: Value| {
            let mut file = upstream();
            file["meta"].as_object_mut().unwrap().remove("checksum");
            file["transactions"] =
                json!([{ "to": "0x49d4450977E2c95362C13D3a31a09311E0Ea26A6", "value": "1", "data": "0x" }]);
            *file.pointer_mut(pointer).unwrap() = value;
            BuilderFile::parse(file.to_string().as_bytes()).unwrap_err().to_string()
        };
        for (pointer, value, part) in [
            ("/chainId", json!(4), "`chainId` is `4`"),
            ("/chainId", json!("0x4"), "`chainId`"),
            ("/createdAt", json!(-1), "`createdAt`"),
            ("/createdAt", json!(1_u64 << 60), "`createdAt`"),
            ("/meta/createdFromSafeAddress", json!("0x12"), "`meta.createdFromSafeAddress`"),
            ("/transactions", json!({}), "`transactions`"),
            ("/transactions/0/to", json!(null), "`transactions[0].to`"),
            ("/transactions/0/value", json!("-1"), "`transactions[0].value`"),
            ("/transactions/0/value", json!("9".repeat(80)), "`transactions[0].value`"),
            ("/transactions/0/data", json!("0x1"), "`transactions[0].data`"),
            ("/transactions/0/data", json!("zz"), "`transactions[0].data`"),
        ] {
            let error = with(pointer, value);
            assert!(error.contains(part), "{pointer}: {error}");
        }
        let described = upstream().to_string().replace("\"checksum\":\"\",", "");
        assert_eq!(BuilderFile::parse(described.as_bytes()).unwrap_err(), BuilderError::NoData { index: 0 });
        assert!(matches!(BuilderFile::parse(b"{"), Err(BuilderError::Json(_))));
        assert!(matches!(BuilderFile::parse(&vec![b' '; MOST_BYTES + 1]), Err(BuilderError::Size { .. })));
    }
}
