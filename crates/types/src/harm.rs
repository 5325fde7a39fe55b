//! Harm, counted: what one transaction took out of one module and did not make good.
//!
//! Amounts are exact and in the asset's smallest unit. What cannot be valued is `None`, never zero: a reader must be able to
//! tell "nothing was lost" from "nobody knows".

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

use crate::{Asset, ModuleId, Signed};

/// What one transaction did to what one module holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarmAccount {
    /// The module.
    pub module: ModuleId,
    /// What left it, per asset and account, largest share first.
    pub lines: Vec<HarmLine>,
    /// Claims on the module that were made, or taken out of the world, per token that it issues.
    pub claims: Vec<(Asset, Signed)>,
    /// Who outside ended with more, largest first; the sender stands for all that act for him.
    pub gainers: Vec<Gainer>,
    /// In which asset `worth` is told.
    pub numeraire: Asset,
}

/// What left one account of the module in one asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarmLine {
    /// In what.
    pub asset: Asset,
    /// The account of the module that it left from, the one that lost most where there are several.
    pub account: Address,
    /// What it held before, where somebody looked.
    pub held: Option<U256>,
    /// What crossed the border, net.
    pub left: U256,
    /// What was made good, by what came in for it or by claims that were given up, in the same asset. `None` when what
    /// came cannot be valued.
    pub returned: Option<U256>,
    /// What was lost in the numeraire, at prices before the transaction; `None` where no price is known.
    pub worth: Option<U256>,
}

impl HarmLine {
    /// What was lost; `None` when it cannot be known.
    pub fn lost(&self) -> Option<U256> {
        self.returned.map(|returned| self.left.saturating_sub(returned))
    }

    /// What was lost at most: all that left, where it cannot be known.
    pub fn lost_at_most(&self) -> U256 {
        self.lost().unwrap_or(self.left)
    }
}

/// Somebody outside who ended with more of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gainer {
    /// Who.
    pub account: Address,
    /// Of what.
    pub asset: Asset,
    /// How much.
    pub amount: U256,
    /// The same in the numeraire, where a price is known.
    pub worth: Option<U256>,
}
