//! One execution as one module sees it: what crossed its border, what came back for it, who acted.
//!
//! Built once per touched module and shared by all detectors; whatever most executions do not need is worked out when
//! a detector first asks.

use std::{
    cell::{Cell, OnceCell},
    collections::HashSet,
};

use alloy_primitives::{Address, B256, U256, b256};
use cofferdam_types::{
    Asset, Call, CallKind, Effects, Evidence, Execution, Finding, FindingId, Harm, HarmAccount, Level, Missing, Module,
    Severity, StorageWrite, Watchlist,
};

use crate::{
    DetectorInfo, Flow,
    amounts::{comparable, is_residue, share_bps},
    catalog::{
        authority_change::{self, Change},
        re_entry::{self, Reentry},
    },
    flows::{Table, bounded_flows},
    prices::Prices,
    settings::ModuleSettings,
};

/// Fewer smallest units than this of a token are rounding, whatever the token is.
pub(crate) const ROUNDING_UNITS: u64 = 1_000;

/// A gain counts as payment when its share of the holdings is at least a quarter of the loss's share of them: a pool
/// that is paid fairly gains at least the same share, a share token burnt for its worth exactly the same.
const FAIR_WITHIN: u64 = 4;

/// Below a thousandth of the loss's share a gain is no payment at all, but what a thief adds to look like a customer.
const PAID_WITHIN: u64 = 1_000;

/// `Approval(address,address,uint256)`
const APPROVAL: B256 = b256!("8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925");

/// Forwarders that are followed.
const MOST_HOPS: usize = 16;

/// Slots below this are plain variables, above it entries of mappings and the like (their slots are hashes).
pub(crate) const PLAIN_SLOTS: U256 = U256::from_limbs([0, 1, 0, 0]);

/// What came back for what left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Nothing, or next to nothing.
    Nothing,
    /// Only a token that the module never held: it may be worth nothing.
    Strange,
    /// Other assets, of which the module holds so much that the gain is a much smaller share than the loss. A treasury
    /// that trades does this all day; so does a manipulated price.
    Little,
    /// Shares that the module issued were burnt, and what left is no larger a share of the holdings than they were of the
    /// supply, within a tenth.
    Redeemed,
    /// An entry of the module's own books moved by exactly this amount: a claim was redeemed or a debt recorded.
    Booked,
    /// Other assets.
    Assets,
}

impl Exchange {
    /// Whether nothing of known worth came back.
    pub const fn is_one_sided(self) -> bool {
        matches!(self, Self::Nothing | Self::Strange)
    }

    /// In words, after "left".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Nothing => "for nothing in return",
            Self::Strange => "for a token that the module never held",
            Self::Little => "for a much smaller share of other assets",
            Self::Redeemed => "for shares of the same worth",
            Self::Booked => "against an entry in the module's books",
            Self::Assets => "in exchange for other assets",
        }
    }
}

/// One execution and one module that it touched.
pub struct Seen<'a> {
    /// The execution.
    pub execution: &'a Execution,
    /// The module.
    pub module: &'a Module,
    /// Its place in the watchlist.
    pub index: u32,
    /// How it is configured.
    pub settings: &'a ModuleSettings,
    /// What crossed its border, per asset.
    pub flows: Vec<Flow>,
    watch: &'a Watchlist,
    pub(crate) prices: OnceCell<Prices>,
    actors: OnceCell<Vec<Address>>,
    acting: OnceCell<HashSet<Address>>,
    created: OnceCell<HashSet<Address>>,
    left_out: Cell<usize>,
    asked: OnceCell<HashSet<Address>>,
    supplied: OnceCell<HashSet<Address>>,
    reentries: OnceCell<Vec<Reentry>>,
    changes: OnceCell<Vec<Change>>,
    pub(crate) account: OnceCell<HarmAccount>,
}

impl<'a> Seen<'a> {
    /// Sums up what `execution` did to the module at `index` of `watch`.
    pub(crate) fn new(
        execution: &'a Execution,
        watch: &'a Watchlist,
        index: u32,
        module: &'a Module,
        settings: &'a ModuleSettings,
    ) -> Self {
        let (flows, left_out) =
            bounded_flows(&execution.effects, &|address| watch.modules_of(address).contains(&index));
        Self {
            execution,
            module,
            index,
            settings,
            flows,
            watch,
            prices: OnceCell::new(),
            actors: OnceCell::new(),
            acting: OnceCell::new(),
            created: OnceCell::new(),
            left_out: Cell::new(left_out),
            asked: OnceCell::new(),
            supplied: OnceCell::new(),
            reentries: OnceCell::new(),
            changes: OnceCell::new(),
            account: OnceCell::new(),
        }
    }

