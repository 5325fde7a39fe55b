//! Where a transaction is executed: in its place in its block, or on the head of a node, or in its case.
//!
//! What was executed before it in its block is executed first. What cannot be had (state that a node has pruned, an
//! earlier transaction that nobody showed us) is said and never made up.

use std::path::Path;
use std::sync::Arc;

use alloy_primitives::B256;
use cofferdam_chain::case::Case;
use cofferdam_chain::{Endpoint, EndpointOptions, Node, NodeOptions, NodeState};
use cofferdam_detect::{Detection, Settings};
use cofferdam_evm::{Assertions, Engine, Rules, Spec};
use cofferdam_types::{
    Block, ChainId, Execution, Header, Judge, Outcome, StateSource, Transaction, Verdict, Watchlist, Window,
};

use crate::cases::Runnable;
use crate::cli::Failure;
use crate::printable::counted;

/// What is protected, and how it is judged.
pub(super) struct Protected {
    /// The modules.
    pub(super) watch: Arc<Watchlist>,
    /// How they are judged.
    pub(super) settings: Settings,
    /// What is asserted in Solidity.
    pub(super) assertions: Assertions,
}

/// An executed transaction and all that it stands on.
pub(in crate::commands) struct Ground {
    /// Stands on the block before the transaction's own.
    pub(in crate::commands) engine: Engine,
    /// Knows what came before in the same block.
    pub(in crate::commands) judge: Detection,
    /// What is protected.
    pub(in crate::commands) watch: Arc<Watchlist>,
    /// The transaction and what it did.
    pub(in crate::commands) execution: Execution,
    /// What it means.
    pub(in crate::commands) verdict: Verdict,
    /// Transactions of the same block that ran before it.
    pub(in crate::commands) earlier: Vec<Arc<Transaction>>,
    /// The chain.
    pub(in crate::commands) chain: ChainId,
    /// What the judge knew of the time before.
    pub(in crate::commands) history: String,
    /// What a reader must know about all this.
    pub(in crate::commands) notes: Vec<String>,
}

/// What the judge knows who has seen nothing but the transaction's own block.
const NO_HISTORY: &str = "no history: it is judged as if nothing had ever been seen of the protocol before its block";

/// A node to ask, and the rules of its chain.
pub(in crate::commands) struct Outlet {
    /// The node.
    pub(in crate::commands) node: Node,
    /// Which hard forks hold.
    pub(in crate::commands) rules: Rules,
}

impl Outlet {
    /// Connects to one address.
    ///
    /// # Errors
    /// [`Failure::Input`] when it is no address, [`Failure::Outside`] when nobody answers.
    pub(super) async fn at(address: &str, chain: Option<ChainId>, spec: Option<Spec>) -> Result<Self, Failure> {
        let endpoint = Endpoint::new("node", address, EndpointOptions::default());
        let endpoint = endpoint.map_err(|error| Failure::input(format!("--rpc: {error}")))?;
        Self::over(vec![endpoint], chain, |chain| {
            spec.map_or_else(|| Rules::for_chain(chain), |spec| Rules::fixed(chain, spec))
        })
        .await
    }

    /// Connects to endpoints that are configured.
    ///
    /// # Errors
    /// [`Failure::Outside`] when nobody answers.
    pub(super) async fn over(
        endpoints: Vec<Endpoint>,
        chain: Option<ChainId>,
        rules: impl FnOnce(ChainId) -> Rules,
    ) -> Result<Self, Failure> {
        let node = Node::connect(endpoints, chain, NodeOptions::default()).await.map_err(Failure::outside)?;
        let rules = rules(node.chain_id());
        Ok(Self { node, rules })
    }

    /// A transaction that the node knows.
    ///
    /// # Errors
    /// [`Failure::Input`] when it knows none of that hash, [`Failure::Outside`] when it cannot tell what is needed.
    pub(super) async fn known(&self, hash: B256, protected: Protected) -> Result<Ground, Failure> {
        let known = self.node.transaction(hash).await.map_err(Failure::outside)?;
        let Some((transaction, block)) = known else {
            return Err(Failure::input(format!(
                "the node knows no transaction {hash}, neither in a block nor pending; is it of chain {}?",
                self.node.chain_id()
            )));
        };
        match block {
            Some(block) => self.mined(hash, block, protected).await,
            None => self.pending(transaction, protected).await,
        }
    }

