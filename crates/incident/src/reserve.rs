//! Space set aside on the disk of the record, so that an emergency can still be written when the disk is full.
//!
//! A file of known size lies next to the database. When a write finds no space the file is deleted and the write is
//! tried again; when space returns the file is made again. Must never hold back the record: failing to make the file
//! is reported, not fatal.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

const MIB: u64 = 1024 * 1024;

/// The file, and whether it is there.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// A reserve of `mebibytes` next to `database`; not yet made.
    pub(crate) fn beside(database: &Path, mebibytes: u32) -> Self {
        let mut name = database.file_name().map_or_else(OsString::new, OsString::from);
        name.push(".reserve");
        Self { path: database.with_file_name(name), bytes: u64::from(mebibytes).saturating_mul(MIB), held: false }
    }

    /// Whether the space is set aside. Always true for a reserve of size zero: nothing is missing.
    pub(crate) const fn is_held(&self) -> bool {
        self.held || self.bytes == 0
    }

    /// Makes the file, or finds it whole.
    ///
    /// # Errors
    /// What the file system says; no part of the file is left then.
    pub(crate) fn hold(&mut self) -> io::Result<()> {
        if self.is_held() {
            return Ok(());
        }
        let made = self.allocate();
        if made.is_err() {
            remove_if_there(&self.path)?;
        }
        self.held = made.is_ok();
        made
    }

    /// Makes the file again if the disk has room for it twice over, so that it does not fill the disk itself.
    pub(crate) fn regain(&mut self) {
        if self.is_held() || self.free_bytes().is_none_or(|free| free < self.bytes.saturating_mul(2)) {
            return;
        }
        match self.hold() {
            Ok(()) => tracing::info!(bytes = self.bytes, "space for the record is set aside again"),
            Err(error) => tracing::warn!(%error, "space for the record cannot be set aside yet"),
        }
    }

    /// Gives the space back to the disk. True when there was any to give.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn release(&mut self) -> io::Result<bool> {
        if !self.held {
            return Ok(false);
        }
        // Cut to nothing first: some file systems free the blocks of a deleted file late.
        OpenOptions::new().write(true).truncate(true).open(&self.path)?;
        remove_if_there(&self.path)?;
        self.held = false;
        Ok(true)
    }

    fn allocate(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
            Ok(()) => file.set_len(self.bytes)?,
            // Not every file system can; there, blocks are claimed by writing them.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                self.fill(&mut file)?;
            }
            Err(error) => return Err(error.into()),
        }
        file.sync_all()
    }

    fn fill(&self, file: &mut File) -> io::Result<()> {
        let zeros = vec![0_u8; 64 * 1024];
        for _ in 0..self.bytes / (64 * 1024) {
            file.write_all(&zeros)?;
        }
        Ok(())
    }

    fn free_bytes(&self) -> Option<u64> {
        let disk =
            statvfs(self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        disk.ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_space_is_really_claimed_and_really_given_back() {
        use std::os::unix::fs::MetadataExt as _;

        let folder = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::beside(&folder.path().join("record.db"), 2);
        reserve.hold().unwrap();
        let file = folder.path().join("record.db.reserve");
        assert_eq!(fs::metadata(&file).unwrap().len(), 2 * MIB);
        assert!(fs::metadata(&file).unwrap().blocks() * 512 >= 2 * MIB);
        assert!(reserve.release().unwrap());
        assert!(!file.exists() && !reserve.is_held());
        assert!(!reserve.release().unwrap(), "it can be given only once");
        reserve.regain();
        assert!(reserve.is_held());
    }
}
