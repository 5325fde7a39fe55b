//! Who outside ended with more.

use alloy_primitives::Address;
use cofferdam_types::{Asset, Gainer, Signed};

use crate::{Seen, bargain::DEAD, flows::Table};

/// Gainers that are told; an airdrop has thousands.
const MOST: usize = 16;

/// Whoever ended with more, and is neither of the module nor a pool that only traded. All that acts for the sender is the
/// sender.
pub(super) fn of(seen: &Seen<'_>, numeraire: Asset) -> Vec<Gainer> {
    let mut nets: Table<(Address, Asset), Signed> = Table::default();
    let sender = seen.execution.transaction.from;
    for moved in &seen.effects().movements {
        for (account, negative) in [(moved.from, true), (moved.to, false)] {
            if account.is_zero() || account == DEAD || seen.protected(account) || seen.prices().is_pool(account) {
                continue;
            }
            let account = if seen.is_actor(account) { sender } else { account };
            let net = nets.at((account, moved.asset));
            *net =
                net.saturating_add(Signed { negative: negative && !moved.amount.is_zero(), magnitude: moved.amount });
        }
    }
    let gained = nets.rows.into_iter().filter(|(_, net)| !net.gain().is_zero());
    let mut gainers: Vec<Gainer> =
        gained.map(|((account, asset), net)| Gainer { account, asset, amount: net.gain(), worth: None }).collect();
    gainers.sort_by(|left, right| {
        right.amount.cmp(&left.amount).then(left.account.cmp(&right.account)).then(left.asset.cmp(&right.asset))
    });
    gainers.truncate(MOST);
    for gainer in &mut gainers {
        gainer.worth = seen.worth(gainer.amount, gainer.asset, numeraire).map(|worth| worth.least);
    }
    gainers.sort_by_key(|gainer| std::cmp::Reverse(gainer.worth));
    gainers
}
