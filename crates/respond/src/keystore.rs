//! Looks at a keystore file before the library does: the library takes lengths and costs from the file on trust, so a
//! damaged one would end the process or eat its memory. Nothing here decrypts.

use serde::Deserialize;

/// Memory that opening a keystore may take; geth's own files need 256 MiB.
const SCRYPT_BYTES: u64 = 1 << 30;
const SCRYPT_PARALLEL: u64 = 16;
const PBKDF2_ROUNDS: u64 = 10_000_000;

#[derive(Deserialize)]
struct Keystore {
    version: u64,
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: KdfParams,
    mac: String,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Deserialize)]
struct KdfParams {
    dklen: u64,
    salt: String,
    n: Option<u64>,
    r: Option<u64>,
    p: Option<u64>,
    c: Option<u64>,
    prf: Option<String>,
}

/// The file is not a keystore that can be opened safely.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum KeystoreError {
    #[error("is not a keystore file: {0}")]
    Shape(String),
    #[error("is a keystore of version {0}, only 3 is known")]
    Version(u64),
    #[error("has `{field}` `{seen}`, expected {expected}")]
    Field { field: &'static str, seen: String, expected: &'static str },
}

/// Checks everything that is used before the password is.
pub(crate) fn check(text: &str) -> Result<(), KeystoreError> {
    let keystore: Keystore = serde_json::from_str(text).map_err(|error| KeystoreError::Shape(error.to_string()))?;
    if keystore.version != 3 {
        return Err(KeystoreError::Version(keystore.version));
    }
    let crypto = &keystore.crypto;
    if crypto.cipher != "aes-128-ctr" {
        return Err(wrong("cipher", &crypto.cipher, "aes-128-ctr"));
    }
    hex_of("iv", &crypto.cipherparams.iv, Some(16))?;
    hex_of("ciphertext", &crypto.ciphertext, Some(32))?;
    hex_of("mac", &crypto.mac, Some(32))?;
    hex_of("salt", &crypto.kdfparams.salt, None)?;
    if crypto.kdfparams.dklen != 32 {
        return Err(wrong("dklen", crypto.kdfparams.dklen, "32"));
    }
    match crypto.kdf.as_str() {
        "scrypt" => check_scrypt(&crypto.kdfparams),
        "pbkdf2" => check_pbkdf2(&crypto.kdfparams),
        other => Err(wrong("kdf", other, "scrypt or pbkdf2")),
    }
}

fn check_scrypt(params: &KdfParams) -> Result<(), KeystoreError> {
    let n = params.n.unwrap_or_default();
    let r = params.r.unwrap_or_default();
    let p = params.p.unwrap_or_default();
    let bytes = n.checked_mul(r).and_then(|blocks| blocks.checked_mul(128));
    if !n.is_power_of_two() || n < 2 || r == 0 || bytes.is_none_or(|bytes| bytes > SCRYPT_BYTES) {
        return Err(wrong("n", n, "a power of two whose table takes at most 1 GiB"));
    }
    if p == 0 || p > SCRYPT_PARALLEL {
        return Err(wrong("p", p, "1 to 16"));
    }
    Ok(())
}

fn check_pbkdf2(params: &KdfParams) -> Result<(), KeystoreError> {
    let rounds = params.c.unwrap_or_default();
    if rounds == 0 || rounds > PBKDF2_ROUNDS {
        return Err(wrong("c", rounds, "1 to 10000000"));
    }
    match params.prf.as_deref() {
        Some("hmac-sha256") => Ok(()),
        other => Err(wrong("prf", other.unwrap_or_default(), "hmac-sha256")),
    }
}

fn hex_of(field: &'static str, text: &str, bytes: Option<usize>) -> Result<(), KeystoreError> {
    let decoded = alloy_primitives::hex::decode(text).ok();
    // The library decodes without a prefix.
    let plain = !text.starts_with("0x");
    match decoded {
        Some(decoded) if plain && bytes.is_none_or(|bytes| bytes == decoded.len()) => Ok(()),
        Some(_) | None => Err(wrong(field, "…", "hex of the right length")),
    }
}

fn wrong(field: &'static str, seen: impl ToString, expected: &'static str) -> KeystoreError {
    KeystoreError::Field { field, seen: seen.to_string().chars().take(40).collect(), expected }
}
