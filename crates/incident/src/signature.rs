//! Whether a message that came in was signed by whom it says. The secret is shared; comparison takes the same time
//! whatever is wrong.
//!
//! Must never say what is wrong with a signature, nor show a secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::outbox::{Secret, SecretError};

/// How far the time in a signed header may be from ours, in seconds: the Standard Webhooks libraries' own bound.
const TOLERANCE_SECONDS: u64 = 300;
/// Signatures in one header that are looked at.
const MOST_SIGNATURES: usize = 8;
/// Bytes of a secret that is a plain text.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=512;

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks 1.0.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    StandardWebhooks,
    /// OpenZeppelin Monitor: `x-signature` is the HMAC of the body and `x-timestamp` (milliseconds) behind it.
    OpenZeppelinMonitor,
    /// Tenderly: `x-tenderly-signature` is the HMAC of the body and the `date` header behind it.
    Tenderly,
    /// The secret itself in `authorization: Bearer`, for tools that sign nothing: only over a connection that nobody
    /// else reads.
    Bearer,
}

/// Checks messages of one source.
#[derive(Clone)]
pub struct Verifier {
    scheme: Scheme,
    key: Vec<u8>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Takes the shared secret: `whsec_` and base64 for Standard Webhooks, the text as it stands for the others.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn new(scheme: Scheme, secret: &str) -> Result<Self, SecretError> {
        let secret = secret.trim();
        let key = match scheme {
            Scheme::StandardWebhooks => Secret::parse(secret)?.into_bytes(),
            Scheme::OpenZeppelinMonitor | Scheme::Tenderly | Scheme::Bearer => {
                if !SECRET_BYTES.contains(&secret.len()) {
                    return Err(SecretError::PlainLength(secret.len()));
                }
                secret.as_bytes().to_vec()
            }
        };
        Ok(Self { scheme, key })
    }

    /// Whether `body` came from who knows the secret. `header` looks a header up by its lower-case name; `now_seconds`
    /// is our time, for schemes whose time can be read.
    pub fn check(&self, header: &dyn Fn(&str) -> Option<String>, body: &[u8], now_seconds: u64) -> bool {
        self.checked(header, body, now_seconds).unwrap_or(false)
    }

    /// What names this delivery among those of the sender, of what is signed beside the body: an id, or a time. `None`
    /// where nothing but the secret is shown.
    pub fn delivery(&self, header: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        match self.scheme {
            Scheme::StandardWebhooks => header("webhook-id"),
            Scheme::OpenZeppelinMonitor => header("x-timestamp"),
            Scheme::Tenderly => header("date"),
            Scheme::Bearer => None,
        }
    }

    fn checked(&self, header: &dyn Fn(&str) -> Option<String>, body: &[u8], now_seconds: u64) -> Option<bool> {
        match self.scheme {
            Scheme::StandardWebhooks => {
                let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
                let signatures = header("webhook-signature")?;
                let fresh = timestamp.parse::<u64>().ok()?.abs_diff(now_seconds) <= TOLERANCE_SECONDS;
                let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
                let given = signatures.split(' ').take(MOST_SIGNATURES).filter_map(|text| text.strip_prefix("v1,"));
                let given = given.filter_map(|text| STANDARD.decode(text).ok());
                Some(fresh && given.fold(false, |found, tag| found | self.is_tag(&parts, &tag)))
            }
            Scheme::OpenZeppelinMonitor => {
                let (timestamp, signature) = (header("x-timestamp")?, header("x-signature")?);
                let fresh = (timestamp.parse::<u64>().ok()? / 1_000).abs_diff(now_seconds) <= TOLERANCE_SECONDS;
                Some(fresh && self.is_tag(&[body, timestamp.as_bytes()], &unhex(&signature)?))
            }
            Scheme::Tenderly => {
                // The date is a part of what is signed. Its age is not looked at: a message that is sent again has the same
                // key, and is recorded once.
                let (date, signature) = (header("date")?, header("x-tenderly-signature")?);
                Some(self.is_tag(&[body, date.as_bytes()], &unhex(&signature)?))
            }
            Scheme::Bearer => {
                let authorization = header("authorization")?;
                let token = authorization.strip_prefix("Bearer ")?;
                // Digests of the same length, so that nothing of the secret can be timed.
                let digest = Sha256::digest(token.as_bytes());
                Some(self.is_tag(&[&digest], &self.tag(&[&Sha256::digest(&self.key)])))
            }
        }
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        parts.iter().for_each(|part| mac.update(part));
        mac
    }

