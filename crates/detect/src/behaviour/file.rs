//! The learnt file: TOML that a person can read, and edit if he must. What is read is believed in nothing: every value is
//! checked, and the first that cannot be meant is named with what would be right.
//!
//! The digest covers the content and not the comments. It protects nothing, since whoever can write the file can write
//! the digest; it tells people that somebody changed what was learnt.

use std::{collections::BTreeMap, fmt::Write as _};

use alloy_primitives::{Address, B256, U256, keccak256};
use cofferdam_types::{Asset, BlockNumber, ChainId, ModuleId, Selector};
use serde::Deserialize;

use super::{
    book::{
        Few, Function, FunctionSeen, HourSeen, Learnt, MOST_AMOUNT, MOST_CALLERS, MOST_FUNCTIONS, MOST_PATH_ASSETS,
        MOST_PATHS, MOST_SENDERS, ModuleLearnt, PathKey, PathSeen,
    },
    names::signature_of,
    shape::{Crossed, Entry, MOST_STEPS, Step},
};

/// What the first line of content says.
const FORMAT: &str = "cofferdam-learnt/1";
/// Bytes of a file that is read.
pub const MOST_BYTES: usize = 16 << 20;
/// The last second that a file may speak of: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// A learnt file cannot be used.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LearntError {
    /// Larger than anything that is written.
    #[error("the learnt file has {bytes} bytes, at most {most} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// Not TOML, or not of this shape.
    #[error("the learnt file, line {line}: {reason}")]
    Malformed {
        /// Where, from 1.
        line: usize,
        /// In words.
        reason: String,
    },
    /// A value that cannot be meant.
    #[error("the learnt file: `{field}` is `{seen}`, expected {expected}")]
    Value {
        /// Where: `module[0].path[3].steps[1]`.
        field: String,
        /// What stands there, cut short.
        seen: String,
        /// What would be right.
        expected: String,
    },
}

impl LearntError {
    pub(super) fn value(field: impl Into<String>, seen: impl std::fmt::Display, expected: impl Into<String>) -> Self {
        Self::Value { field: field.into(), seen: shortened(&seen.to_string()), expected: expected.into() }
    }
}

