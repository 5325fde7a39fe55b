//! What can be closed, by which call, and how one reads that it is closed.
//!
//! One kind so far: OpenZeppelin `Pausable` (`pause()`, `unpause()`, `paused()`), called by a guardian's own key.
//! The names of the three functions may differ from contract to contract; their shape (no arguments, a `bool` back)
//! may not. Nothing here talks to a chain.

use alloy_primitives::{Address, Bytes, U256, keccak256};
use cofferdam_types::{LeverAction, ModuleId, ViewResult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One lever, as it stands in `cofferdam.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeverSettings {
    /// Its name, `[a-z0-9][a-z0-9-]{0,62}`, unique among the levers.
    pub name: String,
    /// The module that it seals.
    pub module: ModuleId,
    /// How it works.
    #[serde(default)]
    pub kind: LeverKind,
    /// The contract that is called.
    #[schemars(with = "String")]
    pub target: Address,
    /// The name of the guardian whose key calls it.
    pub guardian: String,
    /// The function that closes; it takes no arguments.
    #[serde(default = "default_close")]
    pub pause: String,
    /// The function that opens again; it takes no arguments. People call it, never the machine.
    #[serde(default = "default_open")]
    pub unpause: String,
    /// The view that says whether it is closed; it takes no arguments and returns a `bool`.
    #[serde(default = "default_is_closed")]
    pub paused: String,
}

fn default_close() -> String {
    "pause()".to_owned()
}

fn default_open() -> String {
    "unpause()".to_owned()
}

fn default_is_closed() -> String {
    "paused()".to_owned()
}

/// The kinds of levers that are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LeverKind {
    /// OpenZeppelin `Pausable`, or anything with three functions of the same shape.
    #[default]
    Pausable,
}

/// The settings of a lever contradict themselves or each other.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeverError {
    /// Not a name.
    #[error("lever name `{seen}` is not 1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit")]
    Name {
        /// What was given, shortened.
        seen: String,
    },
    /// A function that cannot be called without arguments.
    #[error("lever `{lever}`: `{field}` is `{seen}`, expected a function without arguments such as `pause()`")]
    Signature {
        /// The lever.
        lever: String,
        /// The field.
        field: &'static str,
        /// What was given, shortened.
        seen: String,
    },
    /// Two of the three functions are the same.
    #[error("lever `{lever}`: `pause`, `unpause` and `paused` must be three different functions")]
    SameFunction {
        /// The lever.
        lever: String,
    },
    /// The zero address.
    #[error("lever `{lever}`: `target` is the zero address")]
    NoTarget {
        /// The lever.
        lever: String,
    },
}

/// A checked lever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lever {
    name: String,
    module: ModuleId,
    target: Address,
    guardian: String,
    close: Bytes,
    open: Bytes,
    is_closed: Bytes,
}

impl Lever {
    /// Checks one lever's settings.
    ///
    /// # Errors
    /// [`LeverError`] names the lever and the field.
    pub fn new(settings: &LeverSettings) -> Result<Self, LeverError> {
        // A lever's name obeys the same rule as a module's: both are typed on the phone and stand in file names.
        if ModuleId::new(&settings.name).is_err() {
            return Err(LeverError::Name { seen: shortened(&settings.name) });
        }
        if settings.target.is_zero() {
            return Err(LeverError::NoTarget { lever: settings.name.clone() });
        }
        let encode = |field, signature: &str| {
            selector_call(signature).ok_or_else(|| LeverError::Signature {
                lever: settings.name.clone(),
                field,
                seen: shortened(signature),
            })
        };
        let close = encode("pause", &settings.pause)?;
        let open = encode("unpause", &settings.unpause)?;
        let is_closed = encode("paused", &settings.paused)?;
        if close == open || close == is_closed || open == is_closed {
            return Err(LeverError::SameFunction { lever: settings.name.clone() });
        }
        Ok(Self {
            name: settings.name.clone(),
            module: settings.module.clone(),
            target: settings.target,
            guardian: settings.guardian.clone(),
            close,
            open,
            is_closed,
        })
    }

    /// A lever that the configuration no longer names but the record does: it can still be followed to its end.
    /// It reads `paused()`, and no guardian holds it, so it can never be signed for again.
    pub(crate) fn from_record(action: &LeverAction) -> Self {
        let settings = LeverSettings {
            name: action.lever.clone(),
            module: action.module.clone(),
            kind: LeverKind::Pausable,
            target: action.target,
            guardian: String::new(),
            pause: default_close(),
            unpause: default_open(),
            paused: default_is_closed(),
        };
        let encode = |signature: &str| selector_call(signature).expect("the default signatures are well formed");
        Self {
            name: settings.name,
            module: settings.module,
            target: settings.target,
            guardian: settings.guardian,
            close: action.calldata.clone(),
            open: encode(&settings.unpause),
            is_closed: encode(&settings.paused),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The module that it seals.
    pub const fn module(&self) -> &ModuleId {
        &self.module
    }

    /// The contract called.
    pub const fn target(&self) -> Address {
        self.target
    }

    /// The name of the guardian that holds it.
    pub fn guardian(&self) -> &str {
        &self.guardian
    }

    /// The call that closes.
    pub fn close(&self) -> LeverAction {
        self.action(&self.close)
    }

    /// The call that opens again, for people to sign: the machine's key closes and nothing else.
    pub fn undo(&self) -> LeverAction {
        self.action(&self.open)
    }

    /// The encoded view that says whether the target is closed.
    pub const fn is_closed_call(&self) -> &Bytes {
        &self.is_closed
    }

    /// Calldata of the closing call.
    pub(crate) const fn close_call(&self) -> &Bytes {
        &self.close
    }

    fn action(&self, calldata: &Bytes) -> LeverAction {
        LeverAction {
            lever: self.name.clone(),
            module: self.module.clone(),
            target: self.target,
            calldata: calldata.clone(),
        }
    }
}

/// Reads the answer of the view: one word that is 0 or 1. Anything else is no answer.
pub(crate) fn read_closed(answer: &ViewResult) -> Option<bool> {
    let ViewResult::Returned(data) = answer else { return None };
    if data.len() != 32 {
        return None;
    }
    let word = U256::from_be_slice(data);
    if word == U256::ZERO {
        Some(false)
    } else if word == U256::from(1) {
        Some(true)
    } else {
        None
    }
}

/// Calldata of `name()`; `None` when it is not of that form.
fn selector_call(signature: &str) -> Option<Bytes> {
    let name = signature.strip_suffix("()")?;
    let mut bytes = name.bytes();
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$';
    let starts_well = bytes.next().is_some_and(letter);
    if name.len() > 200 || !starts_well || !bytes.all(|byte| letter(byte) || byte.is_ascii_digit()) {
        return None;
    }
    keccak256(signature.as_bytes()).first_chunk::<4>().map(|selector| Bytes::copy_from_slice(selector))
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    pub(crate) fn settings(extra: &str) -> Result<LeverSettings, toml::de::Error> {
        toml::from_str(&format!(
            "name = 'vault-pause'\nmodule = 'vault'\nguardian = 'machine'\n\
             target = '0x00000000000000000000000000000000000000aa'\n{extra}"
        ))
    }

    #[test]
    fn the_defaults_are_the_functions_of_openzeppelin_pausable() {
        let lever = Lever::new(&settings("").unwrap()).unwrap();
        assert_eq!(lever.close().calldata.as_ref(), [0x84, 0x56, 0xcb, 0x59]);
        assert_eq!(lever.undo().calldata.as_ref(), [0x3f, 0x4b, 0xa8, 0x3a]);
        assert_eq!(lever.is_closed_call().as_ref(), [0x5c, 0x97, 0x5a, 0xbb]);
    }

    #[test]
    fn unknown_keys_are_errors() {
        let error = settings("gaurdian = 'typo'").unwrap_err();
        assert!(error.to_string().contains("gaurdian"), "{error}");
    }

    #[test]
    fn a_function_with_arguments_or_a_wrong_name_is_refused_with_its_field() {
        for bad in ["pause", "pause(bool)", "1pause()", "()", "pa use()", "pause()()"] {
            let error = Lever::new(&settings(&format!("pause = '{bad}'")).unwrap()).unwrap_err();
            assert!(matches!(error, LeverError::Signature { field: "pause", .. }), "{bad}: {error}");
        }
    }

    #[test]
    fn a_lever_that_reads_what_it_writes_is_refused() {
        let error = Lever::new(&settings("paused = 'pause()'").unwrap()).unwrap_err();
        assert!(matches!(error, LeverError::SameFunction { .. }));
    }

    #[test]
    fn only_a_clean_bool_is_an_answer() {
        let word = |last: u8| {
            let mut word = [0_u8; 32];
            word[31] = last;
            ViewResult::Returned(Bytes::copy_from_slice(&word))
        };
        assert_eq!(read_closed(&word(1)), Some(true));
        assert_eq!(read_closed(&word(0)), Some(false));
        assert_eq!(read_closed(&word(2)), None);
        assert_eq!(read_closed(&ViewResult::Returned(Bytes::new())), None);
        assert_eq!(read_closed(&ViewResult::Failed("reverted".to_owned())), None);
    }
}
