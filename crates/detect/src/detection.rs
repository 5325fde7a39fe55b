//! The judge: finds out which modules an execution touched, asks the detectors, and adds up what they say.
//!
//! Most transactions touch nothing. They cost one pass of hash look-ups and allocate nothing; cost never grows with
//! the number of modules that are not touched.

use std::{cell::Cell, sync::Arc};

use alloy_primitives::{Address, B256};
use cofferdam_types::{
    Basis, BlockRef, Evidence, Execution, Finding, Judge, Level, Maturity, ModuleId, Needs, Newborn, Rehearsal,
    Verdict, Watchlist,
};

use crate::{
    Detector, History, Seen, Settings, SettingsError,
    behaviour::Behaviour,
    catalog::{self, invariant, liquidity, repeat, slow_drain, velocity},
    depends::{Quote, is_asked, quotes},
    settings::{Allowed, Maintenance, ModuleSettings},
};

/// All detectors over all modules, with what they remember.
pub struct Detection {
    watch: Arc<Watchlist>,
    /// Same order as the modules of the watchlist.
    modules: Vec<ModuleSettings>,
    max_level: Vec<(String, Level)>,
    detectors: Vec<Box<dyn Detector>>,
    history: History,
    needs: Needs,
    /// What is familiar; `None` without a learnt file.
    behaviour: Option<Behaviour>,
    maintenance: Vec<Maintenance>,
    /// What was judged last, since the history last changed: recording it need not judge again.
    last: Cell<Option<Judged>>,
}

/// How an execution was judged, as far as the history wants to know.
#[derive(Clone, Copy)]
struct Judged {
    transaction: B256,
    block: BlockRef,
    /// An alert or a stop.
    flagged: bool,
    /// Puts people under suspicion.
    hostile: bool,
    /// Something was counted as lost.
    counted: bool,
    /// What left before was counted along with it.
    claims: bool,
}

impl Judged {
    fn of(execution: &Execution, verdict: &Verdict) -> Self {
        Self {
            transaction: execution.hash(),
            block: execution.block.block_ref(),
            flagged: verdict.level() > Some(Level::Notice),
            hostile: repeat::is_hostile(verdict),
            counted: verdict.findings.iter().any(|finding| finding.harm.iter().any(|harm| !harm.at_risk)),
            claims: verdict.findings.iter().any(|finding| {
                finding.level >= Level::Alert && [slow_drain::ID, velocity::ID].contains(&finding.detector.as_ref())
            }),
        }
    }
}

/// Indices of touched modules. Few, so they live on the stack; more go to the heap.
#[derive(Default)]
struct Touched {
    first: [u32; 8],
    count: usize,
    more: Vec<u32>,
}

