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
    take(text, Path::new(""), &env).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn the_example_is_right_once_its_variables_are_set() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "11".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let env = |name: &str| match name {
        "COFFERDAM_PROVIDER_URL" => Some(OsString::from("wss://node.invalid/v3/8f14e45fceea167a5a36dedd4bea2543")),
        "COFFERDAM_GUARDIAN_KEY_FILE" => Some(key.clone().into_os_string()),
        "COFFERDAM_PAGER_URL" => Some(OsString::from("https://pager.invalid/hook")),
        "COFFERDAM_PAGER_SECRET" => Some(OsString::from(SECRET)),
        _ => None,
    };
    let ready = take(EXAMPLE, Path::new(""), &env).unwrap();
    assert!(!ready.file.levers.is_empty() && ready.endpoints.len() == 2 && ready.receivers.len() == 1);
    let unset: Vec<String> =
        take(EXAMPLE, Path::new(""), &|_| None).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(unset.len(), 4, "one for each variable: {unset:#?}");
}

#[test]
fn relative_paths_are_taken_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cofferdam.toml");
    let elsewhere = format!("limits = 'limits.toml'\n{}", SMALL.replace("cofferdam.db", "/var/lib/cofferdam.db"));
    std::fs::write(&file, elsewhere).unwrap();
    let refused: Vec<String> = load(&file, &env).unwrap_err().iter().map(ToString::to_string).collect();
    assert!(refused[0].contains(&*folder.path().join("limits.toml").to_string_lossy()), "{refused:?}");
    std::fs::write(folder.path().join("limits.toml"), "enabled = true").unwrap();
    let ready = load(&file, &env).unwrap();
    assert_eq!(ready.file.limits, Some(folder.path().join("limits.toml")));
    assert_eq!(ready.file.record.database, Path::new("/var/lib/cofferdam.db"));
    std::fs::write(&file, SMALL).unwrap();
    assert_eq!(load(&file, &env).unwrap().file.record.database, folder.path().join("cofferdam.db"));
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
        "line 2: surprise: there is no such key, expected one of `alerts_in`, `alerts_listen`, `chain`, `detectors`, `endpoint`, `follow`, `guardian`, `labels`, `lever`, `limits`, \
         `maintenance`, `metrics_listen`, `module`, `record`, `severity`, `signers`, `webhook`",
        "line 4: chain.id: `one`: expected integer",
        "line 5: endpoint[0].name: is missing: Its name, for messages and metrics.",
        "line 6: endpoint[0].url: expected string",
        "line 9: record.reserve_mib: `-1`: expected 0 or more",
        "line 11: module[0].id: `Vault`: expected 1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit",
        "line 12: module[0].contracts[0]: `0x12`: expected an address: 0x and 40 hexadecimal digits",
        "line 13: module[0].assets[0]: `USDC`: expected `native` or the address of a token: 0x and 40 hexadecimal digits",
        "line 14: module[0].outflow.one_sided_alert_bps: `10001`: expected 10000 or less",
        "line 17: module[1].contracts: `0 entries`: expected at least 1",
    ] {
        assert!(found.iter().any(|mistake| mistake == expected), "{expected}\nin {found:#?}");
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
        assert!(found.iter().any(|mistake| mistake.ends_with(expected)), "{expected}\nin {found:#?}");
    }
    assert!(found.iter().any(|mistake| mistake.contains("endpoint[2].url: ")), "{found:#?}");
    assert!(!found.concat().contains("key-in-here"), "{found:#?}");
}

#[test]
fn broken_toml_names_its_line_and_never_quotes_it() {
    let found = mistakes("[chain]\nid = 1\nurl = 'https://node.invalid/key-in-here\n");
    assert!(found.concat().starts_with("line 3: is not TOML: "), "{found:?}");
    assert!(!found.concat().contains("key-in-here"), "{found:?}");
}

