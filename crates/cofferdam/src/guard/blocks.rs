//! Blocks that became canonical, and blocks that no longer are.

use std::sync::Arc;

use cofferdam_evm::from_receipts;
use cofferdam_types::{
    Block, BlockNumber, BlockRef, ChainUpdate, Event, Execution, Header, OperatorAlert, StateError, Verdict,
};

use super::catch_up::Audit;
use super::{Guard, GuardError, Happening, is_recorded, is_stop, observe};

/// A mined transaction in which something was found.
struct Judged {
    execution: Arc<Execution>,
    verdict: Verdict,
    micros: u64,
}

/// How closely a block is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Executed, as soon as its state can be had.
    Execute,
    /// Far behind the head: executed if any endpoint still has its state.
    ExecuteIfPossible,
    /// Far behind the head: executed only when its receipts show something.
    Receipts,
}

impl Guard {
    /// Deals with a change of the chain. `tip` is the newest block that any endpoint is known to have, or the last one
    /// of the update where there is none above it. What is behind it is being caught up with: it is told as it is
    /// found, and answered on the tip, where an answer would be mined.
    ///
    /// # Errors
    /// [`GuardError`]: hand the same update in again. Blocks that were dealt with are skipped then.
    pub async fn on_chain(&mut self, update: &ChainUpdate, tip: &Header) -> Result<Vec<Happening>, GuardError> {
        let mut happenings = Vec::new();
        if let ChainUpdate::Reorged { dropped, .. } = update {
            happenings.extend(self.drop_blocks(dropped).await?);
        }
        let adopted = update.adopted();
        let done = adopted.iter().position(|block| Some(block.header.block_ref()) == self.processed);
        let new = adopted.get(done.map_or(0, |index| index.saturating_add(1))..).unwrap_or_default();
        let Some(last) = new.last() else { return Ok(happenings) };
        let looks = self.looks(new, tip)?;
        for (block, look) in new.iter().zip(looks) {
            self.stand_on_tip((tip.number > block.header.number).then_some(tip));
            happenings.extend(self.adopt(block, look, tip).await?);
        }
        if tip.number > last.header.number {
            happenings.extend(self.follow_plans().await?);
        }
        Ok(happenings)
    }

    /// While behind, everything that is tried and sent is tried on the tip.
    fn stand_on_tip(&mut self, tip: Option<&Header>) {
        let known = self.tip.as_ref().map(Header::block_ref);
        if known != tip.map(Header::block_ref) {
            self.scout.reset(tip.cloned().unwrap_or_default());
        }
        self.tip = tip.cloned();
    }

    /// How closely each of `blocks` is looked at.
    fn looks(&mut self, blocks: &[Block], tip: &Header) -> Result<Vec<Look>, GuardError> {
        let is_far = |block: &&Block| tip.number.0.saturating_sub(block.header.number.0) > self.execute_within_blocks;
        let far = blocks.get(..blocks.iter().take_while(is_far).count()).unwrap_or_default();
        let mut looks = vec![Look::Execute; blocks.len()];
        if far.is_empty() {
            self.boundary = None;
        }
        if let Some(first) = far.first() {
            let (source, known) = (self.source.as_ref(), &mut self.boundary);
            let mut audit = Audit { source, watch: &self.watch, keys: &self.audited, known };
            let found = tokio::task::block_in_place(|| audit.unexplained(far));
            let silent = audit.silent_calls(far);
            let marked = match found {
                Ok(marked) => marked,
                Err(error) => {
                    self.tell_receipts_only(first.header.number, error, tip)?;
                    silent
                }
            };
            for (look, marked) in looks.iter_mut().zip(marked) {
                *look = if marked { Look::ExecuteIfPossible } else { Look::Receipts };
            }
        }
        Ok(looks)
    }

