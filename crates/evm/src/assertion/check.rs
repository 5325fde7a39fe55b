//! Runs the functions that a transaction fires, and says what came of them.
//!
//! Bounds are counted in runs and gas, never in time, so that every node comes to the same outcome.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_types::{
    AssertionOutcome, AssertionResult, Effects, Header, Level, Missing, ModuleId, Transaction, Undecided, Watchlist,
};
use rayon::prelude::*;
use revm::primitives::{Address, B256, Bytes, TxKind, keccak256};
use revm::state::EvmState;

use super::abi;
use super::artifact::Artifact;
use super::deploy::{AssertionError, Deployed, Function, deploy};
use super::flow::Flows;
use super::reason;
use super::record::Trigger;
use super::run::{self, Ended, Host, Invocation, Phase, Ran};
use super::trace::Trace;
use super::world::{self, Fork, Scene, World};
use crate::machine::{Checks, Machine, RunError, block_env};
use crate::rules::Rules;
use crate::state::{DbError, State};

/// Gas of one run where nothing else is configured: the default of the published library.
pub const DEFAULT_GAS: u64 = 3_000_000;
/// Gas of the second run after one that ran out.
const HIGH_GAS: u64 = 30_000_000;
/// Second runs for one transaction.
const MOST_SECOND_RUNS: usize = 4;
/// Gas of all first runs for one transaction.
const MOST_GAS: u64 = 1_000_000_000;
/// Runs that are started together; between them the gas is added up.
const TOGETHER: usize = 32;

/// One assertion contract of one module.
#[derive(Clone, Debug)]
pub struct AssertionSource {
    /// The module that it guards.
    pub module: ModuleId,
    /// The contract that it speaks of, one of the module's.
    pub adopter: Address,
    /// What is deployed.
    pub artifact: Artifact,
    /// Gas of one run.
    pub gas: u64,
    /// What a breach is worth; `None` leaves it to the judge.
    pub level: Option<Level>,
}

pub(super) struct Assertion {
    pub(super) source: AssertionSource,
    contract: Arc<str>,
    pub(super) deployed: Arc<Deployed>,
}

/// All assertion contracts, deployed and asked for their triggers.
#[derive(Clone, Default)]
pub struct Assertions {
    pub(super) all: Arc<[Assertion]>,
    /// Numbers of assertions by index of their module in the watchlist.
    by_module: HashMap<u32, Vec<usize>>,
    pub(super) flows: Flows,
}

impl std::fmt::Debug for Assertions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let contracts: Vec<&str> = self.all.iter().map(|assertion| &*assertion.contract).collect();
        f.debug_struct("Assertions").field("contracts", &contracts).finish_non_exhaustive()
    }
}

/// What is checked: the transaction, and what it did, on the state before it.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) transaction: &'a Transaction,
    pub(crate) block: &'a Header,
    pub(crate) effects: &'a Effects,
    pub(crate) changes: &'a EvmState,
    pub(crate) touched: &'a [u32],
    pub(crate) checks: Checks,
}

/// One run to be made.
pub(super) struct Job {
    pub(super) assertion: usize,
    pub(super) function: usize,
    pub(super) invocation: Invocation,
}

/// A finished first or second run.
struct Done {
    ran: Ran,
    starved: bool,
    not_supported: Option<String>,
    too_much: Option<String>,
}

impl Assertions {
    /// Deploys every contract, each kind of code once for each adopter.
    ///
    /// # Errors
    /// The number of the source at fault, and what is wrong with it.
    pub fn deploy(rules: Rules, sources: Vec<AssertionSource>) -> Result<Self, (usize, AssertionError)> {
        let mut known: HashMap<(B256, Address), Arc<Deployed>> = HashMap::new();
        let (mut all, mut flows) = (Vec::new(), Flows::default());
        for (number, source) in sources.into_iter().enumerate() {
            let key = (keccak256(&source.artifact.creation), source.adopter);
            let deployed = match known.get(&key) {
                Some(deployed) => deployed.clone(),
                None => {
                    let fresh = deploy(rules, &source.artifact, source.adopter).map_err(|error| (number, error))?;
                    known.entry(key).or_insert(Arc::new(fresh)).clone()
                }
            };
            for trigger in deployed.functions.iter().flat_map(|function| &function.triggers) {
                if let Trigger::Flow(flow) = trigger {
                    flows.watch(source.adopter, flow.token);
                }
            }
            all.push(Assertion { contract: source.artifact.name().into(), source, deployed });
        }
        Ok(Self { all: all.into(), by_module: HashMap::new(), flows })
    }

    /// Contract, module and number of functions of each assertion, and what of its triggers is not supported.
    pub fn summary(&self) -> impl Iterator<Item = (&str, &ModuleId, usize, &[String])> {
        self.all.iter().map(|assertion| {
            let deployed = &assertion.deployed;
            let unsupported = deployed.not_supported.as_slice();
            (&*assertion.contract, &assertion.source.module, deployed.functions.len(), unsupported)
        })
    }

