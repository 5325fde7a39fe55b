//! Runs one scenario in one lane twice, without and with Cofferdam, on the chain inside the process.
//!
//! The guard is the one of the live watch: it sees the chain through JSON-RPC and acts through it. Steps and guard take
//! turns, so that the outcome follows from the seed; the machine's own clock is written beside it and decides nothing.
//! The runner knows who is hostile; it must never let the guard know.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use cofferdam_chain::{Endpoint, Follower, FollowerOptions, Mempool, MempoolOptions, Node, NodeOptions, NodeState};
use cofferdam_detect::Detection;
use cofferdam_detect::settings::{AssetName, InvariantSettings, ModuleSettings, OutflowLimit, Settings};
use cofferdam_evm::{Budget, RehearsalBudget, Rules};
use cofferdam_incident::{Options, Store, Timeline, verify};
use cofferdam_respond::{
    Guardian, LeverKind, LeverSettings, NodeChannel, Progress, Reply, Responder, Setup as ResponderSetup,
};
use cofferdam_simnet::scenario::{Courier, InvariantRule, LimitSpec, Losses, Scenario, Script, Setup, Side, Step};
use cofferdam_simnet::{Config, Simnet};
use cofferdam_types::primitives::{B256, U256};
use cofferdam_types::{
    Asset, Block, Clock, Event, Execution, Level, ManualClock, ModuleId, PendingUpdate, PlanStep, UnixMillis, Verdict,
    Watchlist, Window,
};

use super::amount::AssetLabel;
use super::envelope;
use super::glossary::Glossary;
use super::meter::{Meter, Taking};
use super::report::{
    EventKind, Honest, IncidentSummary, Lane, Loss, LossCurve, LossPoint, ModuleState, PlanSummary, RecordLine,
    RecordSummary, Run, TimelineEvent, VerdictSummary,
};
use crate::guard::{Guard, GuardError, Happening, MempoolOptions as Kept, NewbornOptions, Parts, QueuedOptions};

const GUARDIAN: &str = "guardian";
/// Chain time between set-up and script.
const SETTLED_SECONDS: u64 = 7_200;
/// What trying a new contract may cost: no time, because the outcome must follow from the seed alone.
const TRIAL: Budget = Budget { calls: 800, gas: 120_000_000, gas_per_call: 12_000_000, micros: u64::MAX, kept: 8 };
/// What carrying out a queued operation may cost, as little bound to the machine.
const REHEARSAL: RehearsalBudget = RehearsalBudget { gas_per_call: 30_000_000, gas: 120_000_000, micros: u64::MAX };

/// The drill itself failed: nothing is said about the defence.
#[derive(Debug, thiserror::Error)]
#[error("the drill could not be run: {what}: {reason}")]
pub struct DrillError {
    what: &'static str,
    reason: String,
}

pub(super) fn failed<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> DrillError {
    move |error| DrillError { what, reason: error.to_string() }
}

impl From<Lane> for cofferdam_simnet::scenario::Lane {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Mempool => Self::Mempool,
            Lane::Split => Self::Split,
            Lane::Private => Self::Private,
        }
    }
}

/// Time of day from the chain, durations from the machine.
struct DrillClock {
    chain: ManualClock,
    machine: Arc<dyn Clock>,
}

impl Clock for DrillClock {
    fn now(&self) -> UnixMillis {
        self.chain.now()
    }

    fn monotonic_nanos(&self) -> u64 {
        self.machine.monotonic_nanos()
    }
}

/// Runs `scenario` in `lane` and writes the incident record to `record`, a path without a file. Events of the defended
/// run are handed to `watch` as they happen.
///
/// # Errors
/// [`DrillError`] when chain, record or configuration failed; not when the defence did.
pub async fn run(
    scenario: Scenario,
    lane: Lane,
    seed: u64,
    record: &Path,
    machine: Arc<dyn Clock>,
    watch: &mut dyn FnMut(&TimelineEvent),
) -> Result<Run, DrillError> {
    let setup = scenario.setup(seed);
    let script = scenario.script(&setup, lane.into());
    let losses = scenario.losses(&setup);
    let without = Stage::open(&setup, &losses, machine.clone()).await?.play(&script, None, &mut |_| {}).await?;
    let stage = Stage::open(&setup, &losses, machine.clone()).await?;
    let store = stage.record(record)?;
    let defence = stage.defence(store.clone()).await?;
    let start_millis = stage.start_millis;
    let with = stage.play(&script, Some(defence), watch).await?;
    let told = Told { scenario, lane, setup: &setup, losses: &losses, start_millis };
    told.run(without, with, &store, record)
}

