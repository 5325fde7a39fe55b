//! Which question of an assertion gets which answer, and in which version of the interface.
//!
//! A malformed question is refused with a reason, as a contract would revert; nothing that is asked can panic. What an
//! answer costs grows with its length, before it is made.

use alloy_sol_types::{SolCall, SolInterface, SolValue};
use revm::interpreter::Gas;
use revm::primitives::{Address, B256, Bytes, U256};

use super::abi::{self, ForkId, Ph, TriggerContext, TxObject, Unsupported};
use super::record::{Version, name};
use super::run::{Host, Phase, RunEvm};
use super::world::{Fork, Residents, Scene};
use super::{assets, calls, math};
use crate::state::DbError;

/// Gas of any question.
const BASE_GAS: u64 = 20;
/// Gas of each word of an answer.
const WORD_GAS: u64 = 3;

/// What is said to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Return data.
    Return(Vec<u8>),
    /// A revert with this reason.
    Refuse(String),
    /// Not built.
    NotSupported(String),
    /// Past a bound.
    TooMuch(String),
    /// Not paid for.
    OutOfGas,
}

/// The transaction as one question sees it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a, 's> {
    pub(super) scene: &'a Scene<'s>,
    pub(super) residents: &'a Residents,
    pub(super) adopter: Address,
}

/// Either the value, or why there is none.
pub(super) type Answered<T> = Result<T, Answer>;

/// A bool, number or list as return data.
pub(super) fn value<T: SolValue>(value: &T) -> Answer {
    Answer::Return(value.abi_encode())
}

/// Takes the gas of `words` words.
pub(super) fn pay(gas: &mut Gas, words: usize) -> Answered<()> {
    let words = u64::try_from(words).unwrap_or(u64::MAX);
    if gas.record_regular_cost(words.saturating_mul(WORD_GAS)) { Ok(()) } else { Err(Answer::OutOfGas) }
}

/// Words that `bytes` bytes take.
pub(super) const fn words(bytes: usize) -> usize {
    bytes.div_ceil(32)
}

/// The moment that is named by a fork id. The state at a call is made when it is asked for; its size is its price, so
/// that nobody can have a thousand large ones made.
pub(super) fn moment(scene: &Scene<'_>, fork: &ForkId, gas: &mut Gas) -> Answered<Fork> {
    let place = match fork.forkType {
        0 => return Ok(Fork::PreTx),
        1 => return Ok(Fork::PostTx),
        2 => calls::known(scene, fork.callIndex)?.start,
        3 => calls::known(scene, fork.callIndex)?.end,
        other => return Err(Answer::Refuse(format!("there is no fork of type {other}"))),
    };
    at(scene, place, gas)
}

/// The moment at `place`, paid for.
pub(super) fn at(scene: &Scene<'_>, place: usize, gas: &mut Gas) -> Answered<Fork> {
    let cost = u64::try_from(scene.trace.cost_at(place)).unwrap_or(u64::MAX);
    if gas.record_regular_cost(cost) { Ok(Fork::At(place)) } else { Err(Answer::OutOfGas) }
}

/// Answers the question `data`, put to `address`.
pub(super) fn answer(
    host: &mut Host,
    evm: &mut RunEvm<'_>,
    address: Address,
    data: &[u8],
    gas: &mut Gas,
) -> Result<Answer, DbError> {
    if !gas.record_regular_cost(BASE_GAS) {
        return Ok(Answer::OutOfGas);
    }
    match address {
        abi::SPEC_RECORDER if host.phase == Phase::Constructor => Ok(host.recorded.version(data)),
        abi::SPEC_RECORDER => Ok(Answer::Refuse("the version is registered in the constructor".to_owned())),
        abi::TRIGGER_RECORDER if host.phase == Phase::Triggers => Ok(host.recorded.trigger(data)),
        abi::TRIGGER_RECORDER => Ok(Answer::Refuse("triggers are registered in triggers()".to_owned())),
        abi::CONSOLE => {
            tracing::debug!(data = %Bytes::copy_from_slice(data.get(..512).unwrap_or(data)), "an assertion writes to the console");
            Ok(Answer::Return(Vec::new()))
        }
        _ => about_the_transaction(host, evm, data, gas),
    }
}

fn about_the_transaction(host: &mut Host, evm: &mut RunEvm<'_>, data: &[u8], gas: &mut Gas) -> Result<Answer, DbError> {
    let selector = data.first_chunk::<4>().copied().unwrap_or_default();
    if !Ph::PhCalls::valid_selector(selector) {
        let known = Unsupported::UnsupportedCalls::signature_by_selector(selector);
        return Ok(Answer::NotSupported(known.map_or_else(|| name(data), str::to_owned)));
    }
    let signature = Ph::PhCalls::signature_by_selector(selector).unwrap_or_default();
    let call = match Ph::PhCalls::abi_decode(data) {
        Ok(call) => call,
        Err(error) => return Ok(Answer::Refuse(format!("`{signature}`: {error}"))),
    };
    if !is_in(host.version, &call) {
        let version = if host.version == Version::Legacy { "Reshiram" } else { "Legacy" };
        return Ok(Answer::NotSupported(format!("{signature}, which belongs to version {version},")));
    }
    if let Some(answer) = math::answer(&call) {
        return Ok(answer);
    }
    if let Ph::PhCalls::getAssertionAdopter(_) = call {
        return Ok(value(&host.adopter));
    }
    let world = &evm.ctx.journaled_state.database;
    let Some(scene) = world.scene else {
        return Ok(Answer::Refuse(format!("`{signature}`: there is no transaction in a constructor or in triggers()")));
    };
    let asked = Asked { scene, residents: world.residents(), adopter: host.adopter };
    let answered = match turning(&asked, &call, gas) {
        Some(Ok(fork)) => {
            host.turn_to(evm, fork);
            Ok(Ok(Answer::Return(Vec::new())))
        }
        Some(Err(refused)) => Ok(Err(refused)),
        None => inspecting(host, evm, &asked, &call, gas),
    };
    Ok(answered?.unwrap_or_else(|refused| refused))
}

