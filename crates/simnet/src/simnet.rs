//! The handle that drills, tests and the JSON-RPC face share.

use std::net::SocketAddr;
use std::sync::mpsc;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_client::RpcClient;
use alloy_transport::IntoBoxTransport;
use cofferdam_evm::{CallOutcome, CallRequest};
use cofferdam_types::{AccountState, Block, BlockNumber, BlockRef, Header, Receipt};
use jsonrpsee::RpcModule;

use crate::client::InProcess;
use crate::world::World;
use crate::{
    Config, ConfigError, Dropped, Lane, ReorgError, ReorgKind, Reorged, Serving, SubmitError, TimeError, rpc, serve,
};

type Job = Box<dyn FnOnce(&mut World) + Send>;

/// A chain inside the process. Clones are handles to the same chain; each call is atomic.
///
/// The chain lives on a thread of its own, because the EVM cannot move between threads. The thread ends with the last
/// handle. A call waits for its answer, which takes no longer than the execution that it asks for.
#[derive(Clone)]
pub struct Simnet {
    jobs: mpsc::Sender<Job>,
}

impl Simnet {
    /// A chain that stands at block 0.
    ///
    /// # Errors
    /// [`ConfigError`] when no valid block could be built.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let (jobs, queue) = mpsc::channel::<Job>();
        let run = move || {
            let mut world = World::new(config);
            for job in queue {
                job(&mut world);
            }
        };
        let thread = std::thread::Builder::new().name("simnet".to_owned()).spawn(run);
        thread.map_err(|error| ConfigError::Thread { reason: error.to_string() })?;
        Ok(Self { jobs })
    }

    /// Runs `job` on the chain and waits for its answer.
    pub(crate) fn with<R: Send + 'static>(&self, job: impl FnOnce(&mut World) -> R + Send + 'static) -> R {
        let (answer, answered) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |world| {
            // The asker waits below; it cannot be gone.
            let _ = answer.send(job(world));
        });
        self.jobs.send(job).expect("the chain's thread ends only after the last handle");
        answered.recv().expect("the chain's thread answers every job")
    }

    /// Takes a signed EIP-2718 transaction into the mempool, for everybody to see. Returns its hash.
    ///
    /// # Errors
    /// [`SubmitError`], in geth's words.
    pub fn submit(&self, raw: &[u8]) -> Result<B256, SubmitError> {
        let raw = Bytes::copy_from_slice(raw);
        self.with(move |world| world.submit(&raw, Lane::Public))
    }

    /// Hands a signed transaction to the block builder alone: it stands at the top of the next block (by tip among
    /// its like) and shows in no pending view and no subscription before that. Returns its hash.
    ///
    /// # Errors
    /// [`SubmitError`], in geth's words.
    pub fn submit_private(&self, raw: &[u8]) -> Result<B256, SubmitError> {
        let raw = Bytes::copy_from_slice(raw);
        self.with(move |world| world.submit(&raw, Lane::Private))
    }

    /// Moves time on by one block and builds that block from what waits, up to its gas limit.
    pub fn mine(&self) -> BlockRef {
        self.with(World::mine)
    }

    /// Drops the last `depth` blocks and goes on as `kind` says. Time goes back with the chain.
    ///
    /// # Errors
    /// [`ReorgError`]; nothing changed then.
    pub fn reorg(&self, depth: u64, kind: &ReorgKind) -> Result<Reorged, ReorgError> {
        let kind = kind.clone();
        self.with(move |world| world.reorg(depth, &kind))
    }

    /// The canonical head.
    pub fn head(&self) -> BlockRef {
        self.with(|world| world.head().block_ref())
    }

    /// Header of the canonical head.
    pub fn header(&self) -> Header {
        self.with(|world| world.head().plain.clone())
    }

    /// A canonical block with its receipts.
    pub fn block(&self, number: BlockNumber) -> Option<Block> {
        self.with(move |world| world.block(number.0).map(|block| block.to_block()))
    }

    /// What the building of a canonical block found to be unminable, with reasons.
    pub fn dropped_by(&self, number: BlockNumber) -> Vec<Dropped> {
        self.with(move |world| world.block(number.0).map(|block| block.dropped.clone()).unwrap_or_default())
    }

    /// Why a transaction that once waited will not be mined; `None` while it waits, is mined, or was never here.
    pub fn drop_reason(&self, hash: B256) -> Option<String> {
        self.with(move |world| world.drop_reason(hash).map(str::to_owned))
    }

    /// The receipt of a mined transaction, and its block.
    pub fn receipt(&self, hash: B256) -> Option<(BlockRef, Receipt)> {
        self.with(move |world| world.find(hash).map(|(block, _, mined)| (block.block_ref(), mined.to_receipt())))
    }

    /// An account after the head; all zero when it does not exist.
    pub fn account(&self, address: Address) -> AccountState {
        self.with(move |world| world.ledger().account(address).unwrap_or_default())
    }

    /// A storage slot after the head.
    pub fn slot(&self, address: Address, slot: U256) -> U256 {
        self.with(move |world| world.ledger().slot(address, slot))
    }

    /// A call on the state after the head, without fees or nonces. Changes nothing.
    pub fn call(&self, request: &CallRequest) -> CallOutcome {
        let request = request.clone();
        self.with(move |world| {
            let header = world.head().plain.clone();
            world.ledger_mut().call(&header, &request)
        })
    }

    /// Wei per gas that the next block will burn.
    pub fn next_base_fee(&self) -> u64 {
        self.with(|world| world.next_env().base_fee.unwrap_or_default())
    }

    /// Unix seconds that the next block will bear.
    pub fn next_timestamp(&self) -> u64 {
        self.with(|world| world.next_timestamp())
    }

    /// Sets the time of the next block alone; those after it follow at the usual distance.
    ///
    /// # Errors
    /// [`TimeError`] when that is not after the head.
    pub fn set_next_timestamp(&self, unix_seconds: u64) -> Result<(), TimeError> {
        self.with(move |world| world.set_next_timestamp(unix_seconds))
    }

    /// Puts the next block `seconds` later than it would be.
    pub fn advance_time(&self, seconds: u64) {
        self.with(move |world| world.advance_time(seconds));
    }

    /// The JSON-RPC methods.
    pub fn rpc(&self) -> RpcModule<Self> {
        rpc::module(self.clone())
    }

    /// A client that calls the methods without a socket. It has no subscriptions, like HTTP.
    pub fn client(&self) -> RpcClient {
        RpcClient::new(InProcess::new(self.rpc().into()).into_box_transport(), true)
    }

    /// Serves the methods over HTTP and WebSocket on one port; port 0 picks a free one.
    ///
    /// # Errors
    /// The operating system's, when the port cannot be had.
    pub async fn serve(&self, address: SocketAddr) -> std::io::Result<Serving> {
        serve::start(self.rpc().into(), address).await
    }
}

impl std::fmt::Debug for Simnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simnet").field("head", &self.head()).finish_non_exhaustive()
    }
}