/// A chain with the protocol on it, and what measures it.
struct Stage<'s> {
    setup: &'s Setup,
    net: Simnet,
    courier: Courier<'s>,
    node: Node,
    meter: Meter,
    rules: Rules,
    watch: Arc<Watchlist>,
    clock: Arc<DrillClock>,
    start_millis: u64,
    start_micros: u64,
}

/// What defends.
struct Defence {
    guard: Guard,
    follower: Follower,
    mempool: Mempool,
}

/// How one run went.
#[derive(Default)]
struct Course {
    timeline: Vec<TimelineEvent>,
    /// Per holding, at the end of each block.
    lost: Vec<(u64, Vec<U256>)>,
    /// Per module: gone through, failed.
    honest: BTreeMap<ModuleId, (u64, u64)>,
    verdicts: Vec<(Arc<Execution>, Verdict)>,
    sealed: HashSet<ModuleId>,
}

impl<'s> Stage<'s> {
    async fn open(setup: &'s Setup, losses: &Losses, machine: Arc<dyn Clock>) -> Result<Self, DrillError> {
        let config: Config = setup.config();
        let rules = Rules::fixed(config.chain_id, config.spec);
        let chain_id = config.chain_id;
        let (net, courier) = setup.found(config).map_err(failed("the protocol cannot be deployed"))?;
        // What was set up has been there for a while: the first deposits are in nobody's window.
        net.advance_time(SETTLED_SECONDS);
        net.mine();
        let endpoint = Endpoint::from_client("simnet", net.client());
        let node = Node::connect(vec![endpoint], Some(chain_id), NodeOptions::default())
            .await
            .map_err(failed("the chain does not answer"))?;
        let watch = Arc::new(Watchlist::new(setup.deployment.modules.clone()));
        let head = net.header();
        let start_millis = head.timestamp.saturating_mul(1_000);
        let runtime = tokio::runtime::Handle::current();
        let meter = Meter::new(rules, node.clone(), runtime, watch.clone(), losses.modules.clone(), head);
        let clock = DrillClock { chain: ManualClock::new(UnixMillis(start_millis)), machine };
        let start_micros = clock.monotonic_micros();
        let clock = Arc::new(clock);
        Ok(Self { setup, net, courier, node, meter, rules, watch, clock, start_millis, start_micros })
    }

    fn record(&self, path: &Path) -> Result<Arc<Store>, DrillError> {
        let store =
            Store::open(path, self.rules.chain(), Options { reserve_mib: 1, ..Options::default() }, self.clock.clone());
        store.map(Arc::new).map_err(failed("the record cannot be opened"))
    }

    async fn defence(&self, store: Arc<Store>) -> Result<Defence, DrillError> {
        let runtime = tokio::runtime::Handle::current();
        let source = Arc::new(NodeState::new(self.node.clone(), runtime));
        let detection = Detection::new(self.watch.clone(), &settings(self.setup));
        let detection = detection.map_err(failed("the detection settings are wrong"))?;
        let responder = Responder::new(
            responder_setup(self.setup, &self.rules)?,
            store.clone(),
            Arc::new(NodeChannel::new(self.node.clone())),
            self.clock.clone(),
        );
        let mut guard = Guard::new(Parts {
            rules: self.rules,
            source,
            watch: self.watch.clone(),
            judge: Box::new(detection),
            responder: Some(responder.map_err(failed("levers and limits do not fit"))?),
            journal: store,
            clock: self.clock.clone(),
            mempool: Kept::default(),
            execute_within_blocks: u64::MAX,
            newborns: Some(NewbornOptions { budget: TRIAL, ..NewbornOptions::default() }),
            queued: Some(QueuedOptions { budget: REHEARSAL, ..QueuedOptions::default() }),
        });
        guard.resume().await.map_err(failed("the record cannot be read"))?;
        let options = FollowerOptions { shrink_polls: 1, ..FollowerOptions::default() };
        let follower = Follower::new(self.node.clone(), None, options);
        let mempool = Mempool::new(self.node.clone(), self.clock.clone(), MempoolOptions::default());
        let mut defence = Defence { guard, follower, mempool };
        // The head is dealt with before the first step: the levers are tried, the state is warm.
        defence.follow(&mut Course::default(), &mut |_, _| {}).await?;
        Ok(defence)
    }

