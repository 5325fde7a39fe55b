//! An invariant over one view as it is held against answers: the call encoded, the bounds parsed, once at start.

use alloy_dyn_abi::{DynSolType, DynSolValue, FunctionExt, JsonAbiExt};
use alloy_json_abi::Function;
use alloy_primitives::{Address, Bytes, U256};
use cofferdam_types::{Bps, Level, ModuleId, Signed, ViewNeed, ViewResult};

use super::unsigned;
use crate::settings::InvariantSettings;

/// One invariant of one module, over one view.
#[derive(Debug)]
pub(crate) struct Single {
    pub(super) module: ModuleId,
    pub(super) name: String,
    pub(super) target: Address,
    pub(super) view: String,
    pub(super) max_fall: Option<Bps>,
    pub(super) max_rise: Option<Bps>,
    pub(super) min: Option<Signed>,
    pub(super) max: Option<Signed>,
    pub(super) unchanged: bool,
    pub(super) level: Option<Level>,
    function: Function,
    output: usize,
    calldata: Bytes,
}

impl Single {
    /// Compiles `settings`.
    ///
    /// # Errors
    /// What cannot be meant, in words.
    pub(super) fn new(module: &ModuleId, settings: &InvariantSettings) -> Result<Self, String> {
        let restricts = settings.unchanged
            || settings.max_fall_bps.is_some()
            || settings.max_rise_bps.is_some()
            || settings.min.is_some()
            || settings.max.is_some();
        if settings.name.trim().is_empty() {
            return Err("it needs a name".to_owned());
        }
        if !settings.contracts.is_empty() || !settings.signatures.is_empty() {
            return Err("`contracts` and `signatures` belong to `holds`".to_owned());
        }
        let (Some(target), Some(view)) = (settings.target, settings.view.as_ref()) else {
            return Err("give `target` and `view`, or `holds`".to_owned());
        };
        if !restricts {
            return Err("give `max_fall_bps`, `max_rise_bps`, `min`, `max` or `unchanged`".to_owned());
        }
        let function =
            Function::parse(view).map_err(|_| format!("`{view}` is not a signature like `sharePrice()(uint256)`"))?;
        let kinds = |parameters: &[alloy_json_abi::Param]| {
            parameters
                .iter()
                .map(|parameter| {
                    DynSolType::parse(&parameter.ty).map_err(|_| format!("type `{}` is unknown", parameter.ty))
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let (inputs, outputs) = (kinds(&function.inputs)?, kinds(&function.outputs)?);
        match outputs.get(settings.output) {
            Some(DynSolType::Uint(_) | DynSolType::Int(_)) => {}
            Some(other) => return Err(format!("output {} is `{other}`, not an integer", settings.output)),
            None => return Err(format!("output {} of {} does not exist", settings.output, outputs.len())),
        }
        if inputs.len() != settings.arguments.len() {
            return Err(format!("{} arguments given, {} needed", settings.arguments.len(), inputs.len()));
        }
        let values = inputs
            .iter()
            .zip(&settings.arguments)
            .map(|(kind, text)| kind.coerce_str(text).map_err(|_| format!("argument `{text}` is no `{kind}`")))
            .collect::<Result<Vec<_>, _>>()?;
        let calldata = function.abi_encode_input(&values).map_err(|error| error.to_string())?;
        Ok(Self {
            module: module.clone(),
            name: settings.name.clone(),
            target,
            view: view.clone(),
            max_fall: settings.max_fall_bps,
            max_rise: settings.max_rise_bps,
            min: settings.min.as_deref().map(integer).transpose()?,
            max: settings.max.as_deref().map(integer).transpose()?,
            unchanged: settings.unchanged,
            level: settings.level,
            function,
            output: settings.output,
            calldata: calldata.into(),
        })
    }

    /// The view to be read.
    pub(crate) fn need(&self) -> ViewNeed {
        ViewNeed { module: self.module.clone(), target: self.target, calldata: self.calldata.clone() }
    }

    /// Whether the value before does not matter.
    pub(super) const fn only_bounds(&self) -> bool {
        !self.unchanged && self.max_fall.is_none() && self.max_rise.is_none()
    }

    /// The integer in an answer, or why there is none.
    pub(super) fn read(&self, result: &ViewResult) -> Result<Signed, String> {
        let bytes = match result {
            ViewResult::Returned(bytes) => bytes,
            ViewResult::Failed(_) => return Err("the call failed".to_owned()),
        };
        // Stricter than the EVM's own decoding would be lenient: a short answer is no answer.
        let values = self.function.abi_decode_output(bytes).map_err(|_| "the answer does not decode".to_owned())?;
        match values.get(self.output) {
            Some(DynSolValue::Uint(value, _)) => Ok(unsigned(*value)),
            Some(DynSolValue::Int(value, _)) => {
                Ok(Signed { negative: value.is_negative(), magnitude: value.unsigned_abs() })
            }
            Some(_) | None => Err("the answer holds no integer".to_owned()),
        }
    }
}

/// A whole decimal number with an optional minus.
fn integer(text: &str) -> Result<Signed, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let magnitude = U256::from_str_radix(digits, 10).ok().filter(|_| decimal);
    let magnitude = magnitude.ok_or_else(|| format!("bound `{text}` is not a whole decimal number of 256 bits"))?;
    Ok(Signed { negative: negative && !magnitude.is_zero(), magnitude })
}