    /// Says once that old state is not to be had. An error when the state of the tip is not to be had either: then the
    /// endpoints fail, and it is tried again.
    fn tell_receipts_only(&mut self, from: BlockNumber, error: StateError, tip: &Header) -> Result<(), GuardError> {
        let first = self.audited.get(..1).unwrap_or_default();
        if tokio::task::block_in_place(|| self.source.keys(first, tip.block_ref())).is_err() {
            return Err(error.into());
        }
        if !self.told_receipts_only {
            self.tell(vec![OperatorAlert::ReceiptsOnly { from, reason: error.to_string() }])?;
            self.told_receipts_only = true;
        }
        Ok(())
    }

    /// Sees plans through on the tip while blocks are caught up with.
    async fn follow_plans(&mut self) -> Result<Vec<Happening>, GuardError> {
        let Some(responder) = &mut self.responder else { return Ok(Vec::new()) };
        let progress = responder.on_head(&mut self.scout, self.judge.as_ref()).await?;
        Ok(progress.into_iter().map(Happening::Plan).collect())
    }

    async fn drop_blocks(&mut self, dropped: &[BlockRef]) -> Result<Vec<Happening>, GuardError> {
        let mut events = Vec::new();
        for block in dropped {
            for finding in self.journal.findings_in(*block)? {
                let reason = "the block left the canonical chain".to_owned();
                events.push(Event::Withdrawn { finding, block: Some(*block), reason });
            }
            events.extend(self.told_before(*block));
        }
        self.commit(events, None)?;
        self.forget_told(dropped);
        for block in dropped {
            self.judge.retract(*block);
            self.losses.retract(*block);
            self.company.retract(*block);
        }
        if let Some(newborns) = &mut self.newborns {
            newborns.retract(dropped);
        }
        if let Some(queued) = &mut self.queued {
            queued.retract(dropped);
        }
        metrics::counter!("cofferdam_blocks_dropped_total").increment(u64::try_from(dropped.len()).unwrap_or(u64::MAX));
        let Some(responder) = &mut self.responder else { return Ok(Vec::new()) };
        Ok(responder.on_reorg(dropped).await?.into_iter().map(Happening::Plan).collect())
    }

    async fn adopt(&mut self, block: &Block, look: Look, tip: &Header) -> Result<Vec<Happening>, GuardError> {
        let start = self.clock.monotonic_micros();
        let at = block.header.block_ref();
        let happenings = match self.deal_with(block, look, tip, start).await {
            Ok(happenings) => happenings,
            Err(error) => {
                // The block will be handed in again: history and losses must not hold it twice.
                self.judge.retract(at);
                self.losses.retract(at);
                self.company.retract(at);
                if let Some(queued) = &mut self.queued {
                    queued.unlearn(&[at]);
                }
                return Err(error);
            }
        };
        self.processed = Some(at);
        self.forget_mined(block);
        self.rehearse_operations();
        Ok(happenings)
    }

    /// Findings are durable before they are answered, and the block is acknowledged after they were: whoever dies in
    /// between finds the same block again.
    async fn deal_with(
        &mut self,
        block: &Block,
        look: Look,
        tip: &Header,
        start: u64,
    ) -> Result<Vec<Happening>, GuardError> {
        let at = block.header.block_ref();
        let behind = tip.number.0.saturating_sub(at.number.0);
        let (judged, mut events) = self.judge_block(block, look, tip, start)?;
        for Judged { execution, verdict, .. } in &judged {
            events.extend(self.company.found(execution, verdict));
            events.extend(self.company.funding(execution, verdict));
            events.extend(self.losses.add(at, verdict));
        }
        events.extend(self.withdrawn_operations());
        if behind == 0 {
            events.extend(self.skew.look(self.clock.now(), block.header.timestamp).map(operator));
        }
        let mut happenings = Vec::new();
        if judged.iter().any(|judged| is_stop(&judged.verdict)) {
            self.commit(std::mem::take(&mut events), None)?;
        }
        for Judged { execution, verdict, micros } in &judged {
            let found = Happening::Found { execution: execution.clone(), verdict: verdict.clone(), micros: *micros };
            happenings.push(found);
            if is_stop(verdict) {
                happenings.extend(self.answer(execution, &[], verdict, start).await?);
            }
        }
        self.commit(events, Some(at))?;
        if let Some(responder) = &mut self.responder {
            let mut progress = responder.on_canonical(at).await?;
            if self.tip.is_none() {
                progress.extend(responder.on_head(&mut self.engine, self.judge.as_ref()).await?);
            }
            happenings.extend(progress.into_iter().map(Happening::Plan));
        }
        let micros = self.since(start);
        observe("block", micros);
        metrics::counter!("cofferdam_blocks_total").increment(1);
        happenings.push(Happening::Processed { block: at, micros });
        Ok(happenings)
    }

