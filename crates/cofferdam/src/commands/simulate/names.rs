//! Names for people: of functions, accounts, assets and storage slots. What contracts say of themselves is shown, cut
//! short and made printable, and decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use alloy_primitives::{Address, Bytes, U256, keccak256};
use cofferdam_detect::behaviour::signature_of;
use cofferdam_evm::{CallRequest, Engine};
use cofferdam_types::{Asset, CallKind, ChainId, Execution, Selector, ViewResult, Watchlist};

use crate::drill::amount::{AssetLabel, grouped};
use crate::printable::shortened;

/// Gas for asking a token for its name; a token that needs more goes without one.
const NAMING_GAS: u64 = 200_000;
/// Tokens that are asked.
const MOST_TOKENS: usize = 64;

/// Slots that standards reserve (EIP-1967, ERC-7201): what they hold.
static STANDARD_SLOTS: LazyLock<HashMap<U256, &'static str>> = LazyLock::new(|| {
    let hash = |text: &[u8]| U256::from_be_bytes(keccak256(text).0);
    let before = |text: &str| hash(text.as_bytes()).wrapping_sub(U256::ONE);
    let namespace = |id: &str| hash(&before(id).to_be_bytes::<32>()) & !U256::from(0xff_u8);
    HashMap::from([
        (before("eip1967.proxy.implementation"), "implementation of the proxy"),
        (before("eip1967.proxy.beacon"), "beacon of the proxy"),
        (before("eip1967.proxy.admin"), "admin of the proxy"),
        (hash(b"PROXIABLE"), "implementation of the proxy"),
        (hash(b"org.zeppelinos.proxy.implementation"), "implementation of the proxy"),
        (namespace("openzeppelin.storage.Ownable"), "owner"),
        (namespace("openzeppelin.storage.Ownable2Step"), "owner to be"),
        (namespace("openzeppelin.storage.Initializable"), "whether it is initialised"),
        (namespace("openzeppelin.storage.Pausable"), "whether it is paused"),
        (namespace("openzeppelin.storage.ReentrancyGuard"), "whether it is entered"),
    ])
});

/// A call as a person reads it: `withdraw(50)`, `0x12345678 and 64 bytes`, or nothing where there is no calldata.
pub(super) fn call_of(selector: Option<Selector>, input: &[u8]) -> String {
    let Some(selector) = selector else {
        return if input.is_empty() { String::new() } else { format!("{} bytes", input.len()) };
    };
    let arguments = input.get(4..).unwrap_or_default();
    let Some(signature) = signature_of(selector) else {
        return if arguments.is_empty() {
            selector.to_string()
        } else {
            format!("{selector} and {} bytes", arguments.len())
        };
    };
    decoded(signature, arguments).unwrap_or_else(|| signature.to_owned())
}

/// The call with its arguments, where all of them are single words.
fn decoded(signature: &str, arguments: &[u8]) -> Option<String> {
    let (name, types) = signature.strip_suffix(')')?.split_once('(')?;
    let mut words = Vec::new();
    for (index, kind) in types.split(',').filter(|kind| !kind.is_empty()).enumerate() {
        let start = index.checked_mul(32)?;
        let word = U256::from_be_slice(arguments.get(start..start.checked_add(32)?)?);
        words.push(match kind {
            "address" => Address::from_word(word.into()).to_string(),
            "bool" => (!word.is_zero()).to_string(),
            "bytes32" => format!("{word:#066x}"),
            "uint256" | "uint8" => word.to_string(),
            _ => return None,
        });
    }
    Some(format!("{name}({})", words.join(", ")))
}

