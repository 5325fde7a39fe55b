//! Any text as a configuration: it is taken, or each mistake has a sentence and a line that exists, and nothing that
//! looks like a key is repeated.
#![no_main]

use cofferdam::config;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|text: &str| -> Corpus {
    // Files that a configuration names are opened: nothing that never ends is to be among them.
    if text.contains("dev") || text.contains("proc") {
        return Corpus::Reject;
    }
    let mistakes = config::mistakes_in(text, &|_| None);
    let lines = text.split('\n').count();
    for mistake in mistakes {
        assert!(!mistake.expected.is_empty());
        assert!(mistake.line.is_none_or(|line| mistake.file.is_some() || (1..=lines).contains(&line)), "{mistake}");
        let shown = mistake.to_string();
        let longest = shown.split(|character: char| !character.is_ascii_hexdigit()).map(str::len).max();
        assert!(longest != Some(64), "a key may be in {shown}");
    }
    Corpus::Keep
});
