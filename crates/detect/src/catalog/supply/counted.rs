//! One payment that is counted several times: each of several calls that a contract makes to itself sees the coin that came
//! along with the one above them, and books it anew.

use alloy_primitives::U256;
use cofferdam_types::{Asset, Call, CallKind, Evidence, Harm, Level, Severity, StorageWrite};

use crate::{
    Seen,
    seen::{PLAIN_SLOTS, Said},
};

/// The first entry of the books that grew by several times of what came.
pub(super) fn counted(seen: &Seen<'_>) -> Option<Said> {
    let effects = seen.effects();
    let paid = |call: &&Call| {
        call.kind == CallKind::Call
            && call.effective
            && !call.value.is_zero()
            && seen.member(call.callee)
            && call.caller != call.callee
    };
    // What came in more than one payment may be what was booked.
    let mut payments = effects.calls.iter().filter(paid);
    let payment = payments.next().filter(|_| payments.next().is_none())?;
    let contract = payment.callee;
    let to_itself = |call: &&Call| {
        call.kind == CallKind::DelegateCall
            && call.effective
            && call.caller == contract
            && call.code_address == contract
    };
    let times = effects.calls.iter().filter(to_itself).count();
    if times < 2 {
        return None;
    }
    let grown = |write: &StorageWrite| {
        let grown = write.new.checked_sub(write.old)?;
        let (whole, rest) = (grown.checked_div(payment.value)?, grown.checked_rem(payment.value)?);
        let several = whole >= U256::from(2) && whole <= U256::from(times);
        (write.address == contract && write.slot >= PLAIN_SLOTS && rest.is_zero() && several).then_some(grown)
    };
    let grown = effects.writes.iter().find_map(grown)?;
    let amount = grown.saturating_sub(payment.value);
    Some(Said {
        level: Level::Alert,
        severity: Severity::High,
        summary: format!(
            "{} wei came to module {} once and were counted as {grown}, by {times} calls of {contract} to itself",
            payment.value, seen.module.id
        ),
        harm: vec![Harm { asset: Asset::Native, account: contract, amount, at_risk: true }],
        evidence: vec![
            Evidence::new("came in", format!("{} wei", payment.value)),
            Evidence::new("an entry of the books grew by", grown),
            Evidence::new("calls to itself", times),
            Evidence::new("sender", seen.execution.transaction.from),
        ],
    })
}
