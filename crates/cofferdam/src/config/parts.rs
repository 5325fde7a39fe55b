//! Which field of a lever or guardian a room means when it refuses one, and everything that it would refuse: a room
//! tells its first mistake only.

use std::path::Path;

use alloy_primitives::Address;
use cofferdam_respond::{GuardianError, GuardianSettings, Lever, LeverError, LeverSettings};

use super::Mistake;

/// All mistakes of one lever, whose table is `table`.
pub(super) fn of_lever(table: &str, entry: &LeverSettings) -> Vec<Mistake> {
    let sound = LeverSettings {
        name: "sound".to_owned(),
        target: Address::with_last_byte(1),
        pause: "pause()".to_owned(),
        unpause: "unpause()".to_owned(),
        paused: "paused()".to_owned(),
        ..entry.clone()
    };
    let alone = [
        LeverSettings { name: entry.name.clone(), ..sound.clone() },
        LeverSettings { target: entry.target, ..sound.clone() },
        LeverSettings { pause: entry.pause.clone(), ..sound.clone() },
        LeverSettings { unpause: entry.unpause.clone(), ..sound.clone() },
        LeverSettings { paused: entry.paused.clone(), ..sound },
    ];
    let mut found: Vec<Mistake> = alone.iter().filter_map(|one| lever(table, one)).collect();
    if found.is_empty()
        && let Err(error) = Lever::new(entry)
    {
        found.push(Mistake::new(table, error.to_string()));
    }
    found
}

fn lever(table: &str, settings: &LeverSettings) -> Option<Mistake> {
    match Lever::new(settings) {
        Err(LeverError::Name { seen }) => {
            let expected = "expected 1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit";
            Some(Mistake::new(format!("{table}.name"), expected).seeing(seen))
        }
        Err(LeverError::Signature { field, seen, .. }) => {
            let expected = "expected a function without arguments such as `pause()`";
            Some(Mistake::new(format!("{table}.{field}"), expected).seeing(seen))
        }
        Err(LeverError::NoTarget { .. }) => Some(Mistake::new(format!("{table}.target"), "is the zero address")),
        // Two functions that are the same are told for the lever as it stands.
        Err(_) | Ok(_) => None,
    }
}

/// The mistake of one guardian, at the field that it is about.
pub(super) fn of_guardian(table: &str, entry: &GuardianSettings, error: &GuardianError) -> Mistake {
    let field = match error {
        GuardianError::NotSet { variable, .. } if Some(variable) == entry.password_file_env.as_ref() => {
            "password_file_env"
        }
        GuardianError::NotSet { .. } => "key_file_env",
        GuardianError::Unreadable { path, .. }
        | GuardianError::Exposed { path, .. }
        | GuardianError::Malformed { path, .. } => file_field(entry, path),
        GuardianError::WrongAddress { .. } => "address",
        GuardianError::Settings { .. } | GuardianError::Twice { .. } | _ => {
            return Mistake::new(table, error.to_string());
        }
    };
    Mistake::new(format!("{table}.{field}"), error.to_string())
}

/// The field that names `path`, by itself or through a variable.
fn file_field(entry: &GuardianSettings, path: &Path) -> &'static str {
    if entry.keystore.as_deref() == Some(path) {
        "keystore"
    } else if entry.password_file.as_deref() == Some(path) {
        "password_file"
    } else if entry.key_file_env.is_some() {
        "key_file_env"
    } else {
        "password_file_env"
    }
}
