//! The ways in which an endpoint can be wrong, and ready-made lies.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Rule;

/// What happens to a request that a rule picks.
#[derive(Clone)]
pub enum Fault {
    /// A JSON-RPC error object.
    Error {
        /// As in the specification, `-32000` for most.
        code: i64,
        /// What the node says.
        message: &'static str,
    },
    /// An HTTP status without a body; on a WebSocket the connection ends.
    Status(u16),
    /// No answer at all until the rule is lifted; then the connection ends.
    Hang,
    /// The connection ends in the middle of the answer.
    CutOff,
    /// A web page instead of JSON.
    NotJson,
    /// The endpoint shows the chain as it was so many blocks ago.
    Lag(u64),
    /// A notification comes twice.
    Twice,
    /// A notification comes after the one that follows it; the last of all never comes.
    Late,
    /// The answer's `result` (for a subscription, its notification) is changed.
    Rewrite(Arc<dyn Fn(&mut Value) + Send + Sync>),
}

impl Fault {
    /// The error that a node gives when it cannot answer now.
    pub const fn error() -> Self {
        Self::Error { code: -32000, message: "internal error" }
    }

    /// Changes every result by `rewrite`.
    pub fn rewrite(rewrite: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::Rewrite(Arc::new(rewrite))
    }

    /// The endpoint belongs to another chain.
    pub fn other_chain(id: u64) -> Self {
        Self::rewrite(move |result| *result = json!(format!("{id:#x}")))
    }

    /// Blocks name a parent that nobody knows.
    pub fn foreign_parent() -> Self {
        Self::rewrite(|result| {
            if result.get("parentHash").is_some() {
                result["parentHash"] = json!(format!("0x{}", "5e".repeat(32)));
            }
        })
    }

    /// `field` is written as a decimal string, as some gateways do, instead of a hexadecimal quantity. In a list, of every
    /// item.
    pub fn decimal(field: &'static str) -> Self {
        Self::rewrite(move |result| match result.as_array_mut() {
            Some(items) => items.iter_mut().for_each(|item| write_decimal(item, field)),
            None => write_decimal(result, field),
        })
    }

    /// The answer is `null`, as for something that does not exist.
    pub fn nothing() -> Self {
        Self::rewrite(|result| *result = Value::Null)
    }

    /// Strikes requests for `method`. A `*` at its end stands for any ending: `"*"` is every method, notifications included.
    pub fn on(self, method: &'static str) -> Rule {
        Rule::new(self, method)
    }

    /// Strikes every request, for `duration`.
    pub fn on_all_for(self, duration: Duration) -> Rule {
        self.on("*").for_duration(duration)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { code, message } => write!(f, "Error({code} {message})"),
            Self::Status(status) => write!(f, "Status({status})"),
            Self::Hang => f.write_str("Hang"),
            Self::CutOff => f.write_str("CutOff"),
            Self::NotJson => f.write_str("NotJson"),
            Self::Lag(blocks) => write!(f, "Lag({blocks})"),
            Self::Twice => f.write_str("Twice"),
            Self::Late => f.write_str("Late"),
            Self::Rewrite(_) => f.write_str("Rewrite"),
        }
    }
}

fn write_decimal(object: &mut Value, field: &str) {
    let text = object.get(field).and_then(Value::as_str).and_then(|text| text.strip_prefix("0x"));
    if let Some(number) = text.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
        object[field] = json!(number.to_string());
    }
}
