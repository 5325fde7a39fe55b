//! A written condition over several views, compiled once at start: names become addresses, calls become calldata.

use alloy_dyn_abi::{DynSolType, DynSolValue, FunctionExt, JsonAbiExt};
use alloy_json_abi::Function;
use alloy_primitives::{Address, Bytes, U256};
use cofferdam_types::{Fact, Level, ModuleId, ViewNeed, ViewResult};
use num_bigint::{BigInt, Sign};

use super::expression::{CallText, Expression};
use crate::settings::InvariantSettings;

/// One condition of one module.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(super) module: ModuleId,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) level: Option<Level>,
    expression: Expression,
    /// Each once; calls that differ only in the moment share one.
    views: Vec<View>,
    /// For each call of the expression its view.
    view_of: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
struct View {
    shown: String,
    target: Address,
    function: Function,
    calldata: Bytes,
}

/// What a condition is worth at one moment.
pub(super) type Worth = Result<bool, String>;

impl Condition {
    /// Compiles `text` with the names of `settings`.
    ///
    /// # Errors
    /// What cannot be meant, in words.
    pub(super) fn new(module: &ModuleId, settings: &InvariantSettings, text: &str) -> Result<Self, String> {
        let other_rules = settings.view.is_some()
            || settings.unchanged
            || settings.max_fall_bps.is_some()
            || settings.max_rise_bps.is_some()
            || settings.min.is_some()
            || settings.max.is_some()
            || !settings.arguments.is_empty();
        if other_rules {
            return Err("`holds` says everything: take the other rules away".to_owned());
        }
        if settings.name.trim().is_empty() {
            return Err("it needs a name".to_owned());
        }
        let signatures = settings
            .signatures
            .iter()
            .map(|text| Function::parse(text).map_err(|_| format!("`{text}` is no signature like `price()(int256)`")))
            .collect::<Result<Vec<_>, _>>()?;
        let expression = Expression::new(text).map_err(|reason| format!("`holds`: {reason}"))?;
        let (mut views, mut view_of) = (Vec::<View>::new(), Vec::new());
        for call in &expression.calls {
            let view = View::new(call, settings, &signatures).map_err(|reason| format!("`{call}`: {reason}"))?;
            let known = views.iter().position(|known| *known == view);
            view_of.push(known.unwrap_or(views.len()));
            if known.is_none() {
                views.push(view);
            }
        }
        let (module, name) = (module.clone(), settings.name.clone());
        Ok(Self { module, name, text: text.to_owned(), level: settings.level, expression, views, view_of })
    }

    /// The views to be read, in the order in which [`Self::worth`] takes their facts.
    pub(super) fn needs(&self) -> impl Iterator<Item = ViewNeed> + '_ {
        self.views.iter().map(|view| ViewNeed {
            module: self.module.clone(),
            target: view.target,
            calldata: view.calldata.clone(),
        })
    }

    /// Name and answers of each view, for people.
    pub(super) fn shown<'a>(&'a self, facts: &'a [&Fact]) -> impl Iterator<Item = (&'a str, String)> {
        self.views.iter().zip(facts).map(|(view, fact)| {
            let of = |result: &ViewResult| view.read(result).map_or_else(|why| why, |number| number.to_string());
            (view.shown.as_str(), format!("{} before, {} after", of(&fact.before), of(&fact.after)))
        })
    }

    /// What the condition is worth after the transaction, and before it: then every call is answered as before.
    pub(super) fn worth(&self, facts: &[&Fact]) -> (Worth, Worth) {
        let at = |all_before: bool| {
            let answer = |(call, view): (&CallText, &usize)| {
                let (view, fact) = (self.views.get(*view), facts.get(*view));
                let (Some(view), Some(fact)) = (view, fact) else { return Err("a view was not read".to_owned()) };
                let result = if all_before || call.before { &fact.before } else { &fact.after };
                view.read(result).map_err(|why| format!("`{call}`: {why}"))
            };
            let answers = self.expression.calls.iter().zip(&self.view_of).map(answer).collect::<Result<Vec<_>, _>>()?;
            self.expression.evaluate(&answers).map_err(str::to_owned)
        };
        (at(true), at(false))
    }
}

