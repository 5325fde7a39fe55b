//! Any bytes as evidence: only what was exported holds, to the byte.
#![no_main]

use cofferdam_incident::verify_bundle;
use libfuzzer_sys::fuzz_target;

/// What `incident export` wrote: a whole record, and one incident of a longer one.
const EXPORTED: [&[u8]; 2] =
    [include_bytes!("../seeds/bundle/whole.jsonl"), include_bytes!("../seeds/bundle/incident.jsonl")];

fuzz_target!(|bytes: &[u8]| {
    match verify_bundle(bytes, None) {
        Ok(verified) => assert!(EXPORTED.contains(&bytes), "holds, and nobody exported it: {verified:?}"),
        Err(error) => assert!(!EXPORTED.contains(&bytes), "was exported and does not hold: {error}"),
    }
});
