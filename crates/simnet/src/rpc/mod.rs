//! The JSON-RPC face: geth's method names, shapes, error codes and words over the chain.
//!
//! Every method is one job for the chain, and so atomic.

mod args;
mod chain;
mod control;
mod fees;
mod mempool;
mod state;
mod subscribe;
mod trace;

use jsonrpsee::RpcModule;
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;

use crate::Simnet;
use crate::world::World;
use args::Args;

/// What a method answers.
type Answer<R> = Result<R, ErrorObjectOwned>;

/// All methods over one chain.
pub(crate) fn module(net: Simnet) -> RpcModule<Simnet> {
    let mut face = Face(RpcModule::new(net));
    chain::register(&mut face);
    state::register(&mut face);
    fees::register(&mut face);
    mempool::register(&mut face);
    trace::register(&mut face);
    control::register(&mut face);
    subscribe::register(&mut face.0);
    face.0
}

/// The module while methods are added to it.
struct Face(RpcModule<Simnet>);

impl Face {
    fn on<R>(&mut self, name: &'static str, answer: fn(&mut World, &Args) -> Answer<R>)
    where
        R: Serialize + Clone + Send + 'static,
    {
        let registered = self.0.register_method(name, move |params, net, _| {
            let args = Args::of(&params)?;
            net.with(move |world| answer(world, &args))
        });
        registered.map(drop).expect("every method name is registered once");
    }
}

/// geth's code for "the request was fine, the answer is no".
fn refused(reason: &impl ToString) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(-32_000, reason.to_string(), None::<()>)
}

/// The parameters are not what the method takes.
fn bad_params(reason: &impl ToString) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(-32_602, reason.to_string(), None::<()>)
}
