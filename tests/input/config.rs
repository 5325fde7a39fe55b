//! `config check`: every mistake in a configuration and in the files that it names is told at once, with its field and its
//! line, and no secret is ever shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cofferdam_e2e::{Ended, Program};
use serde_json::Value;

use crate::refused;

/// A configuration without a mistake; its last table is a lever without a guardian.
const BASE: &str = "\
[chain]
id = 31337
[[endpoint]]
name = 'node'
url = 'http://127.0.0.1:1'
[record]
database = 'record.db'
[[module]]
id = 'vault'
contracts = ['0x00000000000000000000000000000000000000aa']
[[lever]]
name = 'pause-vault'
module = 'vault'
target = '0x00000000000000000000000000000000000000aa'
guardian = 'machine'
";
/// Line of the first line behind [`BASE`].
const NEXT: usize = 16;
const WATCHED: &str = "[[guardian]]\nname = 'machine'\naddress = '0x00000000000000000000000000000000000000bb'\n";
const KEY: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
/// The key file of the Web3 Secret Storage definition, with a cheap scrypt. Its password is another than any here.
const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},
"ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt","kdfparams":{"dklen":32,
"n":1024,"p":1,"r":8,"salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},"mac":
"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6",
"version":3}"#;

/// A file that only its owner may read, where `mode` says so.
fn place(folder: &Path, name: &str, text: &str, mode: u32) {
    let path = folder.join(name);
    fs::write(&path, text).expect("a new folder can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("our own file");
}

async fn check(folder: &Path, text: &str, environment: &[(&str, &str)]) -> Ended {
    fs::write(folder.join("cofferdam.toml"), text).expect("the folder can be written");
    Program::start(folder, &["config", "check"], environment).ended().await
}

#[tokio::test]
async fn a_key_that_cannot_be_had_is_named_with_the_field_that_leads_to_it_and_never_shown() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    place(folder.path(), "open.key", KEY, 0o644);
    place(folder.path(), "no.key", "hello", 0o600);
    place(folder.path(), "good.key", KEY, 0o600);
    place(folder.path(), "keystore.json", KEYSTORE, 0o600);
    place(folder.path(), "broken.json", "{", 0o600);
    place(folder.path(), "password", "not this one", 0o600);
    let machine = "[[guardian]]\nname = 'machine'\n";
    let stranger = "address = '0x00000000000000000000000000000000000000bb'\n";
    let cases = [
        ("key_file_env = 'UNSET'\n".to_owned(), "key_file_env", "`UNSET` is not set", 2),
        ("key_file_env = 'GONE'\n".to_owned(), "key_file_env", "cannot be read", 2),
        ("key_file_env = 'OPEN'\n".to_owned(), "key_file_env", "mode 644", 2),
        ("key_file_env = 'NO'\n".to_owned(), "key_file_env", "does not hold one key", 2),
        (format!("{stranger}key_file_env = 'GOOD'\n"), "address", "the key belongs to", 2),
        ("keystore = 'keystore.json'\npassword_file = 'password'\n".to_owned(), "keystore", "not opened by", 2),
        ("keystore = 'broken.json'\npassword_file = 'password'\n".to_owned(), "keystore", "not a keystore", 2),
        ("keystore = 'keystore.json'\npassword_file = 'none'\n".to_owned(), "password_file", "cannot be read", 3),
    ];
    let files = ["GONE", "OPEN", "NO", "GOOD"].map(|name| {
        let file = folder.path().join(format!("{}.key", name.to_lowercase()));
        (name, file.display().to_string())
    });
    let environment = files.each_ref().map(|(name, file)| (*name, file.as_str()));
    for (lines, field, word, line) in cases {
        let text = format!("{BASE}{machine}{lines}");
        let ended = check(folder.path(), &text, &environment).await;
        let line = NEXT.saturating_add(line);
        refused(&ended, &["has 1 mistake:", &format!("line {line}: guardian[0].{field}: "), word]);
        assert!(!ended.stderr.contains("59c6995e") && !ended.stderr.contains("not this one"), "{}", ended.stderr);
    }
    let good = format!("{BASE}{machine}key_file_env = 'GOOD'\n");
    assert_eq!(check(folder.path(), &good, &environment).await.code, Some(0));
}

#[tokio::test]
async fn mistakes_of_form_and_of_meaning_are_told_together() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let text = format!(
        "{BASE}pause = 'pause(uint256)'\npaused = 'paused'\n{WATCHED}\
         [[module]]\nid = 'vault'\ncontracts = ['0x12', '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD']\n\
         [[module.invariants]]\nname = 'price'\ntarget = '0x00000000000000000000000000000000000000aa'\n\
         view = 'price('\nmax_fall_bps = 5\nsurprise = 1\n\
         [[endpoint]]\nname = 'node'\nurl = 'gopher://node.invalid/secret-path'\n\
         [[endpoint]]\nname = 'third'\n\
         [[webhook]]\nname = 'pager'\nurl = 'ftp://pager.invalid/secret-path'\nsecret_env = 'UNSET'\n"
    );
    let ended = check(folder.path(), &text, &[]).await;
    let expected = [
        "has 12 mistakes:",
        "line 16: lever[0].pause: `pause(uint256)`: expected a function without arguments",
        "line 17: lever[0].paused: `paused`: expected a function without arguments",
        "line 22: module[1].id: `vault`: is given twice",
        "line 23: module[1].contracts[0]: `0x12`: expected an address: 0x and 40 hexadecimal digits",
        "line 23: module[1].contracts[1]: `0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD`: the capital letters",
        "`price(` is not a signature",
        "line 29: module[1].invariants[0].surprise: there is no such key",
        "line 31: endpoint[1].name: `node`: is given twice",
        "line 32: endpoint[1].url: ",
        "line 33: endpoint[2]: give `url` or `url_env`",
        "webhook[0].url: expected an http or https URL",
        "webhook[0].secret_env: `UNSET`: this environment variable is not set",
    ];
    refused(&ended, &[]);
    let missing: Vec<&str> = expected.into_iter().filter(|words| !ended.stderr.contains(words)).collect();
    assert!(missing.is_empty(), "not told: {missing:#?}\nin {}", ended.stderr);
    assert!(!ended.stderr.contains("secret-path"), "{}", ended.stderr);
}