    /// All that was done.
    pub fn effects(&self) -> &'a Effects {
        &self.execution.effects
    }

    /// Whether `address` belongs to the module.
    pub fn member(&self, address: Address) -> bool {
        self.watch.modules_of(address).contains(&self.index)
    }

    /// Whether `address` belongs to any protected module.
    pub fn protected(&self, address: Address) -> bool {
        self.watch.contains(address)
    }

    /// Block time in Unix seconds; a guess while pending.
    pub fn now(&self) -> u64 {
        self.execution.block.timestamp
    }

    /// Flows by which the module lost more than rounding.
    pub fn losses(&self) -> impl Iterator<Item = &Flow> {
        self.flows.iter().filter(|flow| self.is_material(flow, flow.net.loss()))
    }

    /// What the module lost of its holdings: for a token that it issues, without what was merely minted.
    pub fn lost_of_holdings(flow: &Flow) -> U256 {
        let minted = cofferdam_types::Signed::between(flow.burned, flow.minted);
        flow.net.saturating_add(minted).loss().min(flow.net.loss())
    }

    /// Whether the module is known to deal in `asset`. Anybody can make a token that claims, by events and by balances,
    /// to have been taken from the module: that may raise an alert and must never cause a stop.
    ///
    /// Known are the native coin, what the module issues, what its settings name and, where they name nothing, tokens
    /// that a contract of the module itself calls in this transaction and that did not come into being in it.
    pub fn deals_in(&self, asset: Asset) -> bool {
        let Some(token) = asset.token() else { return true };
        let named = self.module.assets.iter().any(|known| known.token() == Some(token));
        let limited =
            self.settings.outflow.limits.iter().any(|limit| limit.asset.is_some_and(|name| name.names(asset)));
        if named || limited || self.member(token) {
            return true;
        }
        if !self.module.assets.is_empty() {
            return false;
        }
        self.asked().contains(&token) && !self.is_created(token)
    }

    /// Assets, changes and owners that were not looked at, for their number.
    pub(crate) const fn left_out(&self) -> usize {
        self.left_out.get()
    }

    /// Notes that `count` more were not looked at.
    pub(crate) fn leave_out(&self, count: usize) {
        self.left_out.set(self.left_out.get().saturating_add(count));
    }

    /// Whom contracts of the module called in this transaction.
    fn asked(&self) -> &HashSet<Address> {
        self.asked.get_or_init(|| {
            let calls = self.effects().calls.iter().filter(|call| call.effective && call.kind == CallKind::Call);
            calls.filter(|call| self.member(call.caller)).map(|call| call.callee).collect()
        })
    }

    /// Whether `address` came into being in this transaction, or was to.
    pub(crate) fn is_created(&self, address: Address) -> bool {
        let created = self.created.get_or_init(|| {
            let is_creation = |call: &&Call| matches!(call.kind, CallKind::Create | CallKind::Create2);
            self.effects().calls.iter().filter(is_creation).map(|call| call.callee).collect()
        });
        created.contains(&address)
    }

    /// Whether `token` was minted or burnt in this transaction, by its own word.
    pub(crate) fn is_made_or_destroyed(&self, token: Address) -> bool {
        let supplied = self.supplied.get_or_init(|| {
            let moved = self.effects().movements.iter().filter(|moved| moved.from.is_zero() != moved.to.is_zero());
            moved.filter_map(|moved| moved.asset.token()).collect()
        });
        supplied.contains(&token)
    }

    /// Whether `account` is one of [`Self::actors`], however many there are.
    pub fn is_actor(&self, account: Address) -> bool {
        self.acting.get_or_init(|| self.actors().iter().copied().collect()).contains(&account)
    }

    /// What came back for `loss`.
    pub fn exchange(&self, loss: &Flow) -> Exchange {
        self.exchange_among(&self.flows, loss)
    }

    /// What came back for `loss` among `flows`: those of the module, or of some of its contracts.
    pub(crate) fn exchange_among(&self, flows: &[Flow], loss: &Flow) -> Exchange {
        let (mut little, mut strange) = (false, false);
        for gain in flows.iter().filter(|gain| self.is_material(gain, gain.net.gain())) {
            match self.pays(gain, loss) {
                exchange @ (Exchange::Assets | Exchange::Redeemed) => return exchange,
                Exchange::Little => little = true,
                Exchange::Strange => strange = true,
                Exchange::Booked | Exchange::Nothing => {}
            }
        }
        if self.is_booked(loss) {
            Exchange::Booked
        } else if little {
            Exchange::Little
        } else if strange {
            Exchange::Strange
        } else {
            Exchange::Nothing
        }
    }

    /// The supply of an issued token before this transaction, where storage shows it: the slot that moved by exactly
    /// what was minted or burned, and that is a plain variable or the largest of several such slots.
    pub fn supply_before(&self, flow: &Flow) -> Option<U256> {
        let token = flow.asset.token()?;
        let grown = flow.minted > flow.burned;
        let change = flow.minted.abs_diff(flow.burned);
        if change.is_zero() {
            return None;
        }
        let moved = |write: &&StorageWrite| {
            let (low, high) = if grown { (write.old, write.new) } else { (write.new, write.old) };
            write.address == token && low.checked_add(change) == Some(high)
        };
        let candidates = || self.effects().writes.iter().filter(moved);
        let several = candidates().nth(1).is_some();
        candidates().filter(|write| several || write.slot < PLAIN_SLOTS).map(|write| write.old).max()
    }

    /// Accounts that act for the sender: the sender, the contract it calls unless protected, what stands behind mere
    /// forwarders, and all contracts that came into being in this transaction.
    pub fn actors(&self) -> &[Address] {
        self.actors.get_or_init(|| {
            let transaction = &self.execution.transaction;
            let mut actors = vec![transaction.from];
            actors.extend(transaction.to.filter(|to| !self.protected(*to)));
            let creations = self.effects().calls.iter().filter(|call| call.effective);
            let created = creations.filter(|call| matches!(call.kind, CallKind::Create | CallKind::Create2));
            actors.extend(created.map(|call| call.callee).filter(|new| !self.protected(*new)));
            self.add_hops(&mut actors);
            actors
        })
    }

    /// Adds the contracts behind one that only passes on: it calls a single other contract, and nothing of its own moves.
    /// Whoever hides behind forwarders is still the one who acts.
    fn add_hops(&self, actors: &mut Vec<Address>) {
        let effects = self.effects();
        let Some(mut at) = self.execution.transaction.to.filter(|to| !self.protected(*to)) else { return };
        for _ in 0..MOST_HOPS {
            if effects.movements.iter().any(|moved| moved.from == at || moved.to == at) {
                return;
            }
            let mut passed_to = None;
            for call in effects.calls.iter().filter(|call| call.effective && call.caller == at) {
                match (call.kind, passed_to) {
                    (CallKind::Call, None) if call.callee != at => passed_to = Some(call.callee),
                    (CallKind::Call, Some(known)) if call.callee != known && call.callee != at => return,
                    (CallKind::CallCode | CallKind::Create | CallKind::Create2 | CallKind::SelfDestruct, _) => return,
                    (CallKind::Call | CallKind::StaticCall | CallKind::DelegateCall, _) => {}
                }
            }
            let Some(next) = passed_to.filter(|next| !self.protected(*next)) else { return };
            if actors.contains(&next) {
                return;
            }
            actors.push(next);
            at = next;
        }
    }

    /// Whether a contract that came into being in this transaction received something of the module or called it.
    pub fn is_newborn_involved(&self) -> bool {
        let effects = self.effects();
        let creations = effects.calls.iter().filter(|call| call.effective);
        let creations = creations.filter(|call| matches!(call.kind, CallKind::Create | CallKind::Create2));
        let new: HashSet<Address> = creations.map(|call| call.callee).filter(|new| !self.protected(*new)).collect();
        let is_new = |address: Address| new.contains(&address);
        let receives = |movement: &cofferdam_types::Movement| self.member(movement.from) && is_new(movement.to);
        let calls = |call: &Call| {
            call.effective
                && call.kind != CallKind::StaticCall
                && self.member(call.callee)
                && call.caller != call.callee
                && is_new(call.caller)
        };
        !new.is_empty() && (effects.movements.iter().any(receives) || effects.calls.iter().any(calls))
    }

    /// An outsider that paid out a token first and had it back in full before the end: a flash loan, or a pool that
    /// was pushed and pulled back.
    pub fn round_trip(&self) -> Option<(Address, Asset, U256)> {
        let mut lenders: Table<(Address, Asset), (U256, U256)> = Table::default();
        for movement in &self.effects().movements {
            if !matches!(movement.asset, Asset::Erc20(_)) || movement.from.is_zero() || movement.to.is_zero() {
                continue;
            }
            let outsider = |account: Address| !self.member(account) && !self.is_actor(account);
            if outsider(movement.from) {
                let (out, _) = lenders.at((movement.from, movement.asset));
                *out = out.saturating_add(movement.amount);
            }
            if outsider(movement.to) {
                let (out, back) = lenders.at((movement.to, movement.asset));
                if !out.is_zero() {
                    *back = back.saturating_add(movement.amount);
                }
            }
        }
        lenders
            .rows
            .into_iter()
            .find(|(_, (out, back))| *out > U256::from(ROUNDING_UNITS) && back >= out)
            .map(|((lender, asset), (out, _))| (lender, asset, out))
    }

    /// Re-entries into the module, in order of execution.
    pub fn reentries(&self) -> &[Reentry] {
        self.reentries.get_or_init(|| re_entry::reentries(self.effects(), &|address| self.member(address)))
    }

    /// Changes of authority or code of the module.
    pub fn changes(&self) -> &[Change] {
        self.changes.get_or_init(|| authority_change::changes(self))
    }

    /// `amount` of the flow's asset as harm to the account of the module that it left from.
    pub fn harm_of(&self, flow: &Flow, amount: U256) -> Harm {
        let same = |asset: Asset| match (asset, flow.asset) {
            (Asset::Erc721(left, _), Asset::Erc721(right, _)) => left == right,
            (left, right) => left == right,
        };
        let effects = self.effects();
        let mover = effects.movements.iter().find(|movement| same(movement.asset) && self.member(movement.from));
        let account = mover.map(|movement| movement.from).or_else(|| {
            effects
                .checks
                .iter()
                .find(|check| same(check.asset) && self.member(check.account))
                .map(|check| check.account)
        });
        let account = account.or_else(|| self.module.contracts.first().copied()).unwrap_or_default();
        Harm { asset: flow.asset, account, amount, at_risk: false }
    }

    /// What the module's accounts still hold, as far as balances were looked at: what a thief of authority can take.
    pub fn at_risk(&self) -> Vec<Harm> {
        let floor = self.settings.outflow.floor_native_wei.0;
        let held = self.effects().checks.iter().filter(|check| self.member(check.account));
        held.filter_map(|check| {
            let amount = check.after.or(check.before)?;
            let least = if check.asset == Asset::Native { floor } else { U256::from(ROUNDING_UNITS) };
            (amount >= least && self.deals_in(check.asset)).then_some(Harm {
                asset: check.asset,
                account: check.account,
                amount,
                at_risk: true,
            })
        })
        .collect()
    }

    /// The share of the holdings that was lost, for people.
    pub fn share_bps(&self, flow: &Flow) -> Option<u64> {
        share_bps(Self::lost_of_holdings(flow), flow.held?)
    }

    /// Whether the value of a slot before the transaction is in doubt because state was missing.
    pub fn is_slot_in_doubt(&self, address: Address, slot: U256) -> bool {
        self.execution.standing.missing.iter().any(|missing| match missing {
            Missing::Slot(account, at) => *account == address && *at == slot,
            Missing::Account(account) => *account == address,
            Missing::BlockHash(_) => false,
        })
    }

    /// A finding of `detector`; `subject` tells two findings of one detector on this transaction and module apart.
    pub(crate) fn finding(&self, detector: &'static DetectorInfo, subject: &[u8], said: Said) -> Finding {
        let transaction = self.execution.hash();
        Finding {
            id: FindingId::new(&detector.id, &self.module.id, transaction, subject),
            detector: detector.id.as_str().into(),
            maturity: detector.maturity,
            level: said.level,
            severity: said.severity,
            module: self.module.id.clone(),
            transaction,
            summary: said.summary,
            harm: said.harm,
            evidence: said.evidence,
        }
    }

    /// Whether `amount` of the flow's asset is more than what rounding, fees and dust leave behind.
    pub(crate) fn is_material(&self, flow: &Flow, amount: U256) -> bool {
        let least = match flow.asset {
            Asset::Native => self.settings.outflow.floor_native_wei.0,
            Asset::Erc20(_) => U256::from(ROUNDING_UNITS),
            Asset::Erc721(..) | Asset::Erc1155(..) => U256::ONE,
        };
        // What went round hides no loss: beside much turnover it is residue only if it is a trifle of the holdings as well.
        let of_holdings = flow.held.is_some_and(|held| !held.is_zero() && !is_residue(amount, held));
        let of_turnover = flow.gross_in.is_zero() || !is_residue(amount, flow.gross_in);
        amount >= least && !amount.is_zero() && (of_turnover || of_holdings)
    }

    /// What `gain` alone is as payment for `loss`.
    fn pays(&self, gain: &Flow, loss: &Flow) -> Exchange {
        let lost = Self::lost_of_holdings(loss);
        let share_of = |part: U256, whole: Option<U256>| match (whole, loss.held) {
            (Some(whole), Some(held)) if !whole.is_zero() && !held.is_zero() => {
                Some(if comparable(part, whole, lost, held, FAIR_WITHIN) {
                    Exchange::Assets
                } else if comparable(part, whole, lost, held, PAID_WITHIN) {
                    Exchange::Little
                } else {
                    Exchange::Nothing
                })
            }
            (None | Some(_), _) => None,
        };
        if gain.issued && !gain.burned.is_zero() {
            let supply = self.supply_before(gain);
            if let (Some(supply), Some(held)) = (supply, loss.held)
                && !lost.is_zero()
                && comparable(gain.burned, supply, lost.saturating_sub(lost.wrapping_div(U256::from(10))), held, 1)
            {
                return Exchange::Redeemed;
            }
            return share_of(gain.burned, supply).unwrap_or(Exchange::Assets);
        }
        if matches!(gain.asset, Asset::Erc721(..) | Asset::Erc1155(..)) {
            return Exchange::Assets;
        }
        let known = gain.issued || gain.asset == Asset::Native;
        share_of(gain.net.gain(), gain.held).unwrap_or(if known { Exchange::Assets } else { Exchange::Strange })
    }

    /// Whether an entry in the module's books (a mapping, not a total; not the token's own balances) moved by exactly
    /// what was lost.
    fn is_booked(&self, loss: &Flow) -> bool {
        let amount = loss.net.loss();
        self.effects().writes.iter().any(|write| {
            write.slot >= PLAIN_SLOTS
                && write.old.abs_diff(write.new) == amount
                && Some(write.address) != loss.asset.token()
                && self.member(write.address)
                && !self.is_approval(write)
        })
    }

    /// Whether a contract says by `Approval` that it wrote this value: an allowance is nobody's claim on what left.
    fn is_approval(&self, write: &StorageWrite) -> bool {
        self.effects().logs.iter().any(|emitted| {
            emitted.log.address == write.address
                && emitted.log.topics().first() == Some(&APPROVAL)
                && emitted.log.data.data.as_ref() == write.new.to_be_bytes::<32>()
        })
    }
}

/// What a finding says, before it has an identity.
pub(crate) struct Said {
    /// What should be done.
    pub(crate) level: Level,
    /// How bad it is if true.
    pub(crate) severity: Severity,
    /// One sentence.
    pub(crate) summary: String,
    /// Losses counted.
    pub(crate) harm: Vec<Harm>,
    /// What was read.
    pub(crate) evidence: Vec<Evidence>,
}

/// A number of basis points as a percentage with two decimals.
pub(crate) fn percent(bps: u64) -> String {
    let whole = bps.checked_div(100).unwrap_or_default();
    let rest = bps.checked_rem(100).unwrap_or_default();
    if rest == 0 { format!("{whole} %") } else { format!("{whole}.{rest:02} %") }
}