    /// A transaction on top of the head.
    ///
    /// # Errors
    /// [`Failure::Input`] when it is signed for another chain, [`Failure::Outside`] when the node cannot tell what is
    /// needed.
    pub(super) async fn pending(&self, transaction: Transaction, protected: Protected) -> Result<Ground, Failure> {
        self.is_for_this_chain(&transaction)?;
        let chain = self.node.chain_id();
        let (mut engine, judge) = self.on_newest(&protected).await?;
        let (execution, notes) = on_head(&mut engine, Arc::new(transaction))?;
        let verdict = judge.judge(&execution);
        let watch = protected.watch;
        let history = NO_HISTORY.to_owned();
        Ok(Ground { engine, judge, watch, execution, verdict, earlier: Vec::new(), chain, history, notes })
    }

    /// Transactions one after the other on top of the head; shown is the one that most is said of, after those before it.
    ///
    /// # Errors
    /// [`Failure::Input`] when one is signed for another chain, [`Failure::Outside`] when the node cannot tell what is
    /// needed.
    pub(super) async fn bundle(&self, bundle: Vec<Transaction>, protected: Protected) -> Result<Ground, Failure> {
        bundle.iter().try_for_each(|transaction| self.is_for_this_chain(transaction))?;
        let (mut engine, mut judge) = self.on_newest(&protected).await?;
        let bundle: Vec<Arc<Transaction>> = bundle.into_iter().map(Arc::new).collect();
        let mut notes = Vec::new();
        let mut shown: Option<(usize, Execution, Verdict)> = None;
        for (place, transaction) in bundle.iter().enumerate() {
            let before = bundle.get(..place).unwrap_or_default();
            let executed = engine.pending_after(before, transaction.clone()).map_err(Failure::outside)?;
            let verdict = judge.judge(&executed);
            let number = place.saturating_add(1);
            let said = verdict.level().map_or_else(|| "nothing is said of it".to_owned(), |level| level.to_string());
            notes.push(match &executed.effects.outcome {
                Outcome::Invalid(reason) => format!("transaction {number} would not be mined in this place: {reason}"),
                Outcome::Success(_) | Outcome::Reverted(_) | Outcome::Halted(_) => {
                    format!("transaction {number}, {}: {said}", transaction.hash)
                }
            });
            judge.record(&executed);
            // The last of those that most is said of: what came before led to it.
            if shown.as_ref().is_none_or(|(_, _, known)| verdict.level() >= known.level()) {
                shown = Some((place, executed, verdict));
            }
        }
        let Some((place, execution, verdict)) = shown else {
            return Err(Failure::input("a bundle without transactions"));
        };
        let count = counted(bundle.len(), "transaction");
        notes.insert(0, format!("a bundle of {count}; shown is number {}", place.saturating_add(1)));
        let earlier = bundle.into_iter().take(place).collect();
        let (watch, chain, history) = (protected.watch, self.node.chain_id(), NO_HISTORY.to_owned());
        Ok(Ground { engine, judge, watch, execution, verdict, earlier, chain, history, notes })
    }

    /// Whether `transaction` may be mined on the node's chain.
    fn is_for_this_chain(&self, transaction: &Transaction) -> Result<(), Failure> {
        let chain = self.node.chain_id();
        match transaction.chain_id.filter(|signed| *signed != chain.0) {
            Some(other) => Err(Failure::input(format!(
                "the transaction {} is signed for chain {other}, the node is on chain {chain}",
                transaction.hash
            ))),
            None => Ok(()),
        }
    }

    /// An engine on the node's newest block, and its judge.
    async fn on_newest(&self, protected: &Protected) -> Result<(Engine, Detection), Failure> {
        let head = self.node.head().await.map_err(Failure::outside)?;
        let head = self.header(head.hash, "its newest block").await?;
        let mut engine = self.engine(protected);
        let judge = judge(protected, &mut engine)?;
        engine.reset(head);
        Ok((engine, judge))
    }

    async fn mined(&self, hash: B256, block: B256, protected: Protected) -> Result<Ground, Failure> {
        let found = self.node.block_by_hash(block).await.map_err(Failure::outside)?;
        let block = found.ok_or_else(|| Failure::outside(format!("the node does not have block {block} any more")))?;
        let parent = self.header(block.header.parent_hash, "the block before").await?;
        let mut engine = self.engine(&protected);
        engine.reset(parent.clone());
        let index = block.transactions.iter().position(|transaction| transaction.hash == hash);
        let index =
            index.ok_or_else(|| Failure::outside(format!("block {} does not hold {hash}", block.header.hash)))?;
        in_block(engine, &parent, &block, index, self.node.chain_id(), protected)
    }

