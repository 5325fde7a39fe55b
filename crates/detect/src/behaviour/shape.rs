//! The shape of one transaction at one module: how it was entered, which calls followed one another, what crossed the
//! border on the way, and who called.
//!
//! Simplified, so that what does not matter makes no novelty: calls that write nothing and move nothing are left out
//! (state that is restored before the end counts as not written), and so are plain moves of a token between others; a
//! call or a run of up to four calls that is repeated at once stands once, and the repetitions are counted.

use alloy_primitives::{Address, B256, U256, b256};
use cofferdam_types::{Asset, Call, CallKind, Effects, EmittedLog, Selector};

use super::names::shown;
use crate::{Seen, seen::ROUNDING_UNITS};

/// Steps of a path that are told apart. A longer path is never learnt.
pub const MOST_STEPS: usize = 24;
/// Assets of one transaction whose amounts are learnt.
const MOST_ASSETS: usize = 8;
/// Functions of one transaction whose callers are looked at.
const MOST_USES: usize = 64;
/// Longest run of steps whose repetition stands once.
const LONGEST_RUN: usize = 4;

/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
/// `Approval(address,address,uint256)`.
const APPROVAL: B256 = b256!("8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925");

/// Who calls into the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// The sender himself.
    Account,
    /// A contract that was there before.
    Contract,
    /// A contract that came into being in the same transaction.
    Newborn,
}

impl Entry {
    /// As it stands in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Contract => "contract",
            Self::Newborn => "newborn contract",
        }
    }
}

/// One thing that happens at the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// An asset is sent to it without any of its functions being called.
    PaidIn,
    /// One of its functions is called; `None` is a plain payment of the native coin.
    Call(Address, Option<Selector>),
}

impl Step {
    /// For a person.
    pub(crate) fn words(self) -> String {
        match self {
            Self::PaidIn => "an asset sent in directly".to_owned(),
            Self::Call(_, selector) => shown(selector),
        }
    }
}

/// A function of the module, and who called it from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) contract: Address,
    pub(super) selector: Option<Selector>,
    pub(super) caller: Address,
}

/// What crossed the border of one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Crossed {
    pub(super) came: U256,
    pub(super) left: U256,
}

/// What one transaction did to one module, as far as it is compared with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub(super) entry: Entry,
    pub(super) steps: Vec<Step>,
    /// Whether there were more than [`MOST_STEPS`].
    pub(super) cut: bool,
    /// Steps before repetitions were taken out.
    pub(super) calls: u32,
    /// By asset, ascending, each once; NFTs by collection.
    pub(super) values: Vec<(Asset, Crossed)>,
    /// Each once.
    pub(super) uses: Vec<Use>,
    /// Whether authority or code changed.
    pub(super) gives_power: bool,
}

impl Shape {
    /// The shape of what `seen` shows. `None` when nothing was entered and nothing moved, or no call tree is known.
    pub(crate) fn of(seen: &Seen<'_>) -> Option<Self> {
        let effects = seen.effects();
        if effects.calls.is_empty() || !effects.outcome.succeeded() {
            return None;
        }
        let frames = Frames::of(seen);
        let mut path = Path::default();
        let mut entry = Entry::Account;
        let mut uses = Vec::new();
        for (index, call) in effects.calls.iter().enumerate() {
            let entered = frames.step(seen, index, call);
            if let Some(step) = entered {
                path.push(step);
                if !seen.member(call.caller) {
                    entry = entry.max(frames.entry(seen, call.caller));
                    let used = Use { contract: call.callee, selector: call.selector, caller: call.caller };
                    if uses.len() < MOST_USES && !uses.contains(&used) {
                        uses.push(used);
                    }
                }
            }
            if frames.pays_in(seen, index) {
                path.push(Step::PaidIn);
                entry = entry.max(frames.entry(seen, call.caller));
            }
        }
        path.cut |= path.steps.len() > MOST_STEPS;
        path.steps.truncate(MOST_STEPS);
        let values = values(seen);
        if path.steps.is_empty() && values.is_empty() {
            return None;
        }
        let gives_power = seen.changes().iter().any(|change| change.kind.gives_power());
        Some(Self { entry, steps: path.steps, cut: path.cut, calls: path.calls, values, uses, gives_power })
    }
}

