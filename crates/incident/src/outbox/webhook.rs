//! One signed POST, as the Standard Webhooks specification (version 1.0.0) has it.
//!
//! Must never print or log a secret or an address: an address may contain one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use sha2::Sha256;
use url::Url;

/// The specification's bounds for the length of a key, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The key that messages to one receiver are signed with.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// The text is not a secret. Never says what the text was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The prefix tells people and scanners what it is.
    #[error("a webhook secret begins with `whsec_`")]
    Prefix,
    /// The rest is standard base64.
    #[error("a webhook secret is `whsec_` and base64")]
    Base64,
    /// Too short is unsafe.
    #[error("a webhook secret holds 24 to 64 bytes, this one holds {0}")]
    Length(usize),
    /// Of a secret that is a plain text: too short is unsafe as well.
    #[error("a shared secret is 16 to 512 bytes of text, this one has {0}")]
    PlainLength(usize),
}

impl Secret {
    /// Reads `whsec_<base64>`; white space around it is ignored, as files end with a newline.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.trim().strip_prefix("whsec_").ok_or(SecretError::Prefix)?;
        let key = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
        if KEY_BYTES.contains(&key.len()) { Ok(Self(key)) } else { Err(SecretError::Length(key.len())) }
    }

    /// The key itself, for checking what others signed with it.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The value of `webhook-signature` for a message.
    fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// In which shape messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Every event that people are told of, in our own shape.
    #[default]
    Own,
    /// Findings only, in Forta's shape.
    Forta,
}

/// Where messages go.
#[derive(Clone)]
pub struct Receiver {
    /// Its name in the configuration; the same as in [`crate::Options::receivers`].
    pub name: String,
    /// Its address, `http` or `https`.
    pub url: Url,
    /// What it checks our signature with.
    pub secret: Secret,
    /// What it reads.
    pub shape: Shape,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({})", self.name)
    }
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The receiver has it.
    Delivered,
    /// The receiver will never take this one: 4xx other than 408 and 429.
    Refused(String),
    /// Try again later.
    Failed(String),
}

/// Posts a message, key and body, once. `now_seconds` goes into the header, so that receivers can refuse old recordings.
pub(super) async fn post(
    client: &reqwest::Client,
    receiver: &Receiver,
    (key, body): (&str, &str),
    now_seconds: u64,
) -> Attempt {
    let signature = receiver.secret.sign(key, now_seconds, body);
    let request = client
        .post(receiver.url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", key)
        .header("webhook-timestamp", now_seconds)
        .header("webhook-signature", signature)
        .body(body.to_owned());
    match request.send().await {
        Ok(response) => judge(response.status()),
        // Never the error's own words: they name the address.
        Err(error) if error.is_timeout() => Attempt::Failed("no answer in time".into()),
        Err(error) if error.is_connect() => Attempt::Failed("cannot connect".into()),
        Err(_) => Attempt::Failed("the connection broke".into()),
    }
}

fn judge(status: StatusCode) -> Attempt {
    let said = format!("it answered {}", status.as_u16());
    let later = status == StatusCode::REQUEST_TIMEOUT || status == StatusCode::TOO_MANY_REQUESTS;
    if status.is_success() {
        Attempt::Delivered
    } else if status.is_client_error() && !later {
        Attempt::Refused(said)
    } else {
        Attempt::Failed(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_signature_equals_the_specification_s_example() {
        let secret = Secret::parse(KNOWN).unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_checked_and_never_shown() {
        assert_eq!(Secret::parse("MfKQ").unwrap_err(), SecretError::Prefix);
        assert_eq!(Secret::parse("whsec_~").unwrap_err(), SecretError::Base64);
        assert_eq!(Secret::parse("whsec_AAAA").unwrap_err(), SecretError::Length(3));
        assert_eq!(format!("{:?}", Secret::parse(&format!("{KNOWN}\n")).unwrap()), "Secret(..)");
    }

    #[test]
    fn only_a_final_refusal_is_final() {
        for (code, expected) in
            [(200, 0), (204, 0), (301, 2), (400, 1), (401, 1), (408, 2), (410, 1), (429, 2), (503, 2)]
        {
            let attempt = judge(StatusCode::from_u16(code).unwrap());
            let kind = match attempt {
                Attempt::Delivered => 0,
                Attempt::Refused(_) => 1,
                Attempt::Failed(_) => 2,
            };
            assert_eq!(kind, expected, "{code}");
        }
    }
}