/// What a slot holds, where that can be told: a slot of a standard, a plain variable, or the entry of one of
/// `accounts` in a mapping that stands in one of the first slots.
pub(super) fn slot_of(slot: U256, accounts: &[Address]) -> String {
    if let Some(name) = STANDARD_SLOTS.get(&slot) {
        return (*name).to_owned();
    }
    if slot < U256::from(256_u16) {
        return format!("variable in slot {slot}");
    }
    for base in 0..24_u8 {
        for account in accounts {
            let mut key = account.into_word().to_vec();
            key.extend_from_slice(&U256::from(base).to_be_bytes::<32>());
            if U256::from_be_bytes(keccak256(&key).0) == slot {
                return format!("entry of {account} in the mapping in slot {base}");
            }
        }
    }
    format!("slot {slot:#066x}")
}

/// A word of storage as a person reads it: an address where it has that shape, a number where it is small.
pub(super) fn word_of(word: U256) -> String {
    match word.bit_len() {
        121..=160 => Address::from_word(word.into()).to_string(),
        0..=120 => grouped(&word.to_string()),
        _ => format!("{word:#066x}"),
    }
}

/// Short names of the accounts of one execution.
#[derive(Debug, Default)]
pub(super) struct Labels {
    accounts: BTreeMap<Address, String>,
}

impl Labels {
    /// Labels for the modules of `watch` and the roles that accounts have in `execution`.
    pub(super) fn new(execution: &Execution, watch: &Watchlist) -> Self {
        let mut accounts = BTreeMap::new();
        let created = execution.effects.calls.iter();
        for call in created.filter(|call| matches!(call.kind, CallKind::Create | CallKind::Create2)) {
            accounts.insert(call.callee, "created here".to_owned());
        }
        accounts.insert(execution.block.beneficiary, "fee recipient".to_owned());
        accounts.insert(execution.transaction.from, "sender".to_owned());
        for module in watch.modules() {
            for contract in &module.contracts {
                accounts.insert(*contract, module.id.to_string());
            }
        }
        accounts.insert(Address::ZERO, "nobody".to_owned());
        Self { accounts }
    }

    /// The label, if there is one.
    pub(super) fn of(&self, account: Address) -> Option<&str> {
        self.accounts.get(&account).map(String::as_str)
    }
}

/// How amounts are written, asset by asset.
#[derive(Debug)]
pub(super) struct Assets {
    native: AssetLabel,
    tokens: BTreeMap<Address, AssetLabel>,
}

impl Assets {
    /// Asks the tokens among `assets` for symbol and decimals, on the head on which `engine` stands.
    pub(super) fn ask(engine: &mut Engine, chain: ChainId, assets: impl IntoIterator<Item = Asset>) -> Self {
        let native = match chain.0 {
            56 | 97 => "BNB",
            100 => "xDAI",
            137 => "POL",
            43_114 => "AVAX",
            _ => "ETH",
        };
        let mut tokens = BTreeMap::new();
        for token in assets.into_iter().filter_map(|asset| asset.token()) {
            if tokens.len() < MOST_TOKENS && !tokens.contains_key(&token) {
                tokens.insert(token, ask(engine, token));
            }
        }
        Self { native: AssetLabel::new(native, 18), tokens }
    }

    /// How amounts of `asset` are written.
    pub(super) fn label(&self, asset: Asset) -> AssetLabel {
        let token = |token: Address| self.tokens.get(&token).cloned().unwrap_or_else(|| unnamed(token));
        match asset {
            Asset::Native => self.native.clone(),
            Asset::Erc20(address) => token(address),
            Asset::Erc721(address, id) | Asset::Erc1155(address, id) => {
                AssetLabel::new(format!("{} #{}", token(address).symbol, shortened(&id.to_string(), 12)), 0)
            }
        }
    }
}

fn unnamed(token: Address) -> AssetLabel {
    AssetLabel::new(format!("units of {}", crate::printable::abbreviated(&token.to_string())), 0)
}