    /// Finds the modules in the watchlist.
    pub(crate) fn settle(&mut self, watch: &Watchlist) {
        self.by_module.clear();
        for (index, module) in (0_u32..).zip(watch.modules()) {
            let of = self.all.iter().enumerate().filter(|(_, assertion)| assertion.source.module == module.id);
            let numbers: Vec<usize> = of.map(|(number, _)| number).collect();
            if !numbers.is_empty() {
                self.by_module.insert(index, numbers);
            }
        }
    }

    pub(crate) fn mark(&self) -> usize {
        self.flows.mark()
    }

    pub(crate) fn revert_to(&mut self, mark: usize) {
        self.flows.revert_to(mark);
    }

    /// Forgets flows past block time `now`, where the chain is followed anew from there.
    pub(crate) fn forget_after(&mut self, now: u64) {
        self.flows.forget_after(now);
    }

    pub(crate) fn prune(&mut self, mark: usize, now: u64) {
        self.flows.prune(mark, now);
    }

    /// What the assertions of the touched modules say. The state must be the one before the transaction; it stays that.
    pub(crate) fn check(&mut self, machine: &mut Machine, about: &About<'_>) -> Result<Vec<AssertionOutcome>, DbError> {
        // What failed has changed nothing that an assertion could speak of.
        if self.by_module.is_empty() || !about.effects.outcome.succeeded() {
            return Ok(Vec::new());
        }
        let mut numbers: Vec<usize> =
            about.touched.iter().filter_map(|module| self.by_module.get(module)).flatten().copied().collect();
        numbers.sort_unstable();
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.enter_flows(machine, about)?;
        let may_fire = numbers.iter().any(|number| self.may_fire(*number, about.effects));
        let trace = if may_fire { trace(machine, about)? } else { Trace::default() };
        let (mut jobs, mut outcomes) = (Vec::new(), Vec::new());
        for number in numbers {
            self.plan(number, about, &trace, &held, &mut jobs, &mut outcomes);
        }
        if !jobs.is_empty() {
            let decided = self.run_all(machine, about, &trace, &jobs)?;
            outcomes.extend(decided);
        }
        outcomes.sort_by_key(|(place, _)| *place);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    /// Lends the state to all runs: several read at a time, and what they read is known from then on.
    fn run_all(
        &self,
        machine: &mut Machine,
        about: &About<'_>,
        trace: &Trace,
        jobs: &[Job],
    ) -> Result<Vec<Placed>, DbError> {
        let rules = *machine.rules();
        let known = machine.state().missing.len();
        let base = Mutex::new(std::mem::take(machine.state_mut()));
        let mut missing = Vec::new();
        let outcomes = self.run_on(&base, rules, about, trace, jobs, &mut missing);
        *machine.state_mut() = base.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Which run came first to a missing slot is chance; the order of the runs is not.
        machine.state_mut().missing.truncate(known);
        machine.state_mut().add_missing(missing);
        outcomes
    }

    /// Makes all runs, several at a time, and the second ones after them.
    fn run_on(
        &self,
        base: &Mutex<State>,
        rules: Rules,
        about: &About<'_>,
        trace: &Trace,
        jobs: &[Job],
        missing: &mut Vec<Missing>,
    ) -> Result<Vec<Placed>, DbError> {
        let environment = (block_env(&rules, about.block), world::rules(rules, rules.spec(about.block)));
        let scene = Scene::new(base, trace, about.changes, about.transaction, environment);
        let mut outcomes = Vec::with_capacity(jobs.len());
        let (mut gas, mut second_runs) = (0_u64, 0_usize);
        for some in jobs.chunks(TOGETHER) {
            if gas > MOST_GAS {
                let what = format!("more than {MOST_GAS} gas for one transaction");
                let too_much = |job: &Job| self.undecided(job, Undecided::TooMuch { what: what.clone() });
                outcomes.extend(some.iter().filter_map(too_much));
                continue;
            }
            let done: Vec<Result<Done, DbError>> = if let [only] = some {
                vec![self.run(&scene, only, None)]
            } else {
                some.par_iter().map(|job| self.run(&scene, job, None)).collect()
            };
            for (job, done) in some.iter().zip(done) {
                let first = done?;
                gas = gas.saturating_add(first.ran.gas);
                missing.extend_from_slice(&first.ran.missing);
                if first.starved && first.not_supported.is_none() && first.too_much.is_none() {
                    second_runs = second_runs.saturating_add(1);
                    if second_runs > MOST_SECOND_RUNS {
                        let what = format!("more than {MOST_SECOND_RUNS} runs of one transaction ran out of gas");
                        outcomes.extend(self.undecided(job, Undecided::TooMuch { what }));
                        continue;
                    }
                    let second = self.run(&scene, job, Some(HIGH_GAS))?;
                    missing.extend_from_slice(&second.ran.missing);
                    outcomes.extend(self.outcome(job, &second, true));
                } else {
                    outcomes.extend(self.outcome(job, &first, false));
                }
            }
        }
        Ok(outcomes)
    }

    fn run(&self, scene: &Scene<'_>, job: &Job, gas: Option<u64>) -> Result<Done, DbError> {
        let Some((assertion, function)) = self.of(job) else {
            return Err(DbError(cofferdam_types::StateError::Unavailable {
                at: cofferdam_types::BlockNumber(0),
                reason: "no such assertion".to_owned(),
            }));
        };
        let deployed = &assertion.deployed;
        let (version, adopter) = (deployed.version, assertion.source.adopter);
        let mut host = Host::new(Phase::Check, version, adopter, job.invocation.clone());
        let limit = gas.map_or(assertion.source.gas, |high| high.max(assertion.source.gas));
        let to = TxKind::Call(abi::CONTRACT);
        let question = Bytes::copy_from_slice(&function.selector);
        let call = run::call(to, question, limit, &scene.block, scene.cfg.chain_id);
        let world = World::new(Some(scene), &deployed.residents, Fork::PostTx);
        let ran = host.execute(world, (scene.block.clone(), scene.cfg.clone()), call)?;
        Ok(Done { ran, starved: host.starved, not_supported: host.not_supported, too_much: host.too_much })
    }

    fn of(&self, job: &Job) -> Option<(&Assertion, &Function)> {
        let assertion = self.all.get(job.assertion)?;
        Some((assertion, assertion.deployed.functions.get(job.function)?))
    }

    fn undecided(&self, job: &Job, why: Undecided) -> Option<Placed> {
        let (assertion, function) = self.of(job)?;
        let result = AssertionResult::Inconclusive(why);
        Some((place(job), outcome(assertion, function, job.invocation.call, result, 0)))
    }

    fn outcome(&self, job: &Job, done: &Done, second: bool) -> Option<Placed> {
        let (assertion, function) = self.of(job)?;
        let result = result(assertion, done, second);
        Some((place(job), outcome(assertion, function, job.invocation.call, result, done.ran.gas)))
    }
}

/// An outcome and where it belongs: assertion, function, and place among the runs of the function.
pub(super) type Placed = ((usize, usize, usize), AssertionOutcome);

fn place(job: &Job) -> (usize, usize, usize) {
    (job.assertion, job.function, job.invocation.call.map_or(0, |call| call.saturating_add(1)))
}

pub(super) fn outcome(
    assertion: &Assertion,
    function: &Function,
    call: Option<usize>,
    result: AssertionResult,
    gas: u64,
) -> AssertionOutcome {
    AssertionOutcome {
        module: assertion.source.module.clone(),
        contract: assertion.contract.clone(),
        function: function.name.clone(),
        call: call.and_then(|call| u64::try_from(call).ok()),
        result,
        level: assertion.source.level,
        gas,
    }
}

/// What a run says; `second` when it was made with the high limit.
fn result(assertion: &Assertion, done: &Done, second: bool) -> AssertionResult {
    let inconclusive = AssertionResult::Inconclusive;
    if let Some(what) = &done.not_supported {
        return inconclusive(Undecided::NotSupported { what: what.clone() });
    }
    if let Some(what) = &done.too_much {
        return inconclusive(Undecided::TooMuch { what: what.clone() });
    }
    // A bare revert after some frame ran dry is what running out of gas looks like from outside.
    let dry = match &done.ran.ended {
        Ended::OutOfGas => true,
        Ended::Reverted(data) => done.starved && data.is_empty(),
        Ended::Returned(_) | Ended::Halted(_) => false,
    };
    if dry {
        return inconclusive(Undecided::OutOfGas { limit: HIGH_GAS.max(assertion.source.gas) });
    }
    if !done.ran.missing.is_empty() {
        let pieces = u64::try_from(done.ran.missing.len()).unwrap_or(u64::MAX);
        return inconclusive(Undecided::MissingState { pieces });
    }
    match reason::of(&done.ran.ended, &assertion.source.artifact.abi) {
        Some(reason) => AssertionResult::Broken { reason },
        None => AssertionResult::Held { over_limit: second.then_some(assertion.source.gas) },
    }
}

fn trace(machine: &mut Machine, about: &About<'_>) -> Result<Trace, DbError> {
    match machine.trace(about.transaction, about.checks) {
        Ok(trace) => Ok(trace),
        Err(RunError::State(error)) => Err(error),
        // It ran a moment ago on the same state.
        Err(RunError::Invalid(reason)) => {
            tracing::error!(%reason, "a transaction that ran is not valid any more");
            Ok(Trace::default())
        }
    }
}