#[test]
fn every_entry_of_a_module_that_says_nothing_is_named() {
    let text = format!(
        "{SMALL}
outflow.limits = [{{}}, {{ per_transaction_bps = 5 }}, {{ window_seconds = 0, window_bps = 1 }}]
[[module.invariants]]
name = 'price'
target = '0x00000000000000000000000000000000000000aa'
view = 'price()(uint256)'
[[module.allow]]
detector = 'no-such-detector'
sender = '0x00000000000000000000000000000000000000aa'
owner = 'Ann'
reason = 'because'
until = '2030-01-01'
"
    );
    let found = mistakes(&text);
    for field in [
        "module[0].outflow.limits[0]: ",
        "module[0].outflow.limits[2]: ",
        "module[0].invariants[0]: ",
        "module[0].allow[0]: ",
    ] {
        assert!(found.iter().any(|mistake| mistake.contains(field)), "{field}\nin {found:#?}");
    }
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn a_cap_on_a_detector_that_is_not_there_is_named() {
    let text = format!("{SMALL}\n[detectors.max_level]\nvelocity = 'notice'\nmade-up = 'alert'\n");
    let found = mistakes(&text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("detectors.max_level") && found[0].contains("`made-up`"), "{found:#?}");
}

#[test]
fn what_only_the_types_know_is_told_for_each_part() {
    let text = format!(
        "{SMALL}
        outflow.limits = [{{ per_transaction_amount = '{}' }}]
        [[module]]
        id = 'b'
        contracts = ['0x00000000000000000000000000000000000000aa']
        [[module.allow]]
        detector = 'asset-outflow'
        owner = 'Ann'
        reason = 'because'
        until = '2030-02-30'
        ",
        "9".repeat(78)
    );
    let found = mistakes(&text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("module[0]: ") && found[0].contains("256 bits"), "{found:#?}");
    assert!(found[1].contains("module[1]: ") && found[1].contains("2030-02-30"), "{found:#?}");
}

#[test]
fn a_secret_anywhere_is_a_mistake_that_does_not_show_it() {
    let key = "c0ffee00".repeat(8);
    let words = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    let places = [
        format!("{SMALL}\n[[guardian]]\nname = 'machine'\nkeystore = '0x{key}'"),
        format!("{SMALL}\n[[guardian]]\nname = 'machine'\nkey_file_env = '0x{key}'"),
        format!("{SMALL}\n[[guardian]]\nname = '{words}'\nkey_file_env = 'KEY'"),
        format!("{SMALL}\n[[lever]]\nname = '{key}'\nmodule = 'vault'\nguardian = 'g'\ntarget = '0x{key}'"),
        format!("{SMALL}\n[[webhook]]\nname = 'pager'\nurl = 'https://a.invalid/'\nsecret_env = '{SECRET}'"),
        format!("0x{key} = 1\n{SMALL}"),
        format!("private_key = '0x{key}'\n{SMALL}"),
        format!("private_key = ['{key}', {{ a = '{key}' }}]\n{SMALL}"),
        format!("x = 0x{key}\n{SMALL}"),
        format!("x = '{key}\n{SMALL}"),
    ];
    for text in places {
        let found = mistakes(&text);
        let shown = found.concat().to_lowercase();
        assert!(!found.is_empty(), "taken: {text}");
        for secret in ["c0ffee00c0ffee00", "sausage", "mfkq9r8g"] {
            assert!(!shown.contains(secret), "{secret} is shown: {found:#?}");
        }
    }
}

#[test]
fn a_wrong_checksum_is_told_beside_other_mistakes() {
    let text =
        SMALL.replace("0x00000000000000000000000000000000000000aa", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD");
    let found = mistakes(&format!("{text}[[webhook]]\nname = 'w'\nurl = 'http://a.invalid'\nsecret_env = 'NOT_SET'\n"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("line 14: module[0].contracts[0]: `0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD`"),
        "{found:?}"
    );
}

#[test]
fn an_address_that_carries_a_key_belongs_into_a_variable() {
    for url in ["https://me:word@node.invalid", "wss://node.invalid/v3/8f14e45fceea167a5a36dedd4bea2543"] {
        let found = mistakes(&SMALL.replace("ws://127.0.0.1:8545", url));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("endpoint[0].url: seems to hold") && !found[0].contains("8f14"), "{found:?}");
    }
    let variable = SMALL.replace("url = 'ws://127.0.0.1:8545'", "url_env = 'https://node.invalid/secret-path'");
    let found = mistakes(&variable);
    assert!(found.concat().contains("the name of an environment variable"), "{found:?}");
    assert!(!found.concat().contains("secret-path"), "{found:?}");
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cofferdam.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap();
    assert!(published == text, "docs/cofferdam.schema.json is old: run this test with UPDATE_EXPECT=1");
}

#[test]
fn the_schema_describes_every_field() {
    fn undescribed(path: &str, part: &serde_json::Value, found: &mut Vec<String>) {
        if let Some(properties) = part.get("properties").and_then(serde_json::Value::as_object) {
            let without = properties.iter().filter(|(_, field)| field.get("description").is_none());
            found.extend(without.map(|(name, _)| format!("{path}.{name}")));
        }
    }
    let schema = schema();
    let mut found = Vec::new();
    undescribed("file", &schema, &mut found);
    for (name, part) in schema["$defs"].as_object().unwrap() {
        undescribed(name, part, &mut found);
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_mistake_in_severity_rules_and_sources_of_alerts_is_named_once() {
    let text = format!(
        "{SMALL}
        [[severity]]
        name = 'all'
        severity = 'low'
        [[severity]]
        name = 'all'
        severity = 'high'
        modules = ['vaults']
        detectors = ['made-up', 'foreign:nobody', 'asset-outflow', 'funding']
        lost = {{ asset = 'native', at_least = '0' }}
        [[alerts_in]]
        name = 'a'
        format = 'mapped'
        secret_env = 'SECRET'
        most = 'stop'
        fields = {{ key = 'id' }}
        [[alerts_in]]
        name = 'b'
        format = 'forta'
        secret_env = 'NOT_SET'
        fields = {{ }}
        "
    );
    let found = mistakes(&text);
    for expected in [
        "severity[1].name: `all`: is given twice",
        "severity[1]: never decides: rule `all` before it asks for nothing and fits everything",
        "severity[1].modules[0]: `vaults`: there is no such module",
        "severity[1].detectors[0]: `made-up`: there is no such detector or source",
        "severity[1].detectors[1]: `foreign:nobody`: there is no such detector or source",
        "severity[1].lost.at_least: `0`: must be more than nothing",
        "alerts_listen: is missing: where the alerts of `alerts_in` are taken in",
        "alerts_in[0].most: `stop`: expected `notice` or `alert`: alerts of others prove nothing",
        "alerts_in[0].fields: give at least one of `addresses` and `transactions`: what it speaks of must be found",
        "alerts_in[0].fields.key: `id`: expected a JSON pointer such as `/data/txHash`",
        "alerts_in[1].fields: is for format `mapped` only",
        "alerts_in[1].secret_env: `NOT_SET`: this environment variable is not set",
    ] {
        assert_eq!(found.iter().filter(|mistake| mistake.ends_with(expected)).count(), 1, "{expected}\nin {found:#?}");
    }
    assert_eq!(found.len(), 12, "{found:#?}");
}

#[test]
fn severity_rules_and_sources_of_alerts_are_made_ready() {
    let text = format!(
        "alerts_listen = '127.0.0.1:0'
        {SMALL}
        [[severity]]
        name = 'the-vault'
        severity = 'critical'
        modules = ['vault']
        lost_bps = 100
        [[severity]]
        name = 'others'
        severity = 'low'
        detectors = ['foreign:scanner']
        [[alerts_in]]
        name = 'scanner'
        format = 'forta'
        secret_env = 'SECRET'
        "
    );
    let ready = take(&text, Path::new(""), &env).unwrap();
    assert_eq!((ready.criteria.len(), ready.alerts_in.len()), (2, 1));
    let default = take(SMALL, Path::new(""), &env).unwrap();
    assert_eq!(default.criteria, cofferdam_incident::joining::default_criteria());
}
