//! A drill that never ran, as it might have: five scenarios in three lanes, for the tests of what shows drills.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "numbers of a made-up drill")]

use alloy_primitives::{Address, B256, U256, keccak256};
use cofferdam_types::{Level, ModuleId};

use super::amount::AssetLabel;
use super::report::{
    DrillReport, EventKind, Honest, IncidentSummary, Lane, Loss, LossCurve, LossPoint, ModuleState, PlanSummary,
    RecordLine, RecordSummary, Run, TimelineEvent, VerdictSummary, Window,
};

struct Plot {
    name: &'static str,
    title: &'static str,
    story: &'static str,
    attacked: &'static str,
    other: &'static str,
    asset: (&'static str, u8),
    at_stake: u64,
    blocks: u64,
    detector: &'static str,
    summary: &'static str,
}

const PLOTS: [Plot; 5] = [
    Plot {
        name: "vault-reentrancy",
        title: "Re-entrancy in a vault",
        story: "The vault pays out before it books the withdrawal. A contract with a fallback withdraws again while it \
                is being paid, until nothing is left. The savings module beside it shares no code and stays open.",
        attacked: "vault",
        other: "savings",
        asset: ("WETH", 18),
        at_stake: 1_240,
        blocks: 6,
        detector: "reentrancy",
        summary: "vault was entered again 31 times before its own call ended, and 1,240 WETH left it",
    },
    Plot {
        name: "lending-oracle",
        title: "Price manipulation of a lending market",
        story: "The market reads its price from a pool. With a flash loan the attacker moves the pool, borrows against \
                the false price and repays the loan, all in one transaction.",
        attacked: "market",
        other: "swap-pool",
        asset: ("USDC", 6),
        at_stake: 3_870_500,
        blocks: 6,
        detector: "module-outflow",
        summary: "3,870,500 USDC left market in one transaction: 84.2 % of its balance, limit 5 %",
    },
    Plot {
        name: "slow-drain",
        title: "A slow drain over many blocks",
        story: "A rounding error pays a little too much on every redemption. The attacker stays below the limit of a \
                single transaction and comes back in every block.",
        attacked: "staking",
        other: "rewards",
        asset: ("stETH", 18),
        at_stake: 960,
        blocks: 24,
        detector: "module-outflow",
        summary: "412 stETH left staking within 9 blocks: 10.3 % of its balance, limit 10 %",
    },
    Plot {
        name: "proxy-initialiser",
        title: "An unprotected initialiser behind a proxy",
        story: "The logic behind the wallet's proxy was never initialised. Whoever calls the initialiser first becomes \
                its owner, as in the Parity wallet of 2017.",
        attacked: "treasury",
        other: "payroll",
        asset: ("ETH", 18),
        at_stake: 15_000,
        blocks: 7,
        detector: "authority-change",
        summary: "owner of treasury changed from 0x0000..0000 to 0x71C7..976F by a call of a stranger",
    },
    Plot {
        name: "stolen-admin-key",
        title: "A stolen admin key upgrades and withdraws",
        story: "The key that may upgrade the bridge lane is stolen. The thief installs code with a withdrawal for \
                himself and uses it.",
        attacked: "bridge-lane-a",
        other: "bridge-lane-b",
        asset: ("WBTC", 8),
        at_stake: 310,
        blocks: 7,
        detector: "authority-change",
        summary: "implementation of bridge-lane-a was exchanged outside the timelock; new code is unverified",
    },
];

/// Five scenarios in three lanes: stopped in the mempool, bounded when split, lost when private.
pub(crate) fn report() -> DrillReport {
    let runs = PLOTS.iter().flat_map(|plot| Lane::ALL.map(|lane| run(plot, lane))).collect();
    DrillReport { version: "0.1.0".to_owned(), seed: 7, runs }
}

fn run(plot: &Plot, lane: Lane) -> Run {
    let unit = U256::from(10).pow(U256::from(plot.asset.1));
    let asset = AssetLabel::new(plot.asset.0, plot.asset.1);
    let at_stake = U256::from(plot.at_stake) * unit;
    let steps = if plot.blocks > 10 { plot.blocks - 4 } else { 3 };
    let part = at_stake / U256::from(steps);
    let (first, sealed) = (12_u64, if plot.blocks > 10 && lane == Lane::Split { 21 } else { 14 });
    let with = match lane {
        Lane::Mempool => U256::ZERO,
        Lane::Split => {
            part * U256::from((sealed - first) / if plot.blocks > 10 { 2 } else { 1 }).min(U256::from(steps))
                / U256::from(2)
        }
        Lane::Private => at_stake,
    };
    let points = (0..plot.blocks)
        .map(|index| {
            let block = first - 1 + index;
            let without = match lane {
                Lane::Split => (part * U256::from(index.saturating_sub(1))).min(at_stake),
                Lane::Mempool | Lane::Private => {
                    if index >= 2 {
                        at_stake
                    } else {
                        U256::ZERO
                    }
                }
            };
            LossPoint {
                block,
                without: if index + 1 == plot.blocks { at_stake } else { without },
                with: without.min(with),
            }
        })
        .collect();
    let (attacked, other) = (ModuleId::new(plot.attacked).unwrap(), ModuleId::new(plot.other).unwrap());
    Run {
        scenario: plot.name.to_owned(),
        title: plot.title.to_owned(),
        story: plot.story.to_owned(),
        lane,
        timeline: timeline(plot, lane, sealed),
        modules: vec![
            ModuleState { module: attacked.clone(), sealed: true, attacked: true },
            ModuleState { module: other.clone(), sealed: false, attacked: false },
        ],
        losses: vec![Loss { module: attacked.clone(), asset: asset.clone(), without: at_stake, with }],
        curves: vec![LossCurve { module: attacked.clone(), asset, points }],
        honest: vec![
            Honest { module: attacked.clone(), ok: 9, failed: 3, failed_without: 1 },
            Honest { module: other, ok: 24, failed: 0, failed_without: 0 },
        ],
        verdict: Some(VerdictSummary {
            window: if lane == Lane::Mempool { Window::Pending } else { Window::Between },
            level: Level::Stop,
            detector: plot.detector.to_owned(),
            summary: plot.summary.to_owned(),
            head: first,
            complete: true,
            evidence: vec![
                ("balance before".to_owned(), format!("{} {}", plot.at_stake, plot.asset.0)),
                ("balance after".to_owned(), format!("0 {}", plot.asset.0)),
                ("deepest entry".to_owned(), "0xDafEA492D9c6733ae3d56b7Ed1ADB60692c98Bc5 at depth 62".to_owned()),
                ("receiver".to_owned(), "0x71C7656EC7ab88b098defB751B7401B5f6d8976F, first seen in this block".to_owned()),
            ],
        }),
        plan: Some(PlanSummary {
            lever: format!("pause-{}", plot.attacked),
            module: attacked,
            call: "pause()".to_owned(),
            target: Address::repeat_byte(0x5f),
            guardian: Some(Address::repeat_byte(0x9a)),
            step: "confirmed".to_owned(),
            trial: "after the call the attack reverts with EnforcedPause(); 24 of 24 honest calls of other modules go through".to_owned(),
            authority: "limits `drill`: pause alone, at most 2 a day, for at most 24 h".to_owned(),
            max_fee_per_gas: Some(U256::from(42_000_000_000_u64)),
            max_priority_fee_per_gas: Some(U256::from(3_500_000_000_u64)),
            transaction: Some(keccak256(plot.name)),
            mined_in: Some(sealed),
            read_back: Some("paused() is true; the attack, run again, reverts".to_owned()),
        }),
        record: record(plot),
    }
}

fn timeline(plot: &Plot, lane: Lane, sealed: u64) -> Vec<TimelineEvent> {
    let mut events = Vec::new();
    let mut at = |block: u64, wall: Option<u64>, kind, text: String| {
        events.push(TimelineEvent { block, virtual_ms: (block - 10) * 12_000, wall_micros: wall, kind, text });
    };
    at(11, None, EventKind::HonestOk, format!("deposit into {}", plot.attacked));
    at(11, None, EventKind::HonestOk, format!("deposit into {}", plot.other));
    at(12, None, EventKind::HonestOk, format!("withdraw from {}", plot.other));
    let attack = "0x8f31..02be from 0x71C7..976F";
    let head = match lane {
        Lane::Mempool => {
            at(12, Some(1_200), EventKind::AttackSeen, format!("{attack}, pending"));
            sealed - 1
        }
        Lane::Split => {
            for block in 12..sealed - 1 {
                if block == 12 {
                    at(12, Some(1_150), EventKind::AttackSeen, format!("{attack}, in block 12"));
                }
                at(block, None, EventKind::AttackMined, format!("part {} of the attack", block - 11));
                at(block, None, EventKind::Loss, format!("of {} in {}", plot.attacked, plot.asset.0));
            }
            sealed - 1
        }
        Lane::Private => {
            at(13, Some(1_180), EventKind::AttackSeen, format!("{attack}, only in its block"));
            at(13, None, EventKind::AttackMined, "the whole attack in one private transaction".to_owned());
            at(13, None, EventKind::Loss, format!("{} {} of {}", plot.at_stake, plot.asset.0, plot.attacked));
            13
        }
    };
    let head = if lane == Lane::Mempool { 12 } else { head };
    at(head, Some(1_884), EventKind::Verdict, format!("stop: {}", plot.summary));
    at(head, Some(3_021), EventKind::Planned, format!("pause-{}: the attack fails after it", plot.attacked));
    at(head, Some(3_644), EventKind::Sent, "0x44c0..91aa to 1 endpoint, tip 3.5 gwei".to_owned());
    at(sealed, Some(5_210), EventKind::Mined, "paused() is true".to_owned());
    if lane != Lane::Private {
        at(sealed, None, EventKind::AttackFailed, "reverts with EnforcedPause()".to_owned());
    }
    at(sealed, None, EventKind::HonestFailed, format!("deposit into {}: EnforcedPause()", plot.attacked));
    at(sealed, None, EventKind::HonestOk, format!("withdraw from {}", plot.other));
    at(sealed + 1, None, EventKind::HonestOk, format!("deposit into {}", plot.other));
    events
}

fn record(plot: &Plot) -> RecordSummary {
    let kinds = [
        ("started", "guarding 2 modules of chain 31337"),
        ("found", plot.summary),
        ("state", "open: a finding of level stop stands"),
        ("plan", "draft: pause() against 0x8f31..02be"),
        ("plan", "simulated on block 12: the attack fails"),
        ("plan", "authorised by limits `drill`"),
        ("plan", "sent 0x44c0..91aa with nonce 0"),
        ("plan", "confirmed in block 14: paused() is true"),
        ("state", "contained: read back from the chain"),
    ];
    let mut hash = B256::ZERO;
    let mut lines = Vec::new();
    for (seq, (kind, text)) in (1_u64..).zip(kinds) {
        hash = keccak256([hash.as_slice(), text.as_bytes()].concat());
        let virtual_ms = if seq == 1 { 0 } else { 24_000 };
        lines.push(RecordLine { seq, virtual_ms, kind: kind.to_owned(), text: text.to_owned(), hash });
    }
    let incident = IncidentSummary {
        name: format!("{}-1", plot.attacked),
        severity: "critical, by rule `half-of-holdings`".to_owned(),
        stages: vec![("exploitation".to_owned(), 1, vec!["asset-outflow".to_owned()])],
        party: 2,
    };
    RecordSummary { incidents: vec![incident], head: hash, verified: true, lines }
}
