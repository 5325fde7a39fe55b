//! The envelope of a drill: what its people signed beforehand, with keys that are nobody's secret.

use cofferdam_respond::limits::Limits;
use cofferdam_respond::limits::envelope::Signers;
use cofferdam_respond::{Lever, LeverSettings, Wallet};
use cofferdam_types::ChainId;
use cofferdam_types::primitives::{B256, keccak256};

use super::runner::{DrillError, failed};

/// Limits, and whose signatures are under them.
pub(super) struct Signed {
    pub(super) limits: Limits,
    pub(super) signers: Signers,
}

/// Three people may sign, two must; the first two do. Three pauses an hour with each lever, at a price that no attack of
/// the scenarios exceeds.
pub(super) fn signed(chain: ChainId, levers: &[LeverSettings]) -> Result<Signed, DrillError> {
    let people: Vec<Wallet> = (1..=3_u8).filter_map(person).collect();
    let signers = Signers { accounts: people.iter().map(Wallet::address).collect(), threshold: 2 };
    let mut text = terms(chain, levers)?;
    let hash = Limits::parse(text.as_bytes()).map_err(failed("the limits are wrong"))?.hash();
    for person in people.iter().take(2) {
        let signature = person.sign(hash).map_err(failed("a person could not sign"))?;
        let signer = person.address();
        text.push_str(&format!("\n[[signature]]\nsigner = \"{signer}\"\nsignature = \"{signature}\"\n"));
    }
    let limits = Limits::parse(text.as_bytes()).map_err(failed("the signed limits are wrong"))?;
    Ok(Signed { limits, signers })
}

fn person(number: u8) -> Option<Wallet> {
    let key: B256 = keccak256(format!("cofferdam drill signer {number}"));
    Wallet::from_key(&key)
}

fn terms(chain: ChainId, levers: &[LeverSettings]) -> Result<String, DrillError> {
    let mut text = format!("enabled = true\n\n[envelope]\nprotocol = \"drill\"\nchain_id = {chain}\nserial = 1\n");
    for settings in levers {
        let close = Lever::new(settings).map_err(failed("a lever is wrong"))?.close();
        let selector: String = close.calldata.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        text.push_str(&format!(
            "\n[[allow]]\nlever = \"{}\"\ntarget = \"{}\"\nselector = \"0x{selector}\"\nmax_actions = 3\n\
             window_seconds = 3600\nexpires_unix_seconds = 4102444800\nmax_fee_per_gas_wei = \"1000000000000\"\n\
             max_total_cost_wei = \"1000000000000000000\"\n",
            close.lever, close.target
        ));
    }
    Ok(text)
}
