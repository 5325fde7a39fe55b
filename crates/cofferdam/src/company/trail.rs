//! The trail of a finding: when, how far, how seldom, and who is on the attacker's side.

use cofferdam_types::primitives::{Address, KECCAK256_EMPTY, U256};
use cofferdam_types::{Actor, Event, Execution, Finding, Newborn, Role, Score, Stage, Trail, Verdict, Window};

use super::{Company, YOUNG, time_of};

/// What a finding's evidence calls an account that was known again, or that got value or power.
const NAMED: [(&str, Role); 5] = [
    ("suspect", Role::Suspect),
    ("now", Role::Recipient),
    ("who gained", Role::Recipient),
    ("recipient", Role::Recipient),
    ("receiver", Role::Recipient),
];
/// Gainers of one module that are named, those that gained most first.
const MOST_GAINERS: usize = 4;
/// Steps back to who funded the funder.
const STEPS_BACK: usize = 2;

impl Company {
    /// What a verdict says, as it is recorded: each finding with its trail, where it was found.
    pub(crate) fn found(&self, execution: &Execution, verdict: &Verdict) -> Vec<Event> {
        let block = execution.index.map(|_| execution.block.block_ref());
        let party = self.party(execution, verdict);
        let event = |finding: &Finding| Event::Found {
            finding: finding.clone(),
            window: execution.window,
            block,
            standing: verdict.standing.clone(),
            trail: Some(self.trail(execution, verdict, finding, execution.window, party.clone())),
        };
        verdict.findings.iter().map(event).collect()
    }

    /// The trail of a finding about a contract that nobody has called yet.
    pub(crate) fn trail_of_newborn(&self, newborn: &Newborn, verdict: &Verdict, finding: &Finding) -> Trail {
        let creation = &newborn.creation;
        let mut party = self.party(creation, verdict);
        party.push(Actor { account: newborn.address, role: Role::Created });
        party.push(Actor { account: newborn.creator.account, role: Role::Sender });
        party.extend(newborn.creator.through.map(|account| Actor { account, role: Role::Maker }));
        self.trail(creation, verdict, finding, Window::Before, party)
    }

    /// The trail of a finding about an operation that waits.
    pub(crate) fn trail_of_queued(
        &self,
        execution: &Execution,
        verdict: &Verdict,
        finding: &Finding,
        proposer: Address,
    ) -> Trail {
        // Whoever carries it out was made up; who asked for it was not.
        let party = vec![Actor { account: proposer, role: Role::Sender }];
        self.trail(execution, verdict, finding, Window::Before, party)
    }

    fn trail(
        &self,
        execution: &Execution,
        verdict: &Verdict,
        finding: &Finding,
        window: Window,
        mut party: Vec<Actor>,
    ) -> Trail {
        let known = self.declared.get(finding.detector.as_ref());
        let (stage, score) = known.copied().unwrap_or((Stage::Exploitation, Score::WHOLE));
        // What has not happened yet is being prepared, whatever it would be.
        let stage = if window == Window::Before { stage.min(Stage::Preparation) } else { stage };
        for (what, role) in NAMED {
            let named = finding.evidence.iter().filter(|evidence| evidence.what == what);
            let named = named.filter_map(|evidence| evidence.value.parse().ok());
            let named = named.filter(|account| self.may_gain(execution, *account));
            party.extend(named.map(|account| Actor { account, role }));
        }
        party.retain(|actor| self.belongs(actor.account));
        Trail { at: time_of(execution), stage, score, party, lost_bps: lost_bps(verdict, finding) }.tidy()
    }

    /// Whether an account can be on somebody's side at all.
    fn belongs(&self, account: Address) -> bool {
        account != Address::ZERO && !self.watch.contains(account) && !self.is_public(account)
    }

    fn party(&self, execution: &Execution, verdict: &Verdict) -> Vec<Actor> {
        let transaction = &execution.transaction;
        let mut party = vec![Actor { account: transaction.from, role: Role::Sender }];
        if let Some(entry) = transaction.to
            && let Some(made) = self.made.entries.get(&entry)
            && self.is_own(entry)
        {
            party.push(Actor { account: entry, role: Role::Entry });
            party.push(Actor { account: made.by, role: Role::Maker });
        }
        let changes = execution.effects.code_changes.iter();
        let created = changes.filter(|change| change.creator.is_some() && change.new != KECCAK256_EMPTY);
        party.extend(created.map(|change| Actor { account: change.address, role: Role::Created }));
        for account in &verdict.harm {
            let gainers = account.gainers.iter().filter(|gainer| !gainer.amount.is_zero()).take(MOST_GAINERS);
            let gainers = gainers.map(|gainer| gainer.account).filter(|gainer| self.may_gain(execution, *gainer));
            party.extend(gainers.map(|account| Actor { account, role: Role::Recipient }));
        }
        let mut young = (transaction.nonce < YOUNG).then_some(transaction.from);
        for _ in 0..STEPS_BACK {
            let funder = young.and_then(|account| self.funder(account)).map(|funding| funding.from);
            young = funder.filter(|funder| self.belongs(*funder));
            party.extend(young.map(|account| Actor { account, role: Role::Funder }));
        }
        party
    }

    /// Whether whoever gained is a party of its own: not a contract that was there before and does this for everybody,
    /// such as the pool that something was sold to.
    fn may_gain(&self, execution: &Execution, account: Address) -> bool {
        let runs_code = execution
            .effects
            .calls
            .iter()
            .any(|call| (call.callee == account || call.code_address == account) && call.selector.is_some());
        let created = execution.effects.code_changes.iter().any(|change| change.address == account);
        !runs_code || created || self.is_own(account)
    }
}

/// The largest part that the finding's module lost of what one of its accounts held, in basis points; `None` where the
/// finding counts no loss, or nobody looked at what was held.
fn lost_bps(verdict: &Verdict, finding: &Finding) -> Option<u16> {
    if finding.harm.iter().all(|harm| harm.amount.is_zero()) {
        return None;
    }
    let account = verdict.harm.iter().find(|account| account.module == finding.module)?;
    let part = |line: &cofferdam_types::HarmLine| {
        let held = line.held.filter(|held| !held.is_zero())?;
        let lost = line.lost_at_most().min(held);
        let share = lost.checked_mul(U256::from(10_000))?.checked_div(held)?;
        u16::try_from(share).ok()
    };
    account.lines.iter().filter_map(part).max()
}
