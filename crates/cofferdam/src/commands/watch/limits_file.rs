//! The limits file while a watch runs: what people write into it holds at once, and a file that cannot be used changes
//! nothing.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::SystemTime;

use cofferdam_respond::{Limits, LimitsError, SetupError};
use cofferdam_types::OperatorAlert;
use cofferdam_types::primitives::B256;

/// The file and what is known of it.
#[derive(Debug)]
pub(super) struct LimitsFile {
    path: PathBuf,
    /// What it looked like when it was read last; `None` where it could not be looked at.
    seen: Option<Stamp>,
    /// Keccak of the file whose limits hold.
    holds: B256,
    /// What names them.
    by: B256,
    /// What was wrong with it, as told.
    told: Option<String>,
}

/// Changes whenever the file does, also when another one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    changed: (i64, i64),
    length: u64,
    inode: u64,
}

impl LimitsFile {
    /// The file at `path`, from which `holds` was read. It may have changed since.
    pub(super) const fn new(path: PathBuf, holds: &Limits) -> Self {
        Self { path, seen: None, holds: holds.file_hash(), by: holds.hash(), told: None }
    }

    /// Looks whether the file has changed, hands what it says to `take`, and returns what people must be told.
    pub(super) fn look(&mut self, take: impl FnOnce(Limits) -> Result<(), SetupError>) -> Option<OperatorAlert> {
        let stamp = self.stamp();
        if stamp.is_some() && stamp == self.seen {
            return None;
        }
        let read = Limits::load(&self.path);
        if self.stamp() != stamp {
            // Somebody is writing: at the next look it is whole.
            return None;
        }
        self.seen = stamp;
        let taken = match read {
            Ok(limits) if limits.file_hash() == self.holds => Ok(None),
            Ok(limits) => {
                let names = (limits.file_hash(), limits.hash());
                take(limits).map(|()| Some(names)).map_err(|error| error.to_string())
            }
            Err(error) => Err(unusable(&error)),
        };
        match taken {
            Ok(changed) => {
                let mended = self.told.take().is_some();
                (self.holds, self.by) = changed.unwrap_or((self.holds, self.by));
                (mended || changed.is_some()).then_some(OperatorAlert::LimitsChanged { by: self.by })
            }
            Err(reason) if self.told.as_ref() == Some(&reason) => None,
            Err(reason) => {
                self.told = Some(reason.clone());
                Some(OperatorAlert::LimitsUnusable { reason })
            }
        }
    }

    fn stamp(&self) -> Option<Stamp> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        Some(Stamp {
            modified: metadata.modified().ok(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            length: metadata.len(),
            inode: metadata.ino(),
        })
    }
}

fn unusable(error: &LimitsError) -> String {
    if matches!(error, LimitsError::Unreadable { .. }) {
        // The likeliest wish of who takes the file away, said in the words that grant it.
        return format!("{error}; to switch the machine off write `enabled = false` into it");
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// Looks, and says what was told and what was taken over.
    fn look(file: &mut LimitsFile) -> (Option<OperatorAlert>, Option<B256>) {
        let mut taken = None;
        let told = file.look(|limits| {
            taken = Some(limits.hash());
            Ok(())
        });
        (told, taken)
    }

    #[test]
    fn a_change_holds_at_once_and_a_file_that_cannot_be_used_changes_nothing_and_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("limits.toml");
        std::fs::write(&path, "enabled = true").unwrap();
        let first = Limits::load(&path).unwrap();
        let mut file = LimitsFile::new(path.clone(), &first);
        assert_eq!(look(&mut file), (None, None));

        std::fs::write(&path, "enabled = false").unwrap();
        let second = Limits::load(&path).unwrap().hash();
        assert_eq!(look(&mut file), (Some(OperatorAlert::LimitsChanged { by: second }), Some(second)));
        assert_eq!(look(&mut file), (None, None));

        std::fs::write(&path, "enabled = perhaps").unwrap();
        let (told, taken) = look(&mut file);
        assert!(matches!(told, Some(OperatorAlert::LimitsUnusable { .. })) && taken.is_none(), "{told:?}");
        assert_eq!(look(&mut file), (None, None));
        std::fs::remove_file(&path).unwrap();
        let (told, _) = look(&mut file);
        let Some(OperatorAlert::LimitsUnusable { reason }) = told else { panic!("{told:?}") };
        assert!(reason.contains("enabled = false"), "{reason}");
        assert_eq!(look(&mut file), (None, None));

        std::fs::write(&path, "enabled = false").unwrap();
        assert_eq!(look(&mut file), (Some(OperatorAlert::LimitsChanged { by: second }), None), "it is well again");
        std::fs::write(&path, "enabled = true").unwrap();
        assert!(matches!(look(&mut file), (Some(OperatorAlert::LimitsChanged { .. }), Some(_))));
    }

    #[test]
    fn signatures_and_a_revocation_below_the_same_terms_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("envelope.toml");
        let terms = "enabled = true\n[envelope]\nprotocol = 'drill'\nchain_id = 1\nserial = 1\n";
        std::fs::write(&path, terms).unwrap();
        let first = Limits::load(&path).unwrap();
        let mut file = LimitsFile::new(path.clone(), &first);
        assert_eq!(look(&mut file), (None, None));
        let entry = "[revoked]\nsigner = '0x00000000000000000000000000000000000000aa'\nsignature = '0x00'\n";
        std::fs::write(&path, format!("{terms}{entry}")).unwrap();
        let (told, taken) = look(&mut file);
        assert_eq!(taken, Some(first.hash()), "the terms are the same, and yet it is another file");
        assert_eq!(told, Some(OperatorAlert::LimitsChanged { by: first.hash() }));
    }

    #[test]
    fn another_file_in_its_place_of_the_same_length_and_time_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("limits.toml"), folder.path().join("other"));
        std::fs::write(&path, "enabled = true ").unwrap();
        let mut file = LimitsFile::new(path.clone(), &Limits::load(&path).unwrap());
        assert_eq!(look(&mut file), (None, None));
        std::fs::write(&other, "enabled = false").unwrap();
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::File::open(&other).unwrap().set_modified(time).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(matches!(look(&mut file), (Some(OperatorAlert::LimitsChanged { .. }), Some(_))));
    }

    #[test]
    fn limits_that_do_not_fit_the_levers_are_told_and_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("limits.toml");
        std::fs::write(&path, "enabled = true").unwrap();
        let mut file = LimitsFile::new(path.clone(), &Limits::load(&path).unwrap());
        std::fs::write(&path, "enabled = true # and more").unwrap();
        let told = file.look(|_| Err(SetupError::Limits(LimitsError::Unknown { subject: "vualt".to_owned() })));
        assert!(matches!(told, Some(OperatorAlert::LimitsUnusable { reason }) if reason.contains("vualt")));
        assert!(matches!(look(&mut file), (None, None)), "told once; a new look needs a new file");
    }
}