/// Steps as they come, with repetitions taken out at once, so that memory stays small however long the transaction.
#[derive(Default)]
struct Path {
    steps: Vec<Step>,
    cut: bool,
    calls: u32,
}

impl Path {
    fn push(&mut self, step: Step) {
        self.calls = self.calls.saturating_add(1);
        self.steps.push(step);
        for run in 1..=LONGEST_RUN {
            let Some(second) = self.steps.len().checked_sub(run) else { break };
            let Some(first) = second.checked_sub(run) else { break };
            if self.steps.get(first..second) == self.steps.get(second..) {
                self.steps.truncate(second);
                break;
            }
        }
        // Room for one more run, which may turn out to be a repetition.
        if self.steps.len() > MOST_STEPS.saturating_add(LONGEST_RUN) {
            self.cut = true;
            self.steps.truncate(MOST_STEPS);
        }
    }
}

/// What is known of every frame of the call tree.
struct Frames {
    /// It, or a frame below it, wrote, moved, logged or created something that was kept.
    acts: Vec<bool>,
    /// It is below a call of the module.
    inside: Vec<bool>,
    /// Events, by frame.
    logs: Vec<Vec<usize>>,
    newborns: Vec<Address>,
}

impl Frames {
    fn of(seen: &Seen<'_>) -> Self {
        let effects = seen.effects();
        let calls = &effects.calls;
        let mut logs: Vec<Vec<usize>> = vec![Vec::new(); calls.len()];
        for (index, emitted) in effects.logs.iter().enumerate() {
            if let Some(of_frame) = frame_of(emitted).and_then(|frame| logs.get_mut(frame)) {
                of_frame.push(index);
            }
        }
        let mut inside = vec![false; calls.len()];
        let mut fixed = vec![false; calls.len()];
        let mut acts = vec![false; calls.len()];
        for (index, call) in calls.iter().enumerate() {
            let parent = call.parent.and_then(|parent| usize::try_from(parent).ok());
            let of_parent = |flags: &[bool]| parent.and_then(|parent| flags.get(parent)).copied().unwrap_or_default();
            let below = of_parent(&inside)
                || parent.and_then(|parent| calls.get(parent)).is_some_and(|parent| seen.member(parent.callee));
            let is_static = call.kind == CallKind::StaticCall || of_parent(&fixed);
            let is_own = call.effective
                && !is_static
                && (!call.value.is_zero()
                    || creates(call)
                    || call.kind == CallKind::SelfDestruct
                    || logs.get(index).is_some_and(|logs| !logs.is_empty())
                    || has_writes(effects, call.callee));
            for (flags, flag) in [(&mut inside, below), (&mut fixed, is_static), (&mut acts, is_own)] {
                if let Some(place) = flags.get_mut(index) {
                    *place = flag;
                }
            }
        }
        for (index, call) in calls.iter().enumerate().rev() {
            let parent = call.parent.and_then(|parent| usize::try_from(parent).ok());
            if acts.get(index) == Some(&true)
                && let Some(place) = parent.and_then(|parent| acts.get_mut(parent))
            {
                *place = true;
            }
        }
        let newborns = calls.iter().filter(|call| call.effective && creates(call)).map(|call| call.callee).collect();
        Self { acts, inside, logs, newborns }
    }

    fn entry(&self, seen: &Seen<'_>, caller: Address) -> Entry {
        if caller == seen.execution.transaction.from {
            Entry::Account
        } else if self.newborns.contains(&caller) {
            Entry::Newborn
        } else {
            Entry::Contract
        }
    }

    /// The step that frame `index` is, if it is one.
    fn step(&self, seen: &Seen<'_>, index: usize, call: &Call) -> Option<Step> {
        let is_call = matches!(call.kind, CallKind::Call | CallKind::CallCode);
        let is_step = is_call
            && call.effective
            && call.callee != call.caller
            && seen.member(call.callee)
            && self.acts.get(index) == Some(&true)
            && !self.is_plain_move(seen, index, call);
        is_step.then_some(Step::Call(call.callee, call.selector))
    }

