//! What a new contract says of itself: protected addresses, callbacks of lenders, functions of protected contracts.
//!
//! Nothing is run here. Names are looked for among the protected addresses alone, so the cost follows from the size of
//! the contract and not from how much is protected.

use std::sync::LazyLock;

use cofferdam_types::{CallKind, Execution, Place, Selector, Signs, Watchlist};
use revm::primitives::{Address, U256, keccak256};

use super::code::{self, Code};

/// What lenders, and pools that lend, call back with.
const CALLBACKS: [&str; 18] = [
    "onFlashLoan(address,address,uint256,uint256,bytes)",
    "executeOperation(address[],uint256[],uint256[],address,bytes)",
    "executeOperation(address,uint256,uint256,address,bytes)",
    "executeOperation(address,uint256,uint256,bytes)",
    "receiveFlashLoan(address[],uint256[],uint256[],bytes)",
    "callFunction(address,(address,uint256),bytes)",
    "uniswapV2Call(address,uint256,uint256,bytes)",
    "uniswapV3FlashCallback(uint256,uint256,bytes)",
    "uniswapV3SwapCallback(int256,int256,bytes)",
    "unlockCallback(bytes)",
    "pancakeCall(address,uint256,uint256,bytes)",
    "pancakeV3FlashCallback(uint256,uint256,bytes)",
    "pancakeV3SwapCallback(int256,int256,bytes)",
    "DPPFlashLoanCall(address,uint256,uint256,bytes)",
    "DVMFlashLoanCall(address,uint256,uint256,bytes)",
    "DSPFlashLoanCall(address,uint256,uint256,bytes)",
    "onMorphoFlashLoan(uint256,bytes)",
    "onFlashLoan(uint256,uint256,bytes)",
];

/// Functions that every second contract has: that a contract can call them says nothing.
const COMMON: [&str; 30] = [
    "transfer(address,uint256)",
    "transferFrom(address,address,uint256)",
    "approve(address,uint256)",
    "allowance(address,address)",
    "balanceOf(address)",
    "totalSupply()",
    "decimals()",
    "name()",
    "symbol()",
    "owner()",
    "transferOwnership(address)",
    "renounceOwnership()",
    "supportsInterface(bytes4)",
    "paused()",
    "pause()",
    "unpause()",
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
    "nonces(address)",
    "DOMAIN_SEPARATOR()",
    "getReserves()",
    "token0()",
    "token1()",
    "factory()",
    "WETH()",
    "asset()",
    "token()",
    "deposit()",
    "withdraw(uint256)",
    "mint(address,uint256)",
    "burn(uint256)",
];

/// Words looked at from the end of creation code: constructors of more arguments are not looked at beyond it.
const ARGUMENT_WORDS: usize = 64;
/// Slots looked at that the creation wrote.
const MOST_SLOTS: usize = 1_024;

static CALLBACK_SELECTORS: LazyLock<Vec<(Selector, &str)>> =
    LazyLock::new(|| CALLBACKS.iter().map(|signature| (selector(signature), *signature)).collect());
static COMMON_SELECTORS: LazyLock<Vec<Selector>> =
    LazyLock::new(|| COMMON.iter().map(|signature| selector(signature)).collect());

fn selector(signature: &str) -> Selector {
    let hash = keccak256(signature);
    Selector::left_padding_from(hash.0.first_chunk::<4>().map_or(&[][..], |first| first))
}

/// Whether `selector` is one with which lenders call back.
pub(super) fn is_callback(selector: Selector) -> bool {
    CALLBACK_SELECTORS.iter().any(|(known, _)| *known == selector)
}

