//! People who sign by hand: their keystores, and their passwords in files that only their owner may read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Whose keystore is `one.json`.
pub const ONE: &str = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";
/// Whose keystore is `two.json`.
pub const TWO: &str = "0x1563915e194D8CfBA1943570603F7606A3115508";

/// Two people's keystores, with passwords `drill-one` and `drill-two`; their keys are nobody's secret.
const ONE_KEYSTORE: &str = r#"{"address":"19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A","crypto":{"cipher":"aes-128-ctr","cipherparams":
{"iv":"f65e39c5989355fe1e3f0a612e444bdb"},"ciphertext":"0eddc73735ce6f5ba3be171a0be2a8b3cd1d7c5c02adffbeb7ebc001f256e34d",
"kdf":"pbkdf2","kdfparams":{"c":1000,"dklen":32,"prf":"hmac-sha256","salt":"425dc945befdd982052bb5756b90a6c2"},
"mac":"ef854c4c7af2dfbc3e6a11868fefa08737aeb931b186e8cef576fcb4282ea5f8"},"id":"306c98d6-e8bf-4ac2-8757-79c783c1ed38",
"version":3}"#;
const TWO_KEYSTORE: &str = r#"{"address":"1563915e194D8CfBA1943570603F7606A3115508","crypto":{"cipher":"aes-128-ctr","cipherparams":
{"iv":"74e8079f80181d2772174d24321d81cd"},"ciphertext":"a389abeac87b07673a831a229eae7335857640f51682333a6c2db40b7bef925d",
"kdf":"pbkdf2","kdfparams":{"c":1000,"dklen":32,"prf":"hmac-sha256","salt":"be3f969c6588b02c48c080f274fe73ae"},
"mac":"bdf613cd7a577e5d5446898f04eee197d3113acec7c5a8733c881fb6b2bc711e"},"id":"b085315a-6449-48d0-99d8-ba8ae07c6b69",
"version":3}"#;

/// Writes a file that only its owner may read.
///
/// # Panics
/// When the folder cannot be written.
pub fn place(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).expect("a new folder can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
}

/// Puts both keystores into `folder`, with their passwords in the files `one` and `two`.
pub fn move_in(folder: &Path) {
    for (name, text) in
        [("one.json", ONE_KEYSTORE), ("two.json", TWO_KEYSTORE), ("one", "drill-one\n"), ("two", "drill-two\n")]
    {
        place(folder, name, text);
    }
}
