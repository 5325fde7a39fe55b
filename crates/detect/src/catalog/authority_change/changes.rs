//! Finds changes of authority or code in effects: in events, in storage, in code. Facts only; whether they were
//! allowed is decided in the detector.

use std::collections::HashSet;

use alloy_primitives::{Address, KECCAK256_EMPTY, U256, uint};
use cofferdam_types::{CallKind, CodeChange, StorageWrite};

use super::events::announced;
use crate::Seen;

/// What kind of authority changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Owner or admin.
    Owner,
    /// A role.
    Role,
    /// Signers, threshold, modules or guard of a multisig; delay of a timelock.
    Signers,
    /// Somebody lost authority.
    Less,
    /// The code that runs, by way of a pointer that was announced or stands in a standard slot.
    Code,
    /// The code that runs, by way of a pointer in another slot and without a word.
    SilentCode,
    /// A plain variable that now names an actor of this transaction.
    Variable,
    /// The account's own code is gone.
    Destroyed,
    /// The account's own code is another.
    Replaced,
}

impl Kind {
    /// Whether somebody certainly has more power after it: what a theft may follow from. Destruction pays out by itself
    /// and is no second sign beside the loss; a variable may be anything.
    pub const fn gives_power(self) -> bool {
        match self {
            Self::Owner | Self::Role | Self::Signers | Self::Code | Self::SilentCode | Self::Replaced => true,
            Self::Less | Self::Variable | Self::Destroyed => false,
        }
    }
}

/// One change in one contract of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose authority or code.
    pub contract: Address,
    /// What kind.
    pub kind: Kind,
    /// In words.
    pub what: &'static str,
    /// Who or what holds from now on.
    pub gained: Option<Address>,
    /// Who or what held before.
    pub before: Option<Address>,
    /// The frame that announced it.
    pub call: Option<usize>,
    /// The slot that holds it.
    pub slot: Option<U256>,
}

/// Slots in which proxies keep what they run, by their standards.
const CODE_SLOTS: [(U256, &str); 4] = [
    (uint!(0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc_U256), "implementation changed"),
    (uint!(0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50_U256), "beacon changed"),
    (uint!(0x7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3_U256), "implementation changed"),
    (uint!(0xc5f16f0fcc639fa48a6947836d9850f504798523bf8c9a3a87d5876cf622bcf7_U256), "implementation changed"),
];

/// The slot of the proxy admin, EIP-1967.
const ADMIN_SLOT: U256 = uint!(0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103_U256);

/// Slots below this are plain variables rather than entries of mappings.
const PLAIN_SLOTS: U256 = U256::from_limbs([0, 1, 0, 0]);

/// Numbers below this are counters, times and flags rather than addresses.
const SMALLEST_ADDRESS: U256 = U256::from_limbs([0, 1, 0, 0]);

/// Changes that are looked at in one transaction; more is an attempt to make us slow.
const MOST_CHANGES: usize = 64;

/// All changes of authority or code in contracts of the module that existed before the transaction. What a new
/// contract does to itself while it is set up is no change.
pub(crate) fn changes(seen: &Seen<'_>) -> Vec<Change> {
    let effects = seen.effects();
    let mut found = Vec::new();
    for emitted in &effects.logs {
        if let Some(announcement) = announced(&emitted.log)
            && seen.member(emitted.log.address)
        {
            found.push(Change {
                contract: emitted.log.address,
                kind: announcement.kind,
                what: announcement.what,
                gained: announcement.gained(&emitted.log),
                before: announcement.before(&emitted.log),
                call: emitted.call.and_then(|call| usize::try_from(call).ok()),
                slot: None,
            });
        }
    }
    let announced: HashSet<(Address, bool)> = found.iter().filter_map(says).collect();
    let mut running: Option<HashSet<(Address, Address)>> = None;
    for write in &effects.writes {
        if let Some(change) = change_of(seen, write, &mut running)
            && !is_announced(&announced, &change)
        {
            found.push(change);
        }
    }
    for change in effects.code_changes.iter().filter(|change| change.creator.is_none() && seen.member(change.address)) {
        let destroyed = change.new == KECCAK256_EMPTY;
        if change.old == change.new {
            continue;
        }
        found.push(Change {
            contract: change.address,
            kind: if destroyed { Kind::Destroyed } else { Kind::Replaced },
            what: if destroyed { "code destroyed" } else { "account delegated to other code" },
            gained: None,
            before: None,
            call: None,
            slot: None,
        });
    }
    one_variable_each(&mut found);
    if !found.is_empty() {
        found.retain(|change| !is_new(seen, change.contract));
    }
    if found.len() > MOST_CHANGES {
        // What gives power to an actor is never crowded out by what does not.
        found.sort_by_key(|change| {
            let to_actor = change.gained.is_some_and(|gained| seen.is_actor(gained));
            (!(change.kind.gives_power() && to_actor), !change.kind.gives_power())
        });
        seen.leave_out(found.len().saturating_sub(MOST_CHANGES));
        found.truncate(MOST_CHANGES);
    }
    found
}

/// A set-up that writes the same account into several variables is one change: the one that replaced somebody.
fn one_variable_each(found: &mut Vec<Change>) {
    let variables = found.iter().filter(|change| change.kind == Kind::Variable);
    let replaced = |change: &Change| change.before.is_some_and(|before| !before.is_zero());
    let mut told: Vec<Change> = Vec::new();
    for change in variables {
        match told.iter_mut().find(|known| known.contract == change.contract && known.gained == change.gained) {
            // The lowest slot breaks ties: writes come in no particular order.
            Some(known) if (!replaced(change), change.slot) < (!replaced(known), known.slot) => *known = change.clone(),
            Some(_) => {}
            None => told.push(change.clone()),
        }
    }
    let told: HashSet<(Address, Option<U256>)> = told.iter().map(|change| (change.contract, change.slot)).collect();
    found.retain(|change| change.kind != Kind::Variable || told.contains(&(change.contract, change.slot)));
}

