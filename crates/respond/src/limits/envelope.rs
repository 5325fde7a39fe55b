//! Limits that people have signed: the terms as EIP-712 typed data, the signatures under them, and their revocation.
//!
//! The terms are `[envelope]` and every `[[allow]]` of the limits file; signatures stand below them in the same file and
//! are over what the terms *mean*, so that remarks and order of keys may change and a value may not. One signature of
//! one signer revokes an envelope at once, without a chain and without the others.
//!
//! **Invariant:** a signature that was not checked counts for nothing. Contracts among the signers are asked by whoever
//! has a chain; until they say yes they have not signed.

use alloy_primitives::{Address, B256, Bytes, FixedBytes, Signature, U256};
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct};
use cofferdam_types::ViewResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Allowance, maturity_name};
use crate::typed;

mod abi {
    #![allow(missing_docs, reason = "expanded by `sol!`; the fields are those of `[envelope]` and `[[allow]]`")]

    use alloy_sol_types::sol;

    sol! {
        #[derive(Debug, PartialEq, Eq)]
        struct Loss {
            address token;
            uint256 amount;
        }

        #[derive(Debug, PartialEq, Eq)]
        struct Allow {
            string lever;
            address target;
            bytes4 selector;
            string minLevel;
            string minMaturity;
            bool onlyBrokenInvariants;
            Loss[] minLoss;
            uint32 maxActions;
            uint64 windowSeconds;
            uint64 coolDownSeconds;
            uint64 maxDurationSeconds;
            uint64 expiresUnixSeconds;
            uint128 maxFeePerGasWei;
            uint128 maxTotalCostWei;
            uint128 priorityFloorWei;
            uint128 priorityBumpWei;
            bool actWhenUnproven;
        }

        #[derive(Debug, PartialEq, Eq)]
        struct Envelope {
            string protocol;
            uint64 serial;
            uint64 validFromUnixSeconds;
            Allow[] allow;
        }

        struct Revocation {
            bytes32 envelope;
        }

        function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4 magic);
    }
}

/// What makes limits an envelope, as it stands in the limits file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeHeader {
    /// Whose limits they are.
    pub protocol: String,
    /// EIP-155 id of the chain that they hold on; part of what is signed, so that they hold on no other.
    pub chain_id: u64,
    /// Counts up: a running watch does not go back to a lower one.
    pub serial: u64,
    /// Unix seconds before which nothing is allowed.
    #[serde(default)]
    pub valid_from_unix_seconds: u64,
}

/// A signature under the terms, or under their revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// Who.
    #[schemars(with = "String")]
    pub signer: Address,
    /// 65 bytes of a key, or whatever the contract `signer` takes.
    #[schemars(with = "String")]
    pub signature: Bytes,
    /// Whether `signer` is a contract, such as a Safe, that says by EIP-1271 whether it signed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contract: bool,
}

/// Whose signatures count, and how many of them are enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signers {
    /// Accounts of people and contracts.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub accounts: Vec<Address>,
    /// How many of them must sign an envelope. One is enough to revoke it.
    #[schemars(range(min = 1))]
    pub threshold: u32,
}

/// Signed terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    header: EnvelopeHeader,
    typed: abi::Envelope,
    signatures: Vec<Signed>,
    revoked: Option<Signed>,
}

/// Signatures that do not add up. Nothing is done on the strength of such an envelope.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Signed for another chain.
    #[error("the envelope is for chain {seen}, this is chain {expected}")]
    Chain {
        /// What it says.
        seen: u64,
        /// The chain that is guarded.
        expected: u64,
    },
    /// By somebody whose signature does not count.
    #[error("{signer} signed, who is not among the signers")]
    Stranger {
        /// Who.
        signer: Address,
    },
    /// The same signer twice.
    #[error("{signer} signed twice")]
    Twice {
        /// Who.
        signer: Address,
    },
    /// The signature is of somebody else, or over other terms.
    #[error("the signature of {signer} is not over these terms: they were edited, or it is of {recovered}")]
    Wrong {
        /// Whose it should be.
        signer: Address,
        /// Whose it would be.
        recovered: String,
    },
    /// Not enough.
    #[error("{have} of {need} signatures")]
    TooFew {
        /// Signatures that count.
        have: usize,
        /// How many are needed.
        need: u32,
    },
    /// Not an envelope at all.
    #[error("the limits are not signed: `[envelope]` is missing, and signers are configured")]
    Unsigned,
    /// A lower number than the one that holds.
    #[error("the envelope has the number {seen}, number {holds} holds already")]
    Older {
        /// What it says.
        seen: u64,
        /// What holds.
        holds: u64,
    },
    /// One of the signers revoked it.
    #[error("revoked by {signer}")]
    Revoked {
        /// Who.
        signer: Address,
    },
}

