//! The list of the held-out entries, in the order of tables.

use cofferdam_evm::Spec;

use super::super::entry::{Entry, Family, Nature, Protocol, Scene};
use super::super::stage::Stage;
use super::{desk, farms, loans, offices, tokens, trade};

type Make = fn(&mut Stage) -> Scene;

const fn attack(name: &'static str, family: Family, protocol: Protocol, scene: Make, text: &'static str) -> Entry {
    Entry { name, nature: Nature::Attack(family), protocol, text, scene, spec: Spec::CANCUN }
}

const fn honest(name: &'static str, protocol: Protocol, scene: Make, text: &'static str) -> Entry {
    Entry { name, nature: Nature::Honest, protocol, text, scene, spec: Spec::CANCUN }
}

/// All attacks, then all honest flows, that no detector was written with.
pub const HELD_OUT: &[Entry] = &[
    attack(
        "token-doubled-by-itself",
        Family::TokenFault,
        Protocol::Other,
        tokens::doubled_by_itself,
        "whoever pays himself has twice as much, twelve times over, and sells, in one creation",
    ),
    attack(
        "pot-allowed-by-the-wrong",
        Family::TokenFault,
        Protocol::Vault,
        tokens::allowed_by_the_wrong,
        "three holders' shares are taken without their leave and redeemed",
    ),
    attack(
        "token-burnt-by-selling",
        Family::TokenFault,
        Protocol::Other,
        tokens::burnt_by_selling,
        "sales burn out of the pair, and what is sold may be skimmed and sold again; two loans in one another",
    ),
    attack(
        "pair-skimmed",
        Family::TokenFault,
        Protocol::Amm,
        tokens::skimmed,
        "a reward that the pair is not told of is skimmed: a hundredth",
    ),
    attack(
        "farm-receipts-handed-on",
        Family::RewardFault,
        Protocol::Staking,
        farms::receipts_handed_on,
        "a borrowed receipt goes through eight helpers, each is paid; made and gone in one creation",
    ),
    attack(
        "farm-pair-of-nobody",
        Family::UntrustedContract,
        Protocol::Staking,
        farms::pair_of_nobody,
        "shares of the attacker's own pair earn by what that pair says",
    ),
    attack(
        "locker-same-number-again",
        Family::DoublePayment,
        Protocol::Staking,
        farms::same_number_again,
        "one position twenty times in one list",
    ),
    attack(
        "locker-moved-from-nowhere",
        Family::UntrustedContract,
        Protocol::Staking,
        farms::moved_from_nowhere,
        "a stake is moved in from an older locker that is the attacker's own contract",
    ),
    attack(
        "voucher-shown-again",
        Family::Signature,
        Protocol::Other,
        desk::shown_again,
        "a true voucher is paid twenty-four times more, by an account, over two hours",
    ),
    attack(
        "voucher-signed-by-nobody",
        Family::Signature,
        Protocol::Other,
        desk::signed_by_nobody,
        "nobody was named who signs, so a signature that means nothing is his",
    ),
    attack(
        "orders-filled-again",
        Family::Signature,
        Protocol::Other,
        desk::filled_again,
        "a maker's old order is filled twelve times more at its old price",
    ),
    attack(
        "desk-no-permit-at-all",
        Family::AllowanceDrain,
        Protocol::Other,
        desk::no_permit_at_all,
        "wrapped ether does not mind a permit: what users allowed is deposited for a stranger",
    ),
    attack(
        "market-shares-at-reserves",
        Family::OracleManipulation,
        Protocol::Lending,
        loans::shares_at_reserves,
        "a pair's shares are worth what it holds at this instant; two loans in one another",
    ),
    attack(
        "market-average-of-two-blocks",
        Family::OracleManipulation,
        Protocol::Lending,
        loans::average_of_two_blocks,
        "the attacker's own money moves a pair for two blocks, which is all that the average sees",
    ),
    attack(
        "market-booked-after-the-call",
        Family::ReentrancySameFunction,
        Protocol::Lending,
        loans::booked_after_the_call,
        "the tokens that are lent call their receiver, who borrows five times on one collateral",
    ),
    attack(
        "market-gift-to-reserves",
        Family::Liquidation,
        Protocol::Lending,
        loans::gift_to_reserves,
        "a gift makes the giver unhealthy, and his helper takes over the rest at a discount",
    ),
    attack(
        "market-healthy-liquidated",
        Family::Liquidation,
        Protocol::Lending,
        loans::healthy_liquidated,
        "three healthy borrowers are liquidated with a loan",
    ),
    attack(
        "stable-below-one-unit",
        Family::Rounding,
        Protocol::Amm,
        trade::below_one_unit,
        "two thousand amounts just below one unit cost nothing: a hundredth of the pool",
    ),
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
];
