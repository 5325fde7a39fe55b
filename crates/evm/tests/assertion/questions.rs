//! Whatever is asked: an answer, a refusal or "not supported", and never a panic.

use alloy_primitives::{Bytes, hex, keccak256};
use cofferdam_evm::AssertionSource;
use cofferdam_types::{AssertionResult, Undecided};
use proptest::prelude::*;

use super::bed::{Bed, artifact, mine, module, of};

const CALLS: [&str; 14] = [
    "forkPreCall(uint256)",
    "load(address,bytes32)",
    "getAllCallInputs(address,bytes4)",
    "getStateChanges(address,bytes32)",
    "loadStateAt(address,bytes32,(uint8,uint256))",
    "staticcallAt(address,bytes,uint64,(uint8,uint256))",
    "getLogsQuery((address,bytes32),(uint8,uint256))",
    "matchingCalls(address,bytes4,(uint8,uint32,uint32,bool,bool),uint256)",
    "getErc20TransfersForTokens(address[],(uint8,uint256))",
    "conserveBalance((uint8,uint256),(uint8,uint256),address,address)",
    "forbidChangeForSlots(bytes32[])",
    "assetsMatchSharePriceAt(address,uint256,(uint8,uint256),(uint8,uint256))",
    "normalizeDecimals(uint256,uint8,uint8)",
    "ratioGe(uint256,uint256,uint256,uint256,uint256)",
];

/// A word as calldata would have it: small numbers, offsets, accounts, and the largest of all.
fn any_word() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![
        (0..8_u8).prop_map(|small| {
            let mut word = [0; 32];
            word[31] = small * 32;
            word
        }),
        (0..4_u8).prop_map(|small| {
            let mut word = [0; 32];
            word[31] = small;
            word
        }),
        Just([0xff; 32]),
        any::<[u8; 32]>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_question_is_a_panic(
        call in prop::option::of(0..CALLS.len()),
        words in prop::collection::vec(any_word(), 0..9),
        cut in 0..32_usize,
    ) {
        let mut data = match call {
            Some(call) => keccak256(CALLS[call])[..4].to_vec(),
            None => Vec::new(),
        };
        words.iter().for_each(|word| data.extend(word));
        data.truncate(data.len().saturating_sub(cut));
        let mut bed = Bed::new("AssertedToken");
        let argument = hex::encode_prefixed(Bytes::from(data));
        let raw = artifact("RawAssertion", &[argument]);
        let source = AssertionSource { module: module(), adopter: bed.vault, artifact: raw, gas: 3_000_000, level: None };
        let mut engine = bed.engine(vec![source]);
        let executions = mine(&mut engine, 2, vec![bed.run()]);
        let result = &of(&executions[0], "asks").result;
        let answered = matches!(
            result,
            AssertionResult::Held { .. } | AssertionResult::Inconclusive(Undecided::NotSupported { .. })
        );
        prop_assert!(answered, "{:?}", result);
    }
}
