//! The hash chain: what exactly is hashed, and how one event is tied to the one before.
//!
//! ```text
//! digest = sha256(canonical JSON of {at, event, incident, sequence})
//! hash   = sha256(previous hash || digest)          the first previous hash names the format and the chain
//! ```
//!
//! The digest stands between so that an export may leave out the *content* of events that are not its business and
//! still be checked up to the head. Must never change: old records would not verify any more.

use alloy_primitives::B256;
use cofferdam_types::{BlockRef, ChainId, Event, IncidentId, UnixMillis};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::canonical::{self, CanonicalError};

/// Name of the format, hashed into every chain and written into every export.
pub(crate) const FORMAT: &str = "cofferdam-record/1";

/// One event with everything that is hashed with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// When, by the clock of the process that wrote it.
    pub(crate) at: UnixMillis,
    /// What.
    pub(crate) event: Event,
    /// To which incident it belongs, if to any.
    pub(crate) incident: Option<IncidentId>,
    /// Its place, counted from 1 without gaps.
    pub(crate) sequence: u64,
}

/// The text that is hashed for an event whose own canonical text is `event`.
///
/// # Errors
/// [`CanonicalError`]: none of the other parts can cause one.
pub(crate) fn text(
    at: UnixMillis,
    event: &str,
    incident: Option<&IncidentId>,
    sequence: u64,
) -> Result<String, CanonicalError> {
    let (at, sequence) = (canonical::to_text(&at)?, canonical::to_text(&sequence)?);
    let incident = canonical::to_text(&incident)?;
    Ok(format!(r#"{{"at":{at},"event":{event},"incident":{incident},"sequence":{sequence}}}"#))
}

/// Hash of the text of an event.
pub(crate) fn digest(text: &str) -> B256 {
    sha256([text.as_bytes()])
}

/// What the first event of a chain's record is tied to.
pub(crate) fn genesis(chain: ChainId) -> B256 {
    sha256([format!("{FORMAT} chain {chain}").as_bytes()])
}

/// Ties an event's digest to the hash of the event before.
pub(crate) fn tie(previous: B256, digest: B256) -> B256 {
    sha256([previous.as_slice(), digest.as_slice()])
}

/// Guards the checkpoint against a flipped bit; it changes too often to be an event of its own.
pub(crate) fn checkpoint_seal(tip: BlockRef) -> B256 {
    sha256([b"checkpoint".as_slice(), &tip.number.0.to_be_bytes(), tip.hash.as_slice()])
}

fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> B256 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    B256::from_slice(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_known_event_never_changes() {
        let event = Event::Started { version: "0.1.0".into(), chain_id: 1, configuration: B256::ZERO };
        let record = Record { at: UnixMillis(5), event, incident: None, sequence: 1 };
        let text = canonical::to_text(&record).unwrap();
        let event = canonical::to_text(&record.event).unwrap();
        assert_eq!(text, super::text(record.at, &event, None, 1).unwrap());
        assert_eq!(
            text,
            format!(
                r#"{{"at":5,"event":{{"chain_id":1,"configuration":"{}","type":"started","version":"0.1.0"}},"incident":null,"sequence":1}}"#,
                B256::ZERO
            )
        );
        // `printf 'cofferdam-record/1 chain 1' | sha256sum`, and so on: reproducible with no code of ours.
        let hash = tie(genesis(ChainId(1)), digest(&text));
        assert_eq!(hash.to_string(), "0x5c2dab341ce17a4e77183be5f794ae91bbd579fbecd13eb7efcd0c73a591b1c4");
    }
}
