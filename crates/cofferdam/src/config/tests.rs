//! What the configuration accepts, and how it names every mistake.

use std::ffi::OsString;

use super::*;

const EXAMPLE: &str = include_str!("../../../../cofferdam.example.toml");
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const SMALL: &str = "
[chain]
id = 31337

[[endpoint]]
name = 'a'
url = 'ws://127.0.0.1:8545'

[record]
database = 'cofferdam.db'

[[module]]
id = 'vault'
contracts = ['0x00000000000000000000000000000000000000aa']
";

fn env(name: &str) -> Option<OsString> {
    (name == "SECRET").then(|| OsString::from(SECRET))
}

fn mistakes(text: &str) -> Vec<String> {
    let file = match parse(text) {
        Ok(file) => file,
        Err(mistakes) => return mistakes.iter().map(ToString::to_string).collect(),
    };
    let checked = check::ready(file, keccak256(text), &env);
    checked.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn the_example_has_the_right_structure() {
    let file = parse(EXAMPLE).unwrap();
    assert!(!file.modules.is_empty() && !file.levers.is_empty() && !file.webhooks.is_empty());
}

#[test]
fn addresses_alone_are_enough() {
    assert_eq!(mistakes(SMALL), Vec::<String>::new());
}

#[test]
fn every_structural_mistake_is_named_with_its_field() {
    let text = "
        surprise = 1
        [chain]
        id = 'one'
        [[endpoint]]
        url = 5
        [record]
        database = 'x'
        reserve_mib = -1
        [[module]]
        id = 'Vault'
        contracts = ['0x12']
        assets = ['USDC']
        outflow.one_sided_alert_bps = 10001
        [[module]]
        id = 'b'
        contracts = []
    ";
    let found = mistakes(text);
    for expected in [
        "surprise: there is no such key",
        "chain.id: `one`: expected integer",
        "endpoint[0].name: is missing",
        "endpoint[0].url: expected string",
        "record.reserve_mib: `-1`: expected 0 or more",
        "module[0].contracts[0]: `0x12`: expected an address: 0x and 40 hexadecimal digits",
        "module[0].outflow.one_sided_alert_bps: `10001`: expected 10000 or less",
        "module[1].contracts: `0 entries`: expected at least 1",
    ] {
        assert!(found.iter().any(|mistake| mistake == expected), "{expected}\nin {found:#?}");
    }
    for field in ["module[0].id: `Vault`", "module[0].assets[0]: `USDC`"] {
        assert!(found.iter().any(|mistake| mistake.starts_with(field)), "{field}\nin {found:#?}");
    }
    assert_eq!(found.len(), 10, "{found:#?}");
}

#[test]
fn names_variables_and_levers_are_checked_together() {
    let text = format!(
        "{SMALL}
        [[module]]
        id = 'vault'
        contracts = ['0x00000000000000000000000000000000000000ab']
        [[endpoint]]
        name = 'a'
        url_env = 'NODE'
        [[endpoint]]
        name = 'b'
        url = 'gopher://key-in-here'
        [[lever]]
        name = 'pause-vault'
        module = 'vaults'
        target = '0x00000000000000000000000000000000000000aa'
        guardian = 'nobody'
        [[webhook]]
        name = 'pager'
        url = 'https://example.invalid/key-in-here'
        secret_env = 'NOT_SET'
        "
    );
    let found = mistakes(&text);
    for expected in [
        "module[1].id: `vault`: is given twice",
        "endpoint[1].name: `a`: is given twice",
        "endpoint[1].url_env: `NODE`: this environment variable is not set",
        "lever[0].module: `vaults`: there is no such module",
        "lever[0].guardian: `nobody`: there is no such guardian",
        "webhook[0].secret_env: `NOT_SET`: this environment variable is not set",
    ] {
        assert!(found.iter().any(|mistake| mistake == expected), "{expected}\nin {found:#?}");
    }
    assert!(found.iter().any(|mistake| mistake.starts_with("endpoint[2].url: ")), "{found:#?}");
    assert!(!found.concat().contains("key-in-here"), "{found:#?}");
}

#[test]
fn broken_toml_names_its_line_and_never_quotes_it() {
    let found = mistakes("[chain]\nid = 1\nurl = 'https://node.invalid/key-in-here\n");
    assert!(found.concat().starts_with("line 3: "), "{found:?}");
    assert!(!found.concat().contains("key-in-here"), "{found:?}");
}

#[test]
fn thresholds_that_say_nothing_are_named_with_their_module() {
    let found = mistakes(&format!("{SMALL}outflow.limits = [{{}}]\n"));
    assert!(found.concat().starts_with("module[0]: "), "{found:?}");
}
