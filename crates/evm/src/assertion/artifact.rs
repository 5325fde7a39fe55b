//! A compiled assertion contract as Foundry writes it into `out/`, and its constructor's arguments.
//!
//! Files come from people: whatever is wrong with one is told in one sentence, before anything runs.

use std::collections::HashMap;

use alloy_dyn_abi::{DynSolType, DynSolValue, JsonAbiExt, Specifier};
use alloy_json_abi::JsonAbi;
use revm::primitives::{Bytes, hex};
use serde_json::Value;

/// Creation code of any size is taken, within reason.
const MOST_CODE: usize = 1 << 20;

/// The file, or the arguments for it, cannot be used.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArtifactError {
    /// Not JSON.
    #[error("is no JSON: {0}")]
    NotJson(String),
    /// JSON of something else.
    #[error("has no `{0}`: an artifact as `forge build` writes it into `out/` is expected")]
    Lacks(&'static str),
    /// An interface or an abstract contract.
    #[error("has no creation code: interfaces and abstract contracts cannot be deployed")]
    Abstract,
    /// Libraries are missing in the code.
    #[error("its code is not linked: it needs the address of `{0}`")]
    Unlinked(String),
    /// Code that is no code.
    #[error("its `bytecode` is not hexadecimal, or more than 1 MiB")]
    Code,
    /// An interface that does not parse.
    #[error("its `abi` does not parse: {0}")]
    Abi(String),
    /// More or fewer than the constructor takes.
    #[error("the constructor takes {needed} arguments, {given} are given")]
    Count {
        /// How many it takes.
        needed: usize,
        /// How many there are.
        given: usize,
    },
    /// One argument is not of its type.
    #[error("argument {index} is no `{kind}`: `{seen}`")]
    Argument {
        /// From 0.
        index: usize,
        /// The Solidity type.
        kind: String,
        /// What is given, shortened.
        seen: String,
    },
}

/// A contract that can be deployed.
#[derive(Clone, Debug)]
pub struct Artifact {
    pub(super) name: String,
    /// With the arguments behind it.
    pub(super) creation: Bytes,
    pub(super) functions: HashMap<[u8; 4], String>,
    pub(super) abi: JsonAbi,
}

impl Artifact {
    /// Takes the text of an artifact and one text per argument of the constructor. `name` is what the contract is
    /// called where the file does not say.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub fn new(name: &str, text: &[u8], arguments: &[String]) -> Result<Self, ArtifactError> {
        let file: Value = serde_json::from_slice(text).map_err(|error| ArtifactError::NotJson(error.to_string()))?;
        let abi = file.get("abi").ok_or(ArtifactError::Lacks("abi"))?;
        let abi: JsonAbi =
            serde_json::from_value(abi.clone()).map_err(|error| ArtifactError::Abi(error.to_string()))?;
        let bytecode = file.get("bytecode").ok_or(ArtifactError::Lacks("bytecode"))?;
        // Foundry nests the code; other tools do not.
        let code = bytecode.get("object").unwrap_or(bytecode).as_str().ok_or(ArtifactError::Lacks("bytecode"))?;
        let mut creation = decode(code)?;
        creation.extend(encode(&abi, arguments)?);
        let functions = abi.functions().map(|function| (function.selector().0, function.name.clone())).collect();
        let said = file.get("contractName").and_then(Value::as_str);
        Ok(Self { name: said.unwrap_or(name).to_owned(), creation: creation.into(), functions, abi })
    }

    /// The contract's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a function is called; its selector where the interface does not name it.
    pub(super) fn function(&self, selector: [u8; 4]) -> String {
        self.functions.get(&selector).cloned().unwrap_or_else(|| hex::encode_prefixed(selector))
    }
}

fn decode(code: &str) -> Result<Vec<u8>, ArtifactError> {
    let digits = code.strip_prefix("0x").unwrap_or(code);
    if digits.is_empty() {
        return Err(ArtifactError::Abstract);
    }
    // solc leaves `__$…$__` where the address of a library belongs.
    if let Some((_, library)) = digits.split_once("__$") {
        return Err(ArtifactError::Unlinked(library.chars().take(34).collect()));
    }
    let code = hex::decode(digits).map_err(|_| ArtifactError::Code)?;
    if code.len() > MOST_CODE { Err(ArtifactError::Code) } else { Ok(code) }
}

fn encode(abi: &JsonAbi, arguments: &[String]) -> Result<Vec<u8>, ArtifactError> {
    let none = Vec::new();
    let inputs = abi.constructor().map_or(&none, |constructor| &constructor.inputs);
    if inputs.len() != arguments.len() {
        return Err(ArtifactError::Count { needed: inputs.len(), given: arguments.len() });
    }
    let mut values: Vec<DynSolValue> = Vec::with_capacity(arguments.len());
    for (index, (input, text)) in inputs.iter().zip(arguments).enumerate() {
        let kind: DynSolType = input.resolve().map_err(|error| ArtifactError::Abi(error.to_string()))?;
        let value = kind.coerce_str(text).map_err(|_| ArtifactError::Argument {
            index,
            kind: input.ty.clone(),
            seen: text.chars().take(80).collect(),
        })?;
        values.push(value);
    }
    match abi.constructor() {
        Some(constructor) => {
            constructor.abi_encode_input(&values).map_err(|error| ArtifactError::Abi(error.to_string()))
        }
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str, arguments: &[&str]) -> Result<Artifact, ArtifactError> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        Artifact::new("Fallback", text.as_bytes(), &arguments)
    }

    const ONE: &str = r#"[{"type":"constructor","inputs":[{"name":"a","type":"address"},{"name":"b","type":"uint256[]"}],"stateMutability":"nonpayable"}]"#;

    #[test]
    fn both_shapes_of_artifacts_are_taken_with_their_arguments() {
        let vault = "0x00000000000000000000000000000000000000aa";
        for bytecode in [r#""0x6001""#, r#"{"object":"0x6001","linkReferences":{}}"#] {
            let artifact = taken(&format!(r#"{{"abi":{ONE},"bytecode":{bytecode}}}"#), &[vault, "[1, 2]"]).unwrap();
            assert_eq!(artifact.creation.len(), 2 + 32 * 5);
            assert_eq!(artifact.name(), "Fallback");
        }
    }

    #[test]
    fn each_wrong_file_gives_its_own_error() {
        for (text, part) in [
            ("not json", "is no JSON"),
            ("{}", "has no `abi`"),
            (r#"{"abi":[]}"#, "has no `bytecode`"),
            (r#"{"abi":[],"bytecode":{"object":5}}"#, "has no `bytecode`"),
            (r#"{"abi":[],"bytecode":"0x"}"#, "no creation code"),
            (r#"{"abi":[],"bytecode":"0x60__$aabb$__"}"#, "not linked"),
            (r#"{"abi":[],"bytecode":"0xzz"}"#, "not hexadecimal"),
            (r#"{"abi":{"a":1},"bytecode":"0x60"}"#, "`abi` does not parse"),
        ] {
            let error = taken(text, &[]).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let file = format!(r#"{{"abi":{ONE},"bytecode":"0x60"}}"#);
        assert_eq!(taken(&file, &["0x1"]).unwrap_err(), ArtifactError::Count { needed: 2, given: 1 });
        let error = taken(&file, &["0x12", "[1]"]).unwrap_err().to_string();
        assert_eq!(error, "argument 0 is no `address`: `0x12`");
    }
}
