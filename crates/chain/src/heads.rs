//! Comparison of endpoints: who lags, who is on another branch.
//!
//! With two endpoints nobody can tell which one lies: that is said and neither is demoted. With more, the smaller party
//! is demoted until it agrees again.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use cofferdam_types::{BlockNumber, OperatorAlert};

use crate::endpoint::Endpoint;
use crate::error::RequestError;
use crate::fetch;
use crate::health::Change;
use crate::node::{BlockId, Node};
use crate::wire::Head;

/// How long the endpoints have disagreed.
#[derive(Debug, Default)]
pub(crate) struct Disagreement {
    rounds: u32,
    told: bool,
}

/// What one comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Endpoints that answered, with the height of their head.
    pub heads: Vec<(String, BlockNumber)>,
    /// In words, when heads are too far apart or on different branches.
    pub disagreement: Option<String>,
}

struct Seen {
    endpoint: Endpoint,
    head: Head,
    /// Its block at the height that all have.
    common: B256,
}

impl Node {
    /// Asks every endpoint for its head, at once, and compares: demotes who lags or stands against the majority, brings
    /// back who agrees again, and raises an alert when a disagreement lasts.
    pub async fn compare_heads(&self) -> Comparison {
        let asked = self.endpoints().iter().map(fetch::newest);
        let answers = futures_util::future::join_all(asked).await;
        let mut heads = Vec::new();
        for (endpoint, answer) in self.endpoints().iter().zip(answers) {
            match answer {
                Ok(head) => {
                    self.did_well(endpoint);
                    heads.push((endpoint.clone(), head));
                }
                Err(error) => self.did_badly(endpoint, &error),
            }
        }
        let names = heads.iter().map(|(endpoint, head)| (endpoint.name().to_owned(), head.block.number)).collect();
        let Some(best) = heads.iter().map(|(_, head)| head.block.number).max() else { return Comparison::default() };
        let oldest_allowed = best.0.saturating_sub(self.options().max_lag);
        let (near, far): (Vec<_>, Vec<_>) =
            heads.into_iter().partition(|(_, head)| head.block.number.0 >= oldest_allowed);

        let mut complaints = Vec::new();
        for (endpoint, head) in far {
            let lag = best.0.saturating_sub(head.block.number.0);
            let limit = self.options().max_lag;
            let words = format!("lags {lag} blocks behind head {best}, allowed are {limit}");
            complaints.push(format!("`{}` {words}", endpoint.name()));
            self.judge(&endpoint, Some(words));
        }
        let seen = self.at_common_height(near).await;
        complaints.extend(self.judge_branches(&seen));
        let disagreement = (!complaints.is_empty()).then(|| complaints.join("; "));
        self.tell(disagreement.clone()).await;
        Comparison { heads: names, disagreement }
    }

    async fn at_common_height(&self, near: Vec<(Endpoint, Head)>) -> Vec<Seen> {
        let Some(common) = near.iter().map(|(_, head)| head.block.number).min() else { return Vec::new() };
        let mut seen = Vec::with_capacity(near.len());
        for (endpoint, head) in near {
            let hash = if head.block.number == common {
                Ok(head.block.hash)
            } else {
                let header = fetch::header(&endpoint, BlockId::Number(common)).await;
                header.and_then(|found| {
                    found.map(|header| header.hash).ok_or_else(|| RequestError::Missing {
                        endpoint: endpoint.shared_name(),
                        method: "eth_getBlockByNumber",
                        what: format!("block {common} below its own head {}", head.block.number),
                    })
                })
            };
            match hash {
                Ok(common) => seen.push(Seen { endpoint, head, common }),
                Err(error) => self.did_badly(&endpoint, &error),
            }
        }
        seen
    }

    fn judge_branches(&self, seen: &[Seen]) -> Option<String> {
        let mut parties: BTreeMap<B256, Vec<&Seen>> = BTreeMap::new();
        for one in seen {
            parties.entry(one.common).or_default().push(one);
        }
        let largest = parties.values().map(Vec::len).max().unwrap_or(0);
        let sole = parties.values().filter(|party| party.len() == largest).count() == 1;
        for party in parties.values() {
            let in_minority = sole && party.len() < largest;
            for one in party {
                let words = in_minority.then(|| format!("is on a branch of its own at head {}", one.head.block.hash));
                self.judge(&one.endpoint, words);
            }
        }
        if parties.len() < 2 {
            return None;
        }
        let height = seen.iter().map(|one| one.head.block.number).min().unwrap_or_default();
        let sides: Vec<String> = parties
            .iter()
            .map(|(hash, party)| {
                let names: Vec<&str> = party.iter().map(|one| one.endpoint.name()).collect();
                format!("`{}` has {hash}", names.join("`, `"))
            })
            .collect();
        Some(format!("at block {height} {}", sides.join(" and ")))
    }

    fn judge(&self, endpoint: &Endpoint, astray: Option<String>) {
        let change = endpoint.health().compared(astray.clone());
        match change {
            Change::Demoted => {
                let words = astray.unwrap_or_default();
                self.alerts().endpoint(endpoint.name(), format!("demoted: {words}"));
            }
            Change::Returned => self.alerts().endpoint(endpoint.name(), "agrees with the others again".to_owned()),
            Change::Nothing => {}
        }
    }

    async fn tell(&self, disagreement: Option<String>) {
        let limit = self.options().rounds;
        let mut state = self.disagreement().await;
        match disagreement {
            Some(detail) => {
                state.rounds = state.rounds.saturating_add(1);
                if state.rounds >= limit && !state.told {
                    state.told = true;
                    self.alerts().raise(OperatorAlert::HeadsDisagree { detail });
                }
            }
            None => {
                if state.told {
                    let names: Vec<&str> = self.endpoints().iter().map(Endpoint::name).collect();
                    self.alerts().endpoint(&names.join(", "), "heads agree again".to_owned());
                }
                *state = Disagreement::default();
            }
        }
    }
}
