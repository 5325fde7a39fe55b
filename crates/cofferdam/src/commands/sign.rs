//! `sign`: signs typed data (EIP-712), such as a Safe's transaction, on a machine without a node or a network, after showing
//! what it is.
//!
//! The two hashes shown are those that a hardware wallet shows. A Safe's transaction is read back into its calls. **Never**
//! signs with a guardian's key.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use cofferdam_respond::Wallet;
use cofferdam_respond::document::{Document, MOST_BYTES};
use cofferdam_respond::safe::{Operation, Safe, SafeTransaction, batch};
use cofferdam_types::primitives::{Address, B256, Bytes};
use serde::Serialize;

use crate::cli::{Answer, Failure, print_json, print_line};
use crate::printable::{printable, shortened};

/// Arguments of `sign`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The typed data as JSON (`eth_signTypedData_v4`), or `-` for standard input.
    file: PathBuf,
    /// A keystore file. Absent: the document is shown and nothing is signed.
    #[arg(long, requires = "password_file")]
    keystore: Option<PathBuf>,
    /// The file with the keystore's password, readable by its owner alone.
    #[arg(long, requires = "keystore")]
    password_file: Option<PathBuf>,
    /// The hash that must come out, as it was told by another way; otherwise nothing is signed.
    #[arg(long)]
    expect: Option<B256>,
}

#[derive(Serialize)]
struct Signed<'a> {
    primary_type: &'a str,
    domain_hash: B256,
    message_hash: B256,
    hash: B256,
    signer: Option<Address>,
    signature: Option<Bytes>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Input`] when the document cannot be used, or its hash is not the expected one.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    let bytes = read(arguments)?;
    let name = arguments.file.display();
    let document = Document::parse(&bytes).map_err(|error| Failure::input(format!("{name}: {error}")))?;
    let hash = document.hash();
    // Read by the person who signs, before anything is signed.
    anstream::eprintln!("{}", printable(&in_words(&document)));
    if let Some(expected) = arguments.expect
        && expected != hash
    {
        return Err(Failure::input(format!("{name}: its hash is {hash}, expected {expected}: nothing is signed")));
    }
    let signed = match (&arguments.keystore, &arguments.password_file) {
        (Some(keystore), Some(password)) => {
            let wallet = Wallet::open(keystore, password).map_err(Failure::input)?;
            Some((wallet.address(), wallet.sign(hash).map_err(Failure::input)?))
        }
        _ => None,
    };
    let (signer, signature) = signed.unzip();
    if json {
        print_json(&Signed {
            primary_type: document.primary_type(),
            domain_hash: document.domain_hash(),
            message_hash: document.message_hash(),
            hash,
            signer,
            signature,
        })?;
    } else if let Some(signature) = signature {
        print_line(signature)?;
    } else {
        print_line(hash)?;
    }
    Ok(Answer::Yes)
}

fn read(arguments: &Arguments) -> Result<Vec<u8>, Failure> {
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let name = arguments.file.display();
    let cannot = |error: std::io::Error| Failure::input(format!("{name}: cannot be read: {error}"));
    if arguments.file.as_os_str() == "-" {
        std::io::stdin().take(most).read_to_end(&mut bytes).map_err(cannot)?;
    } else {
        std::fs::File::open(&arguments.file)
            .and_then(|file| file.take(most).read_to_end(&mut bytes))
            .map_err(cannot)?;
    }
    Ok(bytes)
}

fn in_words(document: &Document) -> String {
    let (name, version) = document.domain_name();
    let mut lines = vec![format!("{} of {}", document.primary_type(), name.unwrap_or("a domain without a name"))];
    if let Some(version) = version {
        lines.push(format!("version       {version}"));
    }
    lines.push(match document.chain_id() {
        Some(id) => format!("chain         {id}"),
        None => "chain         none is named: the signature holds on EVERY chain".to_owned(),
    });
    if let Some(contract) = document.verifying_contract() {
        lines.push(format!("contract      {contract}"));
    }
    match document.safe() {
        Some((safe, transaction)) => lines.extend(safe_words(safe, transaction)),
        None => lines.push(format!("message       {}", shortened(&document.message().to_string(), 2_000))),
    }
    lines.push(format!("domain hash   {}", document.domain_hash()));
    lines.push(format!("message hash  {}", document.message_hash()));
    lines.push(format!("hash          {}", document.hash()));
    lines.join("\n")
}

/// What the Safe will do, call by call.
fn safe_words(safe: &Safe, transaction: &SafeTransaction) -> Vec<String> {
    let mut lines = vec![format!("a transaction of the Safe {}, its number {}", safe.address, transaction.nonce)];
    let call = |to: Address, value: &dyn std::fmt::Display, data: &Bytes| {
        let data = if data.is_empty() { "no data".to_owned() } else { shortened(&data.to_string(), 300) };
        format!("  call {to} with {value} wei: {data}")
    };
    match (transaction.operation, batch::unpacked(&transaction.data)) {
        (Operation::Call, _) => lines.push(call(transaction.to, &transaction.value, &transaction.data)),
        (Operation::DelegateCall, Ok(calls)) => {
            lines.push(format!(
                "  {} calls through the code at {} (check that it is MultiSendCallOnly):",
                calls.len(),
                transaction.to
            ));
            lines.extend(calls.iter().map(|each| call(each.to, &each.value, &each.data)));
        }
        (Operation::DelegateCall, Err(_)) => {
            lines.push(format!(
                "  RUNS THE CODE AT {} AS THE SAFE ITSELF (delegate call): owners, threshold and code can change",
                transaction.to
            ));
            lines.push(format!("  data {}", shortened(&transaction.data.to_string(), 300)));
        }
    }
    if !transaction.gas_price.is_zero() {
        lines.push(format!(
            "  PAYS A REFUND: {} per gas of {} to {}",
            transaction.gas_price, transaction.gas_token, transaction.refund_receiver
        ));
    }
    lines
}
