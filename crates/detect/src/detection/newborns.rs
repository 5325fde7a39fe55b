//! New contracts: what they did when they were tried is judged like any transaction, and becomes a verdict about them.

use cofferdam_types::{Finding, Judge as _, Newborn, Verdict};

use super::{Detection, Touched};
use crate::catalog::hostile_contract;

/// At most one finding about each module; what was tried outweighs what is merely said.
pub(super) fn judge(detection: &Detection, newborn: &Newborn) -> Verdict {
    let mut findings: Vec<Finding> = Vec::new();
    let mut standing = newborn.creation.standing.clone();
    let mut left_out = 0_u64;
    for attempt in &newborn.attempts {
        let verdict = detection.judge(&attempt.execution);
        left_out = left_out.saturating_add(verdict.standing.left_out);
        if verdict.findings.is_empty() {
            continue;
        }
        for index in detection.touched(&attempt.execution).iter() {
            let Some(seen) = detection.seen(&attempt.execution, index) else { continue };
            let found = hostile_contract::by_trial(&seen, &detection.history, newborn, attempt, &verdict.findings);
            let Some(mut finding) = found else { continue };
            detection.temper(&seen, &mut finding);
            let known = findings.iter().position(|known| known.module == finding.module);
            match known.and_then(|known| findings.get_mut(known)) {
                Some(known) if known.level >= finding.level => continue,
                Some(known) => *known = finding,
                None => findings.push(finding),
            }
            standing = attempt.execution.standing.clone();
        }
    }
    let mut touched = Touched::default();
    let named = newborn.signs.names.iter().map(|(address, _)| *address);
    for address in named.chain(newborn.signs.calls.iter().map(|(contract, _)| *contract)) {
        touched.add(detection.watch.modules_of(address));
    }
    for index in touched.iter() {
        let Some(seen) = detection.seen(&newborn.creation, index) else { continue };
        if findings.iter().any(|finding| finding.module == seen.module.id) {
            continue;
        }
        if let Some(mut finding) = hostile_contract::by_signs(&seen, &detection.history, newborn) {
            detection.temper(&seen, &mut finding);
            findings.push(finding);
        }
    }
    findings.sort_by_key(|finding| (std::cmp::Reverse((finding.level, finding.severity)), finding.id));
    standing.left_out = left_out;
    Verdict { findings, harm: Vec::new(), standing }
}
