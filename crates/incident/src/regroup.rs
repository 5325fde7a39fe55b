//! Makes one incident of several, takes apart what was joined wrongly, and says how bad each is. Every such step is an
//! event: what was recorded before stays as it was.
//!
//! ```text
//! finding ─▶ group::around ─▶ none: open one        withdrawal ─▶ partition of what stands
//!                         ├─▶ one: join it                    ├─▶ one part: nothing
//!                         └─▶ several: Joined, the oldest      └─▶ several: Gathered out of it
//!                             takes over
//! ```
//! Must never join into or out of an incident that a person has closed.

use std::collections::BTreeSet;

use alloy_primitives::{B256, keccak256};
use cofferdam_types::{
    Actor, Event, Evidence, Finding, FindingId, IncidentId, IncidentState, Level, MOST_PARTY, Maturity, ModuleId,
    Stage, Trail,
};
use sqlx::Row as _;

use crate::append::{Appender, CommitError};
use crate::group::{self, COMBINED, Group, Member};
use crate::joining::{Combination, Key, Rating, Sighting, Sign, combine, partition, rate};
use crate::lifecycle::{is_legal, word};
use crate::place;

impl Appender<'_> {
    /// What `sighting` is tied to.
    pub(crate) async fn group(&mut self, sighting: &Sighting) -> Result<Group, CommitError> {
        let windows = self.windows;
        Ok(group::around(self.connection, sighting, &windows).await?)
    }

    /// Joins `group` to `incident`: the other incidents become parts of it, and what belonged to none is gathered.
    pub(crate) async fn join(&mut self, incident: &IncidentId, group: &Group) -> Result<(), CommitError> {
        for (other, key) in group.incidents.iter().filter(|(other, _)| other != incident) {
            self.take_over(incident, other, key).await?;
        }
        if !group.loose.is_empty() {
            let mut reason = "signs of the same party, seen before".to_owned();
            if group.beyond {
                reason.push_str("; there are more than are looked through, and older ones are left where they are");
            }
            let (findings, plans) = (group.loose.clone(), Vec::new());
            self.append(Some(incident), &Event::Gathered { from: None, findings, plans, reason }).await?;
        }
        self.touched.insert(incident.clone());
        Ok(())
    }

    async fn take_over(&mut self, incident: &IncidentId, other: &IncidentId, key: &Key) -> Result<(), CommitError> {
        let theirs = place::state(self.connection, other).await?;
        let joined = Event::Joined { incident: other.clone(), reason: format!("tied by {}", key.words()) };
        self.append(Some(incident), &joined).await?;
        self.touched.remove(other);
        if self.withdrawn_from.remove(other) {
            self.withdrawn_from.insert(incident.clone());
        }
        let ours = place::state(self.connection, incident).await?;
        if let (Some(ours), Some(theirs)) = (ours, theirs)
            && theirs > ours
            && is_legal(ours, theirs)
        {
            let reason = format!("{other}, which is {}, is a part of it", word(theirs));
            self.move_to(incident, theirs, reason).await?;
        }
        Ok(())
    }

    /// What belongs to no incident may be an attack when it is taken together: then it opens one. The incident.
    pub(crate) async fn combine_loose(
        &mut self,
        newest: FindingId,
        group: &Group,
    ) -> Result<Option<IncidentId>, CommitError> {
        let mut ids = group.loose.clone();
        ids.push(newest);
        let members = group::members_with(self.connection, &ids).await?;
        let Some(combination) = combination(&members).filter(|found| found.rule.severity() > ALERTS_ABOVE) else {
            return Ok(None);
        };
        let Some(event) = self.combined(&members, &combination).await? else { return Ok(None) };
        let Event::Found { finding, .. } = &event else { return Ok(None) };
        let incident = place::free_name(self.connection, self.at, finding.id.0).await?;
        self.append(Some(&incident), &event).await?;
        let whole = Group { incidents: Vec::new(), loose: ids, beyond: group.beyond };
        self.join(&incident, &whole).await?;
        Ok(Some(incident))
    }

    /// The alert that several notices add up to. It stands where the newest of our own among them stands, and leaves the
    /// record with that. `None` when none of them is about a module.
    async fn combined(&mut self, members: &[Member], combination: &Combination) -> Result<Option<Event>, CommitError> {
        let mut ours: Vec<&Member> = members.iter().filter(|member| !member.weighed.module.is_empty()).collect();
        ours.sort_by_key(|member| (member.sighting.at, member.sighting.id));
        let (Some(first), Some(last)) = (ours.first(), ours.last()) else { return Ok(None) };
        let Some(Event::Found { finding: newest, window, block, standing, .. }) =
            group::found_at(self.connection, last.sequence).await?
        else {
            return Ok(None);
        };
        let mut preimage = keccak256(COMBINED.as_bytes()).to_vec();
        preimage.extend_from_slice(first.sighting.id.0.as_slice());
        let Ok(module) = ModuleId::new(&first.weighed.module) else { return Ok(None) };
        let evidence = |member: &Member| Evidence {
            what: member.weighed.stage.word().into(),
            value: format!("{}: finding {}", member.weighed.detector, member.sighting.id),
        };
        let finding = Finding {
            id: FindingId(keccak256(&preimage)),
            detector: COMBINED.into(),
            maturity: Maturity::Incubating,
            level: Level::Alert,
            severity: combination.rule.severity(),
            module,
            transaction: newest.transaction,
            summary: format!("weak signs of one party add up to an attack: {}", combination.words()),
            harm: Vec::new(),
            evidence: members.iter().take(MOST_PARTY).map(evidence).collect(),
        };
        // Tied by its transaction alone: an alert made of others must not hold them together when one of them goes.
        let stage = combination.stages.last().copied().unwrap_or(Stage::Exploitation);
        let (at, party) = (last.sighting.at, Vec::<Actor>::new());
        let trail = Some(Trail { at, stage, score: cofferdam_types::Score::WHOLE, party, lost_bps: None });
        Ok(Some(Event::Found { finding, window, block, standing, trail }))
    }

    /// At the end of a batch: takes apart what no longer holds together, closes what nothing stands in, rates the rest.
    pub(crate) async fn settle(&mut self) -> Result<(), CommitError> {
        for incident in std::mem::take(&mut self.withdrawn_from) {
            if place::state(self.connection, &incident).await? != Some(IncidentState::Closed) {
                self.take_apart(&incident).await?;
            }
        }
        for incident in std::mem::take(&mut self.touched) {
            self.rate(&incident).await?;
        }
        Ok(())
    }

    async fn take_apart(&mut self, incident: &IncidentId) -> Result<(), CommitError> {
        self.withdraw_combined(incident).await?;
        let members = group::members(self.connection, incident).await?;
        let sightings: Vec<Sighting> = members.iter().map(|member| member.sighting.clone()).collect();
        let mut parts = partition(&sightings, &self.windows);
        let alerts = |part: &Vec<usize>| {
            part.iter().filter_map(|index| members.get(*index)).any(|member| member.weighed.level >= Level::Alert)
        };
        // The part with the oldest alert keeps the name; notices alone are no incident.
        let stays = parts.iter().position(alerts);
        let kept = stays.map(|index| parts.remove(index));
        for part in parts {
            let alerts = alerts(&part);
            let part: Vec<&Member> = part.iter().filter_map(|index| members.get(*index)).collect();
            self.part(incident, &part, alerts).await?;
        }
        if kept.is_none() {
            return self.close_withdrawn(incident).await;
        }
        self.touched.insert(incident.clone());
        Ok(())
    }

    /// Takes back alerts that were made of findings that no longer add up.
    async fn withdraw_combined(&mut self, incident: &IncidentId) -> Result<(), CommitError> {
        let members = group::members(self.connection, incident).await?;
        let holds = combination(&members).is_some_and(|found| found.rule.severity() > ALERTS_ABOVE);
        if holds {
            return Ok(());
        }
        for member in members.iter().filter(|member| member.weighed.detector == COMBINED) {
            if let Some(Event::Found { finding, block, .. }) = group::found_at(self.connection, member.sequence).await?
            {
                let reason = "what stands no longer adds up".to_owned();
                self.append(Some(incident), &Event::Withdrawn { finding: finding.id, block, reason }).await?;
            }
        }
        Ok(())
    }

    /// Gives findings that nothing ties to the rest of `from` to an incident of their own; notices alone to none.
    async fn part(&mut self, from: &IncidentId, members: &[&Member], alerts: bool) -> Result<(), CommitError> {
        let mut findings: Vec<FindingId> = Vec::new();
        for member in members {
            if !findings.contains(&member.sighting.id) {
                findings.push(member.sighting.id);
            }
        }
        let reason = "nothing that stands ties it to the rest any more".to_owned();
        let from_there = Some(from.clone());
        let Some(first) = members.first().filter(|_| alerts) else {
            let gathered = Event::Gathered { from: from_there, findings, plans: Vec::new(), reason };
            return self.append(None, &gathered).await;
        };
        let ids: BTreeSet<FindingId> = findings.iter().copied().collect();
        let incident = match group::former_name(self.connection, from, &ids).await? {
            Some(incident) => incident,
            None => place::free_name(self.connection, self.at, first.sighting.id.0).await?,
        };
        let transactions: BTreeSet<B256> = members.iter().map(|member| member.weighed.transaction).collect();
        let plans = group::plans_against(self.connection, from, &transactions).await?;
        let held = !plans.is_empty();
        self.append(Some(&incident), &Event::Gathered { from: from_there, findings, plans, reason }).await?;
        self.touched.insert(incident.clone());
        let stop = members.iter().any(|member| member.weighed.level == Level::Stop);
        let wanted = if held && self.is_sealed(&incident).await? {
            IncidentState::Contained
        } else if stop {
            IncidentState::Triaged
        } else {
            return Ok(());
        };
        let state = place::state(self.connection, &incident).await?;
        if state.is_some_and(|state| state < wanted && is_legal(state, wanted)) {
            self.move_to(&incident, wanted, format!("it was that as a part of {from}")).await?;
        }
        Ok(())
    }

    async fn is_sealed(&mut self, incident: &IncidentId) -> Result<bool, CommitError> {
        let select = "SELECT count(*) FROM plan WHERE incident = ? AND step = 'confirmed'";
        let row = sqlx::query(select).bind(incident.0.as_str()).fetch_one(&mut *self.connection).await?;
        Ok(row.try_get::<i64, _>(0)? > 0)
    }

    /// Closes an incident that lost its last standing alert in this batch. At its end, not in the middle: a reorg
    /// withdraws and finds again in one batch.
    async fn close_withdrawn(&mut self, incident: &IncidentId) -> Result<(), CommitError> {
        if place::standing(self.connection, incident).await? != Some(0) {
            return Ok(());
        }
        let sent = place::plans_sent(self.connection, incident).await?;
        let mut reason = String::from("withdrawn: nothing that was found still stands");
        if sent > 0 {
            reason.push_str(&format!("; {sent} sent plan(s) remain: see whether the module is still sealed"));
        }
        self.move_to(incident, IncidentState::Closed, reason).await
    }

    /// Says how bad an incident is, where that is not what was said last.
    async fn rate(&mut self, incident: &IncidentId) -> Result<(), CommitError> {
        let members = group::weighed(self.connection, incident).await?;
        let weighed: Vec<_> = members.iter().map(|member| member.weighed.clone()).collect();
        let rated = rate(&self.criteria, &weighed, combination(&members).as_ref());
        let Some(Rating { severity, rule, reason }) = rated else { return Ok(()) };
        let select = sqlx::query("SELECT severity, rule FROM incident WHERE id = ?").bind(incident.0.as_str());
        let row = select.fetch_one(&mut *self.connection).await?;
        let last: (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        if last == (Some(group::severity_word(severity).to_owned()), Some(rule.clone())) {
            return Ok(());
        }
        self.append(Some(incident), &Event::Rated { severity, rule, reason }).await
    }
}

/// A combination that is not worse than this is no alert by itself.
const ALERTS_ABOVE: cofferdam_types::Severity = cofferdam_types::Severity::Low;

fn combination(members: &[Member]) -> Option<Combination> {
    let signs: Vec<Sign<'_>> = members.iter().filter_map(Member::sign).collect();
    combine(&signs)
}
