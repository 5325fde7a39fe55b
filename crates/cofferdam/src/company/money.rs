//! Where the money of a party came from, and where what was taken goes. Both are notices: they tell nobody anything by
//! themselves, and give an incident its first and its last stage.

use std::borrow::Cow;

use cofferdam_types::primitives::{Address, B256, U256};
use cofferdam_types::{
    Actor, Asset, BlockRef, Event, Evidence, Execution, Finding, FindingId, Level, Maturity, ModuleId, Movement, Role,
    Score, Severity, Stage, Standing, Trail, UnixMillis, Verdict, Window,
};

use super::{Company, Holder, YOUNG, time_of};

/// Who is said to speak of where money came from.
pub(super) const FUNDING: &str = "funding";
/// Who is said to speak of where it goes.
pub(super) const LAUNDERING: &str = "laundering";
/// Transactions of one holder that are told; what it does after that is known anyhow.
const MOST_TOLD: usize = 16;
/// Transactions that are told of what was taken in one, through all hands.
const MOST_FOLLOWED: usize = 64;
/// Hands that what was taken is followed through.
const MOST_HOPS: u32 = 8;
/// Less than one in this many of what was lost is dust, and no part of it.
const DUST: u64 = 1_000;
/// How long what was taken is followed, from when it was taken.
const FOLLOWED_MILLIS: u64 = 86_400_000;

/// A notice of this module, before it is an event.
struct Notice {
    detector: &'static str,
    stage: Stage,
    module: ModuleId,
    transaction: B256,
    /// What tells two notices about one transaction apart.
    subject: Address,
    at: UnixMillis,
    block: BlockRef,
    summary: String,
    evidence: Vec<Evidence>,
    party: Vec<Actor>,
}

impl Notice {
    fn event(self, standing: Standing) -> Event {
        let finding = Finding {
            id: FindingId::new(self.detector, &self.module, self.transaction, self.subject.as_slice()),
            detector: Cow::Borrowed(self.detector),
            maturity: Maturity::Sandbox,
            level: Level::Notice,
            severity: Severity::Low,
            module: self.module,
            transaction: self.transaction,
            summary: self.summary,
            harm: Vec::new(),
            evidence: self.evidence,
        };
        let (at, party) = (self.at, self.party);
        let trail = Trail { at, stage: self.stage, score: Score::WHOLE, party, lost_bps: None }.tidy();
        Event::Found { finding, window: Window::Mined, block: Some(self.block), standing, trail: Some(trail) }
    }
}

impl Company {
    /// That the sender, about whom something was found, had its first coin from a listed party.
    pub(crate) fn funding(&self, execution: &Execution, verdict: &Verdict) -> Option<Event> {
        let module = verdict.findings.first()?.module.clone();
        let account = execution.transaction.from;
        if execution.transaction.nonce >= YOUNG {
            return None;
        }
        let funding = self.funded.entries.get(&account)?;
        let label = self.labels.of(funding.from)?;
        let notice = Notice {
            detector: FUNDING,
            stage: Stage::Funding,
            module,
            transaction: funding.transaction,
            subject: account,
            at: funding.at,
            block: funding.block,
            summary: format!("{account}, about whom something was found, had its first coin from {}", label.name),
            evidence: vec![
                Evidence::new("from", format!("{}, {} {}", funding.from, label.category.word(), label.name)),
                Evidence::new("to", account),
            ],
            party: vec![Actor { account, role: Role::Recipient }],
        };
        Some(notice.event(verdict.standing.clone()))
    }

    /// That what was taken moves on, in a transaction in which nothing else was found.
    pub(crate) fn laundering(&mut self, execution: &Execution) -> Option<Event> {
        if self.holders.entries.is_empty() || !execution.effects.outcome.succeeded() {
            return None;
        }
        let at = time_of(execution);
        self.learn_exchange(execution, at);
        let movements = execution.effects.movements.iter();
        let moved = movements
            .clone()
            .find(|moved| self.is_held(moved, at) && !self.is_ours(moved) && wrapped(execution, moved).is_none())?;
        let block = execution.block.block_ref();
        let label = self.labels.of(moved.to);
        let to =
            label.map_or_else(|| moved.to.to_string(), |label| format!("{} ({})", label.name, label.category.word()));
        let mut party = vec![Actor { account: moved.from, role: Role::Sender }];
        // An account that only receives is followed; a contract that does something with it belongs to everybody.
        let passes_on = label.is_none()
            && !execution.effects.calls.iter().any(|call| call.callee == moved.to && call.selector.is_some());
        if passes_on {
            party.push(Actor { account: moved.to, role: Role::Recipient });
        }
        let notice = Notice {
            detector: LAUNDERING,
            stage: Stage::Laundering,
            module: self.holders.entries.get(&moved.from)?.module.clone(),
            transaction: execution.hash(),
            subject: moved.from,
            at,
            block,
            summary: format!("{} passes on {} of {} to {to}", moved.from, moved.amount, moved.asset),
            evidence: vec![
                Evidence::new("from", moved.from),
                Evidence::new("to", &to),
                Evidence::new("amount", format!("{} of {}", moved.amount, moved.asset)),
            ],
            party,
        };
        let holder = self.holders.entries.get(&moved.from)?;
        let next = Holder { hops: holder.hops.saturating_add(1), told: Vec::new(), block, ..holder.clone() };
        // Whoever has it is known whether or not it is told.
        if passes_on && next.hops <= MOST_HOPS {
            self.holders.add(moved.to, next.clone());
        }
        let holder = self.holders.entries.get_mut(&moved.from)?;
        self.followed.add(next.origin, Vec::new());
        let followed = self.followed.entries.get_mut(&next.origin)?;
        if holder.told.len() >= MOST_TOLD || followed.len() >= MOST_FOLLOWED {
            return None;
        }
        holder.told.push(block);
        followed.push(block);
        Some(notice.event(execution.standing.clone()))
    }

