//! Looks at the token balances of protected accounts, before and after a transaction.
//!
//! An event is a claim by a token; `balanceOf` is at least what the token will honour. Running it twice for each
//! account would cost more than the transaction itself, so for each (token, account) the slot that holds the balance
//! is learnt: the one slot whose value *equalled* the answer at two different balances, while everything else that the
//! view read is remembered and must still be the same. Then both balances are read off the storage. Whenever that
//! does not hold (rebasing tokens, packed balances, replaced code) the view is run.

use cofferdam_types::{Asset, BalanceCheck, ViewResult};
use revm::database_interface::Database;
use revm::primitives::{Address, Bytes, HashMap, U256};
use revm::state::EvmState;

use crate::machine::Machine;
use crate::state::DbError;
use crate::views::{self, ReadSet, changed_slot};

/// `balanceOf(address)`.
const BALANCE_OF: [u8; 4] = [0x70, 0xa0, 0x82, 0x31];
/// Gas of one `balanceOf`: the dearest honest ones (rebasing, behind two proxies) need about 150,000.
const BALANCE_GAS: u64 = 500_000;
/// Balances looked at for one transaction; more is an attempt to make us slow.
pub(crate) const MOST_CHECKS: usize = 32;
/// Learnt slots kept; beyond it learning starts anew, which costs time and nothing else.
const MOST_LEARNT: usize = 200_000;

/// A balance that was found to stand in one slot, and the conditions under which that is true.
#[derive(Clone, Debug)]
struct Learnt {
    balance: (Address, U256),
    others: ReadSet,
}

/// What has been learnt about where balances stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Balances {
    learnt: HashMap<(Address, Address), Learnt>,
}

/// A check whose second half needs the state after the transaction.
pub(crate) struct Half {
    token: Address,
    account: Address,
    before: Option<U256>,
    read: ReadSet,
}

impl Balances {
    /// First half, on the state *before* `changes` are committed. Finished checks go to `done`.
    pub(crate) fn before(
        &mut self,
        machine: &mut Machine,
        changes: &EvmState,
        pairs: &[(Address, Address)],
        done: &mut Vec<BalanceCheck>,
    ) -> Result<Vec<Half>, DbError> {
        let mut halves = Vec::new();
        for (token, account) in pairs.iter().copied() {
            if let Some((before, after)) = self.read_from_slot(machine, changes, token, account)? {
                done.push(check(token, account, Some(before), Some(after)));
                continue;
            }
            let (before, read) = balance_of(machine, token, account)?;
            if read.altered_by(changes) {
                halves.push(Half { token, account, before, read });
            } else {
                done.push(check(token, account, before, before));
            }
        }
        Ok(halves)
    }

    /// Second half, on the state *after* the changes were committed.
    pub(crate) fn after(
        &mut self,
        machine: &mut Machine,
        halves: Vec<Half>,
        done: &mut Vec<BalanceCheck>,
    ) -> Result<(), DbError> {
        for half in halves {
            let (after, read) = balance_of(machine, half.token, half.account)?;
            done.push(check(half.token, half.account, half.before, after));
            self.learn(&half, after, &read);
        }
        Ok(())
    }

    /// Both balances by storage alone; `None` when the conditions of what was learnt no longer hold.
    fn read_from_slot(
        &mut self,
        machine: &mut Machine,
        changes: &EvmState,
        token: Address,
        account: Address,
    ) -> Result<Option<(U256, U256)>, DbError> {
        let Some(learnt) = self.learnt.get(&(token, account)) else { return Ok(None) };
        let (address, slot) = learnt.balance;
        let state = machine.state_mut();
        for (other, other_slot, value) in &learnt.others.slots {
            let changed = changed_slot(changes, *other, *other_slot).is_some();
            if changed || state.storage(*other, *other_slot)? != *value {
                self.learnt.remove(&(token, account));
                return Ok(None);
            }
        }
        let code_now = |address: &Address| state.known_info(*address).map(|info| info.code_hash);
        let code_same = learnt.others.codes.iter().all(|(address, hash)| code_now(address) == Some(*hash));
        if !code_same || learnt.others.code_altered_by(changes) {
            self.learnt.remove(&(token, account));
            return Ok(None);
        }
        let before = machine.state_mut().storage(address, slot)?;
        Ok(Some((before, changed_slot(changes, address, slot).unwrap_or(before))))
    }

    fn learn(&mut self, half: &Half, after: Option<U256>, read: &ReadSet) {
        let (Some(before), Some(after)) = (half.before, after) else { return };
        if before == after || before.is_zero() && after.is_zero() || read.codes.len() != half.read.codes.len() {
            return;
        }
        // The slot whose value was the answer both times; two candidates prove nothing.
        let mut candidates = half.read.slots.iter().filter(|(address, slot, value)| {
            *value == before && read.slots.iter().any(|later| later == &(*address, *slot, after))
        });
        let (Some((address, slot, _)), None) = (candidates.next(), candidates.next()) else { return };
        let mut others = read.clone();
        others.slots.retain(|(other, other_slot, _)| (other, other_slot) != (address, slot));
        let unchanged = |other: &(Address, U256, U256)| half.read.slots.contains(other);
        if !others.slots.iter().all(unchanged) || others.slots.len().saturating_add(1) != half.read.slots.len() {
            return;
        }
        // Accounts that merely had their balance read would not show as slots: only accounts with code, and precompiles
        // not at all, may be among what was read.
        if self.learnt.len() >= MOST_LEARNT {
            self.learnt.clear();
        }
        self.learnt.insert((half.token, half.account), Learnt { balance: (*address, *slot), others });
    }
}

const fn check(token: Address, account: Address, before: Option<U256>, after: Option<U256>) -> BalanceCheck {
    BalanceCheck { account, asset: Asset::Erc20(token), before, after }
}

fn balance_of(machine: &mut Machine, token: Address, account: Address) -> Result<(Option<U256>, ReadSet), DbError> {
    let mut data = Vec::with_capacity(36);
    data.extend_from_slice(&BALANCE_OF);
    data.extend_from_slice(account.into_word().as_slice());
    let (result, read) = views::ask(machine, token, Bytes::from(data), BALANCE_GAS)?;
    let balance = match result {
        ViewResult::Returned(data) => data.get(..32).map(U256::from_be_slice),
        ViewResult::Failed(_) => None,
    };
    Ok((balance, read))
}
