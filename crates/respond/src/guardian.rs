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

/// A person's key, opened to sign one thing by hand, with the person looking. Never a guardian's: a guardian signs calls
/// that close, and nothing else.
pub struct Wallet(PrivateKeySigner);

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wallet").field(&self.0.address()).finish()
    }
}

impl Wallet {
    /// Opens a keystore with the password in a file.
    ///
    /// # Errors
    /// [`GuardianError`]: one clear reason, never the secret.
    pub fn open(keystore: &Path, password_file: &Path) -> Result<Self, GuardianError> {
        let settings = GuardianSettings {
            name: "signer".to_owned(),
            address: None,
            keystore: Some(keystore.to_owned()),
            password_file: Some(password_file.to_owned()),
            password_file_env: None,
            key_file_env: None,
        };
        let source = Source { guardian: &settings.name, env: &|_| None };
        source.keystore(keystore, &settings).map(Self)
    }

    /// A key that is already in memory: drills, whose keys are nobody's secret. `None` when `key` is not a key.
    pub fn from_key(key: &B256) -> Option<Self> {
        PrivateKeySigner::from_bytes(key).ok().map(Self)
    }

    /// Whose key it is.
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// 65 bytes over `hash`, which the caller has shown to the person in words.
    ///
    /// # Errors
    /// [`SignError`] when the key could not sign.
    pub fn sign(&self, hash: B256) -> Result<Bytes, SignError> {
        let signature = self.0.sign_hash_sync(&hash).map_err(|_| SignError { guardian: "signer".to_owned() })?;
        Ok(Bytes::copy_from_slice(&signature.as_bytes()))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::os::unix::fs::OpenOptionsExt;

    use alloy_primitives::address;

    use super::*;

    /// The example of the Web3 Secret Storage definition: its key, address and password.
    const KEYSTORE: &str = r#"{
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": "6087dab2f9fdbbfaddc31a909735c1e6" },
            "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
            "kdf": "pbkdf2",
            "kdfparams": {
                "c": 262144, "dklen": 32, "prf": "hmac-sha256",
                "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"
            },
            "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3
    }"#;
    const OWNER: Address = address!("008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b");
    const KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, name: &str, mode: u32, contents: &[u8]) -> PathBuf {
            let path = self.0.path().join(name);
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&path).unwrap();
            std::io::Write::write_all(&mut file, contents).unwrap();
            // The mode given at creation is cut by the umask; the one under test must not be.
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    fn settings() -> GuardianSettings {
        GuardianSettings {
            name: "machine".to_owned(),
            address: None,
            keystore: None,
            password_file: None,
            password_file_env: None,
            key_file_env: None,
        }
    }

    fn from_key_file(path: &Path) -> Result<Guardian, GuardianError> {
        let settings = GuardianSettings { key_file_env: Some("KEY_FILE".to_owned()), ..settings() };
        Guardian::open(&settings, &|name| (name == "KEY_FILE").then(|| path.as_os_str().to_owned()))
    }

    fn from_keystore(keystore: &str, password: &str) -> Result<Guardian, GuardianError> {
        let files = Files::new();
        let keystore = files.write("keystore.json", 0o644, keystore.as_bytes());
        let password = files.write("password", 0o600, password.as_bytes());
        let settings = GuardianSettings { keystore: Some(keystore), password_file: Some(password), ..settings() };
        Guardian::open(&settings, &|_| None)
    }

    #[test]
    fn a_keystore_is_opened_by_its_password_also_when_an_editor_ended_the_line() {
        assert_eq!(from_keystore(KEYSTORE, "testpassword").unwrap().address(), OWNER);
        assert_eq!(from_keystore(KEYSTORE, "testpassword\n").unwrap().address(), OWNER);
    }

    #[test]
    fn a_wrong_password_says_so_and_not_the_password() {
        let error = from_keystore(KEYSTORE, "hunter2").unwrap_err().to_string();
        assert!(error.contains("not opened by this password") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn damaged_keystores_give_one_clear_error_each() {
        let cases = [
            (r#""dklen": 32"#, r#""dklen": 1"#, "dklen"),
            (r#""c": 262144"#, r#""c": 4000000000"#, "`c`"),
            ("6087dab2f9fdbbfaddc31a909735c1e6", "6087", "iv"),
            (r#""version": 3"#, r#""version": 1"#, "version 1"),
            ("aes-128-ctr", "rot13", "cipher"),
            (r#""kdf": "pbkdf2""#, r#""kdf": "md5""#, "kdf"),
            (r#""kdf": "pbkdf2""#, r#""kdf": "scrypt""#, "`n`"),
            (r#""id": "3198bc9c-6672-5ab3-d995-4942343ae5b6","#, "", "not opened"),
            ("{", "[", "not a keystore"),
        ];
        for (from, to, expected) in cases {
            let error = from_keystore(&KEYSTORE.replacen(from, to, 1), "testpassword").unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
        let scrypt = KEYSTORE.replace("pbkdf2", "scrypt");
        for (n, r, p) in
            [(1_u64 << 30, 8, 1), (262_143, 8, 1), (0, 8, 1), (262_144, 0, 1), (2, u64::MAX, 1), (2, 8, 99)]
        {
            let params = format!(r#""n": {n}, "r": {r}, "p": {p}, "dklen": 32"#);
            let greedy = scrypt.replace(r#""c": 262144, "dklen": 32"#, &params);
            let error = from_keystore(&greedy, "testpassword").unwrap_err().to_string();
            assert!(error.contains("expected"), "{n} {r} {p}: {error}");
        }
    }

    #[test]
    fn a_bare_key_is_read_with_and_without_prefix() {
        let files = Files::new();
        for text in [KEY.to_owned(), format!("0x{KEY}\n")] {
            let path = files.write("key", 0o600, text.as_bytes());
            assert_eq!(from_key_file(&path).unwrap().address(), OWNER);
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let files = Files::new();
        for mode in [0o640, 0o604, 0o660, 0o644] {
            let error = from_key_file(&files.write("key", mode, KEY.as_bytes())).unwrap_err();
            assert!(matches!(error, GuardianError::Exposed { mode: seen, .. } if seen == mode), "{error}");
        }
    }

    #[test]
    fn malformed_keys_give_one_clear_error_without_the_key() {
        let files = Files::new();
        let zero = "0".repeat(64);
        let cases: [&[u8]; 7] =
            [b"", b"0x", &KEY.as_bytes()[..62], b"not hex", &[0xff, 0xfe], zero.as_bytes(), &[b'a'; 5_000]];
        for contents in cases {
            let error = from_key_file(&files.write("key", 0o600, contents)).unwrap_err();
            assert!(matches!(error, GuardianError::Malformed { .. }), "{error}");
            assert!(!error.to_string().contains(&KEY[..16]), "{error}");
        }
        assert!(matches!(from_key_file(files.0.path()).unwrap_err(), GuardianError::Exposed { .. }));
        assert!(matches!(from_key_file(&files.0.path().join("no")).unwrap_err(), GuardianError::Unreadable { .. }));
    }

    #[test]
    fn contradicting_settings_are_named() {
        let open = |settings: &GuardianSettings| Guardian::open(settings, &|_| None).unwrap_err();
        assert!(matches!(open(&settings()), GuardianError::Settings { .. }));
        let both = GuardianSettings { keystore: Some("a".into()), key_file_env: Some("B".to_owned()), ..settings() };
        assert!(matches!(open(&both), GuardianError::Settings { .. }));
        let locked = GuardianSettings { keystore: Some("a".into()), ..settings() };
        assert!(matches!(open(&locked), GuardianError::Settings { .. }));
        let unset = GuardianSettings { key_file_env: Some("B".to_owned()), ..settings() };
        assert_eq!(open(&unset), GuardianError::NotSet { guardian: "machine".to_owned(), variable: "B".to_owned() });
        let twice = vec![GuardianSettings { address: Some(OWNER), ..settings() }; 2];
        assert!(matches!(open_all(&twice, &|_| None).unwrap_err(), GuardianError::Twice { .. }));
    }

    #[test]
    fn a_key_of_another_account_is_refused() {
        let files = Files::new();
        let path = files.write("key", 0o600, KEY.as_bytes());
        let settings =
            GuardianSettings { address: Some(Address::ZERO), key_file_env: Some("KEY_FILE".to_owned()), ..settings() };
        let error = Guardian::open(&settings, &|_| Some(path.clone().into_os_string())).unwrap_err();
        assert!(matches!(error, GuardianError::WrongAddress { seen: OWNER, .. }));
    }

    #[test]
    fn an_address_alone_is_a_guardian_that_cannot_sign() {
        let settings = GuardianSettings { address: Some(OWNER), ..settings() };
        let guardian = Guardian::open(&settings, &|_| None).unwrap();
        assert!(!guardian.has_key() && guardian.address() == OWNER);
    }

    #[test]
    fn the_key_is_in_no_debug_output() {
        let key: B256 = KEY.parse().unwrap();
        let shown = format!("{:?}", Guardian::from_key("machine", &key).unwrap());
        assert!(shown.contains("machine") && !shown.to_lowercase().contains(&KEY[..8]), "{shown}");
    }
}
