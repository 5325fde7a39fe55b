//! Bindings to the zoo's contracts, made from the committed artifacts of `contracts/artifacts`.
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

sol!(DrillToken, "../../contracts/artifacts/DrillToken.json");
sol!(ModuleProxy, "../../contracts/artifacts/ModuleProxy.json");
sol!(Puppet, "../../contracts/artifacts/Puppet.json");
sol!(ZooBridge, "../../contracts/artifacts/ZooBridge.json");
sol!(ZooEtherLending, "../../contracts/artifacts/ZooEtherLending.json");
sol!(ZooEtherPool, "../../contracts/artifacts/ZooEtherPool.json");
sol!(ZooEtherStaking, "../../contracts/artifacts/ZooEtherStaking.json");
sol!(ZooFeed, "../../contracts/artifacts/ZooFeed.json");
sol!(ZooFlashLender, "../../contracts/artifacts/ZooFlashLender.json");
sol!(ZooFlawedToken, "../../contracts/artifacts/ZooFlawedToken.json");
sol!(ZooGovernor, "../../contracts/artifacts/ZooGovernor.json");
sol!(ZooGuard, "../../contracts/artifacts/ZooGuard.json");
sol!(ZooHop, "../../contracts/artifacts/ZooHop.json");
sol!(ZooHostileCode, "../../contracts/artifacts/ZooHostileCode.json");
sol!(ZooLending, "../../contracts/artifacts/ZooLending.json");
sol!(ZooNoise, "../../contracts/artifacts/ZooNoise.json");
sol!(ZooPool, "../../contracts/artifacts/ZooPool.json");
sol!(ZooReserve, "../../contracts/artifacts/ZooReserve.json");
sol!(ZooReserveNext, "../../contracts/artifacts/ZooReserveNext.json");
sol!(ZooRoleToken, "../../contracts/artifacts/ZooRoleToken.json");
sol!(ZooRouter, "../../contracts/artifacts/ZooRouter.json");
sol!(ZooSafe, "../../contracts/artifacts/ZooSafe.json");
sol!(ZooSafeProxy, "../../contracts/artifacts/ZooSafeProxy.json");
sol!(ZooShareFeed, "../../contracts/artifacts/ZooShareFeed.json");
sol!(ZooShareMarket, "../../contracts/artifacts/ZooShareMarket.json");
sol!(ZooStaking, "../../contracts/artifacts/ZooStaking.json");
sol!(ZooTimelock, "../../contracts/artifacts/ZooTimelock.json");
sol!(ZooTreasury, "../../contracts/artifacts/ZooTreasury.json");
sol!(ZooVault, "../../contracts/artifacts/ZooVault.json");

sol! {
    /// One call of a [`Puppet`]'s plan, as the contract decodes it.
    struct ActWords {
        address to;
        uint256 value;
        bytes data;
        uint256 times;
        address asked;
        bytes question;
        uint256 place;
    }

    /// A plan, as the contract decodes it.
    struct PlanWords {
        ActWords[] acts;
        bytes[] answers;
    }
}
