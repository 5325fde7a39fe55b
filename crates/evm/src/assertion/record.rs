//! What an assertion contract registers about itself: the version of the interface, and what fires its functions.

use alloy_sol_types::SolInterface;
use revm::primitives::{Address, B256, U256, hex};

use super::abi::{Spec, Triggers};
use super::dispatch::Answer;

/// The version of the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The first, and what holds where none was registered.
    #[default]
    Legacy,
    /// The second: snapshots by name instead of switching between them.
    Reshiram,
    /// Both together.
    Experimental,
}

/// What fires a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Any call to the adopter; with a selector, calls of that function. Once for a transaction.
    Call(Option<[u8; 4]>),
    /// Any slot of the adopter, or this one. Once for a transaction.
    Storage(Option<B256>),
    /// The adopter's wei. Once for a transaction.
    Balance,
    /// Each call of this function of the adopter.
    EachCall([u8; 4]),
    /// Every transaction that touches the adopter.
    TransactionEnd,
    /// A transfer of this token.
    Token(Address),
    /// More than a share of a token has moved within a window of time.
    Flow(FlowTrigger),
}

/// See [`Trigger::Flow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlowTrigger {
    pub(super) token: Address,
    /// Out of the adopter, or into it.
    pub(super) out: bool,
    pub(super) threshold_bps: U256,
    pub(super) window_seconds: u64,
}

/// Everything that was registered.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorded {
    pub(super) version: Option<Version>,
    pub(super) version_twice: bool,
    /// Function and trigger, in the order of registration.
    pub(super) triggers: Vec<([u8; 4], Trigger)>,
    /// Registrations that are not built.
    pub(super) not_supported: Vec<String>,
}

impl Recorded {
    pub(super) fn version(&mut self, data: &[u8]) -> Answer {
        let Ok(Spec::SpecCalls::registerAssertionSpec(call)) = Spec::SpecCalls::abi_decode(data) else {
            return Answer::NotSupported(name(data));
        };
        let version = match call.spec {
            0 => Version::Legacy,
            1 => Version::Reshiram,
            2 => Version::Experimental,
            other => return Answer::Refuse(format!("there is no version {other} of the interface")),
        };
        self.version_twice |= self.version.is_some();
        self.version = Some(version);
        Answer::Return(Vec::new())
    }

    pub(super) fn trigger(&mut self, data: &[u8]) -> Answer {
        use Triggers::TriggersCalls as Call;
        let Ok(call) = Call::abi_decode(data) else {
            // The other triggers still count; that this one is not built is told with every transaction.
            self.not_supported.push(name(data));
            return Answer::Return(Vec::new());
        };
        let (function, trigger) = match call {
            Call::registerCallTrigger_0(call) => (call.fnSelector, Trigger::Call(Some(call.triggerSelector.0))),
            Call::registerCallTrigger_1(call) => (call.fnSelector, Trigger::Call(None)),
            Call::registerStorageChangeTrigger_0(call) => (call.fnSelector, Trigger::Storage(None)),
            Call::registerStorageChangeTrigger_1(call) => (call.fnSelector, Trigger::Storage(Some(call.slot))),
            Call::registerBalanceChangeTrigger(call) => (call.fnSelector, Trigger::Balance),
            Call::registerFnCallTrigger(call) => (call.fnSelector, Trigger::EachCall(call.triggerSelector.0)),
            Call::registerTxEndTrigger(call) => (call.fnSelector, Trigger::TransactionEnd),
            Call::registerErc20ChangeTrigger(call) => (call.fnSelector, Trigger::Token(call.token)),
            Call::watchCumulativeOutflow(call) => {
                (call.fnSelector, flow(call.token, true, call.thresholdBps, call.windowDuration))
            }
            Call::watchCumulativeInflow(call) => {
                (call.fnSelector, flow(call.token, false, call.thresholdBps, call.windowDuration))
            }
        };
        self.triggers.push((function.0, trigger));
        Answer::Return(Vec::new())
    }
}

fn flow(token: Address, out: bool, threshold_bps: U256, window: U256) -> Trigger {
    let window_seconds = u64::try_from(window).unwrap_or(u64::MAX);
    Trigger::Flow(FlowTrigger { token, out, threshold_bps, window_seconds })
}

/// What a call that is not known is called.
pub(super) fn name(data: &[u8]) -> String {
    match data.first_chunk::<4>() {
        Some(selector) => hex::encode_prefixed(selector),
        None => format!("a call of {} bytes", data.len()),
    }
}

impl std::fmt::Display for Trigger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(None) => f.write_str("any call to the adopter"),
            Self::Call(Some(selector)) | Self::EachCall(selector) => {
                write!(f, "a call of {} to the adopter", hex::encode_prefixed(selector))
            }
            Self::Storage(None) => f.write_str("a change of any slot of the adopter"),
            Self::Storage(Some(slot)) => write!(f, "a change of slot {slot} of the adopter"),
            Self::Balance => f.write_str("a change of the adopter's native balance"),
            Self::TransactionEnd => f.write_str("a transaction that touches the adopter"),
            Self::Token(token) => write!(f, "a transfer of token {token}"),
            Self::Flow(flow) => {
                let direction = if flow.out { "out of" } else { "into" };
                let (bps, seconds) = (flow.threshold_bps, flow.window_seconds);
                write!(f, "more than {bps} bps of token {} {direction} the adopter within {seconds} s", flow.token)
            }
        }
    }
}
