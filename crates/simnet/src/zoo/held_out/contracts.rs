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

sol!(HeldAskedRouter, "../../contracts/artifacts/HeldAskedRouter.json");
sol!(HeldAuction, "../../contracts/artifacts/HeldAuction.json");
sol!(HeldBazaar, "../../contracts/artifacts/HeldBazaar.json");
sol!(HeldBetween, "../../contracts/artifacts/HeldBetween.json");
sol!(HeldBooster, "../../contracts/artifacts/HeldBooster.json");
sol!(HeldBurst, "../../contracts/artifacts/HeldBurst.json");
sol!(HeldCampaigns, "../../contracts/artifacts/HeldCampaigns.json");
sol!(HeldCollectible, "../../contracts/artifacts/HeldCollectible.json");
sol!(HeldCouncil, "../../contracts/artifacts/HeldCouncil.json");
sol!(HeldCountedWallet, "../../contracts/artifacts/HeldCountedWallet.json");
sol!(HeldDesk, "../../contracts/artifacts/HeldDesk.json");
sol!(HeldDoer, "../../contracts/artifacts/HeldDoer.json");
sol!(HeldDollar, "../../contracts/artifacts/HeldDollar.json");
sol!(HeldDrop, "../../contracts/artifacts/HeldDrop.json");
sol!(HeldEchoToken, "../../contracts/artifacts/HeldEchoToken.json");
sol!(HeldEntryPoint, "../../contracts/artifacts/HeldEntryPoint.json");
sol!(HeldEtherDesk, "../../contracts/artifacts/HeldEtherDesk.json");
sol!(HeldFakePair, "../../contracts/artifacts/HeldFakePair.json");
sol!(HeldFund, "../../contracts/artifacts/HeldFund.json");
sol!(HeldGambler, "../../contracts/artifacts/HeldGambler.json");
sol!(HeldHandlerProxy, "../../contracts/artifacts/HeldHandlerProxy.json");
sol!(HeldHookToken, "../../contracts/artifacts/HeldHookToken.json");
sol!(HeldInverseMarket, "../../contracts/artifacts/HeldInverseMarket.json");
sol!(HeldItems, "../../contracts/artifacts/HeldItems.json");
sol!(HeldKeep, "../../contracts/artifacts/HeldKeep.json");
sol!(HeldKeepNext, "../../contracts/artifacts/HeldKeepNext.json");
sol!(HeldKeeperBook, "../../contracts/artifacts/HeldKeeperBook.json");
sol!(HeldKeptPrice, "../../contracts/artifacts/HeldKeptPrice.json");
sol!(HeldLeverager, "../../contracts/artifacts/HeldLeverager.json");
sol!(HeldLockbox, "../../contracts/artifacts/HeldLockbox.json");
sol!(HeldLocker, "../../contracts/artifacts/HeldLocker.json");
sol!(HeldLooseDrop, "../../contracts/artifacts/HeldLooseDrop.json");
sol!(HeldLottery, "../../contracts/artifacts/HeldLottery.json");
sol!(HeldMarket, "../../contracts/artifacts/HeldMarket.json");
sol!(HeldMessenger, "../../contracts/artifacts/HeldMessenger.json");
sol!(HeldOpenProxy, "../../contracts/artifacts/HeldOpenProxy.json");
sol!(HeldOpenVault, "../../contracts/artifacts/HeldOpenVault.json");
sol!(HeldOrders, "../../contracts/artifacts/HeldOrders.json");
sol!(HeldPair, "../../contracts/artifacts/HeldPair.json");
sol!(HeldPairFarm, "../../contracts/artifacts/HeldPairFarm.json");
sol!(HeldPar, "../../contracts/artifacts/HeldPar.json");
sol!(HeldPawn, "../../contracts/artifacts/HeldPawn.json");
sol!(HeldPayPlan, "../../contracts/artifacts/HeldPayPlan.json");
sol!(HeldPlace, "../../contracts/artifacts/HeldPlace.json");
sol!(HeldPotToken, "../../contracts/artifacts/HeldPotToken.json");
sol!(HeldPricedPool, "../../contracts/artifacts/HeldPricedPool.json");
sol!(HeldRebaseToken, "../../contracts/artifacts/HeldRebaseToken.json");
sol!(HeldReceiptFarm, "../../contracts/artifacts/HeldReceiptFarm.json");
sol!(HeldRouter, "../../contracts/artifacts/HeldRouter.json");
sol!(HeldRunner, "../../contracts/artifacts/HeldRunner.json");
sol!(HeldSale, "../../contracts/artifacts/HeldSale.json");
sol!(HeldSelfMarket, "../../contracts/artifacts/HeldSelfMarket.json");
sol!(HeldSendHandler, "../../contracts/artifacts/HeldSendHandler.json");
sol!(HeldSettlement, "../../contracts/artifacts/HeldSettlement.json");
sol!(HeldShareOfPairPrice, "../../contracts/artifacts/HeldShareOfPairPrice.json");
sol!(HeldShortAverage, "../../contracts/artifacts/HeldShortAverage.json");
sol!(HeldSigners, "../../contracts/artifacts/HeldSigners.json");
sol!(HeldSmartWallet, "../../contracts/artifacts/HeldSmartWallet.json");
sol!(HeldStablePool, "../../contracts/artifacts/HeldStablePool.json");
sol!(HeldTaker, "../../contracts/artifacts/HeldTaker.json");
sol!(HeldTaxToken, "../../contracts/artifacts/HeldTaxToken.json");
sol!(HeldThanks, "../../contracts/artifacts/HeldThanks.json");
sol!(HeldTickPool, "../../contracts/artifacts/HeldTickPool.json");
sol!(HeldTimeToken, "../../contracts/artifacts/HeldTimeToken.json");
sol!(HeldTwinToken, "../../contracts/artifacts/HeldTwinToken.json");
sol!(HeldTwoCoinVault, "../../contracts/artifacts/HeldTwoCoinVault.json");
sol!(HeldVesting, "../../contracts/artifacts/HeldVesting.json");
sol!(HeldVouchers, "../../contracts/artifacts/HeldVouchers.json");
sol!(HeldWalletMaker, "../../contracts/artifacts/HeldWalletMaker.json");
sol!(HeldWeth, "../../contracts/artifacts/HeldWeth.json");
sol!(HeldYield, "../../contracts/artifacts/HeldYield.json");
