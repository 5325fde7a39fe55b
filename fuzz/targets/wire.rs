//! Any text as the answer of a node: parsing returns, and what it makes of an answer does not depend on the space around it.
#![no_main]

use cofferdam_chain::kinds_that_accept;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let accepted = kinds_that_accept(text);
    assert_eq!(accepted, kinds_that_accept(&format!("\n {text}\t\r\n")), "space around JSON means nothing");
    if accepted > 0 {
        assert_eq!(kinds_that_accept(&format!("{text},")), 0, "an answer ends where its JSON ends");
    }
});