/// Who approved an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Signers whose signature counts by itself, in the order of the file.
    pub signed: Vec<Address>,
    /// Contracts that must say by themselves whether they signed.
    pub to_ask: Vec<Signed>,
    /// How many must have signed.
    pub threshold: u32,
}

impl Envelope {
    /// Puts the terms together.
    pub(super) fn new(
        header: EnvelopeHeader,
        allow: &[Allowance],
        signatures: Vec<Signed>,
        revoked: Option<Signed>,
    ) -> Self {
        let typed = abi::Envelope {
            protocol: header.protocol.clone(),
            serial: header.serial,
            validFromUnixSeconds: header.valid_from_unix_seconds,
            allow: allow.iter().map(typed_allowance).collect(),
        };
        Self { header, typed, signatures, revoked }
    }

    /// What the file says beside the allowances.
    pub const fn header(&self) -> &EnvelopeHeader {
        &self.header
    }

    /// Signatures below the terms, checked or not.
    pub fn signatures(&self) -> &[Signed] {
        &self.signatures
    }

    fn domain(&self) -> Eip712Domain {
        Eip712Domain {
            name: Some("Cofferdam envelope".into()),
            version: Some("1".into()),
            chain_id: Some(U256::from(self.header.chain_id)),
            ..Eip712Domain::default()
        }
    }

    /// What is signed.
    pub fn hash(&self) -> B256 {
        self.typed.eip712_signing_hash(&self.domain())
    }

    /// What one signer signs to revoke it.
    pub fn revocation_hash(&self) -> B256 {
        abi::Revocation { envelope: self.hash() }.eip712_signing_hash(&self.domain())
    }

    /// The terms for wallets.
    pub fn typed_data(&self) -> Value {
        let allow: Vec<Value> = self.typed.allow.iter().map(message_of).collect();
        let message = json!({
            "protocol": self.typed.protocol,
            "serial": self.typed.serial.to_string(),
            "validFromUnixSeconds": self.typed.validFromUnixSeconds.to_string(),
            "allow": allow,
        });
        typed::typed_data::<abi::Envelope>(&self.domain(), &message)
    }

    /// Their revocation for wallets.
    pub fn revocation_typed_data(&self) -> Value {
        typed::typed_data::<abi::Revocation>(&self.domain(), &json!({ "envelope": self.hash() }))
    }

    /// Whether enough of `signers` signed for `chain_id`, and none revoked it. Contracts among them are still to be asked.
    ///
    /// # Errors
    /// The first [`EnvelopeError`]. Extra signatures must be right as well: a file with a wrong one was tampered with.
    pub fn approval(&self, signers: &Signers, chain_id: u64) -> Result<Approval, EnvelopeError> {
        if self.header.chain_id != chain_id {
            return Err(EnvelopeError::Chain { seen: self.header.chain_id, expected: chain_id });
        }
        if let Some(signer) = self.revoked_by(signers) {
            return Err(EnvelopeError::Revoked { signer });
        }
        let mut approval = Approval { signed: Vec::new(), to_ask: Vec::new(), threshold: signers.threshold };
        for signature in &self.signatures {
            let signer = signature.signer;
            if !signers.accounts.contains(&signer) {
                return Err(EnvelopeError::Stranger { signer });
            }
            if approval.signed.contains(&signer) || approval.to_ask.iter().any(|other| other.signer == signer) {
                return Err(EnvelopeError::Twice { signer });
            }
            if signature.contract {
                approval.to_ask.push(signature.clone());
            } else {
                check(signature, self.hash())?;
                approval.signed.push(signer);
            }
        }
        let have = approval.signed.len().saturating_add(approval.to_ask.len());
        if u32::try_from(have).unwrap_or(u32::MAX) < signers.threshold {
            return Err(EnvelopeError::TooFew { have, need: signers.threshold });
        }
        Ok(approval)
    }

    /// The signer who ended it. A contract's word is taken unasked: erring on this side, nothing is done.
    pub fn revoked_by(&self, signers: &Signers) -> Option<Address> {
        let revocation = self.revoked.as_ref()?;
        let stands = revocation.contract || check(revocation, self.revocation_hash()).is_ok();
        (stands && signers.accounts.contains(&revocation.signer)).then_some(revocation.signer)
    }
}

