//! Any bytes as limits: they are refused in words, or they are the limits of exactly these bytes, with a remark or without.
#![no_main]

use cofferdam_respond::Limits;
use cofferdam_types::primitives::keccak256;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Limits::parse_all(bytes) {
        Ok(limits) => {
            assert_eq!(limits.hash(), keccak256(bytes));
            let remarked = Limits::parse(&[bytes, b"\n# a remark"].concat()).expect("a remark changes nothing");
            assert_ne!(remarked.hash(), limits.hash());
        }
        Err(wrong) => {
            assert!(!wrong.is_empty());
            assert!(wrong.iter().all(|wrong| !wrong.error.to_string().contains('\n')), "{wrong:?}");
            assert!(Limits::parse(bytes).is_err());
        }
    }
});