/// The moment to which `call` turns the run; `None` where it does not.
fn turning(asked: &Asked<'_, '_>, call: &Ph::PhCalls, gas: &mut Gas) -> Option<Answered<Fork>> {
    use Ph::PhCalls as Call;
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others do not turn")]
    match call {
        Call::forkPreTx(_) | Call::forkPreState(_) => Some(Ok(Fork::PreTx)),
        Call::forkPostTx(_) | Call::forkPostState(_) => Some(Ok(Fork::PostTx)),
        Call::forkPreCall(call) => Some(moment(asked.scene, &ForkId { forkType: 2, callIndex: call.id }, gas)),
        Call::forkPostCall(call) => Some(moment(asked.scene, &ForkId { forkType: 3, callIndex: call.id }, gas)),
        _ => None,
    }
}

fn inspecting(
    host: &mut Host,
    evm: &mut RunEvm<'_>,
    asked: &Asked<'_, '_>,
    call: &Ph::PhCalls,
    gas: &mut Gas,
) -> Result<Answered<Answer>, DbError> {
    use Ph::PhCalls as Call;
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are answered by `calls`")]
    match call {
        Call::load(call) => slot(evm, call.target, call.slot),
        Call::loadStateAt_0(call) => assets::slot_at(host, asked, (asked.adopter, call.slot), &call.fork, gas),
        Call::loadStateAt_1(call) => assets::slot_at(host, asked, (call.target, call.slot), &call.fork, gas),
        Call::staticcallAt(call) => assets::static_call(host, asked, call, gas),
        Call::conserveBalance_0(call) => {
            assets::conserved(host, asked, [&call.fork0, &call.fork1], call.token, None, gas)
        }
        Call::conserveBalance_1(call) => {
            assets::conserved(host, asked, [&call.fork0, &call.fork1], call.token, Some(call.account), gas)
        }
        Call::assetsMatchSharePrice(call) => assets::share_price(host, asked, call.vault, call.toleranceBps, gas),
        Call::assetsMatchSharePriceAt(call) => {
            let between = [&call.fork0, &call.fork1];
            assets::share_price_at(host, asked, (call.vault, call.toleranceBps), between, gas)
        }
        Call::context(_) => Ok(context(host, asked)),
        Call::outflowContext(_) => Ok(Ok(assets::flow(host.invocation.outflow.as_ref()))),
        Call::inflowContext(_) => Ok(Ok(assets::flow(host.invocation.inflow.as_ref()))),
        Call::getTxObject(_) => Ok(transaction(asked, gas)),
        other => Ok(calls::answer(asked, other, gas)),
    }
}

/// A slot at the moment that the run is turned to, with what the run itself has written.
fn slot(evm: &mut RunEvm<'_>, target: Address, slot: B256) -> Result<Answered<Answer>, DbError> {
    use revm::database_interface::Database;
    let journal = &mut evm.ctx.journaled_state;
    let key = U256::from_be_bytes(slot.0);
    let written = journal.inner.state.get(&target).and_then(|account| account.storage.get(&key));
    let read = match written.map(|value| value.present_value) {
        Some(read) => read,
        None => journal.database.storage(target, key)?,
    };
    Ok(Ok(value(&read)))
}

fn context(host: &Host, asked: &Asked<'_, '_>) -> Answered<Answer> {
    let id = host.invocation.call.ok_or_else(|| Answer::Refuse("`context()` outside of a call trigger".to_owned()))?;
    let id = U256::from(id);
    let call = calls::known(asked.scene, id)?;
    Ok(value(&TriggerContext { selector: call.selector.into(), callStart: id, callEnd: id }))
}

fn transaction(asked: &Asked<'_, '_>, gas: &mut Gas) -> Answered<Answer> {
    let transaction = asked.scene.transaction;
    pay(gas, words(transaction.input.len()).saturating_add(8))?;
    let object = TxObject {
        from: transaction.from,
        to: transaction.to.unwrap_or_default(),
        value: transaction.value,
        chain_id: transaction.chain_id.unwrap_or_default(),
        gas_limit: transaction.gas_limit,
        gas_price: transaction.max_fee_per_gas,
        input: transaction.input.clone(),
    };
    Ok(Answer::Return(Ph::getTxObjectCall::abi_encode_returns(&object)))
}

/// Whether a version of the interface has `call`.
fn is_in(version: Version, call: &Ph::PhCalls) -> bool {
    use Ph::PhCalls as Call;
    #[expect(clippy::wildcard_enum_match_arm, reason = "everything else came with the second version")]
    match call {
        Call::load(_)
        | Call::getLogs(_)
        | Call::getAllCallInputs(_)
        | Call::getCallInputs(_)
        | Call::getStaticCallInputs(_)
        | Call::getDelegateCallInputs(_)
        | Call::getCallCodeInputs(_)
        | Call::getStateChanges(_)
        | Call::getAssertionAdopter(_) => true,
        Call::forkPreTx(_)
        | Call::forkPostTx(_)
        | Call::forkPreState(_)
        | Call::forkPostState(_)
        | Call::forkPreCall(_)
        | Call::forkPostCall(_) => version != Version::Reshiram,
        _ => version != Version::Legacy,
    }
}