    /// Executes and judges a block, or judges its receipts when it is far behind and nothing is found in them.
    fn judge_block(
        &mut self,
        block: &Block,
        look: Look,
        tip: &Header,
        start: u64,
    ) -> Result<(Vec<Judged>, Vec<Event>), GuardError> {
        match look {
            Look::Execute => {
                self.told_receipts_only = false;
                return Ok(self.execute_block(block, start)?);
            }
            Look::Receipts => {
                let (judged, asides) = self.judge_all(from_receipts(block), start);
                if judged.is_empty() {
                    self.engine.reset(block.header.clone());
                    return Ok((judged, asides));
                }
                // Something is in it: worth executing.
                self.judge.retract(block.header.block_ref());
                self.company.retract(block.header.block_ref());
            }
            Look::ExecuteIfPossible => {}
        }
        match self.execute_block(block, start) {
            Ok(judged) => Ok(judged),
            Err(error) => {
                self.tell_receipts_only(block.header.number, error, tip)?;
                self.engine.reset(block.header.clone());
                Ok(self.judge_all(from_receipts(block), start))
            }
        }
    }

    fn execute_block(&mut self, block: &Block, start: u64) -> Result<(Vec<Judged>, Vec<Event>), StateError> {
        self.stand_on_parent(&block.header);
        let began = self.clock.monotonic_micros();
        let advanced = tokio::task::block_in_place(|| self.engine.advance(block))?;
        observe("execute", self.since(began));
        let diverged = advanced.diverged.first().map(|(index, difference)| {
            let count = advanced.diverged.len();
            let detail = format!("{count} of its transactions, first number {index}: {difference}");
            operator(OperatorAlert::Diverged { block: block.header.block_ref(), detail })
        });
        let began = self.clock.monotonic_micros();
        let (judged, mut events) = self.judge_all(advanced.executions, start);
        observe("judge", self.since(began));
        events.extend(diverged);
        Ok((judged, events))
    }

    /// Judges in block order; each execution is part of the history of the next. Only what was found is kept, and what
    /// is to be recorded beside it.
    fn judge_all(&mut self, executions: Vec<Execution>, start: u64) -> (Vec<Judged>, Vec<Event>) {
        let (mut judged, mut asides) = (Vec::new(), Vec::new());
        for execution in executions {
            let verdict = self.judge.judge(&execution);
            self.judge.record(&execution);
            self.learn_funding(&execution);
            self.company.learn(&execution, &verdict);
            self.look_for_operations(&execution);
            let recorded = is_recorded(&verdict);
            if !recorded {
                asides.extend(self.company.laundering(&execution));
            }
            if !recorded && execution.effects.code_changes.is_empty() {
                continue;
            }
            let execution = Arc::new(execution);
            self.look_for_newborns(&execution);
            if recorded {
                judged.push(Judged { execution, verdict, micros: self.since(start) });
            }
        }
        (judged, asides)
    }

    /// The engine must stand on the parent of what it executes. After a reorg it goes back; where it cannot, or where
    /// blocks in between were not executed, it starts anew and fetches what it needs.
    fn stand_on_parent(&mut self, header: &Header) {
        let Some(parent) = header.parent_ref() else { return };
        if self.engine.head().block_ref() == parent || self.engine.rollback(parent).is_ok() {
            return;
        }
        self.engine.reset(Header {
            number: parent.number,
            hash: parent.hash,
            timestamp: header.timestamp,
            gas_limit: header.gas_limit,
            ..Header::default()
        });
    }
}

const fn operator(alert: OperatorAlert) -> Event {
    Event::Operator { alert }
}