    /// Whether the call does nothing but move or allow its token, from nobody of the module to nobody of it, or as the
    /// module itself asked for.
    fn is_plain_move(&self, seen: &Seen<'_>, index: usize, call: &Call) -> bool {
        let effects = seen.effects();
        let own = self.logs.get(index).map(Vec::as_slice).unwrap_or_default();
        let next = index.saturating_add(1);
        let has_children = effects.calls.get(next).is_some_and(|next| next.depth > call.depth);
        if own.is_empty() || has_children || !call.value.is_zero() {
            return false;
        }
        own.iter().filter_map(|log| effects.logs.get(*log)).all(|emitted| {
            let (from, to) = parties(emitted);
            let is_move = match emitted.log.topics().first() {
                Some(&TRANSFER) => from.is_some() && to.is_some_and(|to| !seen.member(to) && !to.is_zero()),
                Some(&APPROVAL) => true,
                Some(_) | None => false,
            };
            let is_asked = seen.member(call.caller);
            let is_foreign = from.is_some_and(|from| !seen.member(from) && !from.is_zero());
            emitted.log.address == call.callee && is_move && (is_asked || is_foreign)
        })
    }

    /// Whether frame `index`, of a token that nobody of the module called, sends something to the module.
    fn pays_in(&self, seen: &Seen<'_>, index: usize) -> bool {
        let is_ours = seen.effects().calls.get(index).is_none_or(|call| seen.member(call.callee));
        if is_ours || self.inside.get(index) == Some(&true) {
            return false;
        }
        let logs = self.logs.get(index).map(Vec::as_slice).unwrap_or_default();
        logs.iter().filter_map(|log| seen.effects().logs.get(*log)).any(|emitted| {
            let (from, to) = parties(emitted);
            emitted.log.topics().first() == Some(&TRANSFER)
                && to.is_some_and(|to| seen.member(to))
                && from.is_some_and(|from| !seen.member(from) && !from.is_zero())
        })
    }
}

fn frame_of(emitted: &EmittedLog) -> Option<usize> {
    usize::try_from(emitted.call?).ok()
}

const fn creates(call: &Call) -> bool {
    matches!(call.kind, CallKind::Create | CallKind::Create2)
}

/// Whether any storage of `account` differs after the transaction. Writes stand in order of their accounts.
fn has_writes(effects: &Effects, account: Address) -> bool {
    let first = effects.writes.partition_point(|write| write.address < account);
    effects.writes.get(first).is_some_and(|write| write.address == account)
}

/// The two indexed accounts of a token's event.
fn parties(emitted: &EmittedLog) -> (Option<Address>, Option<Address>) {
    let party = |index: usize| emitted.log.topics().get(index).map(|topic| Address::from_word(*topic));
    (party(1), party(2))
}

/// What crossed the border, of the assets that the module is known to deal in.
fn values(seen: &Seen<'_>) -> Vec<(Asset, Crossed)> {
    let mut values: Vec<(Asset, Crossed)> = Vec::new();
    for flow in &seen.flows {
        let crossed = Crossed { came: flow.net.gain(), left: Seen::lost_of_holdings(flow) };
        let least = if matches!(flow.asset, Asset::Native | Asset::Erc20(_)) { ROUNDING_UNITS } else { 1 };
        if crossed.came.max(crossed.left) < U256::from(least) || !seen.deals_in(flow.asset) {
            continue;
        }
        let asset = kept_as(flow.asset);
        match values.iter_mut().find(|(known, _)| *known == asset) {
            Some((_, known)) => {
                known.came = known.came.max(crossed.came);
                known.left = known.left.max(crossed.left);
            }
            None => values.push((asset, crossed)),
        }
    }
    values.sort_by_key(|(asset, _)| *asset);
    values.truncate(MOST_ASSETS);
    values
}

