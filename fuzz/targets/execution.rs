//! Any bytes as the code of a new contract: execution ends, and its effects hold together.
#![no_main]

use cofferdam_evm::{Ledger, Rules, Spec};
use cofferdam_types::primitives::{Address, Bytes, U256};
use cofferdam_types::{AccountState, BlockNumber, ChainId, Header, Transaction};
use libfuzzer_sys::fuzz_target;

const SENDER: Address = Address::with_last_byte(1);

fuzz_target!(|code: &[u8]| {
    let mut ledger = Ledger::new(Rules::fixed(ChainId(1), Spec::PRAGUE));
    ledger.set_account(SENDER, AccountState { balance: U256::MAX >> 1, ..AccountState::default() });
    let header = Header { number: BlockNumber(1), gas_limit: 30_000_000, base_fee: Some(0), ..Header::default() };
    let header = Header { prev_randao: Some(Default::default()), excess_blob_gas: Some(0), ..header };
    let transaction = Transaction {
        from: SENDER,
        gas_limit: 1_000_000,
        input: Bytes::copy_from_slice(code),
        value: U256::from(7),
        ..Transaction::default()
    };
    let effects = ledger.execute(&header, &transaction);
    assert!(effects.gas_used <= transaction.gas_limit);
    for (index, call) in effects.calls.iter().enumerate() {
        assert!(call.parent.is_none_or(|parent| usize::try_from(parent).is_ok_and(|parent| parent < index)));
        effects.input(call);
    }
    for log in &effects.logs {
        let call = log.call.and_then(|call| effects.calls.get(usize::try_from(call).ok()?));
        assert!(call.is_some_and(|call| call.effective), "a kept log of a call that was not kept");
    }
    for movement in &effects.movements {
        effects.net(movement.from, movement.asset);
    }
});