    async fn play(
        mut self,
        script: &Script,
        mut defence: Option<Defence>,
        watch: &mut dyn FnMut(&TimelineEvent),
    ) -> Result<Course, DrillError> {
        let mut course = Course::default();
        let mut steps: HashMap<B256, &Step> = HashMap::new();
        let mut hostile = HashSet::new();
        for block in 0..script.blocks {
            for step in script.at(block) {
                // An attacker who was stopped tries on, and may then not be able to pay: that step is not sent.
                let Ok(hash) = self.courier.send(&self.net, step) else { continue };
                steps.insert(hash, step);
                if step.side == Side::Attack {
                    hostile.insert(hash);
                }
                if let Some(defence) = &mut defence {
                    let mut tell = self.teller(watch);
                    defence.look_at_mempool(&mut course, &mut tell).await?;
                }
            }
            self.net.mine();
            let header = self.net.header();
            self.clock.chain.set(UnixMillis(header.timestamp.saturating_mul(1_000)));
            if let Some(defence) = &mut defence {
                let mut tell = self.teller(watch);
                defence.follow(&mut course, &mut tell).await?;
            }
            let mined = self
                .net
                .block(header.number)
                .ok_or(DrillError { what: "the chain lost a block", reason: header.number.to_string() })?;
            let takings = self.meter.measure(&mined, &hostile).map_err(failed("the losses cannot be measured"))?;
            self.tell_block(&mined, &steps, &takings, &mut course, watch);
            course.lost.push((header.number.0, self.meter.lost()));
        }
        Ok(course)
    }

    /// Adds an event to a course and shows it, with the times of now.
    fn teller<'w>(&'w self, watch: &'w mut dyn FnMut(&TimelineEvent)) -> impl FnMut(&mut Course, Moment) + 'w {
        let glossary = glossary(self.setup);
        move |course, moment| {
            let event = TimelineEvent {
                block: moment.block.unwrap_or_else(|| self.net.head().number.0),
                virtual_ms: self.clock.now().0.saturating_sub(self.start_millis),
                wall_micros: moment.at_micros.map(|at| at.saturating_sub(self.start_micros)),
                kind: moment.kind,
                text: glossary.shown(&moment.text),
            };
            watch(&event);
            course.timeline.push(event);
        }
    }

    fn tell_block(
        &self,
        block: &Block,
        steps: &HashMap<B256, &Step>,
        takings: &[Taking],
        course: &mut Course,
        watch: &mut dyn FnMut(&TimelineEvent),
    ) {
        let mut tell = self.teller(watch);
        for (transaction, receipt) in block.transactions.iter().zip(&block.receipts) {
            let Some(step) = steps.get(&transaction.hash) else { continue };
            let ok = receipt.success == Some(true);
            let kind = match (step.side, ok) {
                (Side::Honest, true) => EventKind::HonestOk,
                (Side::Honest, false) => EventKind::HonestFailed,
                (Side::Attack, true) => EventKind::AttackMined,
                (Side::Attack, false) => EventKind::AttackFailed,
            };
            if step.side == Side::Honest {
                for module in &step.modules {
                    let (gone, failed) = course.honest.entry(module.clone()).or_default();
                    let count = if ok { gone } else { failed };
                    *count = count.saturating_add(1);
                }
            }
            tell(course, Moment::in_block(block.header.number.0, kind, step.text.clone()));
            for taking in takings.iter().filter(|taking| taking.transaction == transaction.hash) {
                let Some(holding) = self.meter_holding(taking.holding) else { continue };
                let module = holding.0;
                let text = format!("{} left {module}", label(self.setup, holding.1).amount(taking.amount));
                tell(course, Moment::in_block(block.header.number.0, EventKind::Loss, text));
            }
        }
    }

    fn meter_holding(&self, index: usize) -> Option<(ModuleId, Asset)> {
        let holding = self.meter.holdings().get(index)?;
        Some((holding.module.clone()?, holding.asset))
    }
}

