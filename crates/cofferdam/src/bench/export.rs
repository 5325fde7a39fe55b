//! Writes entries of the zoo as cases, so that every command that reads cases can be tried on them.
//!
//! One block each: of an attack the one that took most, of an honest flow the one with most of its transactions. What
//! happened in the blocks before is in the state and not in the case, so a judge of cases sees no history. Honest flows
//! are listed as blocks: whoever registers the most-called contracts of a block registers traders' own contracts too.

use std::path::{Path, PathBuf};

use cofferdam_chain::case::{Case, CaseAccount, CaseError, Entry as Listed, Env, Manifest};
use cofferdam_evm::{Ledger, spec_name};
use cofferdam_simnet::zoo::{Entry, Mutator, Nature, Part, PlayedBlock, Recording};
use cofferdam_types::Header;
use cofferdam_types::primitives::U256;

/// Writes `entries`, unchanged, and their manifest into `folder`.
///
/// # Errors
/// A sentence that names the file or the entry at fault.
pub fn write<'e>(entries: impl IntoIterator<Item = &'e Entry>, folder: &Path) -> Result<usize, String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let failed = |error: CaseError| error.to_string();
    let mut manifest = Manifest::default();
    for entry in entries {
        let played = entry.play(Mutator::Base).map_err(|faults| format!("{}: {}", entry.name, faults.join("; ")))?;
        let Some(recording) = played else { continue };
        let Some(shown) = shown(&recording) else { continue };
        let case = case_of(&recording, shown);
        let file = PathBuf::from(format!("{}.json.zst", entry.name));
        case.write(&folder.join(&file)).map_err(failed)?;
        let listed = Listed { protected: recording.modules.concat(), ..Manifest::entry_for(&case, file) };
        match entry.nature {
            Nature::Attack(family) => {
                let subject = |sent: &cofferdam_simnet::zoo::Sent| sent.part == Part::Subject;
                let attack_tx =
                    recording.played.blocks.get(shown).and_then(|block| block.sent.iter().rposition(subject));
                manifest.exploits.push(Listed {
                    attack_tx,
                    cause: Some(entry.text.to_owned()),
                    family: serde_json::json!(family).as_str().map(str::to_owned),
                    ..listed
                });
            }
            Nature::Honest => manifest.blocks.push(listed),
        }
    }
    manifest.write(folder).map_err(failed)?;
    Ok(manifest.blocks.len().saturating_add(manifest.exploits.len()))
}

/// The block that shows the entry best; where nothing is lost, the last one with most of the subject's transactions.
fn shown(recording: &Recording) -> Option<usize> {
    let mut lost = U256::ZERO;
    let mut best: Option<(usize, (U256, usize))> = None;
    for (index, block) in recording.played.blocks.iter().enumerate() {
        let before = lost;
        lost = block.sent.last().map_or(lost, |sent| sent.lost_after);
        let subject = block.sent.iter().filter(|sent| sent.part == Part::Subject).count();
        let worth = (lost.saturating_sub(before), subject);
        if subject > 0 && best.is_none_or(|(_, known)| worth >= known) {
            best = Some((index, worth));
        }
    }
    best.map(|(index, _)| index)
}

/// Block number `shown` of the recording with the whole state before it.
fn case_of(recording: &Recording, shown: usize) -> Case {
    let played = &recording.played;
    let mut ledger = Ledger::new(played.rules);
    for account in &played.state.accounts {
        if let Some(state) = &account.state {
            ledger.set_account(account.address, state.clone());
        }
        account.slots.iter().for_each(|(slot, value)| ledger.set_slot(account.address, *slot, *value));
    }
    for earlier in played.blocks.iter().take(shown) {
        gas_of(&mut ledger, earlier);
    }
    let pre = ledger.accounts().map(|(address, state, slots)| {
        let storage = slots.into_iter().collect();
        (address, CaseAccount { state, storage })
    });
    let pre = pre.collect();
    let (header, transactions, gas) = match played.blocks.get(shown) {
        Some(block) => (block.block.header.clone(), block.block.transactions.clone(), Some(gas_of(&mut ledger, block))),
        None => (Header::default(), Vec::new(), None),
    };
    let parent = header.number.0.saturating_sub(1);
    Case {
        name: recording.name.to_owned(),
        chain_id: played.rules.chain().0,
        spec: spec_name(played.rules.spec(&header)).to_owned(),
        env: Env {
            number: header.number.0,
            coinbase: header.beneficiary,
            timestamp: header.timestamp,
            gas_limit: header.gas_limit,
            basefee: header.base_fee.unwrap_or_default(),
            difficulty: header.difficulty,
            prevrandao: header.prev_randao,
            excess_blob_gas: header.excess_blob_gas,
            ..Env::default()
        },
        block_hashes: [(parent, header.parent_hash)].into(),
        pre,
        transactions,
        expected_gas_used: gas,
    }
}

fn gas_of(ledger: &mut Ledger, block: &PlayedBlock) -> u64 {
    let mut gas = 0_u64;
    for transaction in &block.block.transactions {
        gas = gas.saturating_add(ledger.execute(&block.block.header, transaction).gas_used);
    }
    gas
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a wrong entry must panic")]

    use cofferdam_simnet::zoo::ENTRIES;
    use cofferdam_types::{ManualClock, UnixMillis};

    use super::*;

    #[test]
    fn a_written_entry_is_a_case_that_runs_exactly_and_is_flagged() {
        let folder = tempfile::tempdir().unwrap();
        let chosen = ["reserve-claimed", "honest-arbitrage", "wallet-destroyed-library"];
        let entries = ENTRIES.iter().filter(|entry| chosen.contains(&entry.name));
        assert_eq!(write(entries, folder.path()), Ok(3));
        let clock = ManualClock::new(UnixMillis(0));
        let measured = crate::bench::run(folder.path(), 1, &clock, &mut |_| {}).unwrap();
        assert_eq!((measured.exactness.blocks, measured.exactness.matched), (1, 1));
        assert_eq!(measured.exploits.n, 2);
        assert!(measured.exploits.found.iter().any(|found| found.name == "reserve-claimed"));
    }
}