/// What `read`, the code of `address`, and its creation say. `functions` are those of the protected contracts.
pub(super) fn of(
    address: Address,
    bytes: &[u8],
    read: &Code,
    creation: &Execution,
    watch: &Watchlist,
    functions: &[(Address, Vec<Selector>)],
) -> Signs {
    let mut names: Vec<(Address, Place)> =
        read.addresses.iter().filter(|named| watch.contains(**named)).map(|named| (*named, Place::Code)).collect();
    let writes = creation.effects.writes.iter().filter(|write| write.address == address).take(MOST_SLOTS);
    for write in writes {
        names.extend(packed(write.new).filter(|named| watch.contains(*named)).map(|named| (named, Place::Storage)));
    }
    let arguments = arguments(address, creation).filter(|named| watch.contains(*named));
    names.extend(arguments.map(|named| (named, Place::ConstructorArgument)));
    names.sort_unstable();
    names.dedup();
    let answers = |(selector, _): &&(Selector, &str)| read.entries.contains(selector);
    let mut callbacks: Vec<String> =
        CALLBACK_SELECTORS.iter().filter(answers).map(|(_, name)| (*name).to_owned()).collect();
    callbacks.sort_unstable();
    Signs {
        code_hash: keccak256(bytes),
        code_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        names,
        callbacks,
        calls: calls(read, functions),
        can_call: read.can_call,
        runs: code::clone_of(bytes),
    }
}

/// Functions of protected contracts that the code can call and does not itself answer to as everybody does.
fn calls(read: &Code, functions: &[(Address, Vec<Selector>)]) -> Vec<(Address, Selector)> {
    let mut calls = Vec::new();
    for (contract, entries) in functions {
        let known = |selector: &&Selector| read.selectors.contains(selector) && !COMMON_SELECTORS.contains(selector);
        calls.extend(entries.iter().filter(known).map(|selector| (*contract, *selector)));
    }
    calls
}

/// Every 20 bytes of a slot that may be an address packed with other values.
fn packed(word: U256) -> impl Iterator<Item = Address> {
    let bytes = word.to_be_bytes::<32>();
    (0_usize..=12).filter_map(move |at| {
        let window = bytes.get(at..at.saturating_add(20))?;
        window.iter().any(|byte| *byte != 0).then(|| Address::from_slice(window))
    })
}

/// Addresses among the words at the end of the creation code, where constructor arguments stand.
fn arguments(address: Address, creation: &Execution) -> impl Iterator<Item = Address> {
    let creates = |call: &&cofferdam_types::Call| {
        call.callee == address && matches!(call.kind, CallKind::Create | CallKind::Create2)
    };
    let by_call = creation.effects.calls.iter().find(creates).map(|call| creation.effects.input(call));
    let code = match creation.transaction.to {
        // The recorded calldata of calls is cut; that of the transaction is not.
        None => creation.transaction.input.as_ref(),
        Some(_) => by_call.unwrap_or_default(),
    };
    let words = code.rchunks_exact(32).take(ARGUMENT_WORDS);
    words.filter_map(|word| {
        let (padding, address) = word.split_at_checked(12)?;
        padding.iter().all(|byte| *byte == 0).then(|| Address::from_slice(address))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_address_packed_beside_flags_is_found() {
        let vault = Address::repeat_byte(0x5a);
        let mut word = [0_u8; 32];
        word[9..29].copy_from_slice(vault.as_slice());
        word[31] = 1;
        assert!(packed(U256::from_be_bytes(word)).any(|found| found == vault));
    }

    #[test]
    fn the_selectors_are_those_of_the_standards() {
        assert_eq!(
            selector("onFlashLoan(address,address,uint256,uint256,bytes)"),
            Selector::from([0x23, 0xe3, 0x0c, 0x8b])
        );
        assert_eq!(selector("uniswapV2Call(address,uint256,uint256,bytes)"), Selector::from([0x10, 0xd1, 0xe8, 0x5c]));
        assert!(is_callback(Selector::from([0x84, 0x80, 0x08, 0x12])), "pancakeCall");
    }

    #[test]
    fn what_every_token_has_is_no_sign() {
        let deposit = selector("depositAll(address)");
        let read = Code { selectors: vec![deposit, selector("transfer(address,uint256)")], ..Code::default() };
        let vault = Address::repeat_byte(1);
        let functions = vec![(vault, read.selectors.clone())];
        assert_eq!(calls(&read, &functions), [(vault, deposit)]);
    }
}