impl Touched {
    fn add(&mut self, modules: &[u32]) {
        for module in modules {
            if self.iter().any(|known| known == *module) {
                continue;
            }
            match self.first.get_mut(self.count) {
                Some(place) => {
                    *place = *module;
                    self.count = self.count.saturating_add(1);
                }
                None => self.more.push(*module),
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.first.iter().take(self.count).chain(&self.more).copied()
    }
}

impl Detection {
    /// Builds the judge for the modules of `watch`.
    ///
    /// # Errors
    /// [`SettingsError`] names the first entry of `settings` that cannot be meant.
    pub fn new(watch: Arc<Watchlist>, settings: &Settings) -> Result<Self, SettingsError> {
        let is_detector = |id: &str| catalog::infos().iter().any(|info| info.id == id);
        if let Some(id) = settings.max_level.keys().find(|id| !is_detector(id)) {
            return Err(SettingsError::UnknownDetector(id.clone()));
        }
        for (index, entry) in settings.modules.iter().enumerate() {
            if settings.modules.iter().take(index).any(|earlier| earlier.module == entry.module) {
                return Err(SettingsError::DuplicateModule(entry.module.clone()));
            }
            if !watch.modules().iter().any(|module| module.id == entry.module) {
                return Err(SettingsError::UnknownModule(entry.module.clone()));
            }
            entry.check(is_detector)?;
        }
        for declared in &settings.maintenance {
            declared.check()?;
            let is_module = |id: &ModuleId| watch.modules().iter().any(|module| module.id == *id);
            if let Some(id) = declared.modules.iter().find(|id| !is_module(id)) {
                return Err(SettingsError::UnknownModule(id.clone()));
            }
        }
        let settings_of = |module: &cofferdam_types::Module| {
            let given = settings.modules.iter().find(|entry| entry.module == module.id);
            given.cloned().unwrap_or_else(|| ModuleSettings::defaults(module.id.clone()))
        };
        let modules: Vec<ModuleSettings> = watch.modules().iter().map(settings_of).collect();
        let mut compiled = Vec::new();
        for module in &modules {
            compiled.extend(invariant::Compiled::all(module)?);
        }
        let invariants = invariant::Invariants::new(compiled);
        let needs = Needs { views: invariants.views() };
        let mut detectors = catalog::detectors();
        if !needs.views.is_empty() {
            detectors.push(Box::new(invariants));
        }
        let window = modules.iter().map(ModuleSettings::longest_window_seconds).max().unwrap_or_default();
        let max_level = settings.max_level.iter().map(|(id, level)| (id.clone(), *level)).collect();
        let history = History::new(settings.history.clone(), window);
        let behaviour = settings.learnt.as_ref().map(|learnt| Behaviour::new(learnt, &watch)).transpose()?;
        let maintenance = settings.maintenance.clone();
        let last = Cell::new(None);
        Ok(Self { watch, modules, max_level, detectors, history, needs, behaviour, maintenance, last })
    }

    /// What was recorded so far.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// Modules that the execution touched in any way: called, logged, written, paid, drained, replaced.
    fn touched(&self, execution: &Execution) -> Touched {
        let mut touched = Touched::default();
        let effects = &execution.effects;
        // A failed transaction changes nothing, except that its signed delegations stand.
        if !effects.outcome.succeeded() && effects.code_changes.is_empty() {
            return touched;
        }
        let watch = &self.watch;
        let mut look = |address: Address| touched.add(watch.modules_of(address));
        let mut last = Address::ZERO;
        for call in &effects.calls {
            // Runs of calls to one contract are common. Writes and logs belong to accounts that were called.
            if call.callee != last && call.effective {
                look(call.callee);
                last = call.callee;
            }
            if call.code_address != call.callee && call.effective {
                look(call.code_address);
            }
        }
        for movement in &effects.movements {
            look(movement.from);
            look(movement.to);
        }
        for check in &effects.checks {
            look(check.account);
        }
        if effects.calls.is_empty() {
            // Only the receipt is known.
            for emitted in &effects.logs {
                look(emitted.log.address);
            }
            for write in &effects.writes {
                look(write.address);
            }
        }
        for change in &effects.code_changes {
            touched.add(watch.modules_of(change.address));
            touched.add(self.history.runners_of(change.address));
        }
        touched
    }

    /// The maintenance that covers all that `seen` shows.
    fn declared(&self, seen: &Seen<'_>) -> Option<&Maintenance> {
        maintenance::covering(&self.maintenance, seen)
    }

    fn seen<'a>(&'a self, execution: &'a Execution, index: u32) -> Option<Seen<'a>> {
        let module = self.watch.module(index)?;
        let settings = self.modules.get(usize::try_from(index).ok()?)?;
        Some(Seen::new(execution, &self.watch, index, module, settings))
    }

    /// Modules that the execution does not touch, and that depend on what it does.
    fn around(&self, execution: &Execution) -> Vec<Finding> {
        let depends = self.history.depends();
        let mut found: Vec<Finding> = Vec::new();
        if depends.is_empty() || !execution.effects.outcome.succeeded() {
            return found;
        }
        let (sender, now) = (execution.transaction.from, execution.block.timestamp);
        let left = depends.departures_in(&execution.effects, sender, now);
        if left.is_empty() {
            return found;
        }
        let touched = self.touched(execution);
        let mut readers = Touched::default();
        left.iter().for_each(|left| readers.add(depends.readers_of(left.pool)));
        for index in readers.iter().filter(|index| touched.iter().all(|touched| touched != *index)) {
            let Some(seen) = self.seen(execution, index) else { continue };
            let Some(mut finding) = liquidity::noted(&seen, &self.history) else { continue };
            self.temper(&seen, &mut finding);
            found.push(finding);
        }
        found
    }

    /// Learns what modules read, from what was not flagged, and what became of it.
    fn learn_around(&mut self, execution: &Execution, touched: &Touched, judged: Option<&Judged>) {
        if !execution.effects.outcome.succeeded() {
            return;
        }
        let mut asked: Vec<(u32, Vec<Quote>)> = Vec::new();
        if judged.is_some_and(|judged| !judged.flagged) && is_asked(&execution.effects) {
            for index in touched.iter() {
                let quotes = self.seen(execution, index).map(|seen| quotes(&seen)).unwrap_or_default();
                if !quotes.is_empty() {
                    asked.push((index, quotes));
                }
            }
        }
        let sender = execution.transaction.from;
        self.history.note_depends(|depends, now, open| {
            for (index, quotes) in &asked {
                depends.note_quotes(*index, quotes, now, open);
            }
            depends.note_effects(&execution.effects, sender, now, open);
        });
    }

    /// Lowers a finding to what its maturity, the settings, the basis and the exceptions allow, and says so.
    fn temper(&self, seen: &Seen<'_>, finding: &mut Finding) {
        let by_maturity = match finding.maturity {
            Maturity::Sandbox => Level::Notice,
            Maturity::Incubating => Level::Alert,
            Maturity::Stable => Level::Stop,
        };
        lower(finding, by_maturity, || format!("the detector's maturity allows no more than {by_maturity}"));
        if let Some((_, most)) = self.max_level.iter().find(|(id, _)| *id == finding.detector) {
            lower(finding, *most, || format!("the settings allow this detector no more than {most}"));
        }
        if seen.execution.standing.basis != Basis::Executed {
            let why = "the effects were not executed here or differ from the chain's: the machine does not act on them";
            lower(finding, Level::Alert, || why.to_owned());
        }
        if !seen.execution.standing.missing.is_empty() {
            let count = seen.execution.standing.missing.len();
            finding.evidence.push(Evidence::new("state missing and read as zero", count));
        }
        if seen.effects().unchecked > 0 {
            let count = seen.effects().unchecked;
            finding.evidence.push(Evidence::new("balances named and not looked at, for their number", count));
        }
        if finding.level > Level::Notice
            && let Some(declared) = self.declared(seen)
        {
            let why =
                || format!("declared maintenance, by {} until {}: {}", declared.owner, declared.until, declared.reason);
            lower(finding, Level::Notice, why);
        }
        if seen.left_out() > 0 {
            finding
                .evidence
                .push(Evidence::new("assets, changes or owners not looked at, for their number", seen.left_out()));
        }
        if let Some(allowed) = seen.settings.allow.iter().find(|allowed| covers(allowed, seen, finding)) {
            let why = || format!("allowed by {} until {}: {}", allowed.owner, allowed.until, allowed.reason);
            lower(finding, Level::Notice, why);
        }
    }
}

fn lower(finding: &mut Finding, most: Level, why: impl FnOnce() -> String) {
    if finding.level > most {
        finding.level = most;
        finding.evidence.push(Evidence::new("lowered", why()));
    }
}

/// Whether an exception covers a finding.
fn covers(allowed: &Allowed, seen: &Seen<'_>, finding: &Finding) -> bool {
    let left = seen.effects().movements.iter().filter(|moved| seen.member(moved.from) && !seen.member(moved.to));
    allowed.detector == finding.detector
        && seen.now() < allowed.until.end_unix_seconds()
        && allowed.sender.is_none_or(|sender| sender == seen.execution.transaction.from)
        && allowed.recipient.is_none_or(|recipient| {
            let mut left = left.map(|moved| moved.to).peekable();
            left.peek().is_some() && left.all(|to| to == recipient)
        })
}

impl Judge for Detection {
    fn needs(&self) -> &Needs {
        &self.needs
    }

    fn judge(&self, execution: &Execution) -> Verdict {
        let (mut findings, mut harm) = (Vec::new(), Vec::new());
        let mut left_out: usize = 0;
        for index in self.touched(execution).iter() {
            let Some(seen) = self.seen(execution, index) else { continue };
            if !seen.account().lines.is_empty() {
                harm.push(seen.account().clone());
            }
            let of_module = findings.len();
            for detector in &self.detectors {
                let first = findings.len();
                findings.extend(detector.inspect(&seen, &self.history));
                for finding in findings.iter_mut().skip(first) {
                    self.temper(&seen, finding);
                }
            }
            // Last: what is new is worth more where harm was counted.
            if let Some(mut finding) = self.novelty(&seen, findings.get(of_module..).unwrap_or_default()) {
                self.temper(&seen, &mut finding);
                findings.push(finding);
            }
            left_out = left_out.saturating_add(seen.left_out());
        }
        findings.extend(self.around(execution));
        if findings.len() > 1 {
            // Ties are broken by identity, so that two nodes list the same findings in the same order.
            findings
                .sort_by_key(|finding: &Finding| (std::cmp::Reverse((finding.level, finding.severity)), finding.id));
        }
        let mut standing = execution.standing.clone();
        // Said whether or not anything was found: silence about what nobody looked at would be taken for peace.
        standing.left_out =
            u64::try_from(left_out).unwrap_or(u64::MAX).saturating_add(execution.effects.unchecked.into());
        let verdict = Verdict { findings, harm, standing };
        self.last.set(Some(Judged::of(execution, &verdict)));
        verdict
    }

    fn judge_newborn(&self, newborn: &Newborn) -> Verdict {
        newborns::judge(self, newborn)
    }

    fn judge_queued(&self, rehearsal: &Rehearsal) -> Verdict {
        queued::judge(self, rehearsal)
    }

    fn record(&mut self, execution: &Execution) {
        let touched = self.touched(execution);
        self.history.open_block(&execution.block);
        let judged = touched.iter().next().map(|_| {
            let known = self
                .last
                .take()
                .filter(|judged| judged.transaction == execution.hash() && judged.block == execution.block.block_ref());
            known.unwrap_or_else(|| Judged::of(execution, &self.judge(execution)))
        });
        self.last.set(None);
        if let Some(judged) = &judged {
            for index in touched.iter() {
                let Some(learnt) = self.seen(execution, index).map(|seen| Learnt::of(&seen, &self.history)) else {
                    continue;
                };
                learnt.keep(index, judged, &mut self.history);
            }
        }
        learnt::shapes(execution, &mut self.history);
        self.learn(execution, judged.is_some_and(|judged| judged.flagged));
        self.learn_around(execution, &touched, judged.as_ref());
        let hostile = judged.is_some_and(|judged| judged.hostile);
        for suspect in repeat::implicated(execution, &self.watch, &self.history, hostile) {
            self.history.add_suspect(suspect);
        }
    }

    fn retract(&mut self, block: BlockRef) {
        self.last.set(None);
        self.history.retract(block);
        if let Some(behaviour) = &mut self.behaviour {
            behaviour.retract(block);
        }
    }
}

mod behaviour;
mod learnt;
mod maintenance;
mod newborns;
mod queued;

use learnt::Learnt;
pub(crate) use learnt::{is_newcomer, is_paid_out, own, received, shape};

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers in tests")]

    use alloy_primitives::{B256, Bytes, Log, U256, keccak256};
    use cofferdam_types::{
        Asset, BalanceCheck, BlockNumber, Call, CallKind, CodeChange, EmittedLog, Header, Movement, MovementProof,
        Outcome, StorageWrite,
    };
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::testbed::{Case, account, last};

    fn built_with(settings: &str) -> Result<Detection, SettingsError> {
        let modules = json!([{ "id": "vault", "contracts": ["@vault"] }, { "id": "pool", "contracts": ["@pool"] }]);
        let watch = Case::read(json!({ "modules": modules, "transactions": [] })).watch();
        Detection::new(watch, &toml::from_str(settings).unwrap())
    }

    #[test]
    fn every_mistake_in_the_settings_is_named() {
        let vault = "[[modules]]\nmodule = 'vault'\n";
        let someone = "0x0000000000000000000000000000000000000001";
        let allow = format!("{vault}[[modules.allow]]\nuntil = '2030-01-01'\nsender = '{someone}'\n");
        for (settings, part) in [
            ("[[modules]]\nmodule = 'vaults'".to_owned(), "`vaults`, which is not among the protected modules"),
            (format!("{vault}{vault}"), "`vault` are given twice"),
            ("max_level = { made-up = 'alert' }".to_owned(), "no detector is called `made-up`"),
            (format!("{vault}outflow.window_seconds = 0"), "0 is no window"),
            (format!("{vault}outflow.limits = [{{}}]"), "`outflow.limits[0]` says nothing"),
            (format!("{vault}outflow.limits = [{{ window_bps = 1, window_seconds = 0 }}]"), "0 seconds are no window"),
            (
                format!("{vault}outflow.limits = [{{ per_transaction_bps = 1, window_seconds = 9 }}]"),
                "without a limit for the window",
            ),
            (
                format!("{vault}outflow.limits = [{{ window_bps = 1 }}, {{ window_bps = 2 }}]"),
                "`outflow.limits[1]`: an earlier limit is for the same asset",
            ),
            (
                format!("{allow}detector = 're-entry'\nowner = ' '\nreason = 'migration'"),
                "an exception needs an owner and a reason",
            ),
            (
                format!("{allow}detector = 'nothing'\nowner = 'ann'\nreason = 'migration'"),
                "no detector is called `nothing`",
            ),
        ] {
            let error = built_with(&settings).err().unwrap_or_else(|| panic!("accepted: {settings}"));
            assert!(error.to_string().contains(part), "{settings}: {error}");
        }
        assert!(built_with("max_level = { invariant = 'alert' }").is_ok(), "a detector that nobody configured");
    }

    #[test]
    fn what_touches_no_module_is_not_judged() {
        let case = json!({
            "modules": [{ "id": "vault", "contracts": ["@vault"] }],
            "transactions": [{
                "from": "@user",
                "call": { "to": "@other", "function": "act()", "value": "5000000000000000000",
                    "logs": [{ "event": "Upgraded(address)", "topics": ["@evil"] }] },
            }],
        });
        assert!(last(case).is_empty());
    }

    #[test]
    fn what_was_left_out_for_its_number_is_said_where_nothing_was_found() {
        let case = Case::read(json!({
            "modules": [{ "id": "vault", "contracts": ["@vault"] }],
            "transactions": [{ "from": "@user", "call": { "to": "@vault", "function": "act()" } }],
        }));
        let (vault, mut execution) = (account("vault"), case.executions().remove(0));
        assert_eq!(case.detection().judge(&execution).standing.left_out, 0);
        let gifts = (1..=100_u8).map(|number| Movement {
            asset: Asset::Erc20(Address::repeat_byte(number)),
            from: account("user"),
            to: vault,
            amount: U256::from(5),
            proof: MovementProof::Claimed,
        });
        execution.effects.movements.extend(gifts);
        execution.effects.unchecked = 3;
        let verdict = case.detection().judge(&execution);
        assert!(verdict.findings.is_empty(), "gifts are no harm: {:?}", verdict.findings);
        assert_eq!(verdict.standing.left_out, 100 - 64 + 3, "flows beyond the most that are looked at, and balances");
    }

    #[test]
    fn an_account_of_two_modules_speaks_for_both() {
        let case = json!({
            "modules": [{ "id": "vault", "contracts": ["@vault"] }, { "id": "all", "contracts": ["@vault", "@pool"] }],
            "transactions": [drain("@user", 500_000)],
        });
        let findings = last(case);
        let of = |module: &str| findings.iter().filter(|finding| finding.module.as_str() == module).count();
        assert!(of("vault") > 0);
        assert_eq!(of("vault"), of("all"));
    }

    #[test]
    fn a_thousand_touched_modules_are_all_found_and_none_twice() {
        let mut touched = Touched::default();
        for _ in 0..2 {
            touched.add(&(0..1_000).collect::<Vec<u32>>());
        }
        assert_eq!(touched.iter().collect::<Vec<u32>>(), (0..1_000).collect::<Vec<u32>>());
    }

    /// `amount` of 1,000,000 tokens go to `who`, who has been called back into the vault.
    fn drain(who: &str, amount: u64) -> Value {
        json!({
            "from": who,
            "call": { "to": "@vault", "function": "withdraw()", "calls": [
                { "kind": "DelegateCall", "to": "@library", "function": "withdraw()" },
                { "to": who, "function": "hook()", "calls": [
                    { "to": "@vault", "function": "poke()", "logs": [{ "event": "Poked()" }] }
                ] }
            ] },
            "moves": [["@token", "@vault", who, amount.to_string()]],
            "checks": [["@vault", "@token", "1000000", (1_000_000 - amount).to_string()]],
        })
    }

    fn executions(draws: &[(u8, u64)]) -> Vec<Execution> {
        let drafts: Vec<Value> = draws.iter().map(|(who, amount)| drain(&format!("@user {who}"), *amount)).collect();
        let modules = json!([{ "id": "vault", "contracts": ["@vault"] }]);
        Case::read(json!({ "modules": modules, "transactions": drafts })).executions()
    }

    fn detection() -> Detection {
        built_with("history = { familiar_after_seconds = 20 }").unwrap()
    }

    proptest! {
        #[test]
        fn a_block_recorded_and_retracted_leaves_every_verdict_as_it_was(
            kept in prop::collection::vec((0..3_u8, 0..300_000_u64), 0..5),
            dropped in prop::collection::vec((0..3_u8, 0..300_000_u64), 1..5),
            probes in prop::collection::vec((0..3_u8, 0..300_000_u64), 1..5),
        ) {
            let (mut never, mut once) = (detection(), detection());
            let all = executions(&[kept.clone(), dropped].concat());
            let (kept_ones, dropped_ones) = all.split_at(kept.len());
            for execution in kept_ones {
                never.record(execution);
                once.record(execution);
            }
            for execution in dropped_ones {
                let salted = Header { hash: B256::repeat_byte(9), ..(*execution.block).clone() };
                once.record(&Execution { block: Arc::new(salted), ..execution.clone() });
            }
            for execution in dropped_ones.iter().rev() {
                let number: BlockNumber = execution.block.number;
                once.retract(BlockRef { number, hash: B256::repeat_byte(9) });
            }
            for probe in executions(&probes) {
                prop_assert_eq!(never.judge(&probe), once.judge(&probe));
            }
        }

        #[test]
        fn effects_that_no_chain_could_have_are_judged_recorded_and_taken_back_without_a_panic(
            calls in prop::collection::vec((prop::option::of(0..9_u32), 0..4_u16, 0..7_usize, any_account(), any_account(), any_account(), any_amount()), 0..12),
            moves in prop::collection::vec((any_asset(), any_account(), any_account(), any_amount()), 0..12),
            checks in prop::collection::vec((any_account(), any_asset(), prop::option::of(any_amount()), prop::option::of(any_amount())), 0..6),
            writes in prop::collection::vec((any_account(), any_amount(), any_amount(), any_amount()), 0..8),
            logs in prop::collection::vec((prop::option::of(0..15_u32), any_account(), 0..4_usize, prop::collection::vec(any_amount(), 0..4), 0..70_usize), 0..6),
            gone in prop::collection::vec(any_account(), 0..3),
            asked_for in any::<(u32, u32)>(),
        ) {
            const KINDS: [CallKind; 7] = [
                CallKind::Call, CallKind::StaticCall, CallKind::DelegateCall, CallKind::CallCode, CallKind::Create,
                CallKind::Create2, CallKind::SelfDestruct,
            ];
            const EVENTS: [&str; 4] = [
                "OwnershipTransferred(address,address)", "Upgraded(address)", "RoleRevoked(bytes32,address,address)", "Other()",
            ];
            let transfer_from = Some([0x23, 0xb8, 0x72, 0xdd].into());
            let mut execution = executions(&[(0, 1)]).remove(0);
            let effects = &mut execution.effects;
            effects.outcome = Outcome::Success(Bytes::new());
            effects.calls = calls.into_iter().map(|(parent, depth, kind, caller, callee, code, value)| {
                Call::new(parent, depth, KINDS[kind], caller, callee, code, transfer_from, value, asked_for)
            }).collect();
            effects.movements = moves.into_iter().map(|(asset, from, to, amount)| {
                Movement { asset, from, to, amount, proof: MovementProof::Claimed }
            }).collect();
            effects.checks = checks.into_iter().map(|(account, asset, before, after)| {
                BalanceCheck { account, asset, before, after }
            }).collect();
            effects.writes = writes.into_iter().map(|(address, slot, old, new)| StorageWrite { address, slot, old, new }).collect();
            effects.logs = logs.into_iter().map(|(call, address, event, topics, length)| {
                let topics = topics.into_iter().map(B256::from);
                let topics = [keccak256(EVENTS[event])].into_iter().chain(topics).take(4).collect();
                EmittedLog { call, log: Log::new_unchecked(address, topics, vec![1; length].into()) }
            }).collect();
            effects.code_changes = gone.into_iter().map(|address| {
                CodeChange { address, old: B256::repeat_byte(1), new: alloy_primitives::KECCAK256_EMPTY, creator: None, shape: None }
            }).collect();
            let mut detection = detection();
            let first = detection.judge(&execution);
            prop_assert_eq!(&first, &detection.judge(&execution), "judging records nothing");
            detection.record(&execution);
            detection.record(&execution);
            detection.judge(&execution);
            detection.retract(execution.block.block_ref());
            prop_assert_eq!(&first, &detection.judge(&execution), "and what was recorded is taken back");
        }
    }

    /// The zero address, members of both modules, and strangers.
    fn any_account() -> impl Strategy<Value = Address> {
        prop::sample::select(vec!["vault", "pool", "user 0", "token", "attack", ""])
            .prop_map(|name| if name.is_empty() { Address::ZERO } else { crate::testbed::account(name) })
    }

    fn any_asset() -> impl Strategy<Value = Asset> {
        (0..4_u8, any_account(), any_amount()).prop_map(|(kind, token, id)| match kind {
            0 => Asset::Native,
            1 => Asset::Erc20(token),
            2 => Asset::Erc721(token, id),
            _ => Asset::Erc1155(token, id),
        })
    }

    /// The edges of the range, addresses as numbers, and small numbers, so that sums meet by chance.
    fn any_amount() -> impl Strategy<Value = U256> {
        prop_oneof![
            (0..6_u64).prop_map(U256::from),
            (0..4_u64).prop_map(|below| U256::MAX - U256::from(below)),
            any_account().prop_map(|account| U256::from_be_slice(account.as_slice())),
            any::<u64>().prop_map(U256::from),
        ]
    }
}
