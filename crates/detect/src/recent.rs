//! What happened lately, per key: counts and sums over a sliding time, bounded, and taken back exactly with the block that
//! brought it.

use std::{collections::VecDeque, hash::Hash};

use alloy_primitives::map::{Entry, HashMap};

/// Keys remembered at a time; later ones are not noted, so that strangers cannot fill the memory.
const MOST_KEYS: usize = 16_384;

/// Notes remembered per key.
const MOST_NOTES: usize = 1_024;

/// Notes with a value, each at a time (Unix seconds, never falling).
#[derive(Clone, Debug)]
pub(crate) struct Recent<K, V = u64> {
    keep_seconds: u64,
    notes: HashMap<K, VecDeque<(u64, V)>>,
    /// Times and keys of notes that can no longer be taken back, oldest first.
    settled: VecDeque<(u64, Vec<K>)>,
}

/// How many notes there are, and what they add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Notes.
    pub count: u64,
    /// Sum of their values, saturating.
    pub sum: u64,
}

impl<K: Copy + Eq + Hash, V: Copy> Recent<K, V> {
    pub(crate) fn new(keep_seconds: u64) -> Self {
        Self { keep_seconds, notes: HashMap::default(), settled: VecDeque::new() }
    }

    /// Notes `value` for `key`; false when there is no room.
    pub(crate) fn note(&mut self, key: K, time: u64, value: V) -> bool {
        let room = self.notes.len() < MOST_KEYS;
        match self.notes.entry(key) {
            Entry::Occupied(mut notes) if notes.get().len() < MOST_NOTES => notes.get_mut().push_back((time, value)),
            Entry::Vacant(vacant) if room => {
                vacant.insert(VecDeque::from([(time, value)]));
            }
            Entry::Occupied(_) | Entry::Vacant(_) => return false,
        }
        true
    }

    /// Drops the latest note of `key`.
    pub(crate) fn take_back(&mut self, key: K) {
        self.change(key, |notes| {
            notes.pop_back();
        });
    }

    /// Notes of `keys` at `time` can no longer be taken back; those that are older than what is kept go.
    pub(crate) fn settle(&mut self, time: u64, keys: Vec<K>) {
        if !keys.is_empty() {
            self.settled.push_back((time, keys));
        }
        let ended = time.saturating_sub(self.keep_seconds);
        while let Some((at, _)) = self.settled.front()
            && *at < ended
        {
            let Some((at, keys)) = self.settled.pop_front() else { return };
            for key in keys {
                self.change(key, |notes| notes.retain(|(noted, _)| *noted > at));
            }
        }
    }

    /// What was noted for `key` from `since` up to and without `until` (Unix seconds), oldest first.
    pub(crate) fn within(&self, key: K, since: u64, until: u64) -> impl DoubleEndedIterator<Item = &V> {
        let notes = self.notes.get(&key);
        let within = notes.map(|notes| {
            let from = notes.partition_point(|(time, _)| *time < since);
            let to = notes.partition_point(|(time, _)| *time < until);
            notes.range(from..to.max(from))
        });
        within.into_iter().flatten().map(|(_, value)| value)
    }

    /// When the oldest note of `key` from `since` on was made (Unix seconds).
    pub(crate) fn oldest(&self, key: K, since: u64) -> Option<u64> {
        let notes = self.notes.get(&key)?;
        notes.get(notes.partition_point(|(time, _)| *time < since)).map(|(time, _)| *time)
    }

    /// How many notes there are of `key` in that time, and what `value` makes of them, added up.
    pub(crate) fn tally(&self, key: K, since: u64, until: u64, value: impl Fn(&V) -> u64) -> Tally {
        self.within(key, since, until).fold(Tally::default(), |tally, noted| Tally {
            count: tally.count.saturating_add(1),
            sum: tally.sum.saturating_add(value(noted)),
        })
    }

    /// Whether nothing is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// How many keys are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.notes.len()
    }

    fn change(&mut self, key: K, change: impl FnOnce(&mut VecDeque<(u64, V)>)) {
        if let Entry::Occupied(mut notes) = self.notes.entry(key) {
            change(notes.get_mut());
            if notes.get().is_empty() {
                notes.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_covers_its_time_and_nothing_else() {
        let mut recent = Recent::new(100);
        for (time, value) in [(10, 1), (20, 2), (20, 4), (30, 8)] {
            assert!(recent.note(7, time, value));
        }
        assert_eq!(recent.tally(7, 20, 30, |value| *value), Tally { count: 2, sum: 6 });
        assert_eq!(recent.tally(7, 0, u64::MAX, |value| *value), Tally { count: 4, sum: 15 });
        assert_eq!(recent.tally(7, 31, 5, |value| *value), Tally::default(), "a time that ends before it begins");
        recent.take_back(7);
        assert_eq!(recent.tally(7, 0, u64::MAX, |value| *value).sum, 7);
    }

    #[test]
    fn what_is_older_than_what_is_kept_goes_and_memory_is_bounded() {
        let mut recent = Recent::new(100);
        for time in 0..1_000 {
            recent.note(time, time, 1);
            recent.settle(time, vec![time]);
        }
        assert!(recent.len() <= 101);
        let mut full = Recent::new(100);
        assert!((0..).take(MOST_KEYS).all(|key| full.note(key, 1, 1)));
        assert!(!full.note(usize::MAX, 1, 1));
        assert!((1..MOST_NOTES).all(|_| full.note(0, 1, 1)) && !full.note(0, 1, 1));
    }
}
