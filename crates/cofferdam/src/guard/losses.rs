//! What has been lost so far, per module, as the findings about mined transactions count it.
//!
//! Several detectors may count the same loss; [`Verdict::losses`] takes each once.

use std::collections::BTreeMap;

use cofferdam_types::primitives::U256;
use cofferdam_types::{Asset, BlockRef, Event, ModuleId, Verdict};

/// Blocks whose losses can be taken back.
const KEPT: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Losses {
    total: BTreeMap<ModuleId, BTreeMap<Asset, U256>>,
    by_block: Vec<(BlockRef, ModuleId, Asset, U256)>,
}

impl Losses {
    /// Counts what `verdict` says was lost in `block`, and returns the new totals of the modules that lost.
    pub(super) fn add(&mut self, block: BlockRef, verdict: &Verdict) -> Vec<Event> {
        let mut changed = Vec::new();
        for ((module, asset, _), amount) in verdict.losses() {
            let total = self.total.entry(module.clone()).or_default().entry(asset).or_default();
            *total = total.saturating_add(amount);
            self.by_block.push((block, module.clone(), asset, amount));
            if !changed.contains(&module) {
                changed.push(module);
            }
        }
        let surplus = self.by_block.len().saturating_sub(KEPT);
        self.by_block.drain(..surplus);
        changed.into_iter().map(|module| self.event(module)).collect()
    }

    fn event(&self, module: ModuleId) -> Event {
        let totals = self.total.get(&module);
        let amounts = totals.map(|totals| totals.iter().map(|(asset, amount)| (*asset, *amount)).collect());
        Event::Loss { module, amounts: amounts.unwrap_or_default() }
    }

    /// Takes back what was counted in `block`.
    pub(super) fn retract(&mut self, block: BlockRef) {
        let total = &mut self.total;
        self.by_block.retain(|(of, module, asset, amount)| {
            if *of == block
                && let Some(lost) = total.get_mut(module).and_then(|assets| assets.get_mut(asset))
            {
                *lost = lost.saturating_sub(*amount);
            }
            *of != block
        });
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use cofferdam_types::primitives::{Address, B256};
    use cofferdam_types::{Basis, BlockNumber, Finding, FindingId, Harm, Level, Maturity, Severity, Standing};

    use super::*;

    fn verdict(amounts: &[u64]) -> Verdict {
        let module = ModuleId::new("vault").unwrap();
        let findings = amounts
            .iter()
            .map(|amount| Finding {
                id: FindingId(B256::ZERO),
                detector: Cow::Borrowed("test"),
                maturity: Maturity::Stable,
                level: Level::Stop,
                severity: Severity::High,
                module: module.clone(),
                transaction: B256::ZERO,
                summary: String::new(),
                harm: vec![Harm {
                    asset: Asset::Native,
                    account: Address::ZERO,
                    amount: U256::from(*amount),
                    at_risk: false,
                }],
                evidence: Vec::new(),
            })
            .collect();
        let standing = Standing { head: BlockRef::default(), basis: Basis::Executed, missing: Vec::new(), left_out: 0 };
        Verdict { findings, harm: Vec::new(), standing }
    }

    fn total(events: &[Event]) -> U256 {
        let Some(Event::Loss { amounts, .. }) = events.first() else { panic!("no loss in {events:?}") };
        amounts[0].1
    }

    #[test]
    fn two_detectors_do_not_count_one_loss_twice() {
        let mut losses = Losses::default();
        assert_eq!(total(&losses.add(BlockRef::default(), &verdict(&[5, 7]))), U256::from(7));
    }

    #[test]
    fn a_dropped_block_takes_its_losses_with_it() {
        let mut losses = Losses::default();
        let second = BlockRef { number: BlockNumber(2), hash: B256::with_last_byte(2) };
        losses.add(BlockRef::default(), &verdict(&[5]));
        assert_eq!(total(&losses.add(second, &verdict(&[3]))), U256::from(8));
        losses.retract(second);
        assert_eq!(total(&losses.add(second, &verdict(&[1]))), U256::from(6));
    }
}
