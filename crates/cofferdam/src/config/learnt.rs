//! The learnt file that a configuration names: read with a bound, of the right chain and modules.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use cofferdam_detect::behaviour::{Learnt, MOST_BYTES};
use cofferdam_detect::{Detection, Settings};
use cofferdam_types::{ChainId, Watchlist};

use super::Mistake;

/// Reads the file, and holds it against what is guarded.
///
/// # Errors
/// What is wrong with it, said of the field that names it.
pub(super) fn load(path: &Path, chain: ChainId, watch: &Arc<Watchlist>) -> Result<Arc<Learnt>, Mistake> {
    let wrong = |reason: String| Mistake::new("detectors.learnt", reason).seeing(path.display());
    let learnt = read(path).map_err(wrong)?;
    learnt.check_chain(chain).map_err(|error| wrong(error.to_string()))?;
    let learnt = Arc::new(learnt);
    let alone = Settings { learnt: Some(learnt.clone()), ..Settings::default() };
    Detection::new(watch.clone(), &alone).map_err(|error| wrong(error.to_string()))?;
    Ok(learnt)
}

fn read(path: &Path) -> Result<Learnt, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    Learnt::parse(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::take;

    const HEAD: &str = "
[chain]
id = 31337
[[endpoint]]
name = 'a'
url = 'ws://127.0.0.1:8545'
[record]
database = 'cofferdam.db'
[[module]]
id = 'vault'
contracts = ['0x00000000000000000000000000000000000000aa']
";

    fn mistakes(folder: &Path, text: &str) -> Vec<String> {
        let taken = take(&format!("{HEAD}{text}"), folder, &|_| None);
        taken.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_learnt_file_that_cannot_be_used_is_told_at_its_field() {
        let folder = tempfile::tempdir().unwrap();
        let named = "[detectors]\nlearnt = 'learnt.toml'\n";
        let found = mistakes(folder.path(), named);
        assert!(found.len() == 1 && found[0].contains("detectors.learnt: ") && found[0].contains("cannot be read"));
        let chain = |id: u64| {
            let text = format!("format = 'cofferdam-learnt/1'\nchain_id = {id}\nfirst_block = 1\nlast_block = 2\n");
            std::fs::write(folder.path().join("learnt.toml"), text).unwrap();
            mistakes(folder.path(), named)
        };
        assert_eq!(chain(31_337), Vec::<String>::new());
        let found = chain(1);
        assert!(found[0].contains("`chain_id` is `1`, expected 31337"), "{found:?}");
    }

    #[test]
    fn declared_maintenance_is_checked_and_named_with_its_place() {
        let declared = "[[maintenance]]\nmodules = ['vault']\nsender = '0x00000000000000000000000000000000000000ab'\n\
            calls = [{ target = '0x00000000000000000000000000000000000000aa', selector = '0x3659cfe6' }]\n\
            from = '2026-11-23T10:00Z'\nuntil = '2026-11-23T12:00Z'\nowner = 'Ann'\nreason = 'upgrade'\n";
        let folder = Path::new("");
        assert_eq!(mistakes(folder, declared), Vec::<String>::new());
        for (from, to, part) in [
            ("'vault'", "'vaults'", "maintenance[0]: settings for module `vaults`"),
            ("T12:00Z", "T09:00Z", "maintenance[0]: declared maintenance: `until` is 2026-11-23T09:00Z, which is not"),
            ("T12:00Z", "", "maintenance[0].until: `2026-11-23`: expected a minute, UTC: 2026-12-31T09:30Z"),
            ("'0x3659cfe6'", "'upgrade'", "maintenance[0].calls[0].selector: `upgrade`: expected a selector"),
        ] {
            let found = mistakes(folder, &declared.replace(from, to));
            assert!(found.iter().any(|mistake| mistake.contains(part)), "{to}: {found:?}");
        }
    }
}
