//! Who is taken to belong to whom.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use cofferdam_types::primitives::{Address, B256, Bytes, U256};
use cofferdam_types::{
    Actor, Asset, Basis, BlockNumber, BlockRef, CodeChange, Effects, Event, Evidence, Execution, Finding, FindingId,
    Gainer, Harm, HarmAccount, HarmLine, Header, Level, Maturity, Module, ModuleId, Movement, MovementProof, Outcome,
    Role, Severity, Stage, Standing, Transaction, Verdict, Watchlist, Window,
};

use super::Company;
use crate::labels::Labels;

const VAULT: Address = Address::repeat_byte(0xaa);
const MIXER: Address = Address::repeat_byte(0xbb);

fn account(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

fn company() -> Company {
    let module = Module { id: ModuleId::new("vault").unwrap(), contracts: vec![VAULT], assets: Vec::new() };
    let mut labels = Labels::default();
    labels.add(&format!("address,category,name\n{MIXER},mixer,Whirlpool\n")).unwrap();
    Company::new(Arc::new(Watchlist::new(vec![module])), Arc::new(labels))
}

/// A mined transaction of `from` in block `number`, twelve seconds a block.
fn mined(number: u64, from: Address, to: Option<Address>) -> Execution {
    let hash = B256::from(U256::from(number));
    let header = Header { number: BlockNumber(number), hash, timestamp: 12 * number, ..Header::default() };
    Execution {
        transaction: Arc::new(Transaction { hash, from, to, ..Transaction::default() }),
        window: Window::Mined,
        block: Arc::new(header),
        index: Some(0),
        effects: Effects::nothing(Outcome::Success(Bytes::new())),
        facts: Vec::new(),
        assertions: Vec::new(),
        standing: Standing { head: BlockRef::default(), basis: Basis::Executed, missing: Vec::new(), left_out: 0 },
    }
}

fn paying(mut execution: Execution, from: Address, to: Address) -> Execution {
    let (asset, amount, proof) = (Asset::Native, U256::from(5), MovementProof::Native);
    execution.effects.movements.push(Movement { asset, from, to, amount, proof });
    execution
}

fn creating(mut execution: Execution, contract: Address) -> Execution {
    let creator = Some(execution.transaction.from);
    let (old, new) = (cofferdam_types::primitives::KECCAK256_EMPTY, B256::repeat_byte(1));
    execution.effects.code_changes.push(CodeChange { address: contract, old, new, creator, shape: None });
    execution
}

fn nothing() -> Verdict {
    let standing = Standing { head: BlockRef::default(), basis: Basis::Executed, missing: Vec::new(), left_out: 0 };
    Verdict { findings: Vec::new(), harm: Vec::new(), standing }
}

/// An alert about a loss of half of what is held, of which `gainer` has the most.
fn alert(execution: &Execution, gainer: Address) -> Verdict {
    let module = ModuleId::new("vault").unwrap();
    let finding = Finding {
        id: FindingId::new("asset-outflow", &module, execution.hash(), b""),
        detector: "asset-outflow".into(),
        maturity: Maturity::Stable,
        level: Level::Alert,
        severity: Severity::High,
        module: module.clone(),
        transaction: execution.hash(),
        summary: String::new(),
        harm: vec![Harm { asset: Asset::Native, account: VAULT, amount: U256::from(5), at_risk: false }],
        evidence: vec![Evidence::new("suspect", account(0x77))],
    };
    let line = HarmLine {
        asset: Asset::Native,
        account: VAULT,
        held: Some(U256::from(10)),
        left: U256::from(5),
        returned: Some(U256::ZERO),
        worth: None,
    };
    let gainers = vec![Gainer { account: gainer, asset: Asset::Native, amount: U256::from(5), worth: None }];
    let harm = HarmAccount { module, lines: vec![line], claims: Vec::new(), gainers, numeraire: Asset::Native };
    Verdict { findings: vec![finding], harm: vec![harm], ..nothing() }
}

fn trail(events: &[Event]) -> cofferdam_types::Trail {
    let Some(Event::Found { trail: Some(trail), .. }) = events.first() else { panic!("no trail in {events:?}") };
    trail.clone()
}

fn role(events: &[Event], account: Address) -> Option<Role> {
    trail(events).party.iter().find(|actor| actor.account == account).map(|actor| actor.role)
}

#[test]
fn a_finding_names_sender_maker_own_contract_gainer_suspect_and_funder_with_time_stage_and_share() {
    let mut company = company();
    company.learn(&paying(mined(1, account(9), Some(account(1))), account(9), account(1)), &nothing());
    company.learn(&creating(mined(2, account(1), None), account(0x11)), &nothing());
    let attack = mined(3, account(2), Some(account(0x11)));
    let attack = paying(attack, account(1), account(2));
    let found = company.found(&attack, &alert(&attack, account(3)));
    let roles: Vec<_> = [2, 1, 0x11, 3, 0x77].map(|byte| role(&found, account(byte)).unwrap()).to_vec();
    assert_eq!(roles, [Role::Sender, Role::Maker, Role::Entry, Role::Recipient, Role::Suspect]);
    let trail = trail(&found);
    assert_eq!((trail.at.0, trail.stage, trail.lost_bps), (36_000, Stage::Exploitation, Some(5_000)));
    assert!(trail.score < cofferdam_types::Score::WHOLE);
    let by_maker = mined(4, account(1), None);
    let found = company.found(&by_maker, &alert(&by_maker, account(1)));
    assert_eq!(role(&found, account(9)), Some(Role::Funder));
}

#[test]
fn what_everybody_uses_ties_nobody() {
    let mut company = company();
    company.learn(&creating(mined(1, account(1), None), account(0x11)), &nothing());
    for byte in 20..30 {
        company.learn(&mined(u64::from(byte), account(byte), Some(account(0x11))), &nothing());
        company.learn(&paying(mined(40, account(9), None), account(9), account(byte)), &nothing());
    }
    let attack = mined(50, account(25), Some(account(0x11)));
    // A gainer that is protected, listed or nobody is no party.
    for gainer in [VAULT, MIXER, Address::ZERO] {
        let found = company.found(&attack, &alert(&attack, gainer));
        assert_eq!(trail(&found).party.len(), 2, "sender and suspect");
        assert_eq!(role(&found, account(9)), None, "it gave coin to everybody");
    }
}

#[test]
fn a_listed_party_that_sent_the_first_coin_is_a_sign_of_funding() {
    let mut company = company();
    company.learn(&paying(mined(1, MIXER, None), MIXER, account(1)), &nothing());
    let attack = mined(3, account(1), Some(VAULT));
    let verdict = alert(&attack, account(1));
    let event = company.funding(&attack, &verdict).unwrap();
    let Event::Found { finding, block, trail: Some(trail), .. } = &event else { panic!("{event:?}") };
    assert_eq!((finding.level, trail.stage, block.unwrap().number), (Level::Notice, Stage::Funding, BlockNumber(1)));
    assert!(finding.summary.contains("Whirlpool"), "{}", finding.summary);
    assert_eq!(trail.party, [Actor { account: account(1), role: Role::Recipient }], "never the mixer itself");
    company.retract(BlockRef { number: BlockNumber(1), hash: B256::from(U256::from(1)) });
    assert!(company.funding(&attack, &verdict).is_none(), "its block left the chain");
}

#[test]
fn what_was_taken_is_followed_from_hand_to_hand_for_a_day() {
    let mut company = company();
    let attack = mined(3, account(1), Some(VAULT));
    company.learn(&attack, &alert(&attack, account(2)));
    let hop = paying(mined(4, account(2), None), account(2), account(5));
    let event = company.laundering(&hop).unwrap();
    let Event::Found { finding, trail: Some(trail), .. } = &event else { panic!("{event:?}") };
    assert_eq!((finding.level, trail.stage), (Level::Notice, Stage::Laundering));
    assert!(trail.party.contains(&Actor { account: account(5), role: Role::Recipient }));
    let out = company.laundering(&paying(mined(5, account(5), None), account(5), MIXER)).unwrap();
    let Event::Found { finding, trail: Some(trail), .. } = &out else { panic!("{out:?}") };
    assert!(finding.summary.contains("Whirlpool") && trail.party.iter().all(|actor| actor.account != MIXER));
    assert!(company.laundering(&paying(mined(6, account(7), None), account(7), account(8))).is_none());
    let much_later = paying(mined(3 + 7_201, account(2), None), account(2), account(6));
    assert!(company.laundering(&much_later).is_none());
}

#[test]
fn one_holder_who_pays_for_ever_is_told_a_few_times() {
    let mut company = company();
    let attack = mined(3, account(1), Some(VAULT));
    company.learn(&attack, &alert(&attack, account(1)));
    let told = (0..100_u64).filter(|number| {
        let to = Address::from_word(B256::from(U256::from(1_000 + number)));
        company.laundering(&paying(mined(4 + number, account(1), None), account(1), to)).is_some()
    });
    assert_eq!(told.count(), 16);
}

#[test]
fn another_token_and_dust_are_not_followed_and_the_day_does_not_begin_anew_with_each_hand() {
    let mut company = company();
    let attack = mined(3, account(1), Some(VAULT));
    let mut verdict = alert(&attack, account(2));
    verdict.findings[0].harm[0].amount = U256::from(10_000);
    company.learn(&attack, &verdict);
    let pay = |number, from, to, asset, amount: u64| {
        let mut execution = paying(mined(number, from, None), from, to);
        execution.effects.movements[0].asset = asset;
        execution.effects.movements[0].amount = U256::from(amount);
        execution
    };
    let spam = Asset::Erc20(account(0x99));
    assert!(company.laundering(&pay(4, account(2), account(5), spam, 10_000)).is_none());
    assert!(company.laundering(&pay(5, account(2), account(5), Asset::Native, 9)).is_none());
    assert!(company.laundering(&pay(3 + 7_000, account(2), account(5), Asset::Native, 10)).is_some());
    assert!(company.laundering(&pay(3 + 7_201, account(5), account(6), Asset::Native, 10)).is_none());
}

#[test]
fn payments_beyond_what_is_told_do_not_end_the_trail() {
    let mut company = company();
    let attack = mined(3, account(1), Some(VAULT));
    company.learn(&attack, &alert(&attack, account(1)));
    for byte in 20..37 {
        company.laundering(&paying(mined(u64::from(byte), account(1), None), account(1), account(byte)));
    }
    assert!(company.laundering(&paying(mined(50, account(36), None), account(36), account(60))).is_some());
}

#[test]
fn a_block_that_left_the_chain_gives_back_what_was_told_and_who_was_seen() {
    let mut company = company();
    let dropped = mined(40, account(9), None);
    company.learn(&creating(mined(1, account(1), None), account(0x11)), &nothing());
    for byte in 20..30 {
        let mut used = mined(40, account(byte), Some(account(0x11)));
        used = paying(used, account(9), account(byte));
        company.learn(&used, &nothing());
    }
    assert!(!company.is_own(account(0x11)));
    company.retract(dropped.block.block_ref());
    assert!(company.is_own(account(0x11)));
    company.learn(&paying(mined(41, account(9), None), account(9), account(50)), &nothing());
    assert!(company.funder(account(50)).is_some());
}

#[test]
fn where_an_old_account_had_its_coin_from_says_nothing() {
    let mut company = company();
    company.learn(&paying(mined(1, MIXER, None), MIXER, account(1)), &nothing());
    let mut attack = mined(3, account(1), Some(VAULT));
    Arc::make_mut(&mut attack.transaction).nonce = super::YOUNG;
    assert!(company.funding(&attack, &alert(&attack, account(1))).is_none());
}

#[test]
fn what_was_taken_is_followed_as_a_wrapped_coin_too() {
    let mut company = company();
    let attack = mined(3, account(1), Some(VAULT));
    company.learn(&attack, &alert(&attack, account(2)));
    let coin = account(0x33);
    let mut wraps = paying(mined(4, account(2), Some(coin)), account(2), coin);
    let given =
        Movement { asset: Asset::Erc20(coin), from: Address::ZERO, to: account(2), ..wraps.effects.movements[0] };
    wraps.effects.movements.push(Movement { proof: MovementProof::Claimed, ..given });
    assert!(company.laundering(&wraps).is_none(), "it is still where it was");
    let mut hop = paying(mined(5, account(2), None), account(2), account(5));
    hop.effects.movements[0].asset = Asset::Erc20(coin);
    assert!(company.laundering(&hop).is_some());
}