fn ask(engine: &mut Engine, token: Address) -> AssetLabel {
    let mut read = |signature: &str| {
        let data = Bytes::copy_from_slice(keccak256(signature).get(..4)?);
        let request = CallRequest { from: Address::ZERO, to: Some(token), value: U256::ZERO, data, gas: NAMING_GAS };
        match engine.fork().call(&request).ok()?.result {
            ViewResult::Returned(data) => Some(data),
            ViewResult::Failed(_) => None,
        }
    };
    let decimals = read("decimals()").and_then(|data| u8::try_from(word(&data, 0)?).ok());
    let symbol = read("symbol()").and_then(|data| text(&data)).filter(|symbol| !symbol.is_empty());
    match (symbol, decimals) {
        (Some(symbol), Some(decimals)) => AssetLabel::new(shortened(&symbol, 16), decimals),
        (Some(symbol), None) => AssetLabel::new(format!("smallest units of {}", shortened(&symbol, 12)), 0),
        (None, Some(_) | None) => unnamed(token),
    }
}

fn word(data: &[u8], start: usize) -> Option<U256> {
    data.get(start..start.checked_add(32)?).map(U256::from_be_slice)
}

/// A `string`, or a `bytes32` that early tokens answer with.
fn text(data: &[u8]) -> Option<String> {
    if data.len() == 32 {
        let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
        return String::from_utf8(data.get(..end)?.to_vec()).ok();
    }
    let start: usize = word(data, 0)?.try_into().ok()?;
    let length: usize = word(data, start)?.try_into().ok()?;
    let first = start.checked_add(32)?;
    String::from_utf8(data.get(first..first.checked_add(length.min(64))?)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_known_functions_are_decoded_and_others_are_measured() {
        let account = Address::repeat_byte(0x11);
        let mut input = keccak256("transfer(address,uint256)").get(..4).unwrap().to_vec();
        input.extend_from_slice(account.into_word().as_slice());
        input.extend_from_slice(&U256::from(7).to_be_bytes::<32>());
        let selector = |input: &[u8]| Some(Selector::from_slice(input.get(..4).unwrap()));
        assert_eq!(call_of(selector(&input), &input), format!("transfer({account}, 7)"));
        let short = input.get(..40).unwrap();
        assert_eq!(call_of(selector(short), short), "transfer(address,uint256)", "cut off: nothing is invented");
        assert_eq!(call_of(selector(&[1, 2, 3, 4]), &[1, 2, 3, 4, 5]), "0x01020304 and 1 bytes");
        assert_eq!((call_of(None, &[]), call_of(None, &[1])), (String::new(), "1 bytes".to_owned()));
    }

    #[test]
    fn slots_are_named_by_standard_by_number_and_by_the_mapping_that_they_are_in() {
        let implementation = U256::from_be_bytes(alloy_primitives::hex!(
            "360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
        ));
        assert_eq!(slot_of(implementation, &[]), "implementation of the proxy");
        let owner = U256::from_be_bytes(alloy_primitives::hex!(
            "9016d09d72d40fdae2fd8ceac6b6234c7706214fd39c1cd1e609a0528c199300"
        ));
        assert_eq!(slot_of(owner, &[]), "owner");
        assert_eq!(slot_of(U256::from(3), &[]), "variable in slot 3");
        let account = Address::repeat_byte(0x22);
        let mut key = account.into_word().to_vec();
        key.extend_from_slice(&U256::from(5).to_be_bytes::<32>());
        let slot = U256::from_be_bytes(keccak256(&key).0);
        assert_eq!(slot_of(slot, &[account]), format!("entry of {account} in the mapping in slot 5"));
        assert!(slot_of(slot, &[]).starts_with("slot 0x"));
    }

    #[test]
    fn names_that_tokens_give_themselves_are_read_in_both_forms_and_never_trusted() {
        let mut short = [0_u8; 32];
        short[..3].copy_from_slice(b"MKR");
        assert_eq!(text(&short).as_deref(), Some("MKR"));
        let mut long = vec![0_u8; 96];
        (long[31], long[63]) = (0x20, 4);
        long[64..68].copy_from_slice(b"USDC");
        assert_eq!(text(&long).as_deref(), Some("USDC"));
        long[31] = 0xff;
        assert_eq!(text(&long), None);
        assert_eq!(text(&[0xff; 64]), None);
    }
}
