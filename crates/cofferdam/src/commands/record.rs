//! `record`: writes whole blocks of a node as cases, with all the state that they read, to be run again offline.
//!
//! What has been written is listed in the folder's manifest even when a later block fails. Nothing is guessed: a block
//! that the node cannot trace is not written.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use cofferdam_chain::case::{Case, CaseError, Manifest, Recorder};
use cofferdam_chain::{Endpoint, EndpointOptions, Node, NodeOptions};
use cofferdam_evm::{Rules, Spec, spec_name, spec_named};
use cofferdam_types::BlockNumber;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::{Answer, Failure, print_json, print_line};
use crate::printable::{counted, shortened};

/// Where the blocks lie below the folder.
const BLOCKS: &str = "blocks";

/// Holds the address of a node where no argument does.
pub(super) const RPC_VARIABLE: &str = "COFFERDAM_RPC_URL";

/// Arguments of `record`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Address of the node; addresses often contain a key, so the variable is the better place for it.
    #[arg(long, value_name = "URL", env = RPC_VARIABLE, hide_env_values = true)]
    rpc: String,
    /// The first block.
    #[arg(long, value_name = "BLOCK")]
    from: u64,
    /// The last block.
    #[arg(long, value_name = "BLOCK")]
    to: u64,
    /// Folder for the cases: a new or empty one, or one with cases of the same chain, where blocks are written anew.
    #[arg(long, value_name = "FOLDER", default_value = "cases")]
    out: PathBuf,
    /// The hard fork of all these blocks. Absent: mainnet's own schedule on chain 1, else the newest known.
    #[arg(long, value_name = "NAME")]
    hardfork: Option<String>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The block.
    pub number: u64,
    /// The file, below the folder.
    pub file: PathBuf,
    /// Transactions in it.
    pub transactions: usize,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Input`] for a range or folder that cannot be used, [`Failure::Outside`] when the node cannot tell
/// everything that a case needs.
pub fn run(arguments: &Arguments, json: bool) -> Result<Answer, Failure> {
    let (from, to) = (arguments.from, arguments.to);
    if from == 0 || from > to {
        return Err(Failure::input(format!(
            "--from {from} --to {to}: expected 1 or more, and the first not after the last"
        )));
    }
    let spec = hard_fork(arguments.hardfork.as_deref())?;
    let folder = &arguments.out;
    let mut manifest = manifest_of(folder)?;
    let endpoint = Endpoint::new("node", &arguments.rpc, EndpointOptions::default());
    let endpoint = endpoint.map_err(|error| Failure::input(format!("--rpc: {error}")))?;
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} blocks, {eta} left").map_err(Failure::outside)?;
    // Draws on standard error, and only where that is a terminal.
    let bar = ProgressBar::new(to.saturating_sub(from).saturating_add(1)).with_style(style);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::outside)?;
    let recorded = runtime.block_on(async {
        let node = Node::connect(vec![endpoint], None, NodeOptions::default()).await.map_err(Failure::outside)?;
        let chain = node.chain_id();
        let head = node.head().await.map_err(Failure::outside)?.number.0;
        if to > head {
            return Err(Failure::input(format!("--to {to}: the node's newest block is {head}")));
        }
        if let Some(other) = manifest.blocks.iter().filter_map(|entry| entry.chain_id).find(|id| *id != chain.0) {
            let out = folder.display();
            return Err(Failure::input(format!(
                "--out {out}: holds cases of chain {other}, the node is on chain {chain}"
            )));
        }
        let rules = spec.map_or_else(|| Rules::for_chain(chain), |spec| Rules::fixed(chain, spec));
        record(node, &rules, from..=to, folder, &mut manifest, &mut || bar.inc(1)).await
    });
    bar.finish_and_clear();
    let written = recorded?;
    if json {
        print_json(&serde_json::json!({ "folder": folder, "written": written }))?;
    } else {
        let transactions = written.iter().map(|block| block.transactions).fold(0, usize::saturating_add);
        print_line(format_args!(
            "{} with {} in {}; run them with `cofferdam bench --cases {}`",
            counted(written.len(), "block"),
            counted(transactions, "transaction"),
            folder.display(),
            folder.display()
        ))?;
    }
    Ok(Answer::Yes)
}

/// The hard fork of a name that was given.
///
/// # Errors
/// [`Failure::Input`] when there is none of that name.
pub(super) fn hard_fork(name: Option<&str>) -> Result<Option<Spec>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let spec = spec_named(name);
    spec.map(Some).ok_or_else(|| {
        Failure::input(format!("--hardfork {}: expected the name of one like `prague`", shortened(name, 40)))
    })
}

/// What the folder holds already.
///
/// # Errors
/// [`Failure::Input`] when it is no folder, or holds something else than cases: nothing is written there.
pub fn manifest_of(folder: &Path) -> Result<Manifest, Failure> {
    let named = |what: String| Failure::input(format!("--out {}: {what}", folder.display()));
    if folder.join("manifest.json").exists() {
        return Manifest::read(folder).map_err(Failure::input);
    }
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(Manifest::default()),
            Some(_) => Err(named("is not empty and holds no cases; name a new or an empty folder".to_owned())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Manifest::default()),
        Err(error) => Err(named(error.to_string())),
    }
}

/// Records `range` into `folder`, of which `manifest` is what it holds; `each` is called after every block.
///
/// # Errors
/// As [`run`]; blocks before the one that failed are in the folder and in its manifest.
pub async fn record(
    node: Node,
    rules: &Rules,
    range: std::ops::RangeInclusive<u64>,
    folder: &Path,
    manifest: &mut Manifest,
    each: &mut dyn FnMut(),
) -> Result<Vec<Written>, Failure> {
    let failed = |error: CaseError| match error {
        CaseError::File { .. } | CaseError::Content { .. } => Failure::input(error),
        error @ (CaseError::Record { .. } | _) => Failure::outside(error),
    };
    let blocks = folder.join(BLOCKS);
    fs::create_dir_all(&blocks).map_err(|error| Failure::input(format!("--out {}: {error}", folder.display())))?;
    let mut recorder = Recorder::new(node);
    let mut written = Vec::new();
    for number in range {
        let done = match recorder.block(BlockNumber(number), |header| spec_name(rules.spec(header)).to_owned()).await {
            Ok(case) => write(&case, folder),
            Err(error) => Err(error),
        };
        match done {
            Ok((block, entry)) => {
                manifest.blocks.retain(|earlier| earlier.file != entry.file);
                manifest.blocks.push(entry);
                written.push(block);
                each();
            }
            Err(error) => {
                manifest.write(folder).map_err(failed)?;
                return Err(failed(error));
            }
        }
    }
    manifest.blocks.sort_by_key(|entry| entry.number);
    manifest.write(folder).map_err(failed)?;
    Ok(written)
}

fn write(case: &Case, folder: &Path) -> Result<(Written, cofferdam_chain::case::Entry), CaseError> {
    let file = Path::new(BLOCKS).join(format!("{}.json.zst", case.env.number));
    case.write(&folder.join(&file))?;
    let written = Written { number: case.env.number, file: file.clone(), transactions: case.transactions.len() };
    Ok((written, Manifest::entry_for(case, file)))
}