/// Calldata of EIP-1271's question whether a contract signed `hash`.
pub fn ask_call(hash: B256, signature: &Bytes) -> Bytes {
    abi::isValidSignatureCall { hash, signature: signature.clone() }.abi_encode().into()
}

/// Whether an answer to it is yes: the magic value, and nothing else.
pub fn is_yes(answer: &ViewResult) -> bool {
    match answer {
        ViewResult::Returned(data) => {
            abi::isValidSignatureCall::abi_decode_returns(data).is_ok_and(|magic| magic == YES) && data.len() == 32
        }
        ViewResult::Failed(_) => false,
    }
}

/// EIP-1271's magic value.
const YES: FixedBytes<4> = FixedBytes(alloy_primitives::hex!("1626ba7e"));

fn check(signed: &Signed, hash: B256) -> Result<(), EnvelopeError> {
    let signer = signed.signer;
    // The library also takes a last byte that carries a chain's id, which no wallet makes of typed data.
    let usual = signed.signature.len() == 65 && matches!(signed.signature.last(), Some(0 | 1 | 27 | 28));
    let recovered = Signature::from_raw(&signed.signature)
        .ok()
        .filter(|_| usual)
        // The mirrored signature of the same key is nobody's: one signature, one form.
        .filter(|signature| signature.normalize_s().is_none())
        .and_then(|signature| signature.recover_address_from_prehash(&hash).ok());
    match recovered {
        Some(recovered) if recovered == signer => Ok(()),
        other => {
            let recovered = other.map_or_else(|| "no key".to_owned(), |account| account.to_string());
            Err(EnvelopeError::Wrong { signer, recovered })
        }
    }
}

fn typed_allowance(allowance: &Allowance) -> abi::Allow {
    abi::Allow {
        lever: allowance.lever.clone().unwrap_or_default(),
        target: allowance.target.unwrap_or_default(),
        selector: allowance.selector.unwrap_or_default(),
        minLevel: allowance.min_level.to_string(),
        minMaturity: maturity_name(allowance.min_maturity).to_owned(),
        onlyBrokenInvariants: allowance.only_broken_invariants,
        minLoss: allowance
            .min_loss
            .iter()
            .map(|loss| abi::Loss { token: loss.token.unwrap_or_default(), amount: U256::from(loss.amount.0) })
            .collect(),
        maxActions: allowance.max_actions,
        windowSeconds: allowance.window_seconds,
        coolDownSeconds: allowance.cool_down_seconds,
        maxDurationSeconds: allowance.max_duration_seconds.unwrap_or_default(),
        expiresUnixSeconds: allowance.expires_unix_seconds,
        maxFeePerGasWei: allowance.max_fee_per_gas_wei.0,
        maxTotalCostWei: allowance.max_total_cost_wei.0,
        priorityFloorWei: allowance.priority_floor_wei.0,
        priorityBumpWei: allowance.priority_bump_wei.0,
        actWhenUnproven: allowance.act_when_unproven,
    }
}

fn message_of(allow: &abi::Allow) -> Value {
    let losses: Vec<Value> =
        allow.minLoss.iter().map(|loss| json!({ "token": loss.token, "amount": loss.amount.to_string() })).collect();
    json!({
        "lever": allow.lever,
        "target": allow.target,
        "selector": allow.selector,
        "minLevel": allow.minLevel,
        "minMaturity": allow.minMaturity,
        "onlyBrokenInvariants": allow.onlyBrokenInvariants,
        "minLoss": losses,
        "maxActions": allow.maxActions.to_string(),
        "windowSeconds": allow.windowSeconds.to_string(),
        "coolDownSeconds": allow.coolDownSeconds.to_string(),
        "maxDurationSeconds": allow.maxDurationSeconds.to_string(),
        "expiresUnixSeconds": allow.expiresUnixSeconds.to_string(),
        "maxFeePerGasWei": allow.maxFeePerGasWei.to_string(),
        "maxTotalCostWei": allow.maxTotalCostWei.to_string(),
        "priorityFloorWei": allow.priorityFloorWei.to_string(),
        "priorityBumpWei": allow.priorityBumpWei.to_string(),
        "actWhenUnproven": allow.actWhenUnproven,
    })
}

#[cfg(test)]
mod tests;
