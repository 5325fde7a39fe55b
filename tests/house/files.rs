//! The files of the project that people write, as text.

use std::fs;
use std::path::{Path, PathBuf};

/// A file and its path from the root of the project.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Folders that tools fill.
const NOT_OURS: [&str; 6] = ["target", "node_modules", ".git", "artifacts", "corpus", "cache"];

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("this crate lies in the project").to_owned()
}

/// The text of the file at `path` from the root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files with one of the `extensions`, sorted by path; never none.
pub(crate) fn sources(extensions: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root(), extensions, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no file ends with any of {extensions:?}: the walk is broken");
    found
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of the project can be listed") {
        let path = entry.expect("an entry of the project can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("names in the project are UTF-8");
        if path.is_dir() && !NOT_OURS.contains(&name) {
            collect(&path, extensions, found);
        } else if path.is_file() && path.extension().is_some_and(|end| extensions.iter().any(|wanted| end == *wanted)) {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let short = path.strip_prefix(root()).expect("the walk began at the root");
            found.push(Source { path: short.display().to_string(), text });
        }
    }
}