/// The key under which amounts are learnt: items of a collection together.
pub(super) const fn kept_as(asset: Asset) -> Asset {
    match asset {
        Asset::Erc721(token, _) => Asset::Erc721(token, U256::ZERO),
        Asset::Erc1155(token, _) => Asset::Erc1155(token, U256::ZERO),
        Asset::Native | Asset::Erc20(_) => asset,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a wrong case must panic")]

    use alloy_primitives::keccak256;
    use cofferdam_types::Selector;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::testbed::{Case, account};

    fn shape(transaction: Value) -> Option<Shape> {
        let case = Case::read(json!({
            "modules": [{ "id": "vault", "contracts": ["@vault", "@share"] }],
            "transactions": [transaction],
        }));
        let detection = case.detection();
        let execution = case.executions().remove(0);
        detection.witnessed(&execution).pop().map(|witnessed| witnessed.shape)
    }

    fn step(contract: &str, function: &str) -> Step {
        Step::Call(account(contract), Some(Selector::from_slice(&keccak256(function)[..4])))
    }

    fn write(contract: &str) -> Value {
        json!([contract, "7", "1", "2"])
    }

    #[test]
    fn views_and_what_is_restored_leave_no_step() {
        let shape = shape(json!({
            "from": "@user",
            "call": { "to": "@router", "function": "zap()", "calls": [
                { "kind": "StaticCall", "to": "@vault", "function": "totalAssets()" },
                { "to": "@share", "function": "lock()" },
                { "to": "@vault", "function": "deposit(uint256)", "logs": [{ "event": "Deposited()" }] },
            ] },
        }));
        let shape = shape.unwrap();
        assert_eq!(shape.steps, [step("vault", "deposit(uint256)")]);
        assert_eq!(shape.entry, Entry::Contract);
        assert_eq!(shape.uses.first().unwrap().caller, account("router"));
    }

    #[test]
    fn a_written_slot_makes_a_step_without_any_event() {
        let shape = shape(json!({
            "from": "@user",
            "call": { "to": "@vault", "function": "set()" },
            "writes": [write("@vault")],
        }));
        assert_eq!(shape.unwrap().steps, [step("vault", "set()")]);
    }

    #[test]
    fn plain_moves_between_others_are_no_step_and_a_gift_to_the_module_is_one() {
        let transfer = |token: &str, from: &str, to: &str| {
            json!({
                "from": "@user",
                "call": { "to": token, "function": "transfer(address,uint256)",
                    "logs": [{ "event": "Transfer(address,address,uint256)", "topics": [from, to], "data": ["5"] }] },
                "moves": [[token, from, to, "5"]],
            })
        };
        assert_eq!(shape(transfer("@share", "@user", "@other")), None);
        assert_eq!(shape(transfer("@coin", "@user", "@vault")).unwrap().steps, [Step::PaidIn]);
        let moved = [step("share", "transfer(address,uint256)")];
        assert_eq!(shape(transfer("@share", "@user", "@vault")).unwrap().steps, moved);
        let taken = shape(transfer("@share", "@vault", "@user")).unwrap();
        assert_eq!(taken.steps, [step("share", "transfer(address,uint256)")]);
    }

    #[test]
    fn repetitions_stand_once_and_are_counted() {
        let call = |function: &str| json!({ "to": "@vault", "function": function, "logs": [{ "event": "Done()" }] });
        let calls: Vec<Value> = (0..30).flat_map(|_| [call("swap()"), call("sync()")]).collect();
        let shape =
            shape(json!({ "from": "@user", "call": { "to": "@router", "function": "go()", "calls": calls } })).unwrap();
        assert_eq!((shape.steps.len(), shape.calls, shape.cut), (2, 60, false));
    }

    #[test]
    fn a_contract_made_in_the_same_transaction_is_a_newborn() {
        let shape = shape(json!({
            "from": "@user",
            "call": { "kind": "Create", "to": "@new", "calls": [
                { "to": "@vault", "function": "deposit(uint256)", "logs": [{ "event": "Deposited()" }] }] },
        }));
        assert_eq!(shape.unwrap().entry, Entry::Newborn);
    }

    proptest! {
        #[test]
        fn a_path_of_whatever_calls_stays_short(steps in prop::collection::vec(0..6_u8, 0..400)) {
            let mut path = Path::default();
            for step in &steps {
                path.push(Step::Call(Address::with_last_byte(*step), None));
                prop_assert!(path.steps.len() <= MOST_STEPS + LONGEST_RUN);
            }
            prop_assert_eq!(usize::try_from(path.calls).unwrap(), steps.len());
        }
    }
}