    async fn header(&self, hash: B256, what: &str) -> Result<Header, Failure> {
        let header = self.node.header_by_hash(hash).await.map_err(Failure::outside)?;
        header.ok_or_else(|| Failure::outside(format!("the node does not have {what}, {hash}")))
    }

    fn engine(&self, protected: &Protected) -> Engine {
        let source: Arc<dyn StateSource> =
            Arc::new(NodeState::new(self.node.clone(), tokio::runtime::Handle::current()));
        Engine::new(self.rules, source, protected.watch.clone())
    }
}

/// The transaction at `index` of a case, the last one when absent.
///
/// # Errors
/// [`Failure::Input`] when the case has no such transaction or cannot be run.
pub(super) fn of_case(path: &Path, case: Case, index: Option<usize>, protected: Protected) -> Result<Ground, Failure> {
    let whole = case.is_whole_block();
    let named = |reason: String| Failure::input(format!("`{}`: {reason}", path.display()));
    let case = Runnable::new(case).map_err(named)?;
    let count = case.block.transactions.len();
    let index = index.unwrap_or_else(|| count.saturating_sub(1));
    if index >= count {
        let count = counted(count, "transaction");
        return Err(Failure::input(format!("--index {index}: the case has {count}, counted from 0")));
    }
    let (engine, parent) = (case.engine(protected.watch.clone()), case.case.parent_header());
    let chain = ChainId(case.case.chain_id);
    let mut ground = in_block(engine, &parent, &case.block, index, chain, protected)?;
    if !whole {
        ground
            .notes
            .push("the case holds what its transactions touched and little else: other state is missing".into());
    }
    Ok(ground)
}

fn judge(protected: &Protected, engine: &mut Engine) -> Result<Detection, Failure> {
    let judge = Detection::new(protected.watch.clone(), &protected.settings).map_err(Failure::input)?;
    engine.set_needs(judge.needs().clone());
    engine.set_assertions(protected.assertions.clone());
    Ok(judge)
}

/// Executes the block, of which `parent` is the one before, and goes back to it.
fn in_block(
    mut engine: Engine,
    parent: &Header,
    block: &Block,
    index: usize,
    chain: ChainId,
    protected: Protected,
) -> Result<Ground, Failure> {
    let mut judge = judge(&protected, &mut engine)?;
    let advanced = engine.advance(block).map_err(Failure::outside)?;
    let mut notes = Vec::new();
    for (at, difference) in &advanced.diverged {
        if usize::try_from(*at).is_ok_and(|at| at == index) {
            notes.push(format!("executed here it differs from the chain, so its receipt is shown: {difference}"));
        }
    }
    let mut executions = advanced.executions.into_iter();
    for earlier in executions.by_ref().take(index) {
        judge.record(&earlier);
    }
    let Some(execution) = executions.next() else {
        return Err(Failure::outside(format!("block {} was executed in part only", block.header.number)));
    };
    let verdict = judge.judge(&execution);
    // A block that differed from the chain was not kept: then the engine stands elsewhere and begins anew.
    if engine.rollback(parent.block_ref()).is_err() {
        engine.reset(parent.clone());
    }
    let earlier = block.transactions.iter().take(index).cloned().map(Arc::new).collect();
    let watch = protected.watch;
    let history = NO_HISTORY.to_owned();
    Ok(Ground { engine, judge, watch, execution, verdict, earlier, chain, history, notes })
}

/// Executes it as the next transaction; one that is not valid now is shown as if it were, and that is said.
fn on_head(engine: &mut Engine, transaction: Arc<Transaction>) -> Result<(Execution, Vec<String>), Failure> {
    let execution = engine.pending(transaction.clone()).map_err(Failure::outside)?;
    let Outcome::Invalid(reason) = &execution.effects.outcome else { return Ok((execution, Vec::new())) };
    let note = format!(
        "it would not be mined on this head: {reason}. Shown is what it would do if nonce, fees and funds were right"
    );
    let mut tried = engine.fork().apply_unchecked(transaction.clone()).map_err(Failure::outside)?;
    // What was tried is the transaction without its fees; what is meant is the transaction itself.
    tried.transaction = transaction;
    tried.window = Window::Pending;
    Ok((tried, vec![note]))
}
