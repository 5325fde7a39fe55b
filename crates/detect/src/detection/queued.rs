//! Operations that wait for their time: what they did on a fork is judged like any transaction, and becomes a verdict about
//! the announcement.

use cofferdam_types::{Basis, Finding, Judge as _, Rehearsal, Standing, Verdict};

use super::Detection;
use crate::catalog::queued_operation;

/// At most one finding about each module: the strongest of what the operation's calls do.
pub(super) fn judge(detection: &Detection, rehearsal: &Rehearsal) -> Verdict {
    let mut findings: Vec<Finding> = Vec::new();
    let first = rehearsal.executions.first().map(|execution| execution.standing.clone());
    let nothing = || Standing { head: rehearsal.head, basis: Basis::Executed, missing: Vec::new(), left_out: 0 };
    let mut standing = first.unwrap_or_else(nothing);
    for execution in &rehearsal.executions {
        let verdict = detection.judge(execution);
        standing.left_out = standing.left_out.saturating_add(verdict.standing.left_out);
        for index in detection.touched(execution).iter() {
            let Some(seen) = detection.seen(execution, index) else { continue };
            let found = queued_operation::by_rehearsal(&seen, &detection.history, rehearsal, &verdict.findings);
            let Some(mut finding) = found else { continue };
            detection.temper(&seen, &mut finding);
            match findings.iter_mut().find(|known| known.module == finding.module) {
                Some(known) if known.level >= finding.level => {}
                Some(known) => *known = finding,
                None => findings.push(finding),
            }
        }
    }
    findings.sort_by_key(|finding| (std::cmp::Reverse((finding.level, finding.severity)), finding.id));
    Verdict { findings, harm: Vec::new(), standing }
}