/// An event before its times are known.
struct Moment {
    block: Option<u64>,
    at_micros: Option<u64>,
    kind: EventKind,
    text: String,
}

impl Moment {
    const fn in_block(block: u64, kind: EventKind, text: String) -> Self {
        Self { block: Some(block), at_micros: None, kind, text }
    }

    const fn at(micros: u64, kind: EventKind, text: String) -> Self {
        Self { block: None, at_micros: Some(micros), kind, text }
    }
}

type Tell<'t> = dyn FnMut(&mut Course, Moment) + 't;

impl Defence {
    async fn look_at_mempool(&mut self, course: &mut Course, tell: &mut Tell<'_>) -> Result<(), DrillError> {
        let updates = self.mempool.poll().await.map_err(failed("the mempool cannot be read"))?;
        self.hand_in(updates, course, tell).await
    }

    async fn hand_in(
        &mut self,
        updates: Vec<PendingUpdate>,
        course: &mut Course,
        tell: &mut Tell<'_>,
    ) -> Result<(), DrillError> {
        for update in updates {
            let began = self.guard.micros();
            let happenings = self.guard.on_pending(&update).await.map_err(broke)?;
            report(happenings, began, course, tell);
        }
        Ok(())
    }

    async fn follow(&mut self, course: &mut Course, tell: &mut Tell<'_>) -> Result<(), DrillError> {
        while let Some(update) = self.follower.poll().await.map_err(failed("the chain cannot be followed"))? {
            let began = self.guard.micros();
            let tip = update.adopted().last().map(|block| block.header.clone()).unwrap_or_default();
            let happenings = self.guard.on_chain(&update, &tip).await.map_err(broke)?;
            report(happenings, began, course, tell);
            for block in update.adopted().iter() {
                let updates = self.mempool.on_block(block);
                self.hand_in(updates, course, tell).await?;
            }
        }
        let began = self.guard.micros();
        let happenings = self.guard.look_again().await.map_err(broke)?;
        report(happenings, began, course, tell);
        // The live guard does not wait for these; here the next block waits, so that no machine is too slow.
        let happenings = self.guard.settle_trials().await.map_err(broke)?;
        report(happenings, self.guard.micros(), course, tell);
        Ok(())
    }
}

fn broke(error: GuardError) -> DrillError {
    failed("the guard broke off")(error)
}

fn report(happenings: Vec<Happening>, began: u64, course: &mut Course, tell: &mut Tell<'_>) {
    for happening in happenings {
        match happening {
            Happening::Found { execution, verdict, micros } => {
                if verdict.level() >= Some(Level::Alert) {
                    if !course.timeline.iter().any(|event| event.kind == EventKind::AttackSeen) {
                        let way = match execution.window {
                            Window::Before => "before it was sent: its contract was tried on a fork",
                            Window::Pending => "in the mempool",
                            Window::Mined => "in its block",
                        };
                        tell(course, Moment::at(began, EventKind::AttackSeen, format!("{} {way}", execution.hash())));
                    }
                    let finding = verdict.findings.first();
                    let text = finding.map(|it| format!("{}: {}", it.level, it.summary)).unwrap_or_default();
                    tell(course, Moment::at(began.saturating_add(micros), EventKind::Verdict, text));
                }
                course.verdicts.push((execution, verdict));
            }
            Happening::Answered { response, micros, .. } => {
                let end = began.saturating_add(micros);
                for answer in response.answers {
                    let start = end.saturating_sub(answer.timing.sent_micros);
                    match answer.reply {
                        Reply::Sent { lever, price, .. } => {
                            let decided = start.saturating_add(answer.timing.recorded_micros);
                            tell(
                                course,
                                Moment::at(
                                    decided,
                                    EventKind::Planned,
                                    format!("{lever}: tried on a fork, it stops the attack"),
                                ),
                            );
                            let text = format!("{lever}: tip {} wei per gas", price.priority());
                            tell(course, Moment::at(end, EventKind::Sent, text));
                        }
                        Reply::Refused { lever, reason, recorded: true, .. } => {
                            tell(course, Moment::at(end, EventKind::Note, format!("{lever} refused: {reason}")));
                        }
                        Reply::Refused { .. } | Reply::NoLever | Reply::Joined { .. } => {}
                    }
                }
            }
            Happening::Plan(Progress::Confirmed { module, block, read_back, .. }) => {
                tell(course, Moment::in_block(block.number.0, EventKind::Mined, read_back));
                course.sealed.insert(module);
            }
            Happening::Plan(Progress::Failed { reason, .. }) => {
                tell(course, Moment { block: None, at_micros: None, kind: EventKind::Note, text: reason });
            }
            Happening::Plan(_) | Happening::Processed { .. } => {}
        }
    }
}

