//! Transactions that are built to make judging slow: each shape at several sizes, and how the time grows with them.
//!
//! What an execution may contain is bounded by gas alone; whatever is more than linear in it is a way to stall the loop.
//! Most shapes are effects and not contracts, so that nothing but judging is measured; each goes for one of the places
//! where something is looked up for every one of many. The others (`hostile_code`) are code that the engine runs.

use std::sync::Arc;

use cofferdam_types::Clock;
use cofferdam_types::primitives::{Address, B256, Bytes, Log, U256, b256};
use cofferdam_types::{
    Asset, BalanceCheck, Basis, BlockNumber, Call, CallKind, CodeChange, Effects, EmittedLog, Execution, Header,
    Judge as _, Module, ModuleId, Movement, MovementProof, Outcome, Selector, Standing, StorageWrite, Transaction,
    Watchlist, Window,
};
use serde::Serialize;

use super::hostile_code::{self, Arena};
use crate::cases::judge;

/// What doubles in size may take this much longer. Twice is linear; the rest is noise and memory that is farther away.
const MOST_GROWTH: f64 = 3.2;
/// Sizes that are compared; an unoptimised build takes many times as long.
const SIZES: [u32; 3] = if cfg!(debug_assertions) { [2_500, 5_000, 10_000] } else { [10_000, 20_000, 40_000] };
/// Times that each is measured.
const TIMES: u32 = if cfg!(debug_assertions) { 1 } else { 3 };
/// Seconds after which no further shape is begun: the whole ends within a stated time, however slow something became.
const MOST_SECONDS: u64 = 60;
/// Shorter than this a time says nothing about growth.
const NOISE_MICROS: u64 = 2_000;

pub(super) const VAULT: Address = Address::repeat_byte(0xaa);
pub(super) const SENDER: Address = Address::repeat_byte(0x51);
const ATTACKER: Address = Address::repeat_byte(0x52);
const TOKEN: Address = Address::repeat_byte(0x70);
const TRANSFER_FROM: Selector = Selector::new([0x23, 0xb8, 0x72, 0xdd]);
const OWNERSHIP: B256 = b256!("8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0");
const VOTE: B256 = b256!("b8e138887d0aa13bab447e82de9d5c1777041ecd21ca36ba824ff1e6c07ddda4");

/// All shapes.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Those that were measured.
    pub rows: Vec<Row>,
    /// How long all of it took.
    pub seconds: u64,
    /// How long it may take.
    pub most_seconds: u64,
    /// Shapes that were not begun, for the time.
    pub not_run: Vec<&'static str>,
}

impl Report {
    /// Whether every shape was measured in time and grows with its size.
    pub fn is_good(&self) -> bool {
        self.not_run.is_empty() && self.seconds <= self.most_seconds && self.rows.iter().all(Row::is_linear)
    }
}

/// One shape at all sizes.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What there is much of.
    pub shape: &'static str,
    /// Sizes (for code: gas), and microseconds that judging and recording (for code: executing as well) took, the best of
    /// a few.
    pub micros: Vec<(u32, u64)>,
    /// The largest growth from one size to its double.
    pub growth: f64,
}

impl Row {
    /// Whether it grows with its size and not faster.
    pub fn is_linear(&self) -> bool {
        self.growth <= MOST_GROWTH
    }
}

/// A way to build effects of a size.
type Shape = fn(u32) -> Effects;

/// What is tried.
const SHAPES: [(&str, Shape); 12] = [
    ("calls back into an open call, each with a log", re_entries),
    ("reads of a view from a thousand frames deep", deep_reads),
    ("frames that are a thousand deep, again and again", deep),
    ("assets that leave and assets that come", assets),
    ("allowances that the module spends", allowances),
    ("announcements of new owners", announcements),
    ("entries that name addresses, and delegate calls", entries),
    ("contracts that come into being while others are paid", creations),
    ("tokens that the module asks while a vote is cast", votes),
    ("coins that are wrapped", wraps),
    ("holders of a token of the module, and writes that wrap", holders),
    ("storage writes and logs of strangers", strangers),
];

