//! Any bytes as a learnt file: it is refused in one line of words, or it is the same again after it was written and read.
#![no_main]

use cofferdam_detect::behaviour::Learnt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Learnt::parse(bytes) {
        Ok(learnt) => {
            let written = learnt.write();
            let again = Learnt::parse(written.as_bytes()).expect("what was written can be read");
            assert!(again.is_as_written());
            assert_eq!(again.write(), written);
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
