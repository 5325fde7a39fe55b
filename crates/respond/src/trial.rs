//! Tries a containment on a fork of the head together with the attack, before anything is signed.
//!
//! What counts is the counterfactual: the same transaction with and without the containment, both judged by the same
//! judge. A trial leaves no trace in the engine and sends nothing.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes, U256};
use cofferdam_evm::{CallRequest, Engine, Fork};
use cofferdam_types::{
    BlockRef, Effects, Execution, Finding, Judge, Level, ModuleId, Outcome, StateError, Transaction, ViewResult, Window,
};

use crate::lever::{Lever, read_closed};
use crate::refusal::Refusal;

/// Gas that a closing call may use in a trial; one that needs more is not a quick lever.
const CLOSE_GAS: u64 = 3_000_000;
/// Gas of the view that is read back.
const VIEW_GAS: u64 = 1_000_000;

/// The attack as it is tried again.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    /// The transaction.
    pub(crate) transaction: Arc<Transaction>,
    /// Pending: it must be stopped itself. Mined: what follows it must be.
    pub(crate) window: Window,
    /// Pending transactions of the same sender that must run before it, lowest nonce first.
    pub(crate) earlier: Vec<Arc<Transaction>>,
}

impl Attack {
    /// A transaction of which nothing is known any more but that it was an attack.
    pub(crate) fn mined(transaction: Transaction) -> Self {
        Self { transaction: Arc::new(transaction), window: Window::Mined, earlier: Vec::new() }
    }
}

/// What trying the attack with and without the containment showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It does harm without the containment and none with it.
    Stops,
    /// It does harm with the containment too.
    DoesNotStop,
    /// It is mined, and repeating it on the head does no harm anyway.
    NothingToStop,
    /// It is pending and does no harm on the head.
    NoHarmPending,
}

/// The closing call works on `head`: made by [`closable`] alone, and asked for by everything that signs.
#[derive(Clone, Debug)]
pub(crate) struct Closable {
    head: BlockRef,
    gas_used: u64,
}

impl Closable {
    /// The head it was tried on.
    pub(crate) const fn head(&self) -> BlockRef {
        self.head
    }

    /// Gas of the closing call.
    pub(crate) const fn gas_used(&self) -> u64 {
        self.gas_used
    }

    /// Gas limit to sign: half more than the trial used, because state changes until it is mined.
    pub(crate) const fn gas_limit(&self) -> u64 {
        self.gas_used.saturating_add(self.gas_used / 2).saturating_add(30_000)
    }
}

/// The result of a trial.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) closable: Closable,
    pub(crate) proof: Proof,
    /// For a person.
    pub(crate) note: String,
}

/// Tries `lever`, called by `guardian`, against `attack`.
///
/// # Errors
/// [`Refusal`] when the target is closed already, the closing call fails or has no effect, or state was missing.
pub(crate) fn rehearse(
    engine: &mut Engine,
    judge: &dyn Judge,
    lever: &Lever,
    guardian: Address,
    attack: &Attack,
) -> Result<Trial, Refusal> {
    let before = run_attack(&mut engine.fork(), attack).map_err(|error| untried(&error))?;
    let findings = judge.judge(&before).findings;
    let harmful = harms(&before.effects, &findings, lever.module());
    let (closable, after) = {
        let head = engine.head().block_ref();
        let mut fork = engine.fork();
        let closable = close(&mut fork, head, lever, guardian)?;
        (closable, run_attack(&mut fork, attack).map_err(|error| untried(&error))?)
    };
    let still_harmful = harms(&after.effects, &judge.judge(&after).findings, lever.module());
    let proof = match (harmful, still_harmful, attack.window) {
        (_, true, _) => Proof::DoesNotStop,
        (true, false, _) => Proof::Stops,
        (false, false, Window::Mined) => Proof::NothingToStop,
        (false, false, Window::Before | Window::Pending) => Proof::NoHarmPending,
    };
    let note = format!(
        "without it the attack {} and {}; with it the attack {} and {}",
        ended(&before.effects.outcome),
        harm_words(harmful),
        ended(&after.effects.outcome),
        harm_words(still_harmful),
    );
    Ok(Trial { closable, proof, note })
}

/// Tries the closing call alone.
///
/// # Errors
/// [`Refusal`] as for [`rehearse`].
pub(crate) fn closable(engine: &mut Engine, lever: &Lever, guardian: Address) -> Result<Closable, Refusal> {
    let head = engine.head().block_ref();
    close(&mut engine.fork(), head, lever, guardian)
}

/// What the target says on the head; `None` when it does not answer with a `bool`.
pub(crate) fn is_closed(engine: &mut Engine, lever: &Lever) -> Result<Option<bool>, StateError> {
    ask(&mut engine.fork(), lever).map(|answer| read_closed(&answer))
}

/// What the judge says of the attack on the head as it is.
pub(crate) fn findings_now(
    engine: &mut Engine,
    judge: &dyn Judge,
    attack: &Attack,
) -> Result<Vec<Finding>, StateError> {
    Ok(judge.judge(&run_attack(&mut engine.fork(), attack)?).findings)
}