    fn tag(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.mac(parts).finalize().into_bytes().to_vec()
    }

    fn is_tag(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.mac(parts).verify_slice(tag).is_ok()
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    alloy_primitives::hex::decode(text).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const NOW: u64 = 1_614_265_330;

    fn check(verifier: &Verifier, headers: &[(&str, &str)], body: &[u8], now: u64) -> bool {
        let header =
            |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        verifier.check(&header, body, now)
    }

    #[test]
    fn the_example_of_the_specification_is_accepted_and_nothing_near_it() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let verifier = Verifier::new(Scheme::StandardWebhooks, secret).unwrap();
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let headers = |id: &'static str, time: &'static str, signature: &'static str| {
            [("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)]
        };
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        assert!(check(&verifier, &headers(id, "1614265330", good), BODY, NOW));
        let rotated = "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert!(check(&verifier, &headers(id, "1614265330", rotated), BODY, NOW + 300));
        assert!(!check(&verifier, &headers(id, "1614265330", good), BODY, NOW + 301), "too old");
        assert!(!check(&verifier, &headers("msg_other", "1614265330", good), BODY, NOW));
        assert!(!check(&verifier, &headers(id, "1614265331", good), BODY, NOW));
        assert!(!check(&verifier, &headers(id, "1614265330", good), b"{}", NOW));
        for junk in ["", "v1,", "v2,g0hM", "v1,~~~"] {
            assert!(!check(&verifier, &headers(id, "1614265330", junk), BODY, NOW), "{junk}");
        }
        assert!(!check(&verifier, &[], BODY, NOW));
    }

    #[test]
    fn other_schemes_take_their_own_signature_only() {
        let secret = "a shared secret of some length";
        let tag =
            |parts: &[&[u8]]| alloy_primitives::hex::encode(Verifier::new(Scheme::Bearer, secret).unwrap().tag(parts));
        let date = "Mon, 23 Nov 2026 04:05:06 GMT";
        let signed = tag(&[BODY, date.as_bytes()]);
        let tenderly = Verifier::new(Scheme::Tenderly, secret).unwrap();
        assert!(check(&tenderly, &[("date", date), ("x-tenderly-signature", &signed)], BODY, NOW));
        assert!(!check(&tenderly, &[("date", "now"), ("x-tenderly-signature", &signed)], BODY, NOW));

        let (millis, monitor) = ("1614265330000", Verifier::new(Scheme::OpenZeppelinMonitor, secret).unwrap());
        let signed = tag(&[BODY, millis.as_bytes()]);
        assert!(check(&monitor, &[("x-timestamp", millis), ("x-signature", &signed)], BODY, NOW));
        assert!(!check(&monitor, &[("x-timestamp", millis), ("x-signature", &signed)], BODY, NOW + 1_000));

        let bearer = Verifier::new(Scheme::Bearer, secret).unwrap();
        assert!(check(&bearer, &[("authorization", &format!("Bearer {secret}"))], BODY, NOW));
        for wrong in ["", "Bearer", "Bearer ", "Bearer a shared secret", secret] {
            assert!(!check(&bearer, &[("authorization", wrong)], BODY, NOW), "{wrong}");
        }
    }

    #[test]
    fn a_short_secret_is_refused_and_none_is_shown() {
        assert!(matches!(Verifier::new(Scheme::Bearer, "short"), Err(SecretError::PlainLength(5))));
        assert!(matches!(Verifier::new(Scheme::StandardWebhooks, "not of that kind"), Err(SecretError::Prefix)));
        let shown = format!("{:?}", Verifier::new(Scheme::Bearer, "a shared secret of some length").unwrap());
        assert!(!shown.contains("shared"), "{shown}");
    }
}