    /// Who has what was taken, after an alert that counts a loss.
    pub(super) fn learn_holders(&mut self, execution: &Execution, verdict: &Verdict) {
        let counts = |finding: &&Finding| {
            finding.level >= Level::Alert && finding.harm.iter().any(|harm| !harm.amount.is_zero() && !harm.at_risk)
        };
        let Some(module) = verdict.findings.iter().find(counts).map(|finding| finding.module.clone()) else { return };
        let origin = execution.hash();
        let lost = verdict.findings.iter().filter(counts).flat_map(|finding| &finding.harm);
        let lost = lost.filter(|harm| !harm.amount.is_zero() && !harm.at_risk);
        let mut assets: Vec<(Asset, U256)> = Vec::new();
        for harm in lost {
            if !assets.iter().any(|(asset, _)| *asset == harm.asset) {
                assets.push((harm.asset, harm.amount));
            }
        }
        let (since, block) = (time_of(execution), execution.block.block_ref());
        for event in self.found(execution, verdict).into_iter().take(1) {
            let Event::Found { trail: Some(trail), .. } = event else { continue };
            let holds = |role| matches!(role, Role::Sender | Role::Created | Role::Entry | Role::Recipient);
            for actor in trail.party.iter().filter(|actor| holds(actor.role)) {
                let (module, assets, told) = (module.clone(), assets.clone(), Vec::new());
                self.holders.add(actor.account, Holder { module, origin, hops: 0, assets, told, since, block });
            }
        }
    }

    /// That a holder got the native coin for what was taken, or wrapped it: that is followed from now on.
    fn learn_exchange(&mut self, execution: &Execution, at: UnixMillis) {
        let movements = &execution.effects.movements;
        for moved in movements.iter().filter(|moved| self.is_held(moved, at)).copied().collect::<Vec<_>>() {
            if let Some(asset) = wrapped(execution, &moved)
                && let Some(holder) = self.holders.entries.get_mut(&moved.from)
                && !holder.assets.iter().any(|(known, _)| *known == asset)
            {
                holder.assets.push((asset, U256::ZERO));
            }
        }
        for got in movements.iter().filter(|moved| moved.asset == Asset::Native && !moved.amount.is_zero()) {
            let gave = movements.iter().any(|moved| moved.from == got.to && self.is_held(moved, at));
            if let Some(holder) = self.holders.entries.get_mut(&got.to).filter(|_| gave)
                && !holder.assets.iter().any(|(asset, _)| *asset == Asset::Native)
            {
                holder.assets.push((Asset::Native, U256::ZERO));
            }
        }
    }

    /// Whether a holder moves what was taken, and not dust of it.
    fn is_held(&self, moved: &Movement, at: UnixMillis) -> bool {
        self.holders.entries.get(&moved.from).is_some_and(|holder| {
            let close = at > holder.since && at.since(holder.since) <= FOLLOWED_MILLIS;
            let lost = holder.assets.iter().find(|(asset, _)| *asset == moved.asset);
            close && lost.is_some_and(|(_, lost)| moved.amount.saturating_mul(U256::from(DUST)) >= *lost)
        })
    }

    fn is_ours(&self, moved: &Movement) -> bool {
        let stays = moved.from == moved.to || moved.to == Address::ZERO || self.holders.entries.contains_key(&moved.to);
        stays || self.watch.contains(moved.to) || moved.amount.is_zero()
    }
}

/// What the native coin in `moved` became, where it was paid to a token that gave as much of itself for it.
fn wrapped(execution: &Execution, moved: &Movement) -> Option<Asset> {
    let token = Asset::Erc20(moved.to);
    let made = |other: &Movement| {
        let out_of_it = other.from == Address::ZERO || other.from == moved.to;
        other.asset == token && out_of_it && other.to == moved.from && other.amount == moved.amount
    };
    (moved.asset == Asset::Native && execution.effects.movements.iter().any(made)).then_some(token)
}
