//! One piece of one chain under one judge, walked block by block.
//!
//! A [`Walker`] executes and nothing more: who walks judges and records, in the order in which the transactions come.

use std::path::PathBuf;
use std::sync::Arc;

use cofferdam_chain::case::Entry;
use cofferdam_chain::{Node, NodeState};
use cofferdam_detect::Detection;
use cofferdam_evm::{Advanced, Engine, Rules};
use cofferdam_types::{Block, BlockNumber, ChainId, Clock, Header, Judge as _};
use tokio::runtime::Handle;

use super::Guarded;
use crate::cases::Runnable;

/// Why a track cannot be walked to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackError {
    /// A case or a setting cannot be used.
    #[error("{0}")]
    Input(String),
    /// The node cannot tell what is needed.
    #[error("{0}")]
    Outside(String),
}

/// One block to be walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A case on disk.
    Case {
        /// The folder of its manifest.
        folder: PathBuf,
        /// What the manifest says of it.
        entry: Box<Entry>,
    },
    /// A block of a node.
    Block(BlockNumber),
}

/// A piece of one chain under one judge.
#[derive(Clone, Debug)]
pub struct Track {
    /// What is protected.
    pub guarded: Arc<Guarded>,
    /// Its blocks, in order.
    pub steps: Vec<Step>,
    /// How many of them are recorded and not counted.
    pub warm_up: usize,
    /// Whether it is the case of an attack, or honest; `None` where nobody says.
    pub is_attack: Option<bool>,
}

/// A node to walk on. Its calls wait: from threads of their own, or from a runtime with several.
#[derive(Clone)]
pub struct Chain {
    /// The node.
    pub node: Node,
    /// Which hard forks hold.
    pub rules: Rules,
    /// Where its calls run.
    pub runtime: Handle,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("id", &self.node.chain_id()).finish_non_exhaustive()
    }
}

/// A block that was executed.
#[derive(Debug)]
pub struct Done {
    /// The block.
    pub block: Block,
    /// The block before.
    pub parent: Header,
    /// Its case, or its number.
    pub name: String,
    /// The chain.
    pub chain: ChainId,
    /// What its transactions did.
    pub advanced: Advanced,
    /// Nanoseconds that executing it took, fetching its state included.
    pub nanos: u64,
    /// Whether it is counted, or only recorded.
    pub counted: bool,
}

/// Walks one track. See the module.
pub struct Walker<'t> {
    track: &'t Track,
    chain: Option<&'t Chain>,
    engine: Option<Engine>,
    judge: Detection,
    at: usize,
}

impl std::fmt::Debug for Walker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walker").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'t> Walker<'t> {
    /// Stands before the first block.
    ///
    /// # Errors
    /// [`TrackError::Input`] when the settings cannot be meant.
    pub fn new(track: &'t Track, chain: Option<&'t Chain>) -> Result<Self, TrackError> {
        let judge = track.guarded.judge().map_err(|error| TrackError::Input(error.to_string()))?;
        Ok(Self { track, chain, engine: None, judge, at: 0 })
    }

    /// Executes the next block; `None` after the last. Its transactions are to be judged before the next call.
    ///
    /// # Errors
    /// [`TrackError`] names the case or the block.
    pub fn next(&mut self, clock: &dyn Clock) -> Result<Option<Done>, TrackError> {
        let Some(step) = self.track.steps.get(self.at) else { return Ok(None) };
        let counted = self.at >= self.track.warm_up;
        self.at = self.at.saturating_add(1);
        let (block, parent, name, chain) = match step {
            Step::Case { folder, entry } => self.stand_on_case(folder, entry)?,
            Step::Block(number) => self.stand_before(*number)?,
        };
        let engine = self.engine.as_mut().expect("every step stands on an engine");
        let began = clock.monotonic_nanos();
        let advanced = engine.advance(&block).map_err(|error| self.failed(format!("{name}: {error}")))?;
        let nanos = clock.monotonic_nanos().saturating_sub(began);
        Ok(Some(Done { block, parent, name, chain, advanced, nanos, counted }))
    }

    /// The engine, which stands on the block that was executed last, and the judge.
    ///
    /// # Panics
    /// Before the first block.
    pub fn parts(&mut self) -> (&mut Engine, &mut Detection) {
        (self.engine.as_mut().expect("a block was executed"), &mut self.judge)
    }

    /// The same, to keep.
    ///
    /// # Panics
    /// Before the first block.
    pub fn into_parts(self) -> (Engine, Detection) {
        (self.engine.expect("a block was executed"), self.judge)
    }

    fn failed(&self, reason: String) -> TrackError {
        if self.chain.is_some() { TrackError::Outside(reason) } else { TrackError::Input(reason) }
    }

    fn equip(&self, mut engine: Engine) -> Engine {
        engine.set_needs(self.judge.needs().clone());
        engine.set_assertions(self.track.guarded.assertions.clone());
        engine
    }

    fn stand_on_case(
        &mut self,
        folder: &std::path::Path,
        entry: &Entry,
    ) -> Result<(Block, Header, String, ChainId), TrackError> {
        let input = |reason: String| TrackError::Input(reason);
        let case = Runnable::new(entry.read(folder).map_err(|error| input(error.to_string()))?).map_err(input)?;
        let (name, chain) = (case.case.name.clone(), ChainId(case.case.chain_id));
        if let Some(other) = self.track.guarded.chain.filter(|configured| *configured != chain) {
            return Err(input(format!("case `{name}`: is of chain {chain}, the configuration of chain {other}")));
        }
        self.engine = Some(self.equip(case.engine(self.track.guarded.watch.clone())));
        let parent = case.case.parent_header();
        Ok((case.block, parent, name, chain))
    }

    fn stand_before(&mut self, number: BlockNumber) -> Result<(Block, Header, String, ChainId), TrackError> {
        let chain = self.chain.ok_or_else(|| TrackError::Outside("no node is known to read blocks from".to_owned()))?;
        let failed = |reason: &dyn std::fmt::Display| TrackError::Outside(format!("block {number}: {reason}"));
        let fetched = chain.runtime.block_on(chain.node.block(number)).map_err(|error| failed(&error))?;
        let block = fetched.ok_or_else(|| failed(&"the node does not have it"))?;
        let before = block.header.parent_ref().ok_or_else(|| failed(&"has no block before it"))?;
        match &self.engine {
            Some(engine) if engine.head().block_ref() == before => {}
            Some(_) => return Err(failed(&"does not follow the block before it: the chain changed meanwhile")),
            None => {
                let parent = chain.runtime.block_on(chain.node.header_by_hash(before.hash));
                let parent = parent.map_err(|error| failed(&error))?;
                let parent = parent.ok_or_else(|| failed(&"the node does not have the block before it"))?;
                let source = Arc::new(NodeState::new(chain.node.clone(), chain.runtime.clone()));
                let mut engine = Engine::new(chain.rules, source, self.track.guarded.watch.clone());
                engine.reset(parent);
                self.engine = Some(self.equip(engine));
            }
        }
        let engine = self.engine.as_ref().expect("it was there or has just been made");
        let parent = engine.head().clone();
        Ok((block, parent, format!("block {number}"), chain.node.chain_id()))
    }
}
