//! Who may see whom (ARCHITECTURE.md), read from the manifests: an arrow drawn backwards fails here.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::files::{Source, read, sources};
use crate::none;

/// Each room and the rooms that it may see. A new room needs a line here and one in ARCHITECTURE.md.
const MAY_SEE: [(&str, &[&str]); 8] = [
    ("types", &[]),
    ("chain", &["types"]),
    ("evm", &["types"]),
    ("detect", &["types"]),
    ("respond", &["types", "evm", "chain"]),
    ("incident", &["types"]),
    ("simnet", &["types", "evm"]),
    ("cofferdam", &["types", "chain", "evm", "detect", "respond", "incident", "simnet"]),
];

/// Heavy or dangerous libraries and the rooms that hide them.
const ONLY_HOMES: [(&str, &[&str]); 12] = [
    ("alloy-provider", &["chain"]),
    ("alloy-pubsub", &["chain"]),
    ("revm", &["evm"]),
    // The simulated chain signs for its simulated people.
    ("alloy-signer", &["respond", "simnet"]),
    ("alloy-signer-local", &["respond", "simnet"]),
    ("sqlx", &["incident"]),
    ("jsonrpsee", &["simnet"]),
    ("eyre", &["cofferdam"]),
    ("clap", &["cofferdam"]),
    ("anstream", &["cofferdam"]),
    ("indicatif", &["cofferdam"]),
    ("plotters", &["cofferdam"]),
];

/// A member's manifest, by the folder's name.
fn manifests() -> BTreeMap<String, Table> {
    let mut manifests = BTreeMap::new();
    for Source { path, text } in sources(&["toml"]) {
        let room = path.strip_suffix("/Cargo.toml").filter(|room| room.starts_with("crates/") || *room == "tests");
        if let Some(room) = room {
            let room = room.trim_start_matches("crates/").to_owned();
            manifests.insert(room, text.parse().unwrap_or_else(|error| panic!("{path}: {error}")));
        }
    }
    manifests
}

/// Every dependency table of a manifest of the given kind, those of targets included.
fn dependencies<'a>(manifest: &'a Table, kinds: &[&str]) -> Vec<(&'a String, &'a Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table).chain([manifest]);
    let of_kind = tables.flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
    of_kind.flatten().collect()
}

/// What is linked into the program. Tests of a room may look further than the room.
const LINKED: [&str; 2] = ["dependencies", "build-dependencies"];

#[test]
fn no_room_sees_what_it_must_not_see() {
    let mut backwards = Vec::new();
    for (room, manifest) in manifests() {
        if room == "tests" {
            continue;
        }
        let allowed = MAY_SEE.iter().find(|(name, _)| *name == room);
        let Some((_, allowed)) = allowed else {
            backwards.push(format!("{room} is not among the rooms"));
            continue;
        };
        for (name, _) in dependencies(&manifest, &LINKED) {
            let seen = name.strip_prefix("cofferdam-");
            if let Some(seen) = seen.filter(|seen| !allowed.contains(seen)) {
                backwards.push(format!("{room} sees {seen}"));
            }
        }
    }
    none("arrows point down the list of rooms only", backwards);
}

#[test]
fn the_black_box_tests_link_no_room() {
    let manifests = manifests();
    let tests = manifests.get("tests").expect("this crate has a manifest");
    let linked = dependencies(tests, &["dependencies", "dev-dependencies"]).into_iter();
    let rooms = linked.filter(|(name, _)| name.starts_with("cofferdam"));
    none("what a black-box test knows, a user can see", rooms.map(|(name, _)| name.clone()).collect());
}

#[test]
fn heavy_libraries_stay_in_the_rooms_that_hide_them() {
    let mut leaked = Vec::new();
    for (room, manifest) in manifests() {
        for (name, _) in dependencies(&manifest, &LINKED) {
            let homes = ONLY_HOMES.iter().find(|(library, _)| library == name);
            if homes.is_some_and(|(_, homes)| !homes.contains(&room.as_str())) {
                leaked.push(format!("{room} links {name}"));
            }
        }
    }
    none("a heavy library has one home", leaked);
}

#[test]
fn versions_stand_in_the_root_only() {
    let mut own = Vec::new();
    for (room, manifest) in manifests() {
        for (name, value) in dependencies(&manifest, &["dependencies", "dev-dependencies", "build-dependencies"]) {
            if value.get("workspace") != Some(&Value::Boolean(true)) {
                own.push(format!("{room}: {name}"));
            }
        }
    }
    none("a dependency is written `{ workspace = true }`", own);
}

#[test]
fn the_root_turns_default_features_off() {
    let root: Table = read("Cargo.toml").parse().expect("the root manifest is TOML");
    let listed = root["workspace"]["dependencies"].as_table().expect("the workspace lists its dependencies");
    let on = listed.iter().filter(|(name, value)| {
        !name.starts_with("cofferdam-") && value.get("default-features") != Some(&Value::Boolean(false))
    });
    none("default features are chosen, not inherited", on.map(|(name, _)| name.clone()).collect());
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let lax = manifests().into_iter().filter(|(_, manifest)| {
        manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&Value::Boolean(true))
    });
    none("`[lints] workspace = true`", lax.map(|(room, _)| room).collect());
}
