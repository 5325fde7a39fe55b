//! All that one execution did. Facts only: what they mean is decided in `detect`.

use std::cmp::Ordering;

use alloy_primitives::{Address, B256, Bytes, Log, U256};
use serde::{Deserialize, Serialize};

use crate::Selector;

/// How the transaction as a whole ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Ran to the end; the bytes are the return data (or the created code).
    Success(Bytes),
    /// Reverted; the bytes are the revert data.
    Reverted(Bytes),
    /// Ended by an exceptional halt; the text is the EVM's reason (`OutOfGas`, `InvalidFEOpcode`, ...).
    Halted(String),
    /// Was not valid on this head (nonce, funds, fee); it changed nothing and would not be mined here.
    Invalid(String),
}

impl Outcome {
    /// Whether state changes of the calls were kept.
    pub const fn succeeded(&self) -> bool {
        matches!(self, Self::Success(_))
    }
}

/// The opcode (or transaction) that opened a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CallKind {
    /// `CALL`, or the transaction itself.
    Call,
    /// `STATICCALL`.
    StaticCall,
    /// `DELEGATECALL`: callee's code on the caller's state.
    DelegateCall,
    /// `CALLCODE`.
    CallCode,
    /// `CREATE`, or a creating transaction.
    Create,
    /// `CREATE2`.
    Create2,
    /// `SELFDESTRUCT` that moved a balance; a leaf.
    SelfDestruct,
}

/// How one frame ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallStatus {
    /// Returned.
    Succeeded,
    /// Reverted with data.
    Reverted,
    /// Out of gas, invalid opcode and the like.
    Halted,
}

/// One frame of the call tree. Frames are stored in the order in which they were opened (pre-order).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Index of the frame that opened this one; `None` for the transaction's own.
    pub parent: Option<u32>,
    /// 0 for the transaction's own frame.
    pub depth: u16,
    /// What opened it.
    pub kind: CallKind,
    /// Who called: `msg.sender` as the callee sees it (for a delegate call the *caller contract*, not its caller).
    pub caller: Address,
    /// The account whose state the frame works on. For a creation the new address (zero when it never came to be).
    pub callee: Address,
    /// The account whose code runs: differs from `callee` for delegate calls.
    pub code_address: Address,
    /// First four bytes of the calldata.
    pub selector: Option<Selector>,
    /// Wei sent along; zero for static and delegate calls.
    pub value: U256,
    /// How it ended.
    pub status: CallStatus,
    /// Whether its changes were kept: false when it or any frame above it failed.
    pub effective: bool,
    /// Start and length of its calldata in [`Effects::calldata`].
    pub(crate) input: (u32, u32),
    /// Start and length of what it returned in [`Effects::returned`].
    #[serde(default)]
    pub(crate) output: (u32, u32),
}

impl Call {
    /// A frame; `input` is start and length of the calldata in the arena of the effects it is put into.
    #[expect(
        clippy::too_many_arguments,
        reason = "one argument a field: a constructor for another crate, used in one place"
    )]
    pub const fn new(
        parent: Option<u32>,
        depth: u16,
        kind: CallKind,
        caller: Address,
        callee: Address,
        code_address: Address,
        selector: Option<Selector>,
        value: U256,
        input: (u32, u32),
    ) -> Self {
        Self {
            parent,
            depth,
            kind,
            caller,
            callee,
            code_address,
            selector,
            value,
            status: CallStatus::Succeeded,
            effective: true,
            input,
            output: (0, 0),
        }
    }

    /// Where in the arena of the effects what it returned was kept: start and length.
    pub const fn set_output(&mut self, output: (u32, u32)) {
        self.output = output;
    }
}

/// A log and the frame that emitted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmittedLog {
    /// Index into [`Effects::calls`]; `None` when only the receipt is known.
    pub call: Option<u32>,
    /// The log.
    pub log: Log,
}

/// A storage slot whose value after the transaction differs from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageWrite {
    /// Whose storage.
    pub address: Address,
    /// Which slot.
    pub slot: U256,
    /// Before the transaction.
    pub old: U256,
    /// After it; never equal to `old`.
    pub new: U256,
}

