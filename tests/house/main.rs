//! The house rules, so that nobody has to remember them. Each test names every place that breaks its rule.

mod files;
mod pages;
mod rooms;

use files::{Source, sources};

/// Collects `path: reason` lines and fails with all of them at once.
fn none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = sources(&["rs"]).into_iter().filter(|source| !source.text.starts_with("//! "));
    none("a file must open with `//!`", silent.map(|source| source.path).collect());
}

#[test]
fn every_open_task_names_its_issue() {
    // In two parts, or this file would break the rule.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut bare = Vec::new();
    for Source { path, text } in sources(&["rs", "sol", "toml", "md", "mjs", "sh"]) {
        for (number, line) in (1..).zip(text.lines()) {
            if marks.iter().any(|mark| names_no_issue(line, mark)) {
                bare.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    none("an open task is written `(#123)` after its mark", bare);
}

/// Whether `line` carries `mark` as a word of its own without an issue number.
fn names_no_issue(line: &str, mark: &str) -> bool {
    line.split(mark).skip(1).zip(line.split(mark)).any(|(after, before)| {
        let is_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '`')
            && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '`');
        let issue = after.strip_prefix("(#").and_then(|rest| rest.split(')').next());
        is_word && !issue.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[test]
fn lock_files_name_no_registry() {
    let locks = sources(&["json"]).into_iter().filter(|source| source.path.ends_with("package-lock.json"));
    let naming = locks.filter(|source| source.text.contains("\"resolved\""));
    none("`resolved` ties a lock file to one registry", naming.map(|source| source.path).collect());
}

#[test]
fn the_rule_about_open_tasks_sees_what_it_should() {
    let mark = concat!("TO", "DO");
    assert!(names_no_issue(&format!("// {mark}: later"), mark));
    assert!(names_no_issue(&format!("// {mark}(me): later"), mark));
    assert!(!names_no_issue(&format!("// {mark}(#12): later"), mark));
    assert!(!names_no_issue("// to do later", mark));
}
