//! The pages that people read keep the shape that was agreed.

use crate::files::{read, sources};
use crate::none;

#[test]
fn every_decision_says_what_got_worse_and_what_guards_it() {
    let index = read("docs/adr/README.md");
    let mut incomplete = Vec::new();
    let pages = sources(&["md"]).into_iter();
    for page in pages.filter(|page| page.path.starts_with("docs/adr/0")) {
        for part in ["## Context", "## Decision", "## What got worse", "## Check"] {
            if !page.text.contains(part) {
                incomplete.push(format!("{}: no `{part}`", page.path));
            }
        }
        let name = page.path.trim_start_matches("docs/adr/");
        if !index.contains(name) {
            incomplete.push(format!("{}: not in docs/adr/README.md", page.path));
        }
    }
    none("a decision record has four parts and a line in the index", incomplete);
}

#[test]
fn the_architecture_page_can_be_read_in_one_sitting() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines <= 200, "ARCHITECTURE.md has {lines} lines, more than 200");
}

#[test]
fn the_readme_gives_two_commands_and_ci_runs_both() {
    let readme = read("README.md");
    let commands: Vec<_> = code_blocks(&readme, "sh").flat_map(str::lines).filter(|line| !line.is_empty()).collect();
    assert_eq!(commands.len(), 2, "the commands of the README are {commands:?}");
    let ci = read(".ci/run");
    let unrun = commands.into_iter().filter(|command| !ci.contains(command));
    none("a command of the README is run by .ci/run", unrun.map(str::to_owned).collect());
}

/// The contents of the fenced blocks of `page` in `language`.
fn code_blocks<'a>(page: &'a str, language: &'a str) -> impl Iterator<Item = &'a str> {
    let fence = "```";
    page.split(fence).skip(1).step_by(2).filter_map(move |block| block.strip_prefix(language)?.strip_prefix('\n'))
}
