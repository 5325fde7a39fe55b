//! Typed data (EIP-712) that somebody hands to a signer: parsed as hostile, hashed, and shown for what it is.
//!
//! A wallet shows names that the document gives itself; here the two hashes are shown that a hardware wallet shows, and a
//! Safe's transaction is read back into its calls, by code of our own, which must come to the same hash.

use alloy_dyn_abi::{DynSolValue, TypedData};
use alloy_primitives::{Address, B256, Bytes, U256};

use crate::safe::{Operation, Safe, SafeTransaction, SafeVersion};

/// The most bytes that a document may have.
pub const MOST_BYTES: usize = 1024 * 1024;

/// What the owners of a Safe sign, as every version from 1.0.0 on defines it.
const SAFE_TX: &str = "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,\
                       uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)";

/// A document cannot be used.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentError {
    /// Larger than [`MOST_BYTES`].
    #[error("the document has {seen} bytes, at most {MOST_BYTES} are read")]
    Size {
        /// Its length.
        seen: usize,
    },
    /// Not typed data.
    #[error("is not typed data as `eth_signTypedData_v4` takes it: {0}")]
    Shape(String),
    /// A Safe's transaction whose fields do not mean what the type says.
    #[error("the Safe transaction cannot be read: `{field}` is {seen}")]
    Safe {
        /// The field.
        field: &'static str,
        /// What stands there.
        seen: String,
    },
    /// Two ways of hashing the same thing disagree: nothing may be signed.
    #[error("the library hashes the document to {library}, our own reading of the Safe transaction to {ours}")]
    Disagree {
        /// By the library, from the document's own types.
        library: B256,
        /// By [`crate::safe`].
        ours: B256,
    },
}

/// A document and its hashes.
#[derive(Clone, Debug)]
pub struct Document {
    typed: TypedData,
    domain_hash: B256,
    message_hash: B256,
    hash: B256,
    safe: Option<(Safe, SafeTransaction)>,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// [`DocumentError`] says what it is not.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > MOST_BYTES {
            return Err(DocumentError::Size { seen: bytes.len() });
        }
        let shape = |error: &dyn std::fmt::Display| DocumentError::Shape(error.to_string());
        let typed: TypedData = serde_json::from_slice(bytes).map_err(|error| shape(&error))?;
        let hash = typed.eip712_signing_hash().map_err(|error| shape(&error))?;
        let message_hash = typed.hash_struct().map_err(|error| shape(&error))?;
        let domain_hash = typed.domain.separator();
        let safe = safe_of(&typed)?;
        if let Some((safe, transaction)) = &safe {
            let ours = safe.transaction_hash(transaction);
            if ours != hash {
                return Err(DocumentError::Disagree { library: hash, ours });
            }
        }
        Ok(Self { typed, domain_hash, message_hash, hash, safe })
    }

    /// The name that the document gives what is signed.
    pub fn primary_type(&self) -> &str {
        &self.typed.primary_type
    }

    /// EIP-155 id of the chain that the signature holds on; `None`: on every chain.
    pub fn chain_id(&self) -> Option<U256> {
        self.typed.domain.chain_id
    }

    /// The contract that checks it; `None` where the domain names none.
    pub const fn verifying_contract(&self) -> Option<Address> {
        self.typed.domain.verifying_contract
    }

    /// Name and version of the domain.
    pub fn domain_name(&self) -> (Option<&str>, Option<&str>) {
        (self.typed.domain.name.as_deref(), self.typed.domain.version.as_deref())
    }

    /// What is signed, field by field, as JSON.
    pub const fn message(&self) -> &serde_json::Value {
        &self.typed.message
    }

    /// The first hash that a hardware wallet shows.
    pub const fn domain_hash(&self) -> B256 {
        self.domain_hash
    }

    /// The second.
    pub const fn message_hash(&self) -> B256 {
        self.message_hash
    }

    /// What is signed.
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// The Safe and its transaction, where it is one.
    pub const fn safe(&self) -> Option<&(Safe, SafeTransaction)> {
        self.safe.as_ref()
    }
}

