//! Deploys an assertion contract into an empty world, and asks it what it wants to be fired by.
//!
//! There is no chain at that time: a constructor that reads another contract finds nothing there.

use std::sync::Arc;

use alloy_sol_types::SolCall;
use revm::context::BlockEnv;
use revm::primitives::{Address, Bytes, TxKind, hex};

use super::abi::{self, Entry};
use super::artifact::{Artifact, ArtifactError};
use super::reason;
use super::record::{Recorded, Trigger, Version};
use super::run::{self, Ended, Host, Invocation, Phase};
use super::world::{self, Residents, World};
use crate::rules::{Rules, Spec};

/// Gas of a constructor.
const CREATION_GAS: u64 = 200_000_000;
/// Gas of `triggers()`.
const TRIGGERS_GAS: u64 = 30_000_000;

/// The contract cannot be used as an assertion.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionError {
    /// The file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The constructor failed.
    #[error("the constructor fails: {0}")]
    Constructor(String),
    /// The version was registered twice, which is an error of the contract.
    #[error("the constructor registers a version of the interface twice")]
    VersionTwice,
    /// `triggers()` failed, or there is none.
    #[error("`triggers()` fails: {0}")]
    Triggers(String),
    /// It would never run.
    #[error("`triggers()` registers nothing, so that no function would ever run")]
    NothingRegistered,
    /// A trigger for a function that the contract has not.
    #[error("`triggers()` names the function {0}, which the contract does not have")]
    NoSuchFunction(String),
}

/// A function and all that fires it.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) selector: [u8; 4],
    pub(super) name: Arc<str>,
    pub(super) triggers: Vec<Trigger>,
    /// What is said when none of them fired.
    pub(super) not_fired: Arc<str>,
}

/// A deployed assertion contract.
#[derive(Clone, Debug)]
pub(super) struct Deployed {
    pub(super) residents: Residents,
    pub(super) version: Version,
    pub(super) functions: Vec<Function>,
    /// Triggers that are not built.
    pub(super) not_supported: Vec<String>,
}

/// Deploys `artifact` for `adopter`.
pub(super) fn deploy(rules: Rules, artifact: &Artifact, adopter: Address) -> Result<Deployed, AssertionError> {
    let cfg = world::rules(rules, Spec::CANCUN);
    let block = BlockEnv::default();
    let mut residents = Residents::new(0);
    let mut host = Host::new(Phase::Constructor, Version::Legacy, adopter, Invocation::default());
    let creation = run::call(TxKind::Create, artifact.creation.clone(), CREATION_GAS, &block, rules.chain().0);
    // Nothing can be unavailable where there is no chain.
    let unreachable = |error: crate::state::DbError| AssertionError::Constructor(error.to_string());
    let ran = host
        .execute(World::new(None, &residents, world::Fork::PreTx), (block.clone(), cfg.clone()), creation)
        .map_err(unreachable)?;
    let failed = |ended: &Ended| reason::of(ended, &artifact.abi);
    if let Some(reason) = failed(&ran.ended) {
        return Err(AssertionError::Constructor(reason));
    }
    let Recorded { version, version_twice, .. } = host.recorded;
    if version_twice {
        return Err(AssertionError::VersionTwice);
    }
    residents.adopt(ran.changes);
    let version = version.unwrap_or_default();
    let mut host = Host::new(Phase::Triggers, version, adopter, Invocation::default());
    let question = Bytes::from(Entry::triggersCall {}.abi_encode());
    let asked = run::call(TxKind::Call(abi::CONTRACT), question, TRIGGERS_GAS, &block, rules.chain().0);
    let ran =
        host.execute(World::new(None, &residents, world::Fork::PreTx), (block, cfg), asked).map_err(unreachable)?;
    if let Some(reason) = failed(&ran.ended) {
        return Err(AssertionError::Triggers(reason));
    }
    let Recorded { triggers, not_supported, .. } = host.recorded;
    let functions = functions(artifact, triggers)?;
    if functions.is_empty() && not_supported.is_empty() {
        return Err(AssertionError::NothingRegistered);
    }
    Ok(Deployed { residents, version, functions, not_supported })
}

/// Groups triggers by function, in the order in which the functions were first named.
fn functions(artifact: &Artifact, triggers: Vec<([u8; 4], Trigger)>) -> Result<Vec<Function>, AssertionError> {
    let mut functions: Vec<Function> = Vec::new();
    for (selector, trigger) in triggers {
        if !artifact.functions.contains_key(&selector) {
            return Err(AssertionError::NoSuchFunction(hex::encode_prefixed(selector)));
        }
        match functions.iter_mut().find(|function| function.selector == selector) {
            Some(function) => function.triggers.push(trigger),
            None => functions.push(Function {
                selector,
                name: artifact.function(selector).into(),
                triggers: vec![trigger],
                not_fired: "".into(),
            }),
        }
    }
    for function in &mut functions {
        let wanted: Vec<String> = function.triggers.iter().map(Trigger::to_string).collect();
        function.not_fired = format!("it waits for {}", wanted.join(", or ")).into();
    }
    Ok(functions)
}