/// Judges every shape at every size; `progress` is told each finished one.
///
/// # Errors
/// When the judge cannot be made, or code could not be run.
pub fn run(clock: &dyn Clock, progress: &mut dyn FnMut(&str)) -> Result<Report, String> {
    let (watch, began) = (watch(), clock.monotonic_micros());
    let elapsed = || clock.monotonic_micros().saturating_sub(began) / 1_000_000;
    let mut report = Report { rows: Vec::new(), seconds: 0, most_seconds: MOST_SECONDS, not_run: Vec::new() };
    let mut measure = |shape: &'static str, run: &mut dyn FnMut() -> Result<Vec<(u32, u64)>, String>| {
        if elapsed() >= MOST_SECONDS {
            report.not_run.push(shape);
            return Ok(());
        }
        let micros = run()?;
        report.rows.push(Row { shape, growth: growth(&micros), micros });
        progress(shape);
        Ok::<(), String>(())
    };
    for (shape, build) in SHAPES {
        measure(shape, &mut || {
            SIZES.into_iter().map(|size| Ok((size, time(&watch, &execution(build(size)), clock)?))).collect()
        })?;
    }
    for (shape, code) in hostile_code::SHAPES {
        measure(shape, &mut || {
            let mut arena = Arena::new(code());
            let mut best =
                |gas: u32| (0..TIMES).try_fold(u64::MAX, |best, _| arena.run(gas, clock).map(|run| best.min(run.2)));
            hostile_code::GAS.into_iter().map(|gas| Ok((gas, best(gas)?))).collect()
        })?;
    }
    report.seconds = elapsed();
    Ok(report)
}

/// Microseconds for judging and recording, the best of a few.
fn time(watch: &Arc<Watchlist>, execution: &Execution, clock: &dyn Clock) -> Result<u64, String> {
    let mut best = u64::MAX;
    for _ in 0..TIMES {
        let mut judge = judge(watch).map_err(|error| error.to_string())?;
        let began = clock.monotonic_micros();
        std::hint::black_box(judge.judge(execution));
        judge.record(execution);
        best = best.min(clock.monotonic_micros().saturating_sub(began));
    }
    Ok(best)
}

#[expect(clippy::as_conversions, reason = "microseconds of a run, far below 2^53")]
fn growth(micros: &[(u32, u64)]) -> f64 {
    let pairs = micros.iter().zip(micros.iter().skip(1));
    let grown = pairs.filter(|(_, (_, after))| *after >= NOISE_MICROS);
    grown.map(|((_, before), (_, after))| *after as f64 / (*before).max(1) as f64).fold(0.0, f64::max)
}

/// A vault of two contracts, so that it also calls itself.
fn watch() -> Arc<Watchlist> {
    let id = ModuleId::new("vault").expect("the name is one that a module may have");
    let contracts = vec![VAULT, Address::repeat_byte(0xab), Address::repeat_byte(0xac)];
    Arc::new(Watchlist::new(vec![Module { id, contracts, assets: Vec::new() }]))
}

fn execution(effects: Effects) -> Execution {
    let transaction =
        Transaction { hash: B256::repeat_byte(7), from: SENDER, to: Some(ATTACKER), ..Transaction::default() };
    let header = Header { number: BlockNumber(100), timestamp: 1_700_000_000, ..Header::default() };
    Execution {
        transaction: Arc::new(transaction),
        window: Window::Mined,
        block: Arc::new(header),
        index: Some(0),
        effects,
        facts: Vec::new(),
        assertions: Vec::new(),
        standing: Standing { head: Default::default(), basis: Basis::Executed, missing: Vec::new(), left_out: 0 },
    }
}

/// Builds effects frame by frame.
struct Builder {
    effects: Effects,
}

impl Builder {
    /// The sender calls his contract, and the vault loses most of a token that it knows: harm opens the doors to what costs.
    fn robbed() -> Self {
        let mut builder = Self { effects: Effects::nothing(Outcome::Success(Bytes::new())) };
        let entry = builder.call(None, 0, CallKind::Call, SENDER, ATTACKER, None, &[]);
        let open = builder.call(Some(entry), 1, CallKind::Call, ATTACKER, VAULT, Some(Selector::new([1; 4])), &[]);
        builder.call(Some(open), 2, CallKind::Call, VAULT, TOKEN, Some(Selector::new([2; 4])), &[]);
        builder.moved(Asset::Erc20(TOKEN), VAULT, ATTACKER, U256::from(900_000));
        let (before, after) = (Some(U256::from(1_000_000)), Some(U256::from(100_000)));
        builder.effects.checks.push(BalanceCheck { account: VAULT, asset: Asset::Erc20(TOKEN), before, after });
        builder
    }

