//! The detectors' pages, as they were when the program was built.

/// Detector and page.
const PAGES: &[(&str, &str)] = &[
    ("allowance", include_str!("allowance/README.md")),
    ("assertion", include_str!("assertion/README.md")),
    ("asset-outflow", include_str!("asset_outflow/README.md")),
    ("authority-change", include_str!("authority_change/README.md")),
    ("flash-loan", include_str!("flash_loan/README.md")),
    ("hostile-contract", include_str!("hostile_contract/README.md")),
    ("invariant", include_str!("invariant/README.md")),
    ("leverage", include_str!("leverage/README.md")),
    ("liquidity", include_str!("liquidity/README.md")),
    ("novelty", include_str!("novelty/README.md")),
    ("pool-drain", include_str!("pool_drain/README.md")),
    ("price-feed", include_str!("price_feed/README.md")),
    ("price-manipulation", include_str!("price_manipulation/README.md")),
    ("queued-operation", include_str!("queued_operation/README.md")),
    ("re-entry", include_str!("re_entry/README.md")),
    ("read-only-re-entry", include_str!("read_only_re_entry/README.md")),
    ("repeat", include_str!("repeat/README.md")),
    ("slow-drain", include_str!("slow_drain/README.md")),
    ("supply", include_str!("supply/README.md")),
    ("underpaid", include_str!("underpaid/README.md")),
    ("velocity", include_str!("velocity/README.md")),
    ("votes", include_str!("votes/README.md")),
];

/// The page of a detector; `None` when there is none of that id.
pub fn page(id: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| *known == id).map(|(_, page)| *page)
}
