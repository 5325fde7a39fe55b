//! `envelope`: the limits inside which the machine may act alone, drafted, read in words, signed, checked and revoked.
//!
//! Works without a node and without a network: what is signed can be carried to a machine that has neither. Contracts
//! among the signers are asked by `watch`, which has a chain. **Never** signs with a guardian's key: the machine does
//! not allow itself anything.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use cofferdam_respond::limits::Limits;
use cofferdam_respond::limits::envelope::{Envelope, Signed, Signers};
use cofferdam_respond::{Lever, Wallet};
use cofferdam_types::primitives::{Address, B256, Bytes};
use serde::Serialize;

use crate::cli::{Answer, Failure, print_json, print_line};
use crate::config;
use crate::printable::printable;

mod draft;
mod words;

/// Arguments of `envelope`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drafts an envelope for every lever of a configuration, on standard output: the strictest terms, to be edited.
    New {
        /// The configuration.
        #[arg(long, default_value = "cofferdam.toml")]
        config: PathBuf,
        /// Whose limits they are.
        #[arg(long)]
        protocol: String,
        /// Its number; must be higher than that of the envelope that it replaces.
        #[arg(long, default_value_t = 1)]
        serial: u64,
        /// From when on it is void, unix seconds.
        #[arg(long)]
        expires: u64,
    },
    /// Says in words what an envelope allows, and who signed it.
    Show {
        /// The envelope.
        file: PathBuf,
        /// Print the typed data that a wallet signs (`eth_signTypedData_v4`).
        #[arg(long)]
        typed_data: bool,
        /// Print the typed data that a wallet signs to revoke it.
        #[arg(long, conflicts_with = "typed_data")]
        revocation: bool,
    },
    /// Signs an envelope, after saying in words what it allows, and writes the signature below it.
    Sign {
        /// The envelope.
        file: PathBuf,
        #[command(flatten)]
        by: By,
    },
    /// Whether enough signers have signed. Contracts among them are asked by `watch`.
    Verify {
        /// The envelope.
        file: PathBuf,
        /// The configuration that names the signers.
        #[arg(long, default_value = "cofferdam.toml")]
        config: PathBuf,
    },
    /// Ends an envelope by the signature of one signer. A running `watch` stops acting when it next looks at the file.
    Revoke {
        /// The envelope.
        file: PathBuf,
        #[command(flatten)]
        by: By,
    },
}

/// Who signs, and how.
#[derive(Debug, Args)]
struct By {
    /// A keystore file; its key signs here.
    #[arg(long, requires = "password_file", conflicts_with_all = ["signature", "signer"], required_unless_present = "signature")]
    keystore: Option<PathBuf>,
    /// The file with the keystore's password, readable by its owner alone.
    #[arg(long, requires = "keystore")]
    password_file: Option<PathBuf>,
    /// A signature that a wallet made over the typed data of `show`.
    #[arg(long, requires = "signer")]
    signature: Option<Bytes>,
    /// Who made it.
    #[arg(long)]
    signer: Option<Address>,
    /// The signer is a contract, such as a Safe, that is asked by EIP-1271.
    #[arg(long, requires = "signature")]
    contract: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    hash: B256,
    revocation_hash: B256,
    words: &'a str,
    signatures: &'a [Signed],
}