/// What the operators of this deployment would have written.
fn settings(setup: &Setup) -> Settings {
    let seconds = setup.config().block_seconds;
    let modules = setup.deployment.modules.iter().map(|module| {
        let mut settings = ModuleSettings::defaults(module.id.clone());
        let limits = setup.deployment.limits.iter().filter(|limit| limit.module == module.id);
        settings.outflow.limits = limits.map(|limit| outflow_limit(limit, seconds)).collect();
        let invariants = setup.deployment.invariants.iter().filter(|invariant| invariant.module == module.id);
        settings.invariants = invariants
            .map(|invariant| {
                let (max_fall_bps, unchanged) = match invariant.rule {
                    InvariantRule::FallsAtMost(share) => (Some(share), false),
                    InvariantRule::Unchanged => (None, true),
                };
                InvariantSettings {
                    name: invariant.name.clone(),
                    target: Some(invariant.target),
                    view: Some(invariant.signature.clone()),
                    holds: None,
                    contracts: Default::default(),
                    signatures: Vec::new(),
                    arguments: Vec::new(),
                    output: 0,
                    max_fall_bps,
                    max_rise_bps: None,
                    min: None,
                    max: None,
                    unchanged,
                    level: None,
                }
            })
            .collect();
        settings
    });
    Settings { modules: modules.collect(), ..Settings::default() }
}

fn outflow_limit(limit: &LimitSpec, block_seconds: u64) -> OutflowLimit {
    OutflowLimit {
        asset: Some(limit.asset.token().map_or(AssetName::Native, AssetName::Token)),
        per_transaction_bps: Some(limit.per_transaction),
        per_transaction_amount: None,
        window_seconds: Some(limit.window_blocks.saturating_mul(block_seconds)),
        window_bps: Some(limit.per_window),
        window_amount: None,
    }
}

fn responder_setup(setup: &Setup, rules: &Rules) -> Result<ResponderSetup, DrillError> {
    let levers = setup.deployment.levers.iter().map(|lever| LeverSettings {
        name: lever.name.clone(),
        module: lever.module.clone(),
        kind: LeverKind::Pausable,
        target: lever.target,
        guardian: GUARDIAN.to_owned(),
        pause: "pause()".to_owned(),
        unpause: "unpause()".to_owned(),
        paused: "paused()".to_owned(),
    });
    let guardian = Guardian::from_key(GUARDIAN, &setup.guardian().secret());
    let guardian = guardian.ok_or(DrillError { what: "the guardian", reason: "its key is no key".to_owned() })?;
    let levers: Vec<LeverSettings> = levers.collect();
    let envelope = envelope::signed(rules.chain(), &levers)?;
    Ok(ResponderSetup {
        chain_id: rules.chain(),
        levers,
        limits: Some(envelope.limits),
        signers: Some(envelope.signers),
        guardians: BTreeMap::from([(GUARDIAN.to_owned(), guardian)]),
        readiness_blocks: 1,
    })
}

fn glossary(setup: &Setup) -> Glossary {
    Glossary::new(setup.deployment.assets.iter().map(|spec| (spec.asset, label(setup, spec.asset))))
}

fn label(setup: &Setup, asset: Asset) -> AssetLabel {
    let spec = setup.deployment.assets.iter().find(|spec| spec.asset == asset);
    spec.map_or_else(|| AssetLabel::new("units", 0), |spec| AssetLabel::new(spec.symbol.clone(), spec.decimals))
}

/// What is needed to tell a run.
struct Told<'t> {
    scenario: Scenario,
    lane: Lane,
    setup: &'t Setup,
    losses: &'t Losses,
    start_millis: u64,
}

