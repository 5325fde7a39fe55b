//! The only home of private keys: where a guardian's key comes from, and signing with it.
//!
//! A key is never in the configuration, never logged and never leaves this module; files that others may read are
//! refused, because a key that leaked once seals the protocol for anyone who wants it sealed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use alloy_consensus::{SignableTransaction, TxEip1559, TxLegacy, transaction::RlpEcdsaEncodableTx};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::fees::Price;
use crate::keystore;

/// Where one guardian's key is: `keystore`, or `key_file_env`, or neither and only `address`, which is enough to try
/// things and never to send them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardianSettings {
    /// The name that levers use.
    pub name: String,
    /// The address that the key must have; a key of another address is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub address: Option<Address>,
    /// An Ethereum keystore file, version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keystore: Option<PathBuf>,
    /// The file with the keystore's password, readable by its owner alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The environment variable that holds the path of that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file_env: Option<String>,
    /// The environment variable that holds the path of a file with the bare key: 32 bytes in hex, readable by its
    /// owner alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file_env: Option<String>,
}

/// A guardian's key cannot be had. Names files and variables, never what is in them.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuardianError {
    /// None, or more than one, of the ways to give a key.
    #[error("guardian `{guardian}`: {reason}")]
    Settings {
        /// The guardian.
        guardian: String,
        /// What contradicts what.
        reason: &'static str,
    },
    /// The variable is not set.
    #[error("guardian `{guardian}`: environment variable `{variable}` is not set")]
    NotSet {
        /// The guardian.
        guardian: String,
        /// The variable.
        variable: String,
    },
    /// The file cannot be read.
    #[error("guardian `{guardian}`: `{}` cannot be read: {reason}", path.display())]
    Unreadable {
        /// The guardian.
        guardian: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Others may read the file.
    #[error("guardian `{guardian}`: `{}` has mode {mode:03o}, others must not read it (chmod 600)", path.display())]
    Exposed {
        /// The guardian.
        guardian: String,
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("guardian `{guardian}`: `{}` {reason}", path.display())]
    Malformed {
        /// The guardian.
        guardian: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is another one.
    #[error("guardian `{guardian}`: the key belongs to {seen}, the configuration says {expected}")]
    WrongAddress {
        /// The guardian.
        guardian: String,
        /// As configured.
        expected: Address,
        /// The key's.
        seen: Address,
    },
    /// The name was given twice.
    #[error("guardian `{guardian}` is configured twice")]
    Twice {
        /// The guardian.
        guardian: String,
    },
}

/// An account that may close things, and its key where there is one. The library wipes the key when it is dropped.
pub struct Guardian {
    name: String,
    address: Address,
    signer: Option<PrivateKeySigner>,
}

impl fmt::Debug for Guardian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guardian").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}

/// What is signed: a call without value.
#[derive(Clone, Debug)]
pub(crate) struct Unsigned {
    pub(crate) chain_id: u64,
    pub(crate) nonce: u64,
    pub(crate) gas_limit: u64,
    pub(crate) price: Price,
    pub(crate) to: Address,
    pub(crate) input: Bytes,
}

impl Guardian {
    /// Takes the key from where `settings` say it is. `env` looks up an environment variable.
    ///
    /// # Errors
    /// [`GuardianError`]: one clear reason, never the secret.
    pub fn open(settings: &GuardianSettings, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, GuardianError> {
        let source = Source { guardian: &settings.name, env };
        let signer = match (&settings.keystore, &settings.key_file_env) {
            (Some(path), None) => source.keystore(path, settings)?,
            (None, Some(variable)) => {
                if settings.password_file.is_some() || settings.password_file_env.is_some() {
                    return Err(source.contradiction("a password belongs to `keystore`, not to `key_file_env`"));
                }
                source.bare_key(variable)?
            }
            (None, None) => {
                let address = settings.address.ok_or_else(|| {
                    source.contradiction("give `keystore` or `key_file_env`, or `address` alone to send nothing")
                })?;
                return Ok(Self { name: settings.name.clone(), address, signer: None });
            }
            (Some(_), Some(_)) => return Err(source.contradiction("give `keystore` or `key_file_env`, not both")),
        };
        let seen = signer.address();
        if let Some(expected) = settings.address
            && expected != seen
        {
            return Err(GuardianError::WrongAddress { guardian: settings.name.clone(), expected, seen });
        }
        Ok(Self { name: settings.name.clone(), address: seen, signer: Some(signer) })
    }

    /// A guardian with a key that is already in memory: drills, whose keys are nobody's secret.
    /// `None` when `key` is not a key (zero, or not below the order of the curve).
    pub fn from_key(name: &str, key: &B256) -> Option<Self> {
        let signer = PrivateKeySigner::from_bytes(key).ok()?;
        Some(Self { name: name.to_owned(), address: signer.address(), signer: Some(signer) })
    }

    /// The name that levers use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account that the key controls.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Whether it can sign.
    pub const fn has_key(&self) -> bool {
        self.signer.is_some()
    }

    /// The signed bytes and their hash.
    pub(crate) fn sign(&self, call: Unsigned) -> Result<(B256, Bytes), SignError> {
        match call.price.tip() {
            Some(tip) => self.seal(TxEip1559 {
                chain_id: call.chain_id,
                nonce: call.nonce,
                gas_limit: call.gas_limit,
                max_fee_per_gas: call.price.max_fee(),
                max_priority_fee_per_gas: tip,
                to: TxKind::Call(call.to),
                value: U256::ZERO,
                input: call.input,
                ..TxEip1559::default()
            }),
            None => self.seal(TxLegacy {
                chain_id: Some(call.chain_id),
                nonce: call.nonce,
                gas_limit: call.gas_limit,
                gas_price: call.price.max_fee(),
                to: TxKind::Call(call.to),
                value: U256::ZERO,
                input: call.input,
            }),
        }
    }

    fn seal<T>(&self, unsigned: T) -> Result<(B256, Bytes), SignError>
    where
        T: SignableTransaction<alloy_primitives::Signature> + RlpEcdsaEncodableTx,
    {
        let refused = || SignError { guardian: self.name.clone() };
        let signer = self.signer.as_ref().ok_or_else(refused)?;
        let signature = signer.sign_hash_sync(&unsigned.signature_hash()).map_err(|_| refused())?;
        let signed = unsigned.into_signed(signature);
        Ok((*signed.hash(), Bytes::from(signed.encoded_2718())))
    }
}

/// There is no key, or it could not sign.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("guardian `{guardian}` could not sign")]
pub struct SignError {
    guardian: String,
}

/// Opens all guardians, by name.
///
/// # Errors
/// The first [`GuardianError`].
pub fn open_all(
    settings: &[GuardianSettings],
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<BTreeMap<String, Guardian>, GuardianError> {
    let mut opened = BTreeMap::new();
    for one in settings {
        if opened.insert(one.name.clone(), Guardian::open(one, env)?).is_some() {
            return Err(GuardianError::Twice { guardian: one.name.clone() });
        }
    }
    Ok(opened)
}

/// No key or password file is longer than this.
const SECRET_FILE_BYTES: u64 = 4_096;

struct Source<'a> {
    guardian: &'a str,
    env: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Source<'_> {
    fn keystore(&self, path: &Path, settings: &GuardianSettings) -> Result<PrivateKeySigner, GuardianError> {
        let password_path = match (&settings.password_file, &settings.password_file_env) {
            (Some(file), None) => file.clone(),
            (None, Some(variable)) => self.variable(variable)?,
            (None, None) => {
                return Err(self.contradiction("`keystore` needs `password_file` or `password_file_env`"));
            }
            (Some(_), Some(_)) => {
                return Err(self.contradiction("give `password_file` or `password_file_env`, not both"));
            }
        };
        let password = self.secret_file(&password_path)?;
        // Editors end files with a line break; nobody means it as a part of the password.
        let password = password.trim_end_matches(['\r', '\n']);
        let malformed = |reason: String| self.malformed(path, reason);
        let text = std::fs::read_to_string(path).map_err(|error| self.unreadable(path, &error))?;
        keystore::check(&text).map_err(|error| malformed(error.to_string()))?;
        PrivateKeySigner::decrypt_keystore(path, password)
            .map_err(|_| malformed("is not opened by this password".to_owned()))
    }

    fn bare_key(&self, variable: &str) -> Result<PrivateKeySigner, GuardianError> {
        let path = self.variable(variable)?;
        let text = self.secret_file(&path)?;
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let mut key = Zeroizing::new([0_u8; 32]);
        let malformed = |reason: &str| self.malformed(&path, reason.to_owned());
        alloy_primitives::hex::decode_to_slice(digits, key.as_mut_slice())
            .map_err(|_| malformed("does not hold one key of 32 bytes in hex"))?;
        PrivateKeySigner::from_slice(key.as_slice()).map_err(|_| malformed("holds a number that is no key"))
    }

    fn variable(&self, variable: &str) -> Result<PathBuf, GuardianError> {
        (self.env)(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
            .ok_or_else(|| GuardianError::NotSet { guardian: self.guardian.to_owned(), variable: variable.to_owned() })
    }

    fn secret_file(&self, path: &Path) -> Result<Zeroizing<String>, GuardianError> {
        let file = File::open(path).map_err(|error| self.unreadable(path, &error))?;
        let metadata = file.metadata().map_err(|error| self.unreadable(path, &error))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(GuardianError::Exposed { guardian: self.guardian.to_owned(), path: path.to_owned(), mode });
        }
        if !metadata.is_file() || metadata.len() > SECRET_FILE_BYTES {
            return Err(self.malformed(path, format!("is not a file of at most {SECRET_FILE_BYTES} bytes")));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(SECRET_FILE_BYTES)
            .read_to_string(&mut text)
            .map_err(|_| self.malformed(path, "is not text".to_owned()))?;
        Ok(text)
    }

    fn contradiction(&self, reason: &'static str) -> GuardianError {
        GuardianError::Settings { guardian: self.guardian.to_owned(), reason }
    }

    fn malformed(&self, path: &Path, reason: String) -> GuardianError {
        GuardianError::Malformed { guardian: self.guardian.to_owned(), path: path.to_owned(), reason }
    }

    fn unreadable(&self, path: &Path, error: &std::io::Error) -> GuardianError {
        let reason = error.to_string();
        GuardianError::Unreadable { guardian: self.guardian.to_owned(), path: path.to_owned(), reason }
    }
}
