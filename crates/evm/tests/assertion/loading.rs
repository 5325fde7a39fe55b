//! Artifacts that can be used, and one clear error for each that cannot.

use alloy_primitives::Address;
use cofferdam_evm::{Artifact, AssertionSource, Assertions};

use super::bed::{Bed, HELD, RULES, artifact, mine, module, of, text};

fn refused(artifact: Artifact) -> String {
    let source = AssertionSource { module: module(), adopter: Address::ZERO, artifact, gas: 1, level: None };
    let (number, error) = Assertions::deploy(RULES, vec![source]).unwrap_err();
    assert_eq!(number, 0);
    error.to_string()
}

#[test]
fn an_artifact_as_foundry_writes_it_is_taken() {
    let mut bed = Bed::new("AssertedToken");
    let plain: serde_json::Value = serde_json::from_slice(&text("OldAssertion")).unwrap();
    let foundry = serde_json::json!({
        "abi": plain["abi"],
        "bytecode": { "object": plain["bytecode"], "sourceMap": "1:2:3", "linkReferences": {} },
        "deployedBytecode": { "object": plain["deployedBytecode"] },
        "methodIdentifiers": {},
        "metadata": { "compiler": { "version": "0.8.30" } },
        "id": 7,
    });
    let artifact = Artifact::new("OldAssertion", foundry.to_string().as_bytes(), &[]).unwrap();
    assert_eq!(artifact.name(), "OldAssertion");
    let source = AssertionSource { artifact, ..bed.source("OldAssertion", &[]) };
    let mut engine = bed.engine(vec![source]);
    assert_eq!(of(&mine(&mut engine, 2, vec![bed.run()])[0], "sixFields").result, HELD);
}

#[test]
fn each_contract_that_is_no_assertion_says_why() {
    for (how, part) in [
        ("0", "the constructor fails: not today"),
        ("1", "the constructor fails: there is no version 9 of the interface"),
        ("2", "registers a version of the interface twice"),
        ("3", "there is no transaction in a constructor"),
        ("4", "triggers are registered in triggers()"),
        ("5", "registers nothing"),
    ] {
        let error = refused(artifact("RefusingAssertion", &[how.to_owned()]));
        assert!(error.contains(part), "{how}: {error}");
    }
    assert_eq!(refused(artifact("NoAssertion", &[])), "`triggers()` fails: reverted without a reason");
    let error = refused(artifact("MisnamedAssertion", &[]));
    assert_eq!(error, "`triggers()` names the function 0x12345678, which the contract does not have");
}

#[test]
fn what_is_loaded_can_be_listed() {
    let bed = Bed::new("AssertedToken");
    let sources = vec![bed.source("UnsupportedAssertion", &[]), bed.source("OldAssertion", &[])];
    let assertions = Assertions::deploy(RULES, sources).unwrap();
    let listed: Vec<_> = assertions.summary().map(|(name, _, functions, left)| (name, functions, left.len())).collect();
    assert_eq!(listed, [("UnsupportedAssertion", 3, 1), ("OldAssertion", 1, 0)]);
}
