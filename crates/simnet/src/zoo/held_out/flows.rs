//! The list of the honest flows that are held out, in the order of tables.

use cofferdam_evm::Spec;

use super::super::entry::{Entry, Nature, Protocol, Scene};
use super::super::stage::Stage;
use super::{crossing, days, desk, doors, farms, loans, nfts, offices, power, records, tokens, trade};

const fn honest(name: &'static str, protocol: Protocol, scene: fn(&mut Stage) -> Scene, text: &'static str) -> Entry {
    Entry { name, nature: Nature::Honest, protocol, text, scene, spec: Spec::CANCUN }
}

/// Honest flows that no detector was written with.
pub const HELD_OUT_FLOWS: &[Entry] = &[
    honest("honest-taxed-trade", Protocol::Other, tokens::honest_taxed_trade, "a tenth of a taxed token is traded"),
    honest("honest-launch", Protocol::Other, tokens::honest_launch, "a token is launched and bought"),
    honest("honest-unstaking", Protocol::Staking, farms::honest_unstaking, "half of a farm leaves"),
    honest("honest-compounding", Protocol::Staking, farms::honest_compounding, "a keeper compounds what was earned"),
    honest("honest-settlement", Protocol::Other, desk::honest_settlement, "a solver pulls from eight and pays them"),
    honest("honest-cascade", Protocol::Lending, loans::honest_cascade, "six liquidations as the price falls"),
    honest("honest-deleveraging", Protocol::Lending, loans::honest_deleveraging, "a position is closed with a loan"),
    honest(
        "honest-imbalance",
        Protocol::Amm,
        trade::honest_imbalance,
        "two fifths of a coin are sold, a provider leaves",
    ),
    honest("honest-provider-exit", Protocol::Amm, trade::honest_provider_exit, "the main provider leaves a pair"),
    honest("honest-market-maker", Protocol::Amm, trade::honest_market_maker, "liquidity moves from pair to pair"),
    honest("honest-nested-arbitrage", Protocol::Amm, trade::honest_nested_arbitrage, "two loans make two pairs equal"),
    honest("honest-just-in-time", Protocol::Amm, trade::honest_just_in_time, "liquidity around one large trade"),
    honest("honest-whale", Protocol::Vault, offices::honest_whale, "a smart wallet redeems more than half of a pot"),
    honest("honest-claims", Protocol::Other, offices::honest_claims, "thirty-two claim from a list by proof"),
    honest("honest-vesting", Protocol::Other, offices::honest_vesting, "three founders claim all that has vested"),
    honest("honest-payroll", Protocol::Other, offices::honest_payroll, "twenty-five wages, an eighth of a fund"),
    honest("honest-purchase", Protocol::Other, offices::honest_purchase, "a fund buys through a router"),
    honest("honest-insurance", Protocol::Other, offices::honest_insurance, "two assessors agree, a third is paid"),
    honest("honest-dust", Protocol::Other, offices::honest_dust, "the last of five tokens is swept"),
    honest("honest-rotation", Protocol::Other, offices::honest_rotation, "another operator, and an owner in two steps"),
    honest("honest-redemption", Protocol::Other, offices::honest_redemption, "seven tenths are redeemed at par"),
    honest("honest-rescue", Protocol::Other, offices::honest_rescue, "guardians bring all reserves to safety"),
    honest(
        "honest-auction",
        Protocol::Other,
        offices::honest_auction,
        "the seller is paid, the others get theirs back",
    ),
    honest("honest-refunds", Protocol::Other, offices::honest_refunds, "a failed sale gives everything back"),
    honest("honest-collector", Protocol::Other, nfts::honest_collector, "six things are bought at their prices"),
    honest("honest-drop", Protocol::Other, nfts::honest_drop, "forty make things, and the maker takes what was paid"),
    honest("honest-foreclosure", Protocol::Lending, nfts::honest_foreclosure, "what was not redeemed is sold"),
    honest("honest-draws", Protocol::Other, nfts::honest_draws, "thirty draw on one evening, and some win"),
    honest(
        "honest-unlocking",
        Protocol::Bridge,
        crossing::honest_unlocking,
        "half of a lockbox is unlocked by a true message",
    ),
    honest(
        "honest-twin",
        Protocol::Bridge,
        crossing::honest_twin,
        "the messenger makes a large sum, and a part is burnt",
    ),
    honest(
        "honest-wallet-made",
        Protocol::Multisig,
        crossing::honest_wallet_made,
        "the team makes the wallet that was promised",
    ),
    honest(
        "honest-grants",
        Protocol::Governance,
        power::honest_grants,
        "a plan pays three grants, a quarter of the treasury",
    ),
    honest("honest-fee", Protocol::Vault, power::honest_fee, "the fee of a quarter at once"),
    honest(
        "honest-new-module",
        Protocol::Other,
        power::honest_new_module,
        "a proxy is set up, used, and upgraded with a first call",
    ),
    honest("honest-retraction", Protocol::Other, doors::honest_retraction, "five buyers take back what they brought"),
    honest("honest-bundle", Protocol::Other, doors::honest_bundle, "a bundler brings operations of five wallets"),
    honest(
        "honest-delegated",
        Protocol::Other,
        doors::honest_delegated,
        "three accounts with a wallet's code leave at once",
    ),
    honest("honest-run", Protocol::Other, days::honest_run, "an operator pays seven citizens who want what is theirs"),
    honest(
        "honest-crash",
        Protocol::Lending,
        days::honest_crash,
        "a keeper says a price two fifths lower, because it is",
    ),
    honest("honest-rebase", Protocol::Other, days::honest_rebase, "all balances shrink by a fifth"),
    honest("honest-unwrapping", Protocol::Other, days::honest_unwrapping, "most of all wrapped ether is unwrapped"),
    honest("honest-one-shot", Protocol::Amm, days::honest_one_shot, "a contract of one creation makes two pairs equal"),
    honest("honest-flash-mint", Protocol::Other, days::honest_flash_mint, "a dollar lends itself to an arbitrage"),
    honest("honest-buyback", Protocol::Other, days::honest_buyback, "a fund buys its own token and burns it"),
    honest(
        "honest-owned-liquidity",
        Protocol::Amm,
        days::honest_owned_liquidity,
        "the makers move all liquidity to a new pair",
    ),
    honest(
        "honest-supplier",
        Protocol::Multisig,
        records::honest_supplier,
        "three owners sign a third to a new supplier",
    ),
    honest("honest-coin-exit", Protocol::Vault, records::honest_coin_exit, "two depositors leave within an hour"),
    honest("honest-long-way", Protocol::Amm, records::honest_long_way, "a third of a tick's way, and half of it back"),
];
