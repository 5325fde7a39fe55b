//! Blocks that became canonical, and blocks that no longer are.

use std::sync::Arc;

use cofferdam_evm::from_receipts;
use cofferdam_types::{Block, BlockRef, ChainUpdate, Event, Execution, Header, OperatorAlert, StateError, Verdict};

use super::{Guard, GuardError, Happening, is_recorded, is_stop, observe};

/// A mined transaction in which something was found.
struct Judged {
    execution: Arc<Execution>,
    verdict: Verdict,
    micros: u64,
}

impl Guard {
    /// Deals with a change of the chain. `newest` is the highest block that any endpoint is known to have: what is far
    /// behind it is being caught up with.
    ///
    /// # Errors
    /// [`GuardError`]: hand the same update in again. Blocks that were dealt with are skipped then.
    pub async fn on_chain(&mut self, update: &ChainUpdate, newest: BlockRef) -> Result<Vec<Happening>, GuardError> {
        let mut happenings = Vec::new();
        if let ChainUpdate::Reorged { dropped, .. } = update {
            happenings.extend(self.drop_blocks(dropped).await?);
        }
        let adopted = update.adopted();
        let done = adopted.iter().position(|block| Some(block.header.block_ref()) == self.processed);
        for block in adopted.iter().skip(done.map_or(0, |index| index.saturating_add(1))) {
            happenings.extend(self.adopt(block, newest).await?);
        }
        Ok(happenings)
    }

    async fn drop_blocks(&mut self, dropped: &[BlockRef]) -> Result<Vec<Happening>, GuardError> {
        let mut events = Vec::new();
        for block in dropped {
            for finding in self.journal.findings_in(*block)? {
                let reason = "the block left the canonical chain".to_owned();
                events.push(Event::Withdrawn { finding, block: Some(*block), reason });
            }
        }
        self.commit(events, None)?;
        for block in dropped {
            self.judge.retract(*block);
            self.losses.retract(*block);
        }
        metrics::counter!("cofferdam_blocks_dropped_total").increment(u64::try_from(dropped.len()).unwrap_or(u64::MAX));
        let Some(responder) = &mut self.responder else { return Ok(Vec::new()) };
        Ok(responder.on_reorg(dropped).await?.into_iter().map(Happening::Plan).collect())
    }

    async fn adopt(&mut self, block: &Block, newest: BlockRef) -> Result<Vec<Happening>, GuardError> {
        let start = self.clock.monotonic_micros();
        let at = block.header.block_ref();
        let happenings = match self.deal_with(block, newest, start).await {
            Ok(happenings) => happenings,
            Err(error) => {
                // The block will be handed in again: history and losses must not hold it twice.
                self.judge.retract(at);
                self.losses.retract(at);
                return Err(error);
            }
        };
        self.processed = Some(at);
        self.forget_mined(block);
        Ok(happenings)
    }

    /// Findings are durable before they are answered, and the block is acknowledged after they were: whoever dies in
    /// between finds the same block again.
    async fn deal_with(&mut self, block: &Block, newest: BlockRef, start: u64) -> Result<Vec<Happening>, GuardError> {
        let at = block.header.block_ref();
        let behind = newest.number.0.saturating_sub(at.number.0);
        let (judged, mut events) = self.judge_block(block, behind > self.execute_within_blocks, start)?;
        for Judged { execution, verdict, .. } in &judged {
            events.extend(found(execution, verdict));
            events.extend(self.losses.add(at, verdict));
        }
        if behind <= 1 {
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
            let progress = responder.on_head(&mut self.engine, self.judge.as_ref()).await?;
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
        far_behind: bool,
        start: u64,
    ) -> Result<(Vec<Judged>, Vec<Event>), GuardError> {
        if far_behind && !block.receipts.is_empty() {
            let judged = self.judge_all(from_receipts(block), start);
            if judged.is_empty() {
                self.engine.reset(block.header.clone());
                return Ok((judged, Vec::new()));
            }
            // Something is in it: worth executing, if the node still has the state.
            self.judge.retract(block.header.block_ref());
            let exact = self.execute_block(block, start);
            if let Err(StateError::Unavailable { .. }) = exact {
                self.engine.reset(block.header.clone());
                return Ok((self.judge_all(from_receipts(block), start), Vec::new()));
            }
            return Ok(exact?);
        }
        Ok(self.execute_block(block, start)?)
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
        let judged = self.judge_all(advanced.executions, start);
        observe("judge", self.since(began));
        Ok((judged, diverged.into_iter().collect()))
    }

    /// Judges in block order; each execution is part of the history of the next. Only what was found is kept.
    fn judge_all(&mut self, executions: Vec<Execution>, start: u64) -> Vec<Judged> {
        let mut judged = Vec::new();
        for execution in executions {
            let verdict = self.judge.judge(&execution);
            self.judge.record(&execution);
            if is_recorded(&verdict) {
                judged.push(Judged { execution: Arc::new(execution), verdict, micros: self.since(start) });
            }
        }
        judged
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

pub(super) fn found(execution: &Execution, verdict: &Verdict) -> Vec<Event> {
    let block = execution.index.map(|_| execution.block.block_ref());
    verdict
        .findings
        .iter()
        .map(|finding| Event::Found {
            finding: finding.clone(),
            window: execution.window,
            block,
            standing: verdict.standing.clone(),
        })
        .collect()
}

const fn operator(alert: OperatorAlert) -> Event {
    Event::Operator { alert }
}