impl Told<'_> {
    fn run(self, without: Course, with: Course, store: &Store, record: &Path) -> Result<Run, DrillError> {
        let curves = self.curves(&without, &with);
        let losses = curves.iter().map(|curve| {
            let last = curve.points.last();
            Loss {
                module: curve.module.clone(),
                asset: curve.asset.clone(),
                without: last.map(|point| point.without).unwrap_or_default(),
                with: last.map(|point| point.with).unwrap_or_default(),
            }
        });
        let losses: Vec<Loss> = losses.collect();
        let (plan, record) = self.written(store, record)?;
        Ok(Run {
            scenario: self.scenario.id().to_owned(),
            title: self.scenario.title().to_owned(),
            story: self.scenario.story().to_owned(),
            lane: self.lane,
            modules: self.modules(&losses, &with),
            losses,
            curves,
            honest: honest(&without, &with),
            verdict: verdict(&with, &glossary(self.setup)),
            timeline: with.timeline,
            plan,
            record,
        })
    }

    fn curves(&self, without: &Course, with: &Course) -> Vec<LossCurve> {
        let holdings = self.losses.modules.iter().enumerate();
        holdings
            .filter_map(|(index, holding)| {
                let at = |lost: &[U256]| lost.get(index).copied().unwrap_or_default();
                let points = without.lost.iter().zip(&with.lost).map(|((block, without), (_, with))| LossPoint {
                    block: *block,
                    without: at(without),
                    with: at(with),
                });
                let asset = label(self.setup, holding.asset);
                Some(LossCurve { module: holding.module.clone()?, asset, points: points.collect() })
            })
            .collect()
    }

    fn modules(&self, losses: &[Loss], with: &Course) -> Vec<ModuleState> {
        let state = |module: &cofferdam_types::Module| ModuleState {
            module: module.id.clone(),
            sealed: with.sealed.contains(&module.id),
            attacked: losses.iter().any(|loss| loss.module == module.id && !loss.without.is_zero()),
        };
        self.setup.deployment.modules.iter().map(state).collect()
    }

    /// What stands on the record: the plan that came furthest, and all lines.
    fn written(&self, store: &Store, path: &Path) -> Result<(Option<PlanSummary>, RecordSummary), DrillError> {
        let unreadable = "the record cannot be read";
        let incidents = store.incidents().map_err(failed(unreadable))?;
        let (mut entries, mut summaries) = (Vec::new(), Vec::new());
        for incident in &incidents {
            let Some(timeline) = store.incident(&incident.id).map_err(failed(unreadable))? else { continue };
            summaries.push(incident_summary(&timeline));
            entries.extend(timeline.entries);
        }
        entries.sort_by_key(|entry| entry.sequence);
        let verified = verify(path, None);
        let (start, glossary) = (self.start_of(&entries), glossary(self.setup));
        let lines = entries.iter().map(|entry| RecordLine {
            seq: entry.sequence,
            virtual_ms: entry.at.0.saturating_sub(start),
            kind: kind(&entry.event).to_owned(),
            text: glossary.shown(&entry.text),
            hash: entry.hash,
        });
        let record = RecordSummary {
            incidents: summaries,
            head: verified.as_ref().map(|verified| verified.head).unwrap_or_default(),
            verified: verified.is_ok(),
            lines: lines.collect(),
        };
        Ok((self.plan(entries.iter().map(|entry| &entry.event)), record))
    }

    fn start_of(&self, entries: &[cofferdam_incident::Entry]) -> u64 {
        entries.first().map_or(0, |first| self.start_millis.min(first.at.0))
    }

    fn plan<'e>(&self, events: impl Iterator<Item = &'e Event>) -> Option<PlanSummary> {
        let mut plans: Vec<(cofferdam_types::PlanId, Vec<&PlanStep>)> = Vec::new();
        for event in events {
            let Event::Plan { plan, step } = event else { continue };
            match plans.iter_mut().find(|(id, _)| id == plan) {
                Some((_, steps)) => steps.push(step),
                None => plans.push((*plan, vec![step])),
            }
        }
        let confirmed =
            |(_, steps): &&(_, Vec<&PlanStep>)| steps.iter().any(|step| matches!(step, PlanStep::Confirmed { .. }));
        let (_, steps) = plans.iter().find(confirmed).or(plans.last())?;
        let Some(PlanStep::Draft { action, .. }) = steps.first() else { return None };
        let mut summary = PlanSummary {
            lever: action.lever.clone(),
            module: action.module.clone(),
            call: "pause()".to_owned(),
            target: action.target,
            guardian: None,
            step: String::new(),
            trial: String::new(),
            authority: String::new(),
            max_fee_per_gas: None,
            max_priority_fee_per_gas: None,
            transaction: None,
            mined_in: None,
            read_back: None,
        };
        steps.iter().for_each(|step| add(&mut summary, step));
        Some(summary)
    }
}

