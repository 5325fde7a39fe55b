//! What a run has finished, on disk: one line of JSON for each track, so that a killed run goes on where it was.
//!
//! The first line names the plan; another plan is refused and never mixed in. A last line that was not written whole is
//! cut off; any other line that cannot be read is an error, since counts would be missing.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use cofferdam_types::primitives::B256;
use serde::{Deserialize, Serialize};

use super::Part;

/// The only format there is.
const FORMAT: &str = "cofferdam-backtest/1";

/// A run file, open for more. See the module.
#[derive(Debug)]
pub struct RunFile {
    path: PathBuf,
    file: File,
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    plan: B256,
    tracks: usize,
}

#[derive(Serialize, Deserialize)]
struct Row<P> {
    track: usize,
    part: P,
}

impl RunFile {
    /// Opens or creates the file of the run of `plan`, which has `tracks`, with the parts that it holds.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong: it cannot be opened, is of another run, or is damaged.
    pub fn open(path: &Path, plan: B256, tracks: usize) -> Result<(Self, BTreeMap<usize, Part>), String> {
        let failed = |what: &dyn std::fmt::Display| format!("`{}`: {what}", path.display());
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| failed(&error))?;
        let mut reader = BufReader::new(&file);
        let mut done = BTreeMap::new();
        let (mut whole, mut number) = (0_u64, 0_u64);
        let mut line = String::new();
        loop {
            line.clear();
            let read = reader.read_line(&mut line).map_err(|error| failed(&error))?;
            if read == 0 || !line.ends_with('\n') {
                break;
            }
            number = number.saturating_add(1);
            if number == 1 {
                let head = serde_json::from_str(&line);
                let head = head.map_err(|error| failed(&format!("is no run file: line 1: {error}")))?;
                check(&head, plan, tracks).map_err(|reason| failed(&reason))?;
            } else {
                let row: Row<Part> =
                    serde_json::from_str(&line).map_err(|error| failed(&format!("line {number}: {error}")))?;
                let Row { track, part } = row;
                if track >= tracks || done.insert(track, part).is_some() {
                    return Err(failed(&format!("line {number}: track {track} is not of this run, or stands twice")));
                }
            }
            whole = whole.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
        let head = Head { format: FORMAT.to_owned(), plan, tracks };
        let begun = serde_json::to_string(&head).map_err(|error| failed(&error))?;
        if number == 0 && !begun.starts_with(&line) {
            return Err(failed(&"is no run file: it has no whole line"));
        }
        let mut opened = Self { path: path.to_owned(), file };
        opened.file.set_len(whole).map_err(|error| failed(&error))?;
        opened.file.seek(SeekFrom::End(0)).map_err(|error| failed(&error))?;
        if number == 0 {
            opened.line(&head)?;
        }
        Ok((opened, done))
    }

    /// Keeps the part of one track, durably.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn keep(&mut self, track: usize, part: &Part) -> Result<(), String> {
        self.line(&Row { track, part })
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), String> {
        let mut text = serde_json::to_vec(value).map_err(|error| format!("`{}`: {error}", self.path.display()))?;
        text.push(b'\n');
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        written.map_err(|error| format!("`{}`: {error}", self.path.display()))
    }
}

fn check(head: &Head, plan: B256, tracks: usize) -> Result<(), String> {
    if head.format != FORMAT {
        return Err(format!("`format`: {:.40?}, expected {FORMAT:?}", head.format));
    }
    if head.plan != plan || head.tracks != tracks {
        return Err(
            "is of another run: other blocks or cases, another configuration, other options or another version \
                    of the program; name a new file"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::fs;

    use super::*;

    fn part(blocks: u64) -> Part {
        let mut part = Part::default();
        part.ordinary.blocks = blocks;
        part.times.add(blocks);
        part
    }

    #[test]
    fn a_run_goes_on_where_it_was_killed_even_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        let plan = B256::repeat_byte(1);
        let (mut file, done) = RunFile::open(&path, plan, 9).unwrap();
        assert!(done.is_empty());
        (0..3).for_each(|track| file.keep(track, &part(7)).unwrap());
        drop(file);
        let text = fs::read(&path).unwrap();
        let second_last = text.iter().rev().skip(1).position(|byte| *byte == b'\n').unwrap();
        for cut in 1..second_last {
            fs::write(&path, &text[..text.len().saturating_sub(cut)]).unwrap();
            let (mut file, done) = RunFile::open(&path, plan, 9).unwrap();
            assert_eq!(done.keys().copied().collect::<Vec<_>>(), [0, 1], "{cut} bytes short");
            file.keep(2, &part(7)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), text);
        }
    }

    #[test]
    fn what_is_of_another_run_or_damaged_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        let plan = B256::repeat_byte(1);
        let (mut file, _) = RunFile::open(&path, plan, 2).unwrap();
        file.keep(0, &part(1)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let refused = |plan, tracks| RunFile::open(&path, plan, tracks).unwrap_err();
        assert!(refused(B256::repeat_byte(2), 2).contains("another run"));
        assert!(refused(plan, 3).contains("another run"));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        for (damaged, word) in [
            ("[modules]\n".to_owned(), "no run file"),
            ("somebody's notes".to_owned(), "no whole line"),
            (text.replace("-backtest/1", "-backtest/2"), "`format`"),
            (text.replace("\"track\":0", "\"track\":5"), "track 5"),
            (format!("{text}{}", text.lines().next_back().unwrap().to_owned() + "\n"), "twice"),
            (text.replace("\"blocks\":1", "\"blocks\":-1"), "line 2"),
        ] {
            fs::write(&path, &damaged).unwrap();
            let said = refused(plan, 2);
            assert!(said.contains(word) && said.contains("run.jsonl"), "{said}");
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
        }
    }
}
