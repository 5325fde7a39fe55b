//! Bindings to the drill's contracts, made from the committed artifacts of `contracts/artifacts`.
//!
//! `contracts/compile.mjs --check` proves that the artifacts are what the sources say.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "expanded by `sol!`; the contracts carry their own documentation"
)]

use alloy_sol_types::sol;

sol!(ConstantProductPool, "../../contracts/artifacts/ConstantProductPool.json");
sol!(DrillToken, "../../contracts/artifacts/DrillToken.json");
sol!(EtherVault, "../../contracts/artifacts/EtherVault.json");
sol!(FlashLender, "../../contracts/artifacts/FlashLender.json");
sol!(HostileStrategy, "../../contracts/artifacts/HostileStrategy.json");
sol!(InitialiserThief, "../../contracts/artifacts/InitialiserThief.json");
sol!(LendingMarket, "../../contracts/artifacts/LendingMarket.json");
sol!(ModuleProxy, "../../contracts/artifacts/ModuleProxy.json");
sol!(PriceManipulator, "../../contracts/artifacts/PriceManipulator.json");
sol!(ReentrantThief, "../../contracts/artifacts/ReentrantThief.json");
sol!(RewardsBank, "../../contracts/artifacts/RewardsBank.json");
sol!(RoundingDrainer, "../../contracts/artifacts/RoundingDrainer.json");
sol!(SavingsVault, "../../contracts/artifacts/SavingsVault.json");
sol!(SharedWallet, "../../contracts/artifacts/SharedWallet.json");
sol!(TreasuryVault, "../../contracts/artifacts/TreasuryVault.json");
sol!(YieldStrategy, "../../contracts/artifacts/YieldStrategy.json");
