//! Harm, counted: what left a module, what made it good, and who has it now.
//!
//! ```text
//! flows of each party ─▶ exchange, prices, shares looked through ─▶ HarmLine (left, returned, lost, worth)
//! ```
//!
//! Worked out once per execution and module, and the source of every amount that a detector calls lost, so that two of them
//! never count one loss differently. It must never guess: what came back and cannot be valued makes the loss unknown, and
//! a price is one from before the transaction. Whether a loss is an attack is decided elsewhere; an honest loan has an
//! account, too.

mod gainers;
mod parties;
mod shares;

use alloy_primitives::{Address, U256};
use cofferdam_types::{Asset, Harm, HarmAccount, HarmLine, Signed};

use crate::{
    Exchange, Flow, Seen,
    amounts::{part_of, share_bps},
    prices::Worth,
};

/// Lines of one account, and gains and losses that are valued for each; more assets than this leave a module only in forged
/// events.
const MOST_LINES: usize = 16;

/// Movements up to which shares are looked through: each look reads all of them.
const MOST_MOVEMENTS: usize = 2_048;

impl Seen<'_> {
    /// What left the module and what came back, counted; worked out when first asked.
    pub fn account(&self) -> &HarmAccount {
        self.account.get_or_init(|| account(self))
    }

    /// Losses of what the module is known to deal in, largest share first, as harm. What was made good is none.
    pub fn harm(&self) -> Vec<Harm> {
        let lines = self.account().lines.iter().filter(|line| self.deals_in(line.asset));
        lines.filter_map(harm).collect()
    }

    /// The same of one asset, whatever it is.
    pub fn harm_in(&self, asset: Asset) -> Vec<Harm> {
        self.account().lines.iter().filter(|line| line.asset == asset).filter_map(harm).collect()
    }

    /// The least and the most that `amount` of `asset` was worth in `unit` before the transaction. Shares that no pool
    /// prices are looked through: they are worth their part of what stands behind them.
    pub(crate) fn worth(&self, amount: U256, asset: Asset, unit: Asset) -> Option<Worth> {
        let priced = self.prices().worth(amount, asset, unit, &|_| true);
        priced.or_else(|| looked_through(self, amount, asset, unit))
    }
}

/// A share at the worth of what stands behind it, unless there is too much to read.
fn looked_through(seen: &Seen<'_>, amount: U256, share: Asset, unit: Asset) -> Option<Worth> {
    if seen.effects().movements.len() > MOST_MOVEMENTS {
        return None;
    }
    shares::worth(seen, amount, share, unit)
}

fn harm(line: &HarmLine) -> Option<Harm> {
    let amount = line.lost_at_most();
    (!amount.is_zero()).then_some(Harm { asset: line.asset, account: line.account, amount, at_risk: false })
}

fn account(seen: &Seen<'_>) -> HarmAccount {
    let numeraire = seen.settings.worth.numeraire.asset();
    let mut lines: Vec<HarmLine> = Vec::new();
    if seen.losses().next().is_some() || parties::are_several(seen) {
        for party in parties::of(seen) {
            for loss in &party.flows {
                let left = Seen::lost_of_holdings(loss);
                if left.is_zero() || !seen.is_material(loss, left) || lines.len() >= MOST_LINES {
                    continue;
                }
                let returned = returned(seen, &party.flows, loss);
                let lost = returned.map_or(left, |returned| left.saturating_sub(returned));
                let worth = seen.worth(lost, loss.asset, numeraire).map(|worth| worth.least);
                let account = loser(seen, &party, loss.asset);
                lines.push(HarmLine { asset: loss.asset, account, held: loss.held, left, returned, worth });
            }
        }
    }
    lines.sort_by_key(|line| {
        let share = line.held.and_then(|held| share_bps(line.lost_at_most(), held));
        (std::cmp::Reverse(share), line.asset, line.account)
    });
    let claims = seen.flows.iter().filter(|flow| flow.issued && flow.minted != flow.burned);
    let claims = claims.map(|flow| (flow.asset, Signed::between(flow.burned, flow.minted))).collect();
    let gainers = if lines.is_empty() { Vec::new() } else { gainers::of(seen, numeraire) };
    HarmAccount { module: seen.module.id.clone(), lines, claims, gainers, numeraire }
}