fn add(summary: &mut PlanSummary, step: &PlanStep) {
    let word = match step {
        PlanStep::Draft { .. } => "draft",
        PlanStep::Simulated { note, .. } => {
            summary.trial.clone_from(note);
            "simulated"
        }
        PlanStep::Authorised { reason, .. } => {
            summary.authority.clone_from(reason);
            "authorised"
        }
        PlanStep::Refused { reason } => {
            summary.authority.clone_from(reason);
            "refused"
        }
        PlanStep::Sent { from, max_fee_per_gas, max_priority_fee_per_gas, .. } => {
            summary.guardian = Some(*from);
            summary.max_fee_per_gas = Some(U256::from(*max_fee_per_gas));
            summary.max_priority_fee_per_gas = Some(U256::from(*max_priority_fee_per_gas));
            "sent"
        }
        PlanStep::Confirmed { transaction, block, read_back } => {
            summary.transaction = Some(*transaction);
            summary.mined_in = Some(block.number.0);
            summary.read_back = Some(read_back.clone());
            "confirmed"
        }
        PlanStep::Undone { .. } => "undone",
        PlanStep::Failed { .. } => "failed",
    };
    word.clone_into(&mut summary.step);
}

const fn kind(event: &Event) -> &'static str {
    match event {
        Event::Found { .. } => "found",
        Event::Withdrawn { .. } => "withdrawn",
        Event::Plan { .. } => "plan",
        Event::State { .. } => "state",
        Event::Loss { .. } => "loss",
        Event::Operator { .. } => "operator",
        Event::Started { .. } => "started",
        Event::Reported { .. } => "foreign",
        Event::Joined { .. } | Event::Gathered { .. } => "joined",
        Event::Rated { .. } => "rated",
        _ => "other",
    }
}

fn incident_summary(timeline: &Timeline) -> IncidentSummary {
    let summary = &timeline.summary;
    let rating = summary.severity.zip(summary.rule.as_ref());
    let stages = summary.stages.iter();
    IncidentSummary {
        name: summary.id.to_string(),
        severity: rating.map_or_else(String::new, |(severity, rule)| format!("{severity}, by rule `{rule}`")),
        stages: stages.map(|line| (line.stage.to_string(), line.findings, line.detectors.clone())).collect(),
        party: u64::try_from(timeline.party.len()).unwrap_or(u64::MAX),
    }
}

fn honest(without: &Course, with: &Course) -> Vec<Honest> {
    let modules = with.honest.iter().map(|(module, (ok, failed))| Honest {
        module: module.clone(),
        ok: *ok,
        failed: *failed,
        failed_without: without.honest.get(module).map_or(0, |(_, failed)| *failed),
    });
    modules.collect()
}

/// The first verdict that called for action, or the strongest.
fn verdict(course: &Course, glossary: &Glossary) -> Option<VerdictSummary> {
    let stop = course.verdicts.iter().find(|(_, verdict)| verdict.level() == Some(Level::Stop));
    let (execution, verdict) = stop.or_else(|| course.verdicts.iter().max_by_key(|(_, verdict)| verdict.level()))?;
    let finding = verdict.findings.first()?;
    // A detector that names its asset gives the amounts after it as bare numbers.
    let asset = finding.evidence.iter().find(|evidence| evidence.what == "asset").map(|it| it.value.as_str());
    let evidence = finding.evidence.iter().map(|evidence| {
        let value = match asset.filter(|_| matches!(evidence.what.as_ref(), "net change" | "held before")) {
            Some(asset) => glossary.bare(&evidence.value, asset),
            None => glossary.shown(&evidence.value),
        };
        (evidence.what.to_string(), value)
    });
    Some(VerdictSummary {
        window: execution.window.into(),
        level: finding.level,
        detector: finding.detector.to_string(),
        summary: glossary.shown(&finding.summary),
        head: verdict.standing.head.number.0,
        complete: verdict.standing.missing.is_empty(),
        evidence: evidence.collect(),
    })
}