/// Code that appeared, went, or was exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeChange {
    /// Whose code.
    pub address: Address,
    /// Keccak of the code before; `KECCAK_EMPTY` where there was none.
    pub old: B256,
    /// Keccak of the code after; `KECCAK_EMPTY` where there is none any more.
    pub new: B256,
    /// The created code calls itself into being by this account; `None` for destruction and delegation.
    pub creator: Option<Address>,
    /// Keccak of the created code without its constants and metadata; `None` where it is too short to be told from others,
    /// and where nothing was created.
    #[serde(default)]
    pub shape: Option<B256>,
}

/// Something that can be owned in amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asset {
    /// The chain's own coin, in wei.
    Native,
    /// An ERC-20 token, in its smallest unit.
    Erc20(Address),
    /// One ERC-721 item; amounts are 0 or 1.
    Erc721(Address, U256),
    /// One ERC-1155 id.
    Erc1155(Address, U256),
}

impl Asset {
    /// The contract that keeps the balances; `None` for the native coin.
    pub const fn token(&self) -> Option<Address> {
        match self {
            Self::Native => None,
            Self::Erc20(token) | Self::Erc721(token, _) | Self::Erc1155(token, _) => Some(*token),
        }
    }
}

impl std::fmt::Display for Asset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Native => f.write_str("native coin"),
            Self::Erc20(token) => write!(f, "token {token}"),
            Self::Erc721(token, id) => write!(f, "item {id} of {token}"),
            Self::Erc1155(token, id) => write!(f, "id {id} of {token}"),
        }
    }
}

/// What a movement rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementProof {
    /// The EVM itself moved the native coin.
    Native,
    /// A token's event says so; nobody looked at balances.
    Claimed,
}

/// One transfer. Mints come from the zero address, burns go to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// What moved.
    pub asset: Asset,
    /// From whom.
    pub from: Address,
    /// To whom.
    pub to: Address,
    /// How much, in the asset's smallest unit.
    pub amount: U256,
    /// What says so.
    pub proof: MovementProof,
}

/// The balance of a *protected* account in one token, asked of the token before and after the transaction.
///
/// Made for each protected account that an event names and for each configured asset of a module that was touched:
/// where it contradicts the events, the balance is the fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceCheck {
    /// The protected account.
    pub account: Address,
    /// The asset.
    pub asset: Asset,
    /// `None` when the token did not answer with a number.
    pub before: Option<U256>,
    /// `None` when the token did not answer with a number.
    pub after: Option<U256>,
}

/// A difference of amounts: sign and magnitude, because amounts use all 256 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// True for less than nothing; never true for zero.
    pub negative: bool,
    /// Distance from zero.
    pub magnitude: U256,
}

impl Signed {
    /// `after - before`, exactly.
    pub fn between(before: U256, after: U256) -> Self {
        match after.cmp(&before) {
            Ordering::Less => Self { negative: true, magnitude: before.wrapping_sub(after) },
            Ordering::Equal => Self::default(),
            Ordering::Greater => Self { negative: false, magnitude: after.wrapping_sub(before) },
        }
    }

    /// The sum, saturating at the largest magnitude (a forged event may claim any amount).
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        if self.negative == other.negative {
            return Self { negative: self.negative, magnitude: self.magnitude.saturating_add(other.magnitude) };
        }
        match self.magnitude.cmp(&other.magnitude) {
            Ordering::Equal => Self::default(),
            Ordering::Greater => {
                Self { negative: self.negative, magnitude: self.magnitude.wrapping_sub(other.magnitude) }
            }
            Ordering::Less => {
                Self { negative: other.negative, magnitude: other.magnitude.wrapping_sub(self.magnitude) }
            }
        }
    }

    /// What left: the magnitude when negative, else zero.
    pub const fn loss(self) -> U256 {
        if self.negative { self.magnitude } else { U256::ZERO }
    }

    /// What came: the magnitude when positive, else zero.
    pub const fn gain(self) -> U256 {
        if self.negative { U256::ZERO } else { self.magnitude }
    }
}

impl std::fmt::Display for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.negative { "-" } else { "" }, self.magnitude)
    }
}