    #[expect(clippy::too_many_arguments, reason = "one argument a field of a frame")]
    fn call(
        &mut self,
        parent: Option<u32>,
        depth: u16,
        kind: CallKind,
        caller: Address,
        callee: Address,
        selector: Option<Selector>,
        input: &[u8],
    ) -> u32 {
        let number = u32::try_from(self.effects.calls.len()).unwrap_or(u32::MAX);
        let start = u32::try_from(self.effects.calldata.len()).unwrap_or(u32::MAX);
        self.effects.calldata.extend_from_slice(input);
        let length = u32::try_from(input.len()).unwrap_or(u32::MAX);
        let call = Call::new(parent, depth, kind, caller, callee, callee, selector, U256::ZERO, (start, length));
        self.effects.calls.push(call);
        number
    }

    fn moved(&mut self, asset: Asset, from: Address, to: Address, amount: U256) {
        self.effects.movements.push(Movement { asset, from, to, amount, proof: MovementProof::Claimed });
    }

    fn log(&mut self, call: u32, address: Address, topics: Vec<B256>) {
        let log = Log::new_unchecked(address, topics, Bytes::new());
        self.effects.logs.push(EmittedLog { call: Some(call), log });
    }

    fn write(&mut self, address: Address, slot: U256, old: U256, new: U256) {
        self.effects.writes.push(StorageWrite { address, slot, old, new });
    }
}

/// A different account for every number, of a kind.
fn account(kind: u8, number: u32) -> Address {
    let mut bytes = [kind; 20];
    bytes[12..16].copy_from_slice(&number.to_be_bytes());
    Address::from(bytes)
}

fn word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

fn re_entries(size: u32) -> Effects {
    let mut built = Builder::robbed();
    let out = built.call(Some(1), 2, CallKind::Call, VAULT, ATTACKER, None, &[]);
    for number in 0..size {
        let back =
            built.call(Some(out), 3, CallKind::Call, ATTACKER, VAULT, Some(Selector::from(number.to_be_bytes())), &[]);
        built.log(back.saturating_sub(number % 2), ATTACKER, vec![B256::repeat_byte(1)]);
    }
    built.effects
}

fn deep_reads(size: u32) -> Effects {
    let mut built = Builder::robbed();
    let mut parent = 1;
    for depth in 2..1_000_u16 {
        parent = built.call(Some(parent), depth, CallKind::Call, ATTACKER, account(0x10, depth.into()), None, &[]);
    }
    for number in 0..size {
        built.call(
            Some(parent),
            1_000,
            CallKind::StaticCall,
            account(0x10, number),
            VAULT,
            Some(Selector::new([3; 4])),
            &[],
        );
    }
    built.effects
}

fn deep(size: u32) -> Effects {
    let mut built = Builder::robbed();
    let mut parent = 1;
    for number in 0..size {
        let depth = u16::try_from(number % 1_000).unwrap_or(0).saturating_add(2);
        if depth == 2 {
            parent = 1;
        }
        let (caller, callee) = if number % 2 == 0 { (VAULT, ATTACKER) } else { (ATTACKER, VAULT) };
        parent = built.call(Some(parent), depth, CallKind::Call, caller, callee, Some(Selector::new([4; 4])), &[]);
    }
    built.effects
}

fn assets(size: u32) -> Effects {
    let mut built = Builder { effects: re_entries(100) };
    for number in 0..size {
        let (left, came) = (Asset::Erc1155(ATTACKER, U256::from(number)), Asset::Erc20(account(0x11, number)));
        built.moved(left, VAULT, ATTACKER, U256::from(1_000_000));
        built.moved(came, ATTACKER, VAULT, U256::from(1_000_000));
    }
    built.effects
}

fn allowances(size: u32) -> Effects {
    let mut built = Builder::robbed();
    for number in 0..size {
        let victim = account(0x12, number);
        let mut input = TRANSFER_FROM.to_vec();
        input.extend_from_slice(victim.into_word().as_slice());
        input.extend_from_slice(ATTACKER.into_word().as_slice());
        input.extend_from_slice(&U256::from(5_000).to_be_bytes::<32>());
        built.call(Some(1), 2, CallKind::Call, VAULT, TOKEN, Some(TRANSFER_FROM), &input);
        built.moved(Asset::Erc20(TOKEN), victim, ATTACKER, U256::from(5_000));
        built.write(TOKEN, U256::from_be_slice(victim.as_slice()).wrapping_shl(8), U256::from(5_000), U256::ZERO);
    }
    built.effects
}

