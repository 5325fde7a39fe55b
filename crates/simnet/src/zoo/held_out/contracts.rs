//! Bindings to the held-out contracts, made from the committed artifacts of `contracts/artifacts`.
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

sol!(HeldAuction, "../../contracts/artifacts/HeldAuction.json");
sol!(HeldBurst, "../../contracts/artifacts/HeldBurst.json");
sol!(HeldDesk, "../../contracts/artifacts/HeldDesk.json");
sol!(HeldDrop, "../../contracts/artifacts/HeldDrop.json");
sol!(HeldEchoToken, "../../contracts/artifacts/HeldEchoToken.json");
sol!(HeldFakePair, "../../contracts/artifacts/HeldFakePair.json");
sol!(HeldFund, "../../contracts/artifacts/HeldFund.json");
sol!(HeldHookToken, "../../contracts/artifacts/HeldHookToken.json");
sol!(HeldKeptPrice, "../../contracts/artifacts/HeldKeptPrice.json");
sol!(HeldLocker, "../../contracts/artifacts/HeldLocker.json");
sol!(HeldMarket, "../../contracts/artifacts/HeldMarket.json");
sol!(HeldOrders, "../../contracts/artifacts/HeldOrders.json");
sol!(HeldPair, "../../contracts/artifacts/HeldPair.json");
sol!(HeldPairFarm, "../../contracts/artifacts/HeldPairFarm.json");
sol!(HeldPar, "../../contracts/artifacts/HeldPar.json");
sol!(HeldPotToken, "../../contracts/artifacts/HeldPotToken.json");
sol!(HeldRebaseToken, "../../contracts/artifacts/HeldRebaseToken.json");
sol!(HeldReceiptFarm, "../../contracts/artifacts/HeldReceiptFarm.json");
sol!(HeldRouter, "../../contracts/artifacts/HeldRouter.json");
sol!(HeldRunner, "../../contracts/artifacts/HeldRunner.json");
sol!(HeldSelfMarket, "../../contracts/artifacts/HeldSelfMarket.json");
sol!(HeldSettlement, "../../contracts/artifacts/HeldSettlement.json");
sol!(HeldShareOfPairPrice, "../../contracts/artifacts/HeldShareOfPairPrice.json");
sol!(HeldShortAverage, "../../contracts/artifacts/HeldShortAverage.json");
sol!(HeldStablePool, "../../contracts/artifacts/HeldStablePool.json");
sol!(HeldTaxToken, "../../contracts/artifacts/HeldTaxToken.json");
sol!(HeldVaultPrice, "../../contracts/artifacts/HeldVaultPrice.json");
sol!(HeldVesting, "../../contracts/artifacts/HeldVesting.json");
sol!(HeldVouchers, "../../contracts/artifacts/HeldVouchers.json");
sol!(HeldWeth, "../../contracts/artifacts/HeldWeth.json");