/// Whether `contract` came into being in this transaction.
pub(super) fn is_new(seen: &Seen<'_>, contract: Address) -> bool {
    let mut changes = seen.effects().code_changes.iter();
    let is_new = |change: &CodeChange| change.creator.is_some() && change.old == KECCAK256_EMPTY;
    seen.is_created(contract) || changes.any(|change| change.address == contract && is_new(change))
}

/// Which contract ran whose code by delegate calls.
fn run_by_others(seen: &Seen<'_>) -> HashSet<(Address, Address)> {
    let calls = seen.effects().calls.iter();
    let runs = calls.filter(|call| call.kind == CallKind::DelegateCall && call.effective);
    runs.map(|call| (call.callee, call.code_address)).collect()
}

/// What an event says: of which contract, and whether of its code (or of its owner).
fn says(event: &Change) -> Option<(Address, bool)> {
    match event.kind {
        Kind::Code => Some((event.contract, true)),
        Kind::Owner | Kind::Signers => Some((event.contract, false)),
        Kind::Role | Kind::Less | Kind::SilentCode | Kind::Variable | Kind::Destroyed | Kind::Replaced => None,
    }
}

/// Whether an event of the same contract already speaks of what `change` found in storage.
fn is_announced(events: &HashSet<(Address, bool)>, change: &Change) -> bool {
    match change.kind {
        Kind::Code | Kind::SilentCode => events.contains(&(change.contract, true)),
        Kind::Owner | Kind::Variable => events.contains(&(change.contract, false)),
        Kind::Role | Kind::Signers | Kind::Less | Kind::Destroyed | Kind::Replaced => false,
    }
}

fn change_of(
    seen: &Seen<'_>,
    write: &StorageWrite,
    running: &mut Option<HashSet<(Address, Address)>>,
) -> Option<Change> {
    // Cheap tests first: almost every write of almost every transaction ends here.
    let new = address_in(write.new);
    let standard = CODE_SLOTS.iter().find(|(slot, _)| *slot == write.slot);
    if standard.is_none() && write.slot != ADMIN_SLOT && new.is_none() && write.slot >= PLAIN_SLOTS {
        return None;
    }
    if !seen.member(write.address) {
        return None;
    }
    let change = |kind, what, gained, before| {
        Some(Change { contract: write.address, kind, what, gained, before, call: None, slot: Some(write.slot) })
    };
    let before = address_in(write.old);
    if let Some((_, what)) = standard {
        return change(Kind::Code, *what, new, before);
    }
    if write.slot == ADMIN_SLOT {
        return change(Kind::Owner, "proxy admin changed", new, Some(before.unwrap_or_default()));
    }
    if let (Some(old), Some(_)) = (before, new)
        && running.get_or_insert_with(|| run_by_others(seen)).contains(&(write.address, old))
    {
        return change(Kind::SilentCode, "pointer to the running code changed without an event", new, before);
    }
    if write.slot < PLAIN_SLOTS {
        let (actor, replaced) = taken_by_actor(seen, write)?;
        return change(
            Kind::Variable,
            "a variable now names the sender or a contract of his",
            Some(actor),
            Some(replaced),
        );
    }
    None
}

/// The actor that `write` puts into a plain variable, and the address that stood there (zero for none). Flags may be
/// packed below the address.
fn taken_by_actor(seen: &Seen<'_>, write: &StorageWrite) -> Option<(Address, Address)> {
    if write.new < SMALLEST_ADDRESS {
        return None;
    }
    for shift in [0_usize, 8, 16] {
        let (new, old) = (low_address(write.new.wrapping_shr(shift)), low_address(write.old.wrapping_shr(shift)));
        if new != old && seen.is_actor(new) {
            let replaced = U256::from_be_slice(old.as_slice()) >= SMALLEST_ADDRESS;
            return Some((new, if replaced { old } else { Address::ZERO }));
        }
    }
    None
}

/// The address that fills a word alone; `None` for numbers.
pub(super) fn address_in(word: U256) -> Option<Address> {
    (word >= SMALLEST_ADDRESS && word.bit_len() <= 160).then(|| low_address(word))
}

/// The low 160 bits of a word.
pub(super) fn low_address(word: U256) -> Address {
    Address::from_word(word.into())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;

    use super::*;

    #[test]
    fn the_slots_are_those_of_the_standards() {
        let hash = |text: &str| U256::from_be_bytes(keccak256(text).0);
        let eip1967 = |text: &str| hash(text).wrapping_sub(U256::ONE);
        assert_eq!(CODE_SLOTS[0].0, eip1967("eip1967.proxy.implementation"));
        assert_eq!(CODE_SLOTS[1].0, eip1967("eip1967.proxy.beacon"));
        assert_eq!(ADMIN_SLOT, eip1967("eip1967.proxy.admin"));
        assert_eq!(CODE_SLOTS[2].0, hash("org.zeppelinos.proxy.implementation"));
        assert_eq!(CODE_SLOTS[3].0, hash("PROXIABLE"));
    }

    #[test]
    fn numbers_are_no_addresses() {
        assert_eq!(address_in(U256::from(1_700_000_000_u64)), None);
        assert_eq!(address_in(U256::MAX), None);
        let address = Address::repeat_byte(0xab);
        assert_eq!(address_in(U256::from_be_slice(address.as_slice())), Some(address));
    }
}