fn announcements(size: u32) -> Effects {
    let mut built = Builder::robbed();
    for number in 0..size {
        let (old, new) = (account(0x13, number), account(0x14, number));
        built.log(1, VAULT, vec![OWNERSHIP, old.into_word(), new.into_word()]);
        built.write(VAULT, U256::from(number % 200), word(old), word(ATTACKER));
    }
    built.effects
}

fn entries(size: u32) -> Effects {
    let mut built = Builder::robbed();
    for number in 0..size {
        built.call(Some(1), 2, CallKind::DelegateCall, VAULT, VAULT, None, &[]);
        let slot = U256::MAX.wrapping_sub(U256::from(number));
        built.write(VAULT, slot, word(account(0x15, number)), word(account(0x16, number)));
    }
    built.effects
}

fn creations(size: u32) -> Effects {
    let mut built = Builder::robbed();
    for number in 0..size / 8 {
        let new = account(0x17, number);
        built.call(Some(0), 1, CallKind::Create, ATTACKER, new, None, &[]);
        let (old, hash) = (cofferdam_types::primitives::KECCAK256_EMPTY, B256::repeat_byte(9));
        built.effects.code_changes.push(CodeChange {
            address: new,
            old,
            new: hash,
            creator: Some(ATTACKER),
            shape: None,
        });
    }
    for number in 0..size {
        built.moved(Asset::Erc20(TOKEN), VAULT, account(0x18, number), U256::from(1));
        built.moved(Asset::Erc20(account(0x19, 1)), account(0x18, number), account(0x20, number), U256::from(9_000));
    }
    built.effects
}

fn votes(size: u32) -> Effects {
    let mut built = Builder::robbed();
    built.log(1, VAULT, vec![VOTE, ATTACKER.into_word()]);
    for number in 0..size {
        built.call(Some(1), 2, CallKind::StaticCall, VAULT, account(0x21, number), None, &[]);
        built.moved(Asset::Erc20(account(0x21, number)), account(0x22, number), ATTACKER, U256::from(9_000));
    }
    built.effects
}

fn wraps(size: u32) -> Effects {
    let mut built = Builder::robbed();
    for number in 0..size {
        let (payer, amount) = (account(0x23, number), U256::from(number).saturating_add(U256::from(5_000)));
        let native = Movement { asset: Asset::Native, from: payer, to: payer, amount, proof: MovementProof::Native };
        built.effects.movements.push(native);
    }
    // Native movements stand before all others.
    built.effects.movements.rotate_left(1);
    for number in 0..size {
        built.moved(Asset::Erc20(account(0x24, number)), Address::ZERO, ATTACKER, U256::from(number));
    }
    built.effects
}

fn holders(size: u32) -> Effects {
    let mut built = Builder::robbed();
    let huge: U256 = U256::ONE.wrapping_shl(170);
    for number in 0..size {
        let asset = Asset::Erc20(VAULT);
        built.moved(asset, account(0x25, number), account(0x26, number), huge.saturating_add(U256::from(number)));
        let slot = U256::MAX.wrapping_sub(U256::from(number));
        built.write(VAULT, slot, U256::from(number), U256::MAX.wrapping_sub(U256::from(number)));
    }
    built.effects
}

fn strangers(size: u32) -> Effects {
    let mut built = Builder::robbed();
    for number in 0..size {
        let stranger = account(0x27, number);
        built.log(0, stranger, vec![B256::repeat_byte(2)]);
        built.write(stranger, U256::from(number), U256::from(1), U256::from(2));
        built.call(Some(0), 1, CallKind::Call, ATTACKER, stranger, None, &[]);
    }
    built.effects
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a wrong shape must panic")]

    use super::*;

    /// What is quadratic takes very long at this size in a debug build; the runner's limit ends it.
    #[test]
    fn every_hostile_shape_is_judged_and_its_theft_still_told() {
        let watch = watch();
        for (shape, build) in SHAPES {
            let mut judge = judge(&watch).unwrap();
            let execution = execution(build(8_000));
            let verdict = judge.judge(&execution);
            judge.record(&execution);
            assert!(verdict.level().is_some(), "{shape}: what was robbed is not seen for all that is around it");
        }
    }

    #[test]
    fn growth_is_that_of_the_worst_pair_above_the_noise() {
        let grown = growth(&[(1, 10_000), (2, 20_000), (4, 80_000)]);
        assert!((grown - 4.0).abs() < 1e-9);
        assert!(growth(&[(1, 1), (2, 100), (4, 900)]).abs() < 1e-9, "too short to say anything");
    }
}