/// What somebody wrote, short and printable.
fn shortened(text: &str) -> String {
    let printable = |character: char| if character.is_control() { '?' } else { character };
    text.chars().take(80).map(printable).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    #[serde(default)]
    digest: Option<String>,
    chain_id: u64,
    first_block: u64,
    last_block: u64,
    #[serde(default)]
    module: Vec<ModulePart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModulePart {
    module: String,
    contracts: Vec<String>,
    transactions: u64,
    first_unix_seconds: u64,
    last_unix_seconds: u64,
    left_out: u64,
    hours: Vec<[u64; 2]>,
    #[serde(default)]
    path: Vec<PathPart>,
    #[serde(default)]
    function: Vec<FunctionPart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathPart {
    entry: String,
    steps: Vec<String>,
    times: u64,
    most_calls: u32,
    first_unix_seconds: u64,
    last_unix_seconds: u64,
    senders: Vec<String>,
    more_senders: bool,
    #[serde(default)]
    value: Vec<ValuePart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValuePart {
    asset: String,
    came: String,
    left: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionPart {
    function: String,
    calls: u64,
    callers: Vec<String>,
    more_callers: bool,
    gives_power: bool,
    hours: Vec<u32>,
    first_unix_seconds: u64,
    last_unix_seconds: u64,
}

impl Learnt {
    /// Reads a file that anybody may have written.
    ///
    /// # Errors
    /// [`LearntError`] names the first value that cannot be meant.
    pub fn parse(bytes: &[u8]) -> Result<Self, LearntError> {
        if bytes.len() > MOST_BYTES {
            return Err(LearntError::TooLarge { bytes: bytes.len(), most: MOST_BYTES });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| LearntError::Malformed {
            line: line_at(bytes, error.valid_up_to()),
            reason: "is not UTF-8 text".to_owned(),
        })?;
        let file: File = toml::from_str(text).map_err(|error| LearntError::Malformed {
            line: line_at(bytes, error.span().map_or(0, |span| span.start)),
            reason: shortened(&error.message().replace('\n', " ")),
        })?;
        if file.format != FORMAT {
            return Err(LearntError::value("format", file.format, format!("`{FORMAT}`")));
        }
        if file.first_block > file.last_block {
            let expected = format!("{} or more, as `first_block`", file.first_block);
            return Err(LearntError::value("last_block", file.last_block, expected));
        }
        let mut modules: Vec<ModuleLearnt> = Vec::new();
        for (index, part) in file.module.iter().enumerate() {
            let module = module(part, &format!("module[{index}]"))?;
            if modules.iter().any(|earlier| earlier.module == module.module) {
                return Err(LearntError::value(format!("module[{index}].module"), module.module, "each module once"));
            }
            modules.push(module);
        }
        let digest = match &file.digest {
            Some(text) => Some(
                text.parse::<B256>()
                    .map_err(|_| LearntError::value("digest", text, "0x and 64 hexadecimal digits, or no digest"))?,
            ),
            None => None,
        };
        let mut learnt = Self {
            chain: ChainId(file.chain_id),
            first_block: BlockNumber(file.first_block),
            last_block: BlockNumber(file.last_block),
            modules,
            is_as_written: false,
        };
        learnt.is_as_written = digest == Some(learnt.digest());
        Ok(learnt)
    }

    /// Whether it was learnt on `chain`.
    ///
    /// # Errors
    /// [`LearntError::Value`] when it was not.
    pub fn check_chain(&self, chain: ChainId) -> Result<(), LearntError> {
        if self.chain == chain {
            return Ok(());
        }
        Err(LearntError::value("chain_id", self.chain, format!("{chain}, the chain that is guarded")))
    }

    /// The file, with a digest of its content.
    pub fn write(&self) -> String {
        let head = "# What the modules do when nothing is wrong, learnt from their own transactions: see docs/learnt.md.\n\
                    # Whoever edits this says what is familiar. Without a right digest it is told that somebody did.\n";
        format!("{head}format = \"{FORMAT}\"\ndigest = \"{}\"\n{}", self.digest(), self.content(true))
    }

    /// Keccak of the content, comments and digest left out.
    pub fn digest(&self) -> B256 {
        keccak256(self.content(false))
    }

    fn content(&self, remarks: bool) -> String {
        let mut text = format!(
            "chain_id = {}\nfirst_block = {}\nlast_block = {}\n",
            self.chain, self.first_block, self.last_block
        );
        for module in &self.modules {
            // Writing to a string cannot fail.
            let _infallible = write_module(&mut text, module, remarks);
        }
        text
    }
}

fn line_at(bytes: &[u8], offset: usize) -> usize {
    let newlines = bytes.iter().take(offset).filter(|byte| **byte == b'\n').count();
    newlines.saturating_add(1)
}

fn write_module(text: &mut String, module: &ModuleLearnt, remarks: bool) -> std::fmt::Result {
    writeln!(text, "\n[[module]]\nmodule = \"{}\"", module.module)?;
    writeln!(text, "contracts = [{}]", quoted(&module.contracts))?;
    writeln!(text, "transactions = {}", module.transactions)?;
    times(text, module.first_seconds, module.last_seconds)?;
    writeln!(text, "left_out = {}", module.left_out)?;
    let hours: Vec<String> =
        module.hours.iter().map(|hour| format!("[{}, {}]", hour.transactions, hour.busiest)).collect();
    let remark = if remarks { " # by hour of the day, UTC: transactions, and the most in one hour" } else { "" };
    writeln!(text, "hours = [{}]{remark}", hours.join(", "))?;
    for (key, seen) in &module.paths {
        writeln!(text, "\n[[module.path]]\nentry = \"{}\"\nsteps = [", key.entry.word())?;
        for step in &key.steps {
            writeln!(text, "  \"{}\",{}", step_text(*step), if remarks { remark_of(*step) } else { String::new() })?;
        }
        writeln!(text, "]\ntimes = {}\nmost_calls = {}", seen.times, seen.most_calls)?;
        times(text, seen.first_seconds, seen.last_seconds)?;
        writeln!(text, "senders = [{}]\nmore_senders = {}", quoted(&seen.senders.known), seen.senders.more)?;
        if !seen.values.is_empty() {
            writeln!(text, "value = [")?;
            for (asset, crossed) in &seen.values {
                let (came, left) = (crossed.came, crossed.left);
                writeln!(text, "  {{ asset = \"{}\", came = \"{came}\", left = \"{left}\" }},", asset_text(*asset))?;
            }
            writeln!(text, "]")?;
        }
    }
    for (function, seen) in &module.functions {
        let step = Step::Call(function.contract, function.selector);
        let remark = if remarks { remark_of(step) } else { String::new() };
        writeln!(text, "\n[[module.function]]\nfunction = \"{}\"{remark}", step_text(step))?;
        writeln!(text, "calls = {}\ncallers = [{}]", seen.calls, quoted(&seen.callers.known))?;
        writeln!(text, "more_callers = {}\ngives_power = {}", seen.callers.more, seen.gives_power)?;
        let hours: Vec<String> =
            (0..24_u32).filter(|hour| has_hour(seen.hours, *hour)).map(|h| h.to_string()).collect();
        writeln!(text, "hours = [{}]", hours.join(", "))?;
        times(text, seen.first_seconds, seen.last_seconds)?;
    }
    Ok(())
}

pub(super) const fn has_hour(hours: u32, hour: u32) -> bool {
    hours.wrapping_shr(hour) & 1 == 1
}

fn times(text: &mut String, first: u64, last: u64) -> std::fmt::Result {
    writeln!(text, "first_unix_seconds = {first}\nlast_unix_seconds = {last}")
}

fn quoted<'a>(accounts: impl IntoIterator<Item = &'a Address>) -> String {
    let quoted: Vec<String> = accounts.into_iter().map(|account| format!("\"{account}\"")).collect();
    quoted.join(", ")
}

fn step_text(step: Step) -> String {
    match step {
        Step::PaidIn => "paid in".to_owned(),
        Step::Call(contract, None) => format!("{contract}.payment"),
        Step::Call(contract, Some(selector)) => format!("{contract}.{selector}"),
    }
}

fn remark_of(step: Step) -> String {
    let signature = match step {
        Step::PaidIn | Step::Call(_, None) => None,
        Step::Call(_, Some(selector)) => signature_of(selector),
    };
    signature.map(|signature| format!(" # {signature}")).unwrap_or_default()
}

fn asset_text(asset: Asset) -> String {
    match asset {
        Asset::Native => "native".to_owned(),
        Asset::Erc20(token) => format!("erc20:{token}"),
        Asset::Erc721(token, _) => format!("erc721:{token}"),
        Asset::Erc1155(token, _) => format!("erc1155:{token}"),
    }
}

fn module(part: &ModulePart, at: &str) -> Result<ModuleLearnt, LearntError> {
    let module = ModuleId::new(&part.module)
        .map_err(|_| LearntError::value(format!("{at}.module"), &part.module, "the name of a module"))?;
    let contracts = accounts(&part.contracts, &format!("{at}.contracts"))?;
    let (first_seconds, last_seconds) = (part.first_unix_seconds, part.last_unix_seconds);
    in_order(at, first_seconds, last_seconds, (0, LAST_SECOND))?;
    bounded(&part.path, MOST_PATHS, &format!("{at}.path"))?;
    bounded(&part.function, MOST_FUNCTIONS, &format!("{at}.function"))?;
    let mut hours = [HourSeen::default(); 24];
    if part.hours.len() != hours.len() {
        return Err(LearntError::value(format!("{at}.hours"), part.hours.len(), "24 pairs, one an hour"));
    }
    for (index, (hour, [transactions, busiest])) in hours.iter_mut().zip(&part.hours).enumerate() {
        if *transactions > part.transactions || busiest > transactions {
            let expected = format!("at most {} transactions, and no more of them in one hour", part.transactions);
            let field = format!("{at}.hours[{index}]");
            return Err(LearntError::value(field, format!("[{transactions}, {busiest}]"), expected));
        }
        *hour = HourSeen { transactions: *transactions, busiest: *busiest };
    }
    let range = Range { transactions: part.transactions, first: first_seconds, last: last_seconds };
    let mut paths = BTreeMap::new();
    for (index, entry) in part.path.iter().enumerate() {
        let at = format!("{at}.path[{index}]");
        let (key, seen) = path(entry, &at, range)?;
        if paths.insert(key, seen).is_some() {
            return Err(LearntError::value(at, entry.steps.join(", "), "each path once"));
        }
    }
    let mut functions = BTreeMap::new();
    for (index, entry) in part.function.iter().enumerate() {
        let at = format!("{at}.function[{index}]");
        let (function, seen) = function(entry, &at, range)?;
        if functions.insert(function, seen).is_some() {
            return Err(LearntError::value(format!("{at}.function"), &entry.function, "each function once"));
        }
    }
    Ok(ModuleLearnt {
        module,
        contracts,
        transactions: part.transactions,
        first_seconds,
        last_seconds,
        left_out: part.left_out,
        hours,
        paths,
        functions,
    })
}

/// What a module's paths and functions must lie within.
#[derive(Clone, Copy)]
struct Range {
    transactions: u64,
    first: u64,
    last: u64,
}

fn path(part: &PathPart, at: &str, range: Range) -> Result<(PathKey, PathSeen), LearntError> {
    let entry = [Entry::Account, Entry::Contract, Entry::Newborn].into_iter().find(|entry| entry.word() == part.entry);
    let entry = entry.ok_or_else(|| {
        let expected = "`account`, `contract` or `newborn contract`";
        LearntError::value(format!("{at}.entry"), &part.entry, expected)
    })?;
    bounded(&part.steps, MOST_STEPS, &format!("{at}.steps"))?;
    let mut steps = Vec::with_capacity(part.steps.len());
    for (index, text) in part.steps.iter().enumerate() {
        steps.push(step(text).ok_or_else(|| {
            let expected = "`paid in`, or a contract, a dot, and a selector or `payment`";
            LearntError::value(format!("{at}.steps[{index}]"), text, expected)
        })?);
    }
    if part.times == 0 || part.times > range.transactions {
        let expected = format!("1 to {}, as there are transactions", range.transactions);
        return Err(LearntError::value(format!("{at}.times"), part.times, expected));
    }
    if usize::try_from(part.most_calls).is_ok_and(|calls| calls < steps.len()) {
        let expected = format!("{} or more, as there are steps", steps.len());
        return Err(LearntError::value(format!("{at}.most_calls"), part.most_calls, expected));
    }
    in_order(at, part.first_unix_seconds, part.last_unix_seconds, (range.first, range.last))?;
    let senders = few(&part.senders, part.more_senders, MOST_SENDERS, &format!("{at}.senders"))?;
    bounded(&part.value, MOST_PATH_ASSETS, &format!("{at}.value"))?;
    let mut values = BTreeMap::new();
    for (index, value) in part.value.iter().enumerate() {
        let at = format!("{at}.value[{index}]");
        let asset = asset(&value.asset).ok_or_else(|| {
            let expected = "`native`, or `erc20:`, `erc721:` or `erc1155:` and the address of a token";
            LearntError::value(format!("{at}.asset"), &value.asset, expected)
        })?;
        let crossed = Crossed {
            came: amount(&value.came, &format!("{at}.came"))?,
            left: amount(&value.left, &format!("{at}.left"))?,
        };
        if values.insert(asset, crossed).is_some() {
            return Err(LearntError::value(format!("{at}.asset"), &value.asset, "each asset once"));
        }
    }
    let (first_seconds, last_seconds) = (part.first_unix_seconds, part.last_unix_seconds);
    let most_calls = part.most_calls;
    let seen = PathSeen { times: part.times, senders, most_calls, values, first_seconds, last_seconds };
    Ok((PathKey { entry, steps }, seen))
}

fn function(part: &FunctionPart, at: &str, range: Range) -> Result<(Function, FunctionSeen), LearntError> {
    let Some(Step::Call(contract, selector)) = step(&part.function) else {
        let expected = "a contract, a dot, and a selector or `payment`";
        return Err(LearntError::value(format!("{at}.function"), &part.function, expected));
    };
    if part.calls == 0 {
        return Err(LearntError::value(format!("{at}.calls"), part.calls, "1 or more"));
    }
    let callers = few(&part.callers, part.more_callers, MOST_CALLERS, &format!("{at}.callers"))?;
    in_order(at, part.first_unix_seconds, part.last_unix_seconds, (range.first, range.last))?;
    let mut hours = 0_u32;
    for hour in &part.hours {
        let bit = 1_u32.checked_shl(*hour).filter(|_| *hour < 24);
        hours |= bit.ok_or_else(|| LearntError::value(format!("{at}.hours"), hour, "hours of the day, 0 to 23"))?;
    }
    let seen = FunctionSeen {
        calls: part.calls,
        callers,
        gives_power: part.gives_power,
        hours,
        first_seconds: part.first_unix_seconds,
        last_seconds: part.last_unix_seconds,
    };
    Ok((Function { contract, selector }, seen))
}

fn bounded<T>(entries: &[T], most: usize, field: &str) -> Result<(), LearntError> {
    if entries.len() > most {
        return Err(LearntError::value(field, format!("{} entries", entries.len()), format!("at most {most}")));
    }
    Ok(())
}

fn in_order(at: &str, first: u64, last: u64, (from, to): (u64, u64)) -> Result<(), LearntError> {
    if first < from || first > to {
        return Err(LearntError::value(format!("{at}.first_unix_seconds"), first, format!("{from} to {to}")));
    }
    if last < first || last > to {
        return Err(LearntError::value(format!("{at}.last_unix_seconds"), last, format!("{first} to {to}")));
    }
    Ok(())
}

fn few(texts: &[String], more: bool, most: usize, field: &str) -> Result<Few, LearntError> {
    if texts.is_empty() {
        return Err(LearntError::value(field, "[]", "at least one account"));
    }
    bounded(texts, most, field)?;
    Ok(Few { known: accounts(texts, field)?.into_iter().collect(), more })
}

fn accounts(texts: &[String], field: &str) -> Result<Vec<Address>, LearntError> {
    let mut accounts = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let account = address(text).ok_or_else(|| {
            LearntError::value(format!("{field}[{index}]"), text, "an address: 0x and 40 hexadecimal digits")
        })?;
        // Ascending, so that the same content has the same digest.
        if accounts.last().is_some_and(|last| *last >= account) {
            return Err(LearntError::value(
                format!("{field}[{index}]"),
                text,
                "addresses in ascending order, each once",
            ));
        }
        accounts.push(account);
    }
    Ok(accounts)
}

fn address(text: &str) -> Option<Address> {
    (text.starts_with("0x") && text.len() == 42).then(|| text.parse().ok()).flatten()
}

fn step(text: &str) -> Option<Step> {
    if text == "paid in" {
        return Some(Step::PaidIn);
    }
    let (contract, function) = text.split_once('.')?;
    let selector = match function {
        "payment" => None,
        other => {
            Some((other.starts_with("0x") && other.len() == 10).then(|| other.parse::<Selector>().ok()).flatten()?)
        }
    };
    Some(Step::Call(address(contract)?, selector))
}

fn asset(text: &str) -> Option<Asset> {
    if text == "native" {
        return Some(Asset::Native);
    }
    let (kind, token) = text.split_once(':')?;
    let token = address(token)?;
    match kind {
        "erc20" => Some(Asset::Erc20(token)),
        "erc721" => Some(Asset::Erc721(token, U256::ZERO)),
        "erc1155" => Some(Asset::Erc1155(token, U256::ZERO)),
        _ => None,
    }
}

fn amount(text: &str, field: &str) -> Result<U256, LearntError> {
    let expected = "a whole decimal number below 2^192";
    let digits = !text.is_empty() && text.len() <= 78 && text.bytes().all(|byte| byte.is_ascii_digit());
    let amount = digits.then(|| U256::from_str_radix(text, 10).ok()).flatten();
    amount.filter(|amount| *amount <= MOST_AMOUNT).ok_or_else(|| LearntError::value(field, text, expected))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a file of a test")]

    use proptest::prelude::*;

    use super::*;
    use crate::behaviour::book::{Draft, tests::any_shape};

    fn learnt(all: &[(crate::behaviour::Shape, Address, u64)]) -> Learnt {
        let mut draft = Draft::default();
        all.iter().for_each(|(shape, sender, at)| draft.merge(&Draft::once(shape, *sender, *at)));
        let module = draft.finish(ModuleId::new("vault").unwrap(), vec![Address::with_last_byte(1)]);
        Learnt {
            chain: ChainId(1),
            first_block: BlockNumber(5),
            last_block: BlockNumber(9),
            modules: vec![module],
            is_as_written: true,
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(all in prop::collection::vec(any_shape(), 1..40)) {
            let learnt = learnt(&all);
            let text = learnt.write();
            prop_assert_eq!(&Learnt::parse(text.as_bytes()).unwrap(), &learnt, "{}", text);
        }

        #[test]
        fn whatever_a_byte_becomes_the_file_is_refused_in_words_or_known_to_be_edited(
            all in prop::collection::vec(any_shape(), 1..6), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = learnt(&all).write().into_bytes();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            match Learnt::parse(&bytes) {
                Ok(read) => prop_assert!(!read.is_as_written || read == learnt(&all)),
                Err(error) => prop_assert!(!error.to_string().contains('\n'), "{}", error),
            }
        }

        #[test]
        fn a_file_that_was_cut_off_is_refused_or_known_to_be_edited(
            all in prop::collection::vec(any_shape(), 2..6), at in any::<prop::sample::Index>(),
        ) {
            let whole = learnt(&all);
            let text = whole.write();
            let cut = &text.as_bytes()[..at.index(text.len().saturating_sub(2))];
            if let Ok(read) = Learnt::parse(cut) {
                prop_assert!(!read.is_as_written);
            }
        }
    }

    const FILE: &str = r#"
format = "cofferdam-learnt/1"
chain_id = 1
first_block = 5
last_block = 9
[[module]]
module = "vault"
contracts = ["0x0000000000000000000000000000000000000001"]
transactions = 3
first_unix_seconds = 100
last_unix_seconds = 200
left_out = 0
hours = [[3, 2], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0]]
[[module.path]]
entry = "account"
steps = ["0x0000000000000000000000000000000000000001.0x12345678", "paid in"]
times = 2
most_calls = 2
first_unix_seconds = 100
last_unix_seconds = 150
senders = ["0x0000000000000000000000000000000000000009"]
more_senders = false
value = [{ asset = "native", came = "0", left = "5" }]
[[module.function]]
function = "0x0000000000000000000000000000000000000001.payment"
calls = 1
callers = ["0x0000000000000000000000000000000000000009"]
more_callers = false
gives_power = true
hours = [3]
first_unix_seconds = 100
last_unix_seconds = 100
"#;

    #[test]
    fn every_value_that_cannot_be_meant_is_named_with_what_would_be_right() {
        assert!(!Learnt::parse(FILE.as_bytes()).unwrap().is_as_written(), "a file without a digest was edited");
        for (from, to, part) in [
            (
                "cofferdam-learnt/1",
                "cofferdam-learnt/2",
                "`format` is `cofferdam-learnt/2`, expected `cofferdam-learnt/1`",
            ),
            ("last_block = 9", "last_block = 4", "`last_block` is `4`, expected 5 or more"),
            ("last_block = 9", "last_block = -4", "line 5: "),
            ("\"vault\"", "\"Vault\"", "`module[0].module` is `Vault`, expected the name of a module"),
            ("0000000001\"]", "00001\"]", "`module[0].contracts[0]` is `0x000"),
            ("last_unix_seconds = 200", "last_unix_seconds = 20", "`module[0].last_unix_seconds` is `20`"),
            ("last_unix_seconds = 200", "last_unix_seconds = 999999999999999", "`module[0].last_unix_seconds` is `999"),
            ("[[3, 2],", "[[4, 2],", "`module[0].hours[0]` is `[4, 2]`, expected at most 3 transactions"),
            ("[[3, 2], ", "[", "`module[0].hours` is `23`, expected 24 pairs"),
            ("\"account\"", "\"anybody\"", "`module[0].path[0].entry` is `anybody`, expected `account`"),
            (".0x12345678", ".0x1234", "`module[0].path[0].steps[0]` is `0x"),
            ("times = 2", "times = 0", "`module[0].path[0].times` is `0`, expected 1 to 3"),
            ("times = 2", "times = 4", "`module[0].path[0].times` is `4`, expected 1 to 3"),
            ("most_calls = 2", "most_calls = 1", "`module[0].path[0].most_calls` is `1`, expected 2 or more"),
            ("last_unix_seconds = 150", "last_unix_seconds = 250", "`module[0].path[0].last_unix_seconds` is `250`"),
            (
                "senders = [\"0x0000000000000000000000000000000000000009\"]",
                "senders = []",
                "expected at least one account",
            ),
            ("\"native\"", "\"gold\"", "`module[0].path[0].value[0].asset` is `gold`"),
            ("left = \"5\"", "left = \"-5\"", "`module[0].path[0].value[0].left` is `-5`, expected a whole decimal"),
            (
                "left = \"5\"",
                "left = \"115792089237316195423570985008687907853269984665640564039457584007913129639935\"",
                "expected a whole decimal number below 2^192",
            ),
            ("hours = [3]", "hours = [24]", "`module[0].function[0].hours` is `24`, expected hours of the day"),
            ("calls = 1\n", "calls = 0\n", "`module[0].function[0].calls` is `0`, expected 1 or more"),
            ("gives_power", "surprise", "unknown field `surprise`"),
        ] {
            let text = FILE.replacen(from, to, 1);
            assert_ne!(text, FILE, "{from}");
            let error = Learnt::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{from} → {to}: {error}");
        }
        let large = vec![b'#'; MOST_BYTES.saturating_add(1)];
        assert!(matches!(Learnt::parse(&large), Err(LearntError::TooLarge { .. })));
    }

    #[test]
    fn an_edit_that_is_valid_is_read_and_seen() {
        let file = Learnt::parse(FILE.as_bytes()).unwrap();
        let written = file.write();
        assert!(Learnt::parse(written.as_bytes()).unwrap().is_as_written());
        let remarked = written.replace("times = 2", "times = 2 # a remark");
        assert!(Learnt::parse(remarked.as_bytes()).unwrap().is_as_written(), "a remark changes nothing");
        let edited = written.replace("left = \"5\"", "left = \"500\"");
        assert!(!Learnt::parse(edited.as_bytes()).unwrap().is_as_written());
    }
}
