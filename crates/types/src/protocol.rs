//! What is protected: modules and their contracts, and the index that finds a module by address.

use std::fmt;

use alloy_primitives::{Address, map::HashMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Asset;

/// A module's short name in the configuration: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ModuleId(String);

/// The name is not a module id.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("module id `{seen}` is not 1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit")]
pub struct ModuleIdError {
    seen: String,
}

impl ModuleId {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`ModuleIdError`] when `name` does not match `[a-z0-9][a-z0-9-]{0,62}`.
    pub fn new(name: &str) -> Result<Self, ModuleIdError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 63 || name.starts_with('-') || !name.bytes().all(allowed) {
            return Err(ModuleIdError { seen: name.chars().take(80).collect() });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ModuleId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A part of the protocol that can be sealed by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub id: ModuleId,
    /// Its contracts; an address may belong to several modules.
    pub contracts: Vec<Address>,
    /// Assets whose balances are always looked at when the module is touched, beside those that events name.
    pub assets: Vec<Asset>,
}

/// All protected modules, indexed by address. Look-ups cost the same for ten and for ten thousand.
#[derive(Clone, Debug, Default)]
pub struct Watchlist {
    modules: Vec<Module>,
    by_address: HashMap<Address, Vec<u32>>,
}

impl Watchlist {
    /// Indexes `modules`.
    pub fn new(modules: Vec<Module>) -> Self {
        let mut by_address: HashMap<Address, Vec<u32>> = HashMap::default();
        for (index, module) in (0_u32..).zip(&modules) {
            for contract in &module.contracts {
                let owners = by_address.entry(*contract).or_default();
                if !owners.contains(&index) {
                    owners.push(index);
                }
            }
        }
        Self { modules, by_address }
    }

    /// Whether any module contains `address`.
    pub fn contains(&self, address: Address) -> bool {
        self.by_address.contains_key(&address)
    }

    /// Indices into [`Self::modules`] of those that contain `address`; mostly none or one.
    pub fn modules_of(&self, address: Address) -> &[u32] {
        self.by_address.get(&address).map(Vec::as_slice).unwrap_or_default()
    }

    /// All modules, in the order given.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The module at `index`, as named by [`Self::modules_of`].
    pub fn module(&self, index: u32) -> Option<&Module> {
        self.modules.get(usize::try_from(index).ok()?)
    }

    /// True when nothing is protected.
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }
}