#[tokio::test]
async fn every_mistake_in_the_limits_is_told_with_the_line_in_that_file() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let text = format!("limits = 'limits.toml'\n{BASE}{WATCHED}");
    let limits = "enabled = 'yes'\n[[allow]]\nmodule = 'vault'\nmax_actions = -1\nwindow_seconds = 5\nsurprise = 3\n\
                  expires_unix_seconds = 4000000000\nmax_fee_per_gas_wei = 'x'\nmax_total_cost_wei = 1\n\
                  [[allow]]\nlever = 'no-such-lever'\nmodule = 'vault'\nmax_actions = 1\nwindow_seconds = 1\n\
                  expires_unix_seconds = 4000000000\nmax_fee_per_gas_wei = 1\nmax_total_cost_wei = 1\n";
    place(folder.path(), "limits.toml", limits, 0o600);
    let ended = check(folder.path(), &text, &[]).await;
    refused(&ended, &["has 6 mistakes:"]);
    for words in [
        "limits.toml: line 1: enabled: `yes`: expected boolean",
        "limits.toml: line 4: allow[0].max_actions: `-1`: expected 0 or more",
        "limits.toml: line 6: allow[0].surprise: there is no such key",
        "limits.toml: line 8: allow[0].max_fee_per_gas_wei: `x`: expected a whole number",
        "limits.toml: line 10: allow[1]: must name exactly one of `lever` and `module`",
        "limits.toml: line 11: allow[1].lever: `no-such-lever`: there is no such lever",
    ] {
        assert!(ended.stderr.contains(words), "no `{words}` in {}", ended.stderr);
    }
    let entry = "[[allow]]\nmodule = 'vault'\nmax_actions = 1\nwindow_seconds = 0\nexpires_unix_seconds = 4000000000\n\
                 max_fee_per_gas_wei = 0\nmax_total_cost_wei = 1\nmin_level = 'notice'\n";
    place(folder.path(), "limits.toml", &format!("enabled = true\n{entry}{entry}"), 0o600);
    let ended = check(folder.path(), &text, &[]).await;
    refused(&ended, &["has 9 mistakes:", "allow[1]: `vault` has an entry already"]);
    for field in ["window_seconds", "max_fee_per_gas_wei", "priority_floor_wei", "min_level"] {
        assert!(ended.stderr.contains(&format!("allow[0].{field}: ")), "no {field} in {}", ended.stderr);
    }
    fs::remove_file(folder.path().join("limits.toml")).expect("our own file");
    refused(&check(folder.path(), &text, &[]).await, &["line 1: limits: ", "limits.toml", "cannot be read"]);
    for (bytes, word) in [("enabled = ", "line 1: is not TOML"), ("enabled = true\n[[allow]]\n[", "is not TOML")] {
        place(folder.path(), "limits.toml", bytes, 0o600);
        refused(&check(folder.path(), &text, &[]).await, &["limits.toml: ", word]);
    }
}

#[tokio::test]
async fn a_file_that_is_no_configuration_is_one_error() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (bytes, word) in [(&b"\xff\xfe"[..], "UTF-8"), (b"[chain\nid", "line 1: is not TOML"), (b"", "is missing")] {
        fs::write(folder.path().join("cofferdam.toml"), bytes).expect("the folder can be written");
        refused(&Program::run(folder.path(), &["config", "check"]).await, &[word]);
    }
    refused(&Program::run(folder.path(), &["config", "check", "."]).await, &["directory"]);
    refused(&Program::run(folder.path(), &["config", "check", "gone.toml"]).await, &["gone.toml"]);
}

#[tokio::test]
async fn mistakes_are_one_json_document_for_scripts() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    place(folder.path(), "limits.toml", "enabled = 1\n", 0o600);
    let text = format!("limits = 'limits.toml'\n{BASE}{WATCHED}").replace("id = 31337", "id = 'one'");
    fs::write(folder.path().join("cofferdam.toml"), text).expect("the folder can be written");
    let ended = Program::run(folder.path(), &["config", "check", "--json"]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let checked: Value = serde_json::from_str(&ended.stdout).expect("one JSON document");
    assert_eq!(checked["ok"], false);
    let first = &checked["mistakes"][0];
    assert_eq!((&first["field"], &first["line"], &first["file"]), (&"chain.id".into(), &3.into(), &Value::Null));
    let second = &checked["mistakes"][1];
    assert_eq!((&second["field"], &second["line"]), (&"enabled".into(), &1.into()), "{checked}");
    assert!(second["file"].as_str().is_some_and(|file| file.ends_with("limits.toml")), "{checked}");
}
