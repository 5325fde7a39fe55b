//! Any bytes as a case: it is refused in words, or it is the same case again after it was written and read.
#![no_main]

use cofferdam_chain::case::Case;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    match Case::parse(bytes) {
        Ok(case) => {
            let again = Case::parse(&case.pack().expect("a case can be packed")).expect("what was written can be read");
            assert_eq!(again, case);
            Corpus::Keep
        }
        Err(detail) => {
            assert!(!detail.is_empty());
            Corpus::Keep
        }
    }
});
