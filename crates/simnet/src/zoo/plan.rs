//! What an entry does, as data: acts, plans and steps, which the mutators rearrange without knowing the attack.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolValue};

use super::contracts::{ActWords, PlanWords, ZooFlashLender, ZooFlawedToken, ZooPool};
use super::stage::Send;

/// One call that a contract makes.
#[derive(Clone, Debug)]
pub(super) struct Act {
    to: Address,
    value: U256,
    data: Bytes,
    times: u64,
    asked: Option<(Address, Bytes, u64)>,
}

impl Act {
    /// `call` at `to`, once, without value.
    pub(super) fn new(to: Address, call: &impl SolCall) -> Self {
        Self { to, value: U256::ZERO, data: call.abi_encode().into(), times: 1, asked: None }
    }

    /// A call that is encoded already.
    pub(super) const fn raw(to: Address, data: Bytes) -> Self {
        Self { to, value: U256::ZERO, data, times: 1, asked: None }
    }

    /// Nothing but `value` wei for `to`; all there is with the largest value.
    pub(super) const fn ether(to: Address, value: U256) -> Self {
        Self { to, value, data: Bytes::new(), times: 1, asked: None }
    }

    /// With `value` wei.
    pub(super) const fn paying(mut self, value: U256) -> Self {
        self.value = value;
        self
    }

    /// `times` times in a row.
    pub(super) const fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Argument number `argument`, from 0, is what `asked` answers to `question` at that moment.
    pub(super) fn with_answer(mut self, argument: u64, asked: Address, question: &impl SolCall) -> Self {
        let place = argument.saturating_mul(32).saturating_add(4);
        self.asked = Some((asked, question.abi_encode().into(), place));
        self
    }

    /// Lets `spender` take any amount of `token`.
    pub(super) fn approve(token: Address, spender: Address) -> Self {
        Self::new(token, &ZooFlawedToken::approveCall { spender, amount: U256::MAX })
    }

    /// Sends `amount` of `token` to `to`.
    pub(super) fn transfer(token: Address, to: Address, amount: U256) -> Self {
        Self::new(token, &ZooFlawedToken::transferCall { to, amount })
    }

    /// Sends all that `holder`, who acts, has of `token` to `to`.
    pub(super) fn transfer_all(token: Address, holder: Address, to: Address) -> Self {
        let all = ZooFlawedToken::balanceOfCall { account: holder };
        Self::transfer(token, to, U256::ZERO).with_answer(1, token, &all)
    }

    /// Swaps `amount` of `token` in `pool`.
    pub(super) fn swap(pool: Address, token: Address, amount: U256) -> Self {
        Self::new(pool, &ZooPool::swapCall { tokenIn: token, amountIn: amount })
    }

    /// Swaps all that `holder`, who acts, has of `token` in `pool`.
    pub(super) fn swap_all(pool: Address, token: Address, holder: Address) -> Self {
        Self::swap(pool, token, U256::ZERO).with_answer(1, token, &ZooFlawedToken::balanceOfCall { account: holder })
    }

    /// A flash loan of `amount` of `token`, for `receiver`, who acts.
    pub(super) fn flash_loan(lender: Address, receiver: Address, token: Address, amount: U256) -> Self {
        Self::new(lender, &ZooFlashLender::flashLoanCall { receiver, token, amount, data: Bytes::new() })
    }

    fn words(&self) -> ActWords {
        let (asked, question, place) = self.asked.clone().unwrap_or_default();
        ActWords {
            to: self.to,
            value: self.value,
            data: self.data.clone(),
            times: U256::from(self.times),
            asked,
            question,
            place: U256::from(place),
        }
    }
}

/// What an attacker's contract does in one transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// In order.
    pub(super) acts: Vec<Act>,
    /// The n-th call back is answered by the n-th of these.
    pub(super) answers: Vec<Vec<Act>>,
}

impl Plan {
    /// `acts` and no answers.
    pub(super) const fn new(acts: Vec<Act>) -> Self {
        Self { acts, answers: Vec::new() }
    }

    /// One more call back is answered by `acts`.
    pub(super) fn answering(mut self, acts: Vec<Act>) -> Self {
        self.answers.push(acts);
        self
    }

    /// As the contract stores it.
    pub(super) fn encode(&self) -> Bytes {
        let words = |acts: &[Act]| acts.iter().map(Act::words).collect::<Vec<_>>();
        let answers = self.answers.iter().map(|acts| words(acts).abi_encode().into());
        PlanWords { acts: words(&self.acts), answers: answers.collect() }.abi_encode().into()
    }
}

/// One thing that happens, in the order of an entry.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The subject's contract carries out a plan, in one transaction.
    Contract(Plan),
    /// An account acts itself, in one transaction.
    Account(Send),
    /// Somebody honest acts in between.
    Bystander(Send),
    /// So many seconds pass.
    Wait(u64),
}

impl Step {
    /// A call by an account.
    pub(super) fn by(from: Address, to: Address, call: &impl SolCall) -> Self {
        Self::Account(Send::call(from, to, call))
    }
}
