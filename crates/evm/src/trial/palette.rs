//! What to call a new contract with: the protocol, its tokens and holdings, and what its maker has.

use cofferdam_types::{Asset, Signs, ViewResult};
use revm::database_interface::Database;
use revm::primitives::{Address, U256};

use super::arguments::Palette;
use super::code::Code;
use super::run::{Run, STRANGER};
use crate::machine::CallRequest;

/// A round number of most tokens, and of wei.
const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// `balanceOf(address)`.
const BALANCE_OF: [u8; 4] = [0x70, 0xa0, 0x82, 0x31];
/// Gas of a view.
const VIEW_GAS: u64 = 300_000;

impl Run<'_> {
    /// What to call with. `None` when state could not be had.
    pub(super) fn palette(&mut self, read: &Code, signs: &Signs) -> Option<Palette> {
        let watch = self.engine.watch().clone();
        let mut protected: Vec<Address> = signs.names.iter().map(|(named, _)| *named).collect();
        protected.extend(signs.calls.iter().map(|(contract, _)| *contract));
        protected.extend(watch.modules().iter().flat_map(|module| module.contracts.iter().take(2)));
        unique(&mut protected, 5);
        let mut tokens: Vec<Address> = Vec::new();
        for contract in &protected {
            let modules = watch.modules_of(*contract).iter().filter_map(|index| watch.module(*index));
            tokens.extend(modules.flat_map(|module| module.assets.iter().filter_map(Asset::token)));
        }
        tokens.extend(read.addresses.iter().take(8));
        unique(&mut tokens, 8);
        let mut holdings = Vec::new();
        let mut held = Vec::new();
        for contract in &protected {
            holdings.push(self.balance(*contract)?);
            for token in &tokens {
                let balance = self.balance_of(*token, *contract)?;
                if !balance.is_zero() {
                    holdings.push(balance);
                    held.push(*token);
                }
            }
        }
        let creator = self.subject.creator.account;
        let own = self.balance(creator)?;
        let siblings = super::created(self.subject.creation).0;
        let others = [creator, self.subject.address].into_iter().chain(siblings);
        let mut addresses: Vec<Address> = protected.iter().take(2).copied().chain(held).collect();
        addresses.extend(others.chain(protected).chain(read.addresses.iter().take(6).copied()));
        unique(&mut addresses, 14);
        Some(Palette { addresses, amounts: amounts(holdings, own) })
    }

    /// What the creator could send along.
    pub(super) fn values(&mut self) -> Vec<U256> {
        let own = self.balance(self.subject.creator.account).unwrap_or_default();
        let mut values = vec![part(own, 2), ETHER, part(own, 50)];
        values.retain(|value| !value.is_zero() && *value < own);
        values.dedup();
        values
    }

    /// Wei of an account. `None` when state could not be had.
    fn balance(&mut self, account: Address) -> Option<U256> {
        match self.engine.machine().state_mut().basic(account) {
            Ok(info) => Some(info.map(|info| info.balance).unwrap_or_default()),
            Err(error) => self.broke(error),
        }
    }

    /// What `token` says that `account` holds; zero where it does not say.
    fn balance_of(&mut self, token: Address, account: Address) -> Option<U256> {
        let mut data = BALANCE_OF.to_vec();
        data.extend_from_slice(account.into_word().as_slice());
        let request =
            CallRequest { from: STRANGER, to: Some(token), value: U256::ZERO, data: data.into(), gas: VIEW_GAS };
        self.effort.calls = self.effort.calls.saturating_add(1);
        match self.engine.machine().view(&request) {
            Ok((outcome, _)) => Some(match outcome.result {
                ViewResult::Returned(data) if data.len() == 32 => U256::from_be_slice(&data),
                ViewResult::Returned(_) | ViewResult::Failed(_) => U256::ZERO,
            }),
            Err(error) => self.broke(error),
        }
    }
}

/// Amounts that an attack may ask for: all, a part, next to nothing.
fn amounts(mut holdings: Vec<U256>, own: U256) -> Vec<U256> {
    holdings.retain(|held| !held.is_zero());
    holdings.truncate(4);
    let mut amounts: Vec<U256> = holdings.first().copied().into_iter().collect();
    amounts.extend([U256::from(1_000), U256::ONE]);
    amounts.extend(holdings.iter().map(|held| part(*held, 10)));
    amounts.extend([ETHER, part(own, 2)]);
    amounts.extend(holdings.iter().skip(1));
    amounts.extend(holdings.iter().map(|held| part(*held, 100)));
    amounts.extend([U256::ZERO, U256::MAX, ETHER.saturating_mul(U256::from(1_000_000))]);
    unique(&mut amounts, 14);
    amounts
}

/// One part of so many, rounded down.
fn part(whole: U256, of: u64) -> U256 {
    whole.checked_div(U256::from(of)).unwrap_or_default()
}

/// Each once, in order, at most so many.
fn unique<T: PartialEq + Copy>(values: &mut Vec<T>, most: usize) {
    let mut kept: Vec<T> = Vec::new();
    for value in values.iter() {
        if kept.len() < most && !kept.contains(value) {
            kept.push(*value);
        }
    }
    *values = kept;
}