fn safe_of(typed: &TypedData) -> Result<Option<(Safe, SafeTransaction)>, DocumentError> {
    if typed.encode_type().ok().as_deref() != Some(SAFE_TX) {
        return Ok(None);
    }
    let Some(address) = typed.domain.verifying_contract else { return Ok(None) };
    let value = typed.coerce().map_err(|error| DocumentError::Shape(error.to_string()))?;
    let fields = value.as_custom_struct().map(|(_, _, fields)| fields).or_else(|| value.as_tuple());
    let mut fields = fields.ok_or_else(|| wrong("message", &value))?.iter();
    let mut next =
        |field: &'static str| fields.next().ok_or_else(|| DocumentError::Safe { field, seen: "missing".to_owned() });
    let transaction = SafeTransaction {
        to: account("to", next("to")?)?,
        value: number("value", next("value")?)?,
        data: bytes("data", next("data")?)?,
        operation: match number("operation", next("operation")?)? {
            zero if zero.is_zero() => Operation::Call,
            one if one == U256::ONE => Operation::DelegateCall,
            other => return Err(DocumentError::Safe { field: "operation", seen: other.to_string() }),
        },
        safe_tx_gas: number("safeTxGas", next("safeTxGas")?)?,
        base_gas: number("baseGas", next("baseGas")?)?,
        gas_price: number("gasPrice", next("gasPrice")?)?,
        gas_token: account("gasToken", next("gasToken")?)?,
        refund_receiver: account("refundReceiver", next("refundReceiver")?)?,
        nonce: number("nonce", next("nonce")?)?,
    };
    let chain_id = match typed.domain.chain_id {
        None => None,
        Some(id) => {
            Some(u64::try_from(id).map_err(|_| DocumentError::Safe { field: "domain.chainId", seen: id.to_string() })?)
        }
    };
    // The versions differ in whether the chain is signed, which the domain shows, and in nothing else that is hashed.
    let version = if chain_id.is_some() { SafeVersion::SIGNS_CHAIN } else { SafeVersion::SIGNS_NO_CHAIN };
    Ok(Some((Safe { chain_id: chain_id.unwrap_or_default(), address, version }, transaction)))
}

fn number(field: &'static str, value: &DynSolValue) -> Result<U256, DocumentError> {
    value.as_uint().map(|(number, _)| number).ok_or_else(|| wrong(field, value))
}

fn account(field: &'static str, value: &DynSolValue) -> Result<Address, DocumentError> {
    value.as_address().ok_or_else(|| wrong(field, value))
}

fn bytes(field: &'static str, value: &DynSolValue) -> Result<Bytes, DocumentError> {
    value.as_bytes().map(Bytes::copy_from_slice).ok_or_else(|| wrong(field, value))
}

fn wrong(field: &'static str, value: &DynSolValue) -> DocumentError {
    DocumentError::Safe { field, seen: format!("{value:?}").chars().take(80).collect() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn safe(version: &str) -> Safe {
        let version = SafeVersion::parse(version).unwrap();
        Safe { chain_id: 10, address: Address::with_last_byte(0x5a), version }
    }

    fn transaction() -> SafeTransaction {
        let call = SafeTransaction::call(Address::with_last_byte(7), vec![1, 2, 3].into(), U256::from(9));
        SafeTransaction { value: U256::MAX, operation: Operation::DelegateCall, ..call }
    }

    #[test]
    fn what_a_wallet_is_given_for_a_safe_reads_back_as_the_same_transaction() {
        for version in ["1.1.1", "1.3.0", "1.4.1", "1.5.0"] {
            let safe = safe(version);
            let text = safe.typed_data(&transaction()).to_string();
            let document = Document::parse(text.as_bytes()).unwrap();
            assert_eq!(document.hash(), safe.transaction_hash(&transaction()), "{version}");
            assert_eq!(document.domain_hash(), safe.domain_hash(), "{version}");
            assert_eq!(document.message_hash(), transaction().message_hash(), "{version}");
            assert_eq!(document.safe().unwrap().1, transaction(), "{version}");
        }
    }

    #[test]
    fn a_document_that_only_calls_itself_a_safe_transaction_is_not_shown_as_one() {
        let mut typed = safe("1.4.1").typed_data(&transaction());
        let fields = typed["types"]["SafeTx"].as_array_mut().unwrap();
        fields.push(json!({ "name": "extra", "type": "uint256" }));
        typed["message"]["extra"] = json!("1");
        let document = Document::parse(typed.to_string().as_bytes()).unwrap();
        assert!(document.safe().is_none() && document.primary_type() == "SafeTx");
    }

    #[test]
    fn an_operation_that_no_safe_knows_is_refused() {
        let mut typed = safe("1.4.1").typed_data(&transaction());
        typed["message"]["operation"] = json!(2);
        let error = Document::parse(typed.to_string().as_bytes()).unwrap_err();
        assert_eq!(error, DocumentError::Safe { field: "operation", seen: "2".to_owned() });
    }

    #[test]
    fn types_that_contain_themselves_and_what_is_no_document_are_refused() {
        let circle = json!({
            "types": { "EIP712Domain": [], "A": [{ "name": "b", "type": "B" }], "B": [{ "name": "a", "type": "A" }] },
            "primaryType": "A", "domain": {}, "message": {},
        });
        for text in [circle.to_string(), String::new(), "[]".to_owned(), "{}".to_owned(), "null".to_owned()] {
            assert!(matches!(Document::parse(text.as_bytes()), Err(DocumentError::Shape(_))), "{text}");
        }
        assert!(matches!(Document::parse(&vec![b' '; MOST_BYTES + 1]), Err(DocumentError::Size { .. })));
    }

    proptest! {
        #[test]
        fn no_change_of_a_document_makes_it_panic(at in 0..2_000_usize, byte in any::<u8>()) {
            let mut bytes = safe("1.4.1").typed_data(&transaction()).to_string().into_bytes();
            let place = at % bytes.len();
            bytes[place] = byte;
            let _ = Document::parse(&bytes);
        }
    }
}