/// What became of the attack on a head where the containment is in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Aftermath {
    /// In words: how it ends without harm.
    Harmless(String),
    /// It still does harm to the module.
    Harmful,
}

/// Tries the attack again on the head as it is.
pub(crate) fn aftermath(
    engine: &mut Engine,
    judge: &dyn Judge,
    module: &ModuleId,
    attack: &Attack,
) -> Result<Aftermath, StateError> {
    let again = run_attack(&mut engine.fork(), attack)?;
    if harms(&again.effects, &judge.judge(&again).findings, module) {
        return Ok(Aftermath::Harmful);
    }
    Ok(Aftermath::Harmless(ended(&again.effects.outcome)))
}

fn close(fork: &mut Fork<'_>, head: BlockRef, lever: &Lever, guardian: Address) -> Result<Closable, Refusal> {
    let answer = ask(fork, lever).map_err(|error| untried(&error))?;
    match read_closed(&answer) {
        Some(true) => return Err(Refusal::AlreadyClosed),
        Some(false) => {}
        None => return Err(Refusal::NoEffect { seen: view_words(&answer) }),
    }
    let gas = CLOSE_GAS.min(fork.block().gas_limit.max(21_000));
    let done =
        fork.apply_as(guardian, lever.target(), lever.close_call().clone(), gas).map_err(|error| untried(&error))?;
    if !done.effects.outcome.succeeded() {
        return Err(Refusal::CloseFails { reason: ended(&done.effects.outcome) });
    }
    let answer = ask(fork, lever).map_err(|error| untried(&error))?;
    if read_closed(&answer) != Some(true) {
        return Err(Refusal::NoEffect { seen: view_words(&answer) });
    }
    Ok(Closable { head, gas_used: done.effects.gas_used })
}

fn ask(fork: &mut Fork<'_>, lever: &Lever) -> Result<ViewResult, StateError> {
    let request = CallRequest {
        from: Address::ZERO,
        to: Some(lever.target()),
        value: U256::ZERO,
        data: lever.is_closed_call().clone(),
        gas: VIEW_GAS,
    };
    fork.call(&request).map(|outcome| outcome.result)
}

/// The attack on the fork as it stands. A mined one is tried without regard to its nonce and fees, which are spent; a
/// pending one is valid or waits for transactions that nobody showed us, and is then tried in the same way.
fn run_attack(fork: &mut Fork<'_>, attack: &Attack) -> Result<Execution, StateError> {
    match attack.window {
        Window::Before | Window::Pending => {
            for earlier in &attack.earlier {
                fork.apply(earlier.clone())?;
            }
            let tried = fork.apply(attack.transaction.clone())?;
            if !matches!(tried.effects.outcome, Outcome::Invalid(_)) {
                return Ok(tried);
            }
        }
        Window::Mined => {}
    }
    fork.apply_unchecked(attack.transaction.clone())
}

/// Whether findings about `module` say that it is harmed: a stop, or an alert with a loss that can be counted.
/// A transaction that failed did nothing, whatever is said of it.
fn harms(effects: &Effects, findings: &[Finding], module: &ModuleId) -> bool {
    effects.outcome.succeeded()
        && findings.iter().filter(|finding| finding.module == *module).any(|finding| match finding.level {
            Level::Stop => true,
            Level::Alert => !finding.harm.is_empty(),
            Level::Notice => false,
        })
}

fn untried(error: &StateError) -> Refusal {
    Refusal::Untried { reason: error.to_string() }
}

const fn harm_words(harmful: bool) -> &'static str {
    if harmful { "harms the module" } else { "does not harm the module" }
}

fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Success(_) => "succeeds".to_owned(),
        Outcome::Reverted(data) => format!("reverts ({})", revert_words(data)),
        Outcome::Halted(reason) => format!("halts ({reason})"),
        Outcome::Invalid(reason) => format!("is not valid ({reason})"),
    }
}

fn view_words(answer: &ViewResult) -> String {
    match answer {
        ViewResult::Returned(data) if data.len() <= 32 => format!("{data}"),
        ViewResult::Returned(data) => format!("{} bytes", data.len()),
        ViewResult::Failed(reason) => reason.clone(),
    }
}

/// A revert for a person: the text of `Error(string)` where it is one, else the first bytes.
fn revert_words(data: &Bytes) -> String {
    const ERROR_STRING: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
    let text = data.strip_prefix(&ERROR_STRING).and_then(|rest| {
        let length: usize = U256::from_be_slice(rest.get(32..64)?).try_into().ok()?;
        let end = length.min(200).checked_add(64)?;
        std::str::from_utf8(rest.get(64..end)?).ok()
    });
    match text {
        Some(text) => text.chars().filter(|letter| !letter.is_control()).collect(),
        None if data.is_empty() => "no reason given".to_owned(),
        None => format!("{}", Bytes::copy_from_slice(data.get(..data.len().min(36)).unwrap_or_default())),
    }
}