impl View {
    fn new(call: &CallText, settings: &InvariantSettings, signatures: &[Function]) -> Result<Self, String> {
        let target = match &call.contract {
            Some(name) => *settings.contracts.get(name).ok_or_else(|| format!("`contracts` has no `{name}`"))?,
            None => settings.target.ok_or("without a contract before it, it needs `target`")?,
        };
        let written = signatures
            .iter()
            .find(|function| function.name == call.function && function.inputs.len() == call.arguments.len());
        let (function, values) = match written {
            Some(function) => (function.clone(), typed(function, call, settings)?),
            None => guessed(call, settings)?,
        };
        let outputs = function.outputs.first().map(|output| DynSolType::parse(&output.ty));
        match outputs {
            Some(Ok(DynSolType::Uint(_) | DynSolType::Int(_))) => {}
            Some(_) | None => return Err("its first output is no integer".to_owned()),
        }
        let calldata = function.abi_encode_input(&values).map_err(|error| error.to_string())?.into();
        Ok(Self { shown: call.to_string(), target, function, calldata })
    }

    fn read(&self, result: &ViewResult) -> Result<BigInt, String> {
        let bytes = match result {
            ViewResult::Returned(bytes) => bytes,
            ViewResult::Failed(_) => return Err("the call failed".to_owned()),
        };
        let values = self.function.abi_decode_output(bytes).map_err(|_| "the answer does not decode".to_owned())?;
        match values.first() {
            Some(DynSolValue::Uint(value, _)) => Ok(BigInt::from_bytes_be(Sign::Plus, &value.to_be_bytes::<32>())),
            Some(DynSolValue::Int(value, _)) => {
                let sign = if value.is_negative() { Sign::Minus } else { Sign::Plus };
                Ok(BigInt::from_bytes_be(sign, &value.unsigned_abs().to_be_bytes::<32>()))
            }
            Some(_) | None => Err("the answer holds no integer".to_owned()),
        }
    }
}

/// The address that an argument stands for.
fn account(text: &str, settings: &InvariantSettings) -> Option<Address> {
    settings.contracts.get(text).copied().or_else(|| text.parse().ok())
}

fn typed(function: &Function, call: &CallText, settings: &InvariantSettings) -> Result<Vec<DynSolValue>, String> {
    let value = |(input, text): (&alloy_json_abi::Param, &String)| {
        let kind = DynSolType::parse(&input.ty).map_err(|_| format!("type `{}` is unknown", input.ty))?;
        if kind == DynSolType::Address
            && let Some(address) = settings.contracts.get(text)
        {
            return Ok(DynSolValue::Address(*address));
        }
        kind.coerce_str(text).map_err(|_| format!("argument `{text}` is no `{kind}`"))
    };
    function.inputs.iter().zip(&call.arguments).map(value).collect()
}

/// Without a signature an argument is an address or a `uint256`, and so is the answer.
fn guessed(call: &CallText, settings: &InvariantSettings) -> Result<(Function, Vec<DynSolValue>), String> {
    let mut kinds = Vec::new();
    let mut values = Vec::new();
    for text in &call.arguments {
        if let Some(address) = account(text, settings) {
            kinds.push("address");
            values.push(DynSolValue::Address(address));
        } else if let Ok(number) = U256::from_str_radix(text, 10) {
            kinds.push("uint256");
            values.push(DynSolValue::Uint(number, 256));
        } else {
            let expected = "a name of `contracts`, an address or a whole number; else give its signature";
            return Err(format!("argument `{text}` is neither of {expected}"));
        }
    }
    let signature = format!("{}({})(uint256)", call.function, kinds.join(","));
    let function = Function::parse(&signature).map_err(|_| format!("`{signature}` is no signature"))?;
    Ok((function, values))
}
