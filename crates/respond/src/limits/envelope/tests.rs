//! Signed limits: whose signatures count, over what, and what ends them.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use alloy_dyn_abi::TypedData;
use alloy_primitives::hex;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use proptest::prelude::*;

use super::*;
use crate::limits::{Limits, LimitsError};

const TERMS: &str = r#"
enabled = true

[envelope]
protocol = "drill"
chain_id = 31337
serial = 3
valid_from_unix_seconds = 1700000000

[[allow]]
lever = "vault-pause"
target = "0x00000000000000000000000000000000000000aa"
selector = "0x8456cb59"
only_broken_invariants = true
min_loss = [{ amount = "1000000000000000000" }, { token = "0x00000000000000000000000000000000000000bb", amount = 5 }]
max_actions = 1
window_seconds = 86400
expires_unix_seconds = 4000000000
max_fee_per_gas_wei = 1000000000000
max_total_cost_wei = "100000000000000000"
"#;

fn key(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(byte)).unwrap()
}

fn signers(bytes: &[u8], threshold: u32) -> Signers {
    Signers { accounts: bytes.iter().map(|byte| key(*byte).address()).collect(), threshold }
}

fn read(text: &str) -> Limits {
    Limits::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn table(name: &str, signer: Address, bytes: &[u8]) -> String {
    format!("\n[{name}]\nsigner = \"{signer}\"\nsignature = \"0x{}\"\n", hex::encode(bytes))
}

fn signed_by(byte: u8, hash: B256) -> String {
    table("[signature]", key(byte).address(), &key(byte).sign_hash_sync(&hash).unwrap().as_bytes())
}

fn approval(text: &str, signers: &Signers) -> Result<Approval, EnvelopeError> {
    read(text).envelope().unwrap().approval(signers, 31_337)
}

fn hash() -> B256 {
    read(TERMS).hash()
}

#[test]
fn a_wallet_is_shown_what_is_hashed() {
    let limits = read(TERMS);
    let envelope = limits.envelope().unwrap();
    let wallet = |json: Value| serde_json::from_value::<TypedData>(json).unwrap().eip712_signing_hash().unwrap();
    assert_eq!(wallet(envelope.typed_data()), envelope.hash());
    assert_eq!(wallet(envelope.revocation_typed_data()), envelope.revocation_hash());
    assert_eq!(envelope.hash(), limits.hash());
    assert_eq!(envelope.typed_data()["message"]["allow"][0]["maxTotalCostWei"], "100000000000000000");
}

#[test]
fn enough_signatures_of_the_signers_make_it_hold() {
    let text = format!("{TERMS}{}{}", signed_by(1, hash()), signed_by(3, hash()));
    let approved = approval(&text, &signers(&[1, 2, 3], 2)).unwrap();
    assert_eq!(approved.signed, [key(1).address(), key(3).address()]);
    let too_few = approval(&text, &signers(&[1, 2, 3], 3)).unwrap_err();
    assert_eq!(too_few, EnvelopeError::TooFew { have: 2, need: 3 });
}

#[test]
fn remarks_and_signatures_do_not_change_what_is_signed_and_any_value_does() {
    let limits = |text: &str| read(text).hash();
    assert_eq!(limits(&format!("# a remark\n{TERMS}{}", signed_by(1, hash()))), hash());
    assert_eq!(
        limits(&TERMS.replace("enabled = true", "enabled = false")),
        hash(),
        "the local switch is nobody's term"
    );
    for (from, to) in [
        ("\"drill\"", "\"drills\""),
        ("chain_id = 31337", "chain_id = 1"),
        ("serial = 3", "serial = 4"),
        ("valid_from_unix_seconds = 1700000000", "valid_from_unix_seconds = 1"),
        ("vault-pause", "vault-stop"),
        ("00aa\"", "00ab\""),
        ("0x8456cb59", "0x8456cb5a"),
        ("only_broken_invariants = true", ""),
        ("1000000000000000000", "1000000000000000001"),
        ("00bb\", amount = 5", "00bc\", amount = 5"),
        ("amount = 5", "amount = 6"),
        ("max_actions = 1", "max_actions = 2"),
        ("window_seconds = 86400", "window_seconds = 86401"),
        ("window_seconds = 86400", "window_seconds = 86400\ncool_down_seconds = 1"),
        ("window_seconds = 86400", "window_seconds = 86400\nmax_duration_seconds = 1"),
        ("window_seconds = 86400", "window_seconds = 86400\nmin_level = 'alert'"),
        ("window_seconds = 86400", "window_seconds = 86400\nmin_maturity = 'incubating'"),
        ("window_seconds = 86400", "window_seconds = 86400\nact_when_unproven = false"),
        ("window_seconds = 86400", "window_seconds = 86400\npriority_floor_wei = 1"),
        ("window_seconds = 86400", "window_seconds = 86400\npriority_bump_wei = 1"),
        ("4000000000", "4000000001"),
        ("max_fee_per_gas_wei = 1000000000000", "max_fee_per_gas_wei = 1000000000001"),
        ("\"100000000000000000\"", "\"100000000000000001\""),
    ] {
        let edited = TERMS.replacen(from, to, 1);
        assert_ne!(edited, TERMS, "{from}");
        assert_ne!(limits(&edited), hash(), "{from} -> {to}");
        let text = format!("{edited}{}", signed_by(1, hash()));
        let error = approval(&text, &signers(&[1], 1)).unwrap_err();
        assert!(matches!(error, EnvelopeError::Wrong { .. } | EnvelopeError::Chain { .. }), "{from}: {error}");
    }
}

#[test]
fn signatures_of_strangers_twice_mirrored_or_for_another_chain_are_refused() {
    let one = signers(&[1, 2], 1);
    let stranger = approval(&format!("{TERMS}{}", signed_by(9, hash())), &one).unwrap_err();
    assert_eq!(stranger, EnvelopeError::Stranger { signer: key(9).address() });
    let twice = format!("{TERMS}{}{}", signed_by(1, hash()), signed_by(1, hash()));
    assert_eq!(approval(&twice, &one).unwrap_err(), EnvelopeError::Twice { signer: key(1).address() });
    let signature = key(1).sign_hash_sync(&hash()).unwrap();
    let order = U256::from_str_radix("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141", 16).unwrap();
    let mirrored = Signature::new(signature.r(), order - signature.s(), !signature.v());
    assert_eq!(mirrored.recover_address_from_prehash(&hash()).unwrap(), key(1).address(), "the chain would take it");
    let text = format!("{TERMS}{}", table("[signature]", key(1).address(), &mirrored.as_bytes()));
    assert!(matches!(approval(&text, &one).unwrap_err(), EnvelopeError::Wrong { .. }));
    let whole = format!("{TERMS}{}", signed_by(1, hash()));
    let elsewhere = read(&whole).envelope().unwrap().approval(&one, 1).unwrap_err();
    assert_eq!(elsewhere, EnvelopeError::Chain { seen: 31_337, expected: 1 });
}

#[test]
fn a_contract_counts_when_it_says_yes_and_only_then() {
    let contract = Address::with_last_byte(0xc0);
    let mut all = signers(&[1], 2);
    all.accounts.push(contract);
    let text = format!(
        "{TERMS}{}\n[[signature]]\nsigner = \"{contract}\"\nsignature = \"0x1234\"\ncontract = true\n",
        signed_by(1, hash())
    );
    let mut limits = read(&text);
    limits.bind(&all, 31_337).unwrap();
    assert_eq!(limits.approved(), Err(crate::Refusal::NotApproved { have: 1, need: 2 }));
    assert_eq!(limits.to_ask(), [(contract, ask_call(hash(), &Bytes::from_static(&[0x12, 0x34])))]);
    limits.set_confirmed(vec![contract]);
    assert_eq!(limits.approved(), Ok(()));
    limits.set_confirmed(Vec::new());
    assert!(limits.approved().is_err(), "its owners have changed");
    let answer = |data: &[u8]| is_yes(&ViewResult::Returned(Bytes::copy_from_slice(data)));
    let magic = [&YES.0[..], &[0; 28]].concat();
    assert!(answer(&magic) && !answer(&magic[..4]) && !answer(&[&magic[..], &[0; 32]].concat()));
    assert!(!answer(&[1; 32]) && !is_yes(&ViewResult::Failed("no".to_owned())));
}

#[test]
fn one_signer_ends_it_and_a_stranger_cannot() {
    let all = signers(&[1, 2, 3], 1);
    let revocation = read(TERMS).envelope().unwrap().revocation_hash();
    let by = |byte: u8| {
        let bytes = key(byte).sign_hash_sync(&revocation).unwrap().as_bytes();
        format!("{TERMS}{}{}", signed_by(1, hash()), table("revoked", key(byte).address(), &bytes))
    };
    assert_eq!(approval(&by(2), &all).unwrap_err(), EnvelopeError::Revoked { signer: key(2).address() });
    assert_eq!(read(&by(2)).envelope().unwrap().revoked_by(&all), Some(key(2).address()));
    let mut limits = read(&by(2));
    limits.bind(&all, 31_337).unwrap();
    assert_eq!(limits.approved(), Err(crate::Refusal::Revoked { signer: key(2).address() }), "and is still read");
    assert!(approval(&by(9), &all).is_ok(), "whoever can write the file may also write `enabled = false`");
    // A signature under the terms is no revocation of them, nor the other way round.
    let confused = format!("{TERMS}{}", signed_by(1, revocation));
    assert!(matches!(approval(&confused, &all).unwrap_err(), EnvelopeError::Wrong { .. }));
}

#[test]
fn an_entry_that_hides_its_call_and_signatures_under_nothing_are_refused() {
    for line in ["target", "selector"] {
        let text: String =
            TERMS.lines().filter(|text| !text.starts_with(line)).map(|text| format!("{text}\n")).collect();
        let error = Limits::parse(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(line), "{error}");
    }
    let bare = TERMS.split("[envelope]").next().unwrap();
    let error = Limits::parse(format!("{bare}{}", signed_by(1, hash())).as_bytes()).unwrap_err();
    assert_eq!(error, LimitsError::NothingSigned);
}

proptest! {
    #[test]
    fn no_other_bytes_pass_for_a_signature(byte in 0..65_usize, bit in 0..8_u32) {
        let mut bytes = key(1).sign_hash_sync(&hash()).unwrap().as_bytes();
        bytes[byte] ^= 1 << bit;
        let text = format!("{TERMS}{}", table("[signature]", key(1).address(), &bytes));
        let refused = approval(&text, &signers(&[1], 1));
        // 27 and 28 may also be written 0 and 1: the same signature.
        prop_assume!(byte != 64 || !matches!(bytes[64], 0 | 1));
        prop_assert!(matches!(refused, Err(EnvelopeError::Wrong { .. })), "{refused:?}");
    }
}