/// All that one execution did. Fees are not among the movements: what the sender pays for gas is nobody's loss here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    /// How it ended.
    pub outcome: Outcome,
    /// Gas charged, refunds deducted.
    pub gas_used: u64,
    /// The call tree, failed frames included (see [`Call::effective`]). Empty when only the receipt is known.
    pub calls: Vec<Call>,
    /// Calldata of all calls, end to end, each cut at 4,096 bytes and all together at 4 MiB.
    pub calldata: Vec<u8>,
    /// What static calls that succeeded returned, end to end: answers to questions. Each cut at 160 bytes and all together
    /// at 1 MiB.
    #[serde(default)]
    pub returned: Vec<u8>,
    /// Kept logs only, in order.
    pub logs: Vec<EmittedLog>,
    /// Net storage changes, ascending by address and slot.
    pub writes: Vec<StorageWrite>,
    /// Code that came, went or changed, ascending by address.
    pub code_changes: Vec<CodeChange>,
    /// Transfers that were kept, native ones first, then in the order of the logs.
    pub movements: Vec<Movement>,
    /// Token balances of protected accounts, looked at rather than believed.
    pub checks: Vec<BalanceCheck>,
    /// Balances that should have been looked at and were not, because one transaction named too many.
    pub unchecked: u32,
    /// Of the accounts that protected contracts name by two in an event without anything else (an old owner and a new
    /// one), those that had code before; ascending.
    pub contracts: Vec<Address>,
}

impl Effects {
    /// Effects of a transaction that did nothing because it ended with `outcome`.
    pub const fn nothing(outcome: Outcome) -> Self {
        Self {
            outcome,
            gas_used: 0,
            calls: Vec::new(),
            calldata: Vec::new(),
            returned: Vec::new(),
            logs: Vec::new(),
            writes: Vec::new(),
            code_changes: Vec::new(),
            movements: Vec::new(),
            checks: Vec::new(),
            unchecked: 0,
            contracts: Vec::new(),
        }
    }

    /// The calldata of one of `self.calls`; empty for a call of other effects.
    pub fn input(&self, call: &Call) -> &[u8] {
        part(&self.calldata, call.input)
    }

    /// What one of `self.calls` returned, if it is a static call; its first 160 bytes.
    pub fn output(&self, call: &Call) -> &[u8] {
        part(&self.returned, call.output)
    }

    /// What `account` gained or lost of `asset`: the checked balances where there are any, else the sum of movements.
    /// `None` when the check failed and the events cannot be trusted either (they name the account).
    pub fn net(&self, account: Address, asset: Asset) -> Option<Signed> {
        if let Some(check) = self.checks.iter().find(|check| check.account == account && check.asset == asset) {
            return Some(Signed::between(check.before?, check.after?));
        }
        Some(self.claimed_net(account, asset))
    }

    /// The sum of movements in and out of `account`, believed as they stand.
    pub fn claimed_net(&self, account: Address, asset: Asset) -> Signed {
        let mut net = Signed::default();
        for movement in self.movements.iter().filter(|movement| movement.asset == asset) {
            if movement.from == account {
                net = net.saturating_add(Signed { negative: !movement.amount.is_zero(), magnitude: movement.amount });
            }
            if movement.to == account {
                net = net.saturating_add(Signed { negative: false, magnitude: movement.amount });
            }
        }
        net
    }
}

/// A part of an arena; empty where there is none.
fn part(arena: &[u8], (start, length): (u32, u32)) -> &[u8] {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    start.checked_add(length).and_then(|end| arena.get(start..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_exact_at_both_ends_of_the_range() {
        assert_eq!(Signed::between(U256::MAX, U256::ZERO), Signed { negative: true, magnitude: U256::MAX });
        let back = Signed::between(U256::MAX, U256::ZERO).saturating_add(Signed::between(U256::ZERO, U256::MAX));
        assert_eq!(back, Signed::default());
    }

    #[test]
    fn a_checked_balance_beats_the_event() {
        let (vault, thief, token) =
            (Address::with_last_byte(1), Address::with_last_byte(2), Address::with_last_byte(3));
        let asset = Asset::Erc20(token);
        let mut effects = Effects::nothing(Outcome::Success(Bytes::new()));
        effects.movements.push(Movement {
            asset,
            from: vault,
            to: thief,
            amount: U256::from(1),
            proof: MovementProof::Claimed,
        });
        assert_eq!(effects.net(vault, asset).unwrap().loss(), U256::from(1));
        effects.checks.push(BalanceCheck {
            account: vault,
            asset,
            before: Some(U256::from(9)),
            after: Some(U256::ZERO),
        });
        assert_eq!(effects.net(vault, asset).unwrap().loss(), U256::from(9));
        effects.checks[0].after = None;
        assert_eq!(effects.net(vault, asset), None);
    }
}
