//! Where the money of a party came from, and where what was taken goes. Both are notices: they tell nobody anything by
//! themselves, and give an incident its first and its last stage.

use std::borrow::Cow;

use cofferdam_types::primitives::{Address, B256};
use cofferdam_types::{
    Actor, BlockRef, Event, Evidence, Execution, Finding, FindingId, Level, Maturity, ModuleId, Movement, Role, Score,
    Severity, Stage, Standing, Trail, UnixMillis, Verdict, Window,
};

use super::{Company, Holder, time_of};

/// Who is said to speak of where money came from.
pub(super) const FUNDING: &str = "funding";
/// Who is said to speak of where it goes.
pub(super) const LAUNDERING: &str = "laundering";
/// Transactions of one holder that are told; what it does after that is known anyhow.
const MOST_TOLD: u32 = 16;
/// How long what was taken is followed.
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
        let moved =
            execution.effects.movements.iter().find(|moved| self.is_held(moved.from, at) && !self.is_ours(moved))?;
        let holder = self.holders.entries.get_mut(&moved.from)?;
        holder.told = holder.told.saturating_add(1);
        if holder.told > MOST_TOLD {
            return None;
        }
        let (module, block) = (holder.module.clone(), execution.block.block_ref());
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
            module: module.clone(),
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
        let next = moved.to;
        if passes_on {
            self.holders.add(next, Holder { module, told: 0, since: at, block });
        }
        Some(notice.event(execution.standing.clone()))
    }

    /// Who has what was taken, after an alert that counts a loss.
    pub(super) fn learn_holders(&mut self, execution: &Execution, verdict: &Verdict) {
        let counts = |finding: &&Finding| {
            finding.level >= Level::Alert && finding.harm.iter().any(|harm| !harm.amount.is_zero() && !harm.at_risk)
        };
        let Some(module) = verdict.findings.iter().find(counts).map(|finding| finding.module.clone()) else { return };
        let (since, block) = (time_of(execution), execution.block.block_ref());
        for event in self.found(execution, verdict).into_iter().take(1) {
            let Event::Found { trail: Some(trail), .. } = event else { continue };
            let holds = |role| matches!(role, Role::Sender | Role::Created | Role::Entry | Role::Recipient);
            for actor in trail.party.iter().filter(|actor| holds(actor.role)) {
                self.holders.add(actor.account, Holder { module: module.clone(), told: 0, since, block });
            }
        }
    }

    fn is_held(&self, account: Address, at: UnixMillis) -> bool {
        let holder = self.holders.entries.get(&account);
        holder.is_some_and(|holder| at > holder.since && at.since(holder.since) <= FOLLOWED_MILLIS)
    }

    fn is_ours(&self, moved: &Movement) -> bool {
        let stays = moved.from == moved.to || moved.to == Address::ZERO || self.holders.entries.contains_key(&moved.to);
        stays || self.watch.contains(moved.to) || moved.amount.is_zero()
    }
}
