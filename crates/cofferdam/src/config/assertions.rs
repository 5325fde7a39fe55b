//! Solidity assertions of the modules: artifacts that are read, deployed into an empty world, and asked for their
//! triggers, so that whatever is wrong with one is told before anything is watched.

use std::path::{Path, PathBuf};

use alloy_primitives::Address;
use cofferdam_evm::{Artifact, AssertionSource, Assertions, DEFAULT_GAS, Rules};
use cofferdam_types::Level;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{File, Mistake};

/// A Solidity assertion contract that guards a module.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertionEntry {
    /// Its artifact as `forge build` writes it: `out/VaultAssertion.a.sol/VaultAssertion.json`.
    pub artifact: PathBuf,
    /// One text for each argument of its constructor.
    #[serde(default)]
    pub constructor_arguments: Vec<String>,
    /// The contract of the module that it speaks of. Absent: the first one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub adopter: Option<Address>,
    /// Gas of one run. What does not fit is run once more with a high limit, and told.
    #[serde(default = "default_gas")]
    #[schemars(range(min = 1))]
    pub gas: u64,
    /// What a breach is worth. Absent: a stop where harm is counted, else an alert.
    #[serde(default)]
    pub level: Option<Level>,
}

const fn default_gas() -> u64 {
    DEFAULT_GAS
}

/// Everything that the file names, deployed.
///
/// # Errors
/// Every mistake.
pub(super) fn load(file: &File, rules: Rules) -> Result<Assertions, Vec<Mistake>> {
    let (mut sources, mut fields, mut mistakes) = (Vec::new(), Vec::new(), Vec::new());
    for (number, module) in file.modules.iter().enumerate() {
        for (index, entry) in module.assertions.iter().enumerate() {
            let field = format!("module[{number}].assertions[{index}]");
            let Some(adopter) = entry.adopter.or_else(|| module.contracts.first().copied()) else { continue };
            if !module.contracts.contains(&adopter) {
                let mistake = Mistake::new(format!("{field}.adopter"), "is none of the module's contracts");
                mistakes.push(mistake.seeing(adopter));
                continue;
            }
            match read(&entry.artifact, &entry.constructor_arguments) {
                Ok(artifact) => {
                    let (module, gas, level) = (module.id.clone(), entry.gas, entry.level);
                    sources.push(AssertionSource { module, adopter, artifact, gas, level });
                    fields.push((field, &entry.artifact));
                }
                Err(reason) => {
                    mistakes.push(Mistake::new(format!("{field}.artifact"), reason).seeing(entry.artifact.display()));
                }
            }
        }
    }
    // One at a time, so that all that fail are told.
    for (source, (field, path)) in sources.iter().zip(&fields) {
        if let Err((_, error)) = Assertions::deploy(rules, vec![source.clone()]) {
            mistakes.push(Mistake::new(format!("{field}.artifact"), error.to_string()).seeing(path.display()));
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Assertions::deploy(rules, sources).map_err(|(number, error)| {
        let field = fields.get(number).map(|(field, _)| field.clone()).unwrap_or_default();
        vec![Mistake::new(format!("{field}.artifact"), error.to_string())]
    })
}

fn read(path: &Path, arguments: &[String]) -> Result<Artifact, String> {
    let text = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Artifact::new(&name, &text, arguments).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::take;

    const MODULE: &str = "
[chain]
id = 31337
[[endpoint]]
name = 'a'
url = 'ws://127.0.0.1:8545'
[record]
database = 'cofferdam.db'
[[module]]
id = 'vault'
contracts = ['0x00000000000000000000000000000000000000aa', '0x00000000000000000000000000000000000000ab']
";

    fn artifact(contract: &str) -> String {
        format!("{}/../../contracts/artifacts/{contract}.json", env!("CARGO_MANIFEST_DIR"))
    }

    fn taken(assertions: &str) -> Result<crate::config::Ready, Vec<String>> {
        let text = format!("{MODULE}{assertions}");
        take(&text, Path::new(""), &|_| None).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_assertion_is_loaded_with_its_arguments_and_its_adopter() {
        let account = "0x00000000000000000000000000000000000000ab";
        let ready = taken(&format!(
            "[[module.assertions]]\nartifact = '{}'\n[[module.assertions]]\nartifact = '{}'\nadopter = '{account}'\n\
             gas = 300000\nlevel = 'alert'\nconstructor_arguments = ['{account}', '{account}', '{account}']",
            artifact("OldAssertion"),
            artifact("ReshiramAssertion"),
        ))
        .unwrap();
        let names: Vec<&str> = ready.assertions.summary().map(|(name, ..)| name).collect();
        assert_eq!(names, ["OldAssertion", "ReshiramAssertion"]);
    }

    #[test]
    fn every_assertion_that_cannot_be_used_is_told_at_its_field() {
        let found = taken(&format!(
            "[[module.assertions]]\nartifact = 'no/such/file.json'\n\
             [[module.assertions]]\nartifact = '{}'\nadopter = '0x00000000000000000000000000000000000000ff'\n\
             [[module.assertions]]\nartifact = '{}'\nconstructor_arguments = ['1']\n\
             [[module.assertions]]\nartifact = '{}'\nconstructor_arguments = ['0']",
            artifact("OldAssertion"),
            artifact("OldAssertion"),
            artifact("RefusingAssertion"),
        ))
        .unwrap_err();
        for (field, part) in [
            ("module[0].assertions[0].artifact: ", "cannot be read"),
            ("module[0].assertions[1].adopter: ", "is none of the module's contracts"),
            ("module[0].assertions[2].artifact: ", "the constructor takes 0 arguments, 1 are given"),
        ] {
            assert!(found.iter().any(|mistake| mistake.contains(field) && mistake.contains(part)), "{field} {found:?}");
        }
        let refusing = "the constructor fails: not today";
        assert!(found.iter().any(|mistake| mistake.contains(refusing)), "{found:?}");
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