/// What made `loss` good, in its own asset: never more than what left. `None` when what came cannot be valued.
fn returned(seen: &Seen<'_>, flows: &[Flow], loss: &Flow) -> Option<U256> {
    let left = Seen::lost_of_holdings(loss);
    let exchange = seen.exchange_among(flows, loss);
    if exchange == Exchange::Redeemed {
        return Some(left);
    }
    let mut came = U256::ZERO;
    let mut valued = true;
    let mut any = false;
    // A single share may be all there is: burnt ones count, however few.
    let pays = |gain: &&Flow| {
        !gain.net.gain().is_zero() && (seen.is_material(gain, gain.net.gain()) || gain.issued && !gain.burned.is_zero())
    };
    for (place, gain) in flows.iter().filter(pays).enumerate() {
        any = true;
        if place >= MOST_LINES {
            valued = false;
            break;
        }
        match worth_of_gain(seen, gain, loss) {
            Some(worth) => came = came.saturating_add(worth),
            None => valued = false,
        }
    }
    // What a thief adds to look like a customer does not make the loss unknown.
    if exchange.is_one_sided() && !valued {
        return Some(came.min(left));
    }
    // A debt or a claim that only the books know.
    if !valued || (!any && exchange == Exchange::Booked) {
        return None;
    }
    let all = all_losses(seen, flows, loss);
    Some(part_of(came, left, all.max(left)).min(left))
}

/// What `gain` is worth in the asset of `loss`: at prices before, or as the part of the holdings that burnt shares stood for.
fn worth_of_gain(seen: &Seen<'_>, gain: &Flow, loss: &Flow) -> Option<U256> {
    if gain.issued && !gain.burned.is_zero() {
        let (supply, held) = (seen.supply_before(gain)?, loss.held?);
        let part = (!supply.is_zero()).then(|| part_of(held, gain.burned, supply))?;
        return Some(part.min(paid_for_burns(seen, gain, loss)));
    }
    // A promise of the module's own is worth what stands behind it, whatever its own pools ask for it.
    if gain.asset.token().is_some_and(|token| seen.member(token)) {
        return looked_through(seen, gain.net.gain(), gain.asset, loss.asset).map(|worth| worth.most);
    }
    seen.worth(gain.net.gain(), gain.asset, loss.asset).map(|worth| worth.most)
}

/// What was paid out in as many payments as shares were burnt, the largest ones: one burn redeems one payment. Holdings
/// may be more than what the shares stand for, where rewards lie beside stakes.
fn paid_for_burns(seen: &Seen<'_>, shares: &Flow, loss: &Flow) -> U256 {
    let movements = &seen.effects().movements;
    let burns = movements.iter().filter(|moved| moved.asset == shares.asset && moved.to.is_zero()).count();
    let payments = movements.iter().filter(|moved| moved.asset == loss.asset && seen.member(moved.from));
    let mut amounts: Vec<U256> = payments.filter(|moved| !seen.member(moved.to)).map(|moved| moved.amount).collect();
    amounts.sort_unstable_by(|left, right| right.cmp(left));
    amounts.into_iter().take(burns).fold(U256::ZERO, |sum, amount| sum.saturating_add(amount))
}

/// All that the party lost, in the asset of `loss`; a loss of unknown worth counts for nothing.
fn all_losses(seen: &Seen<'_>, flows: &[Flow], loss: &Flow) -> U256 {
    let mut all = U256::ZERO;
    let losses = flows.iter().filter(|flow| !Seen::lost_of_holdings(flow).is_zero());
    for flow in losses.take(MOST_LINES) {
        let left = Seen::lost_of_holdings(flow);
        let worth = if flow.asset == loss.asset {
            left
        } else {
            seen.worth(left, flow.asset, loss.asset).map_or(U256::ZERO, |worth| worth.least)
        };
        all = all.saturating_add(worth);
    }
    all
}

/// The account of the party that lost most of `asset`.
fn loser(seen: &Seen<'_>, party: &parties::Party, asset: Asset) -> Address {
    let same = |other: Asset| match (other, asset) {
        (Asset::Erc721(left, _), Asset::Erc721(right, _)) => left == right,
        (left, right) => left == right,
    };
    let effects = seen.effects();
    let mut accounts: Vec<(Address, Signed)> = Vec::new();
    let mut add = |account: Address, net: Signed| match accounts.iter_mut().find(|(known, _)| *known == account) {
        Some((_, sum)) => *sum = sum.saturating_add(net),
        None => accounts.push((account, net)),
    };
    let checked = |account: Address| {
        effects.checks.iter().find(|check| check.account == account && same(check.asset)).and_then(|check| {
            let net = Signed::between(check.before?, check.after?);
            (!matches!(check.asset, Asset::Erc721(..))).then_some(net)
        })
    };
    for moved in effects.movements.iter().filter(|moved| same(moved.asset)) {
        if party.holds(moved.from) && checked(moved.from).is_none() {
            add(moved.from, Signed { negative: !moved.amount.is_zero(), magnitude: moved.amount });
        }
        if party.holds(moved.to) && checked(moved.to).is_none() {
            add(moved.to, Signed { negative: false, magnitude: moved.amount });
        }
    }
    for check in effects.checks.iter().filter(|check| same(check.asset) && party.holds(check.account)) {
        if let Some(net) = checked(check.account) {
            add(check.account, net);
        }
    }
    let most = accounts.into_iter().max_by_key(|(account, net)| (net.loss(), std::cmp::Reverse(*account)));
    most.map(|(account, _)| account).or_else(|| seen.module.contracts.first().copied()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