#[derive(Serialize)]
struct Verified {
    approved: bool,
    reason: Option<String>,
    signed: Vec<Address>,
    /// Contracts whose word `watch` asks for.
    to_ask: Vec<Address>,
    threshold: u32,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Input`] when a file cannot be used or a signature is not over it.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::New { config, protocol, serial, expires } => {
            let ready = config::load(config, &|name| std::env::var_os(name))
                .map_err(|mistakes| super::config::refused(&mistakes))?;
            let levers: Vec<Lever> = ready
                .responder
                .levers
                .iter()
                .map(|settings| Lever::new(settings).map_err(Failure::input))
                .collect::<Result<_, _>>()?;
            let text = draft::draft(protocol, ready.file.chain.id.0, *serial, *expires, &levers);
            // What is handed out can be read back, or it is not handed out.
            Limits::parse(text.as_bytes()).map_err(Failure::input)?;
            print_line(text.trim_end())?;
            Ok(Answer::Yes)
        }
        Command::Show { file, typed_data, revocation } => {
            let (limits, _) = open(file)?;
            let envelope = envelope_of(&limits, file)?;
            if *typed_data {
                print_json(&envelope.typed_data())?;
            } else if *revocation {
                print_json(&envelope.revocation_typed_data())?;
            } else if json {
                let words = words::in_words(&limits, envelope);
                let (hash, revocation_hash) = (envelope.hash(), envelope.revocation_hash());
                print_json(&Shown { hash, revocation_hash, words: &words, signatures: envelope.signatures() })?;
            } else {
                print_line(printable(&words::in_words(&limits, envelope)))?;
            }
            Ok(Answer::Yes)
        }
        Command::Sign { file, by } => sign(file, by, Under::Terms),
        Command::Revoke { file, by } => sign(file, by, Under::Revocation),
        Command::Verify { file, config } => verify(file, config, json),
    }
}

/// What a signature stands under.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    Terms,
    Revocation,
}

fn open(file: &Path) -> Result<(Limits, String), Failure> {
    let cannot = |reason: &dyn std::fmt::Display| Failure::input(format!("{}: {reason}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| cannot(&error))?;
    let limits = Limits::parse(text.as_bytes()).map_err(|error| cannot(&error))?;
    Ok((limits, text))
}

fn envelope_of<'l>(limits: &'l Limits, file: &Path) -> Result<&'l Envelope, Failure> {
    let missing = || Failure::input(format!("{}: there is no `[envelope]` table, so nothing to sign", file.display()));
    limits.envelope().ok_or_else(missing)
}

fn sign(file: &Path, by: &By, under: Under) -> Result<Answer, Failure> {
    let (limits, text) = open(file)?;
    let envelope = envelope_of(&limits, file)?;
    let (hash, table) = match under {
        Under::Terms => (envelope.hash(), "[[signature]]"),
        Under::Revocation => (envelope.revocation_hash(), "[revoked]"),
    };
    // Read by the person who signs, before anything is signed.
    anstream::eprintln!("{}", printable(&words::in_words(&limits, envelope)));
    let signed = match (&by.keystore, &by.password_file, &by.signature, by.signer) {
        (Some(keystore), Some(password), None, None) => {
            let wallet = Wallet::open(keystore, password).map_err(Failure::input)?;
            let signature = wallet.sign(hash).map_err(Failure::input)?;
            Signed { signer: wallet.address(), signature, contract: false }
        }
        (None, None, Some(signature), Some(signer)) => {
            Signed { signer, signature: signature.clone(), contract: by.contract }
        }
        _ => return Err(Failure::input("give `--keystore` with `--password-file`, or `--signature` with `--signer`")),
    };
    let entry = entry(table, &signed);
    let text = format!("{}\n{entry}", text.trim_end());
    // The signer decides whom it must be of; here it must only be over these terms, once.
    let read = Limits::parse(text.as_bytes()).map_err(Failure::input)?;
    let after = envelope_of(&read, file)?;
    match under {
        Under::Terms => {
            let accounts = after.signatures().iter().map(|signed| signed.signer).collect();
            after.approval(&Signers { accounts, threshold: 1 }, after.header().chain_id).map_err(Failure::input)?;
        }
        Under::Revocation => {
            let signers = Signers { accounts: vec![signed.signer], threshold: 1 };
            if after.revoked_by(&signers).is_none() {
                return Err(Failure::input(format!("the signature of {} is not over the revocation", signed.signer)));
            }
        }
    }
    replace(file, &text)?;
    print_line(format_args!("{}: {} signed {hash}", file.display(), signed.signer))?;
    Ok(Answer::Yes)
}

fn entry(table: &str, signed: &Signed) -> String {
    let contract = if signed.contract { "contract = true\n" } else { "" };
    format!("\n{table}\nsigner = \"{}\"\nsignature = \"{}\"\n{contract}", signed.signer, signed.signature)
}

/// Puts `text` in the place of the file at once: a running watch reads all of it or the old one.
fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    let beside = file.with_extension("signing");
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, file)).map_err(Failure::outside)
}

fn verify(file: &Path, config: &Path, json: bool) -> Result<Answer, Failure> {
    let (limits, _) = open(file)?;
    let envelope = envelope_of(&limits, file)?;
    let (chain, signers) = config::signers(config).map_err(|mistakes| super::config::refused(&mistakes))?;
    let Some(signers) = &signers else {
        return Err(Failure::input(format!("{}: there is no `[signers]` table", config.display())));
    };
    let verified = match envelope.approval(signers, chain.0) {
        Ok(approval) => Verified {
            approved: true,
            reason: None,
            signed: approval.signed,
            to_ask: approval.to_ask.iter().map(|signed| signed.signer).collect(),
            threshold: signers.threshold,
        },
        Err(error) => Verified {
            approved: false,
            reason: Some(error.to_string()),
            signed: Vec::new(),
            to_ask: Vec::new(),
            threshold: signers.threshold,
        },
    };
    let approved = verified.approved;
    if json {
        print_json(&verified)?;
    } else if let Some(reason) = &verified.reason {
        print_line(format_args!("not approved: {}", printable(reason)))?;
    } else {
        let (signed, asked) = (verified.signed.len(), verified.to_ask.len());
        let asked =
            if asked == 0 { String::new() } else { format!(", {asked} contracts still to be asked by `watch`") };
        print_line(format_args!("approved: {signed} signed, {} needed{asked}", verified.threshold))?;
    }
    Ok(if approved { Answer::Yes } else { Answer::No })
}
