//! What a loss was worth against what came in for it, at prices before the transaction, and who ended up with it.
//!
//! A price speaks only where pools that the transaction used tell it; elsewhere the answer is "unknown", which neither
//! accuses nor excuses.

use alloy_primitives::{Address, U256, address};
use cofferdam_types::{Asset, Signed};

use crate::{
    Flow, Seen,
    amounts::exceeds,
    flows::Table,
    prices::{Prices, Worth},
};

/// Where burnt tokens are sent by those who cannot burn them.
pub(crate) const DEAD: Address = address!("000000000000000000000000000000000000dead");

/// How what came in compares with what left, at prices before the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bargain {
    /// Worth about as much or more, at every price that a pool outside the module tells.
    Fair,
    /// Worth less, at every price that a pool tells. Amounts in the asset that was lost.
    Under {
        /// The least that all losses were worth.
        lost: U256,
        /// The most that all gains were worth.
        gained: U256,
    },
    /// No pool tells, or pools disagree.
    Unknown,
}

/// Somebody outside who ended with more and paid nothing of comparable worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taker {
    /// Who; the sender for all accounts that act for him.
    pub account: Address,
    /// How much more, in the asset that the module lost, at the lowest price.
    pub gained: U256,
}

impl Seen<'_> {
    /// Prices before the transaction, read when first asked.
    pub fn prices(&self) -> &Prices {
        self.prices.get_or_init(|| Prices::of(self.effects()).with_same(&self.settings.worth))
    }

    /// What came in for `loss`, in worth.
    pub fn bargain(&self, loss: &Flow) -> Bargain {
        let outside = |pool: Address| !self.member(pool);
        let (by_others, by_all) = (self.worth_of_all(loss, &outside), self.worth_of_all(loss, &|_| true));
        match (by_others.lost, by_all.lost) {
            // What came besides and cannot be valued only adds to it.
            (Some(lost), _) if is_fair(by_others.gained.least, lost.most, self) => Bargain::Fair,
            (_, Some(lost))
                if by_all.is_whole
                    && !by_all.gained.most.is_zero()
                    && !is_fair(by_all.gained.most, lost.least, self) =>
            {
                Bargain::Under { lost: lost.least, gained: by_all.gained.most }
            }
            (Some(_) | None, Some(_) | None) => Bargain::Unknown,
        }
    }

    /// Whoever outside, pools excepted, gained at least half of `amount` (in the asset of `loss`) and paid nothing that
    /// was worth as much, nor anything of unknown worth.
    pub fn taker(&self, loss: &Flow, amount: U256) -> Option<Taker> {
        self.taker_of(loss.asset, amount)
    }

    /// The same for `amount` of `asset`, whoever lost it.
    pub(crate) fn taker_of(&self, asset: Asset, amount: U256) -> Option<Taker> {
        let unit = asset;
        let prices = self.prices();
        let sender = self.execution.transaction.from;
        let mut nets: Table<(Address, Asset), Signed> = Table::default();
        for movement in &self.effects().movements {
            for (account, negative) in [(movement.from, true), (movement.to, false)] {
                if account.is_zero() || account == DEAD || self.member(account) || prices.is_pool(account) {
                    continue;
                }
                let account = if self.is_actor(account) { sender } else { account };
                let net = nets.at((account, movement.asset));
                *net = net.saturating_add(Signed {
                    negative: negative && !movement.amount.is_zero(),
                    magnitude: movement.amount,
                });
            }
        }
        let mut totals: Table<Address, (U256, U256, bool)> = Table::default();
        for ((account, asset), net) in nets.rows {
            let (gained, paid, unknown) = totals.at(account);
            let worth = |amount: U256| prices.worth(amount, asset, unit, &|_| true);
            match (net.negative, worth(net.magnitude)) {
                (false, Some(worth)) => *gained = gained.saturating_add(worth.least),
                (true, Some(worth)) => *paid = paid.saturating_add(worth.most),
                (true, None) => *unknown = true,
                (false, None) => {}
            }
        }
        let takers = totals
            .rows
            .into_iter()
            .filter(|(_, (_, _, unknown))| !unknown)
            .map(|(account, (gained, paid, _))| Taker { account, gained: gained.saturating_sub(paid) });
        let best = takers.max_by_key(|taker| taker.gained)?;
        (!best.gained.is_zero() && best.gained.saturating_mul(U256::from(2)) >= amount).then_some(best)
    }

    /// Whether a token of the module sold its own stock into pools, and the sender is not the one who gained by it: how
    /// tokens turn the fees that they kept into coin, in the middle of somebody's trade.
    pub fn is_own_sale(&self, loss: &Flow) -> bool {
        let mut left = self
            .effects()
            .movements
            .iter()
            .filter(|moved| moved.asset == loss.asset && self.member(moved.from) && !self.member(moved.to))
            .peekable();
        loss.issued
            && left.peek().is_some()
            && left.all(|moved| self.prices().is_pool(moved.to))
            && self
                .taker(loss, Self::lost_of_holdings(loss))
                .is_none_or(|taker| taker.account != self.execution.transaction.from)
    }

    /// What all losses and all gains were worth in the asset of `loss`. A loss of unknown worth counts for nothing, a
    /// gain of unknown worth only makes the sum one that is not whole.
    fn worth_of_all(&self, loss: &Flow, trusted: &impl Fn(Address) -> bool) -> Balance {
        let nothing = Worth { least: U256::ZERO, most: U256::ZERO };
        let mut balance = Balance { lost: Some(nothing), gained: nothing, is_whole: true };
        for flow in &self.flows {
            let (left, came) = (Self::lost_of_holdings(flow), flow.net.gain());
            if left.is_zero() && came.is_zero() {
                continue;
            }
            let amount = if left.is_zero() { came } else { left };
            let worth = self.prices().worth(amount, flow.asset, loss.asset, trusted);
            match (worth, left.is_zero()) {
                (Some(worth), true) => match balance.gained.plus(worth) {
                    Some(sum) => balance.gained = sum,
                    None => balance.is_whole = false,
                },
                (Some(worth), false) => balance.lost = balance.lost.and_then(|sum| sum.plus(worth)),
                (None, true) => balance.is_whole = false,
                (None, false) => {}
            }
        }
        balance
    }
}

/// What was lost and what was gained, in one asset.
struct Balance {
    /// `None` beyond any real amount.
    lost: Option<Worth>,
    /// As far as prices tell.
    gained: Worth,
    /// Whether they tell all of it.
    is_whole: bool,
}

/// Whether `gained` is within the tolerance of `lost`.
fn is_fair(gained: U256, lost: U256, seen: &Seen<'_>) -> bool {
    let missing = lost.saturating_sub(gained);
    !exceeds(missing, lost, seen.settings.prices.fair_within_bps)
}
