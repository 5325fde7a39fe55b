//! What people and the other rooms ask of the record. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, U256};
use cofferdam_types::{
    Actor, Asset, BlockNumber, BlockRef, Event, FindingId, IncidentId, IncidentState, Level, ModuleId, PlanId,
    PlanRecord, PlanStep, Role, Score, Severity, Stage, UnixMillis,
};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::canonical;
use crate::{group, lifecycle, message, sql};

/// An incident in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its name.
    pub id: IncidentId,
    /// Where it stands.
    pub state: IncidentState,
    /// True when it was closed because nothing that was found still stood.
    pub withdrawn: bool,
    /// Modules with findings, sorted.
    pub modules: Vec<ModuleId>,
    /// The strongest level found; `None` for an incident that began with a plan.
    pub level: Option<Level>,
    /// When the first event was written.
    pub opened_at: UnixMillis,
    /// When it was closed, while it is.
    pub closed_at: Option<UnixMillis>,
    /// Findings, each counted once however often it was seen.
    pub findings: u64,
    /// Of these, the ones that were not withdrawn.
    pub standing: u64,
    /// How bad it is, by the first declared rule that fitted; `None` on records of version 1.
    pub severity: Option<Severity>,
    /// That rule.
    pub rule: Option<String>,
    /// The incident that it became a part of.
    pub part_of: Option<IncidentId>,
    /// Other incidents that became a part of it, by name.
    pub parts: Vec<IncidentId>,
    /// What stands of each stage, as attacks go; only stages that were seen.
    pub stages: Vec<StageLine>,
    /// The earliest standing finding, by block time and then by id: the same on every node that has the same findings,
    /// whatever they call the incident. `None` when none stands.
    pub anchor: Option<FindingId>,
    /// What was lost, by the last count per module.
    pub losses: Vec<Loss>,
    /// What was done.
    pub actions: Vec<Action>,
}

/// What stands of one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageLine {
    /// Which.
    pub stage: Stage,
    /// Findings, each counted once.
    pub findings: u64,
    /// Who spoke, ascending; other tools begin with `foreign:`.
    pub detectors: Vec<String>,
    /// Time of the first.
    pub from: UnixMillis,
    /// Time of the last.
    pub to: UnixMillis,
}

/// A loss of one module in one asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The module.
    pub module: ModuleId,
    /// In what.
    pub asset: Asset,
    /// How much, smallest unit.
    pub amount: U256,
}

/// A plan and how far it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Action {
    /// The plan.
    pub plan: PlanId,
    /// The lever's name.
    pub lever: String,
    /// Its last step: draft, simulated, authorised, refused, sent, confirmed, undone or failed.
    pub step: String,
}

/// An incident with all that happened, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// The incident in one line.
    pub summary: Summary,
    /// Why it was rated as it is.
    pub rated_because: Option<String>,
    /// Who belongs to whoever did it, as far as its findings tell, ascending.
    pub party: Vec<Actor>,
    /// What stands of it, by time.
    pub joined: Vec<JoinedFinding>,
    /// Its events, those of its parts, and the findings that joined it later.
    pub entries: Vec<Entry>,
}

/// A finding that stands, as a part of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JoinedFinding {
    /// Which.
    pub id: FindingId,
    /// Who spoke; other tools begin with `foreign:`.
    pub detector: String,
    /// What should be done.
    pub level: Level,
    /// How far the attack would be.
    pub stage: Stage,
    /// The module; empty where another tool named none.
    pub module: String,
    /// How seldom honest transactions cause it.
    pub score: Score,
    /// When it happened.
    pub at: UnixMillis,
}

/// One event of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its place in the record, counted from 1.
    pub sequence: u64,
    /// When.
    pub at: UnixMillis,
    /// Its hash in the chain.
    pub hash: B256,
    /// In one sentence.
    pub text: String,
    /// In full.
    pub event: Event,
}

/// A message that a receiver refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The receiver's name.
    pub receiver: String,
    /// The event that it was about.
    pub sequence: u64,
    /// The message's idempotency key.
    pub key: String,
    /// When it was given up.
    pub at: UnixMillis,
    /// What the receiver said.
    pub reason: String,
}

/// All incidents that are not a part of another, newest first.
pub(crate) async fn list(connection: &mut SqliteConnection) -> Result<Vec<Summary>, sqlx::Error> {
    let rows = sqlx::query("SELECT id FROM incident WHERE joined IS NULL ORDER BY sequence DESC")
        .fetch_all(&mut *connection)
        .await?;
    let mut summaries = Vec::with_capacity(rows.len());
    for row in rows {
        let id = IncidentId(row.try_get(0)?);
        summaries.extend(summary(connection, &id).await?);
    }
    Ok(summaries)
}

/// One incident with its events; `None` when there is no such incident.
pub(crate) async fn show(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
) -> Result<Option<Timeline>, sqlx::Error> {
    let Some(summary) = summary(connection, incident).await? else {
        return Ok(None);
    };
    let select = "SELECT sequence, at, hash, body FROM event WHERE incident = ?1 \
                  OR incident IN (SELECT id FROM incident WHERE joined = ?1) \
                  OR sequence IN (SELECT sequence FROM finding WHERE incident = ?1) ORDER BY sequence";
    let rows = sqlx::query(select).bind(incident.0.as_str()).fetch_all(&mut *connection).await?;
    let entries = rows.iter().map(|row| {
        let event = event(row, 3)?;
        let text = message::sentence(&event);
        let at = UnixMillis(sql::unsigned(row, 1)?);
        Ok::<_, sqlx::Error>(Entry { sequence: sql::unsigned(row, 0)?, at, hash: sql::hash(row, 2)?, text, event })
    });
    let entries: Vec<Entry> = entries.collect::<Result<_, _>>()?;
    let rated_because = entries
        .iter()
        .rev()
        .find_map(|entry| if let Event::Rated { reason, .. } = &entry.event { Some(reason.clone()) } else { None });
    let joined = joined(connection, incident).await?;
    Ok(Some(Timeline { summary, rated_because, party: party(&entries), joined, entries }))
}

/// What stands of an incident, each finding once, by time and then by id.
async fn joined(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<Vec<JoinedFinding>, sqlx::Error> {
    let members = group::members(connection, incident).await?;
    let mut joined: Vec<JoinedFinding> = Vec::with_capacity(members.len());
    for member in members {
        let (id, at, score) = (member.sighting.id, member.sighting.at, member.score());
        if joined.iter().any(|known| known.id == id) {
            continue;
        }
        let weighed = member.weighed;
        let (detector, level, stage, module) = (weighed.detector, weighed.level, weighed.stage, weighed.module);
        joined.push(JoinedFinding { id, detector, level, stage, module, score, at });
    }
    joined.sort_by_key(|finding| (finding.at, finding.id));
    Ok(joined)
}

/// Who the findings name, each account once with the role that says most.
fn party(entries: &[Entry]) -> Vec<Actor> {
    let mut roles: BTreeMap<Address, Role> = BTreeMap::new();
    let mut add = |account: Address, role: Role| {
        roles.entry(account).and_modify(|known| *known = role.min(*known)).or_insert(role);
    };
    for entry in entries {
        if let Event::Found { trail: Some(trail), .. } = &entry.event {
            trail.party.iter().for_each(|actor| add(actor.account, actor.role));
        } else if let Event::Reported { report } = &entry.event {
            report.accounts.iter().for_each(|account| add(*account, Role::Named));
        }
    }
    roles.into_iter().map(|(account, role)| Actor { account, role }).collect()
}

/// Incidents that became a part of `incident`, by name.
pub(crate) async fn parts(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
) -> Result<Vec<IncidentId>, sqlx::Error> {
    let select = sqlx::query("SELECT id FROM incident WHERE joined = ? ORDER BY id").bind(incident.0.as_str());
    let rows = select.fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0).map(IncidentId)).collect()
}

/// Places in the record of the findings of `incident`, wherever they were recorded.
pub(crate) async fn signs(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
) -> Result<BTreeSet<u64>, sqlx::Error> {
    let select = sqlx::query("SELECT sequence FROM finding WHERE incident = ?").bind(incident.0.as_str());
    select.fetch_all(connection).await?.iter().map(|row| sql::unsigned(row, 0)).collect()
}

async fn stages(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<Vec<StageLine>, sqlx::Error> {
    let mut lines = Vec::new();
    for stage in Stage::ALL {
        let select = "SELECT count(DISTINCT id), min(happened), max(happened) FROM finding \
                      WHERE incident = ? AND stage = ? AND standing = 1";
        let query = sqlx::query(select).bind(incident.0.as_str()).bind(stage.word());
        let row = query.fetch_one(&mut *connection).await?;
        let findings = sql::unsigned(&row, 0)?;
        if findings == 0 {
            continue;
        }
        let select = "SELECT DISTINCT detector FROM finding WHERE incident = ? AND stage = ? AND standing = 1 \
                      ORDER BY detector";
        let query = sqlx::query(select).bind(incident.0.as_str()).bind(stage.word());
        let detectors = query.fetch_all(&mut *connection).await?;
        let detectors = detectors.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let (from, to) = (UnixMillis(sql::unsigned(&row, 1)?), UnixMillis(sql::unsigned(&row, 2)?));
        lines.push(StageLine { stage, findings, detectors, from, to });
    }
    Ok(lines)
}

async fn anchor(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<Option<FindingId>, sqlx::Error> {
    let select = "SELECT id FROM finding WHERE incident = ? AND standing = 1 ORDER BY happened, id LIMIT 1";
    let row = sqlx::query(select).bind(incident.0.as_str()).fetch_optional(connection).await?;
    row.map(|row| sql::hash(&row, 0).map(FindingId)).transpose()
}

/// Where to resume.
pub(crate) async fn checkpoint(connection: &mut SqliteConnection) -> Result<Option<BlockRef>, sqlx::Error> {
    let row = sqlx::query("SELECT number, hash FROM checkpoint").fetch_optional(connection).await?;
    row.map(|row| Ok(BlockRef { number: BlockNumber(sql::unsigned(&row, 0)?), hash: sql::hash(&row, 1)? })).transpose()
}

/// Findings in `block` that stand, in the order of the record.
pub(crate) async fn findings_in(
    connection: &mut SqliteConnection,
    block: BlockRef,
) -> Result<Vec<FindingId>, sqlx::Error> {
    let select = "SELECT id FROM finding WHERE block = ? AND standing = 1 ORDER BY sequence";
    let rows = sqlx::query(select).bind(block.hash.as_slice()).fetch_all(connection).await?;
    rows.iter().map(|row| sql::hash(row, 0).map(FindingId)).collect()
}

/// Plans whose last step is not final, oldest first.
pub(crate) async fn unfinished_plans(connection: &mut SqliteConnection) -> Result<Vec<PlanRecord>, sqlx::Error> {
    let select = "SELECT id, incident FROM plan WHERE step NOT IN ('confirmed', 'undone', 'refused', 'failed') \
                  ORDER BY sequence";
    let rows = sqlx::query(select).fetch_all(&mut *connection).await?;
    plans(connection, &rows).await
}

/// Plans of `lever` with a sending at or after `since`, oldest first. A re-pricing counts: the stricter reading.
pub(crate) async fn plans_sent_since(
    connection: &mut SqliteConnection,
    lever: &str,
    since: UnixMillis,
) -> Result<Vec<PlanRecord>, sqlx::Error> {
    let select = "SELECT id, incident FROM plan WHERE lever = ? AND last_sent_at >= ? ORDER BY sequence";
    let query = sqlx::query(select).bind(lever).bind(sql::int(since.0)?);
    let rows = query.fetch_all(&mut *connection).await?;
    plans(connection, &rows).await
}

/// Messages that were refused for good, oldest first.
pub(crate) async fn dead_letters(connection: &mut SqliteConnection) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let select = "SELECT d.receiver, d.sequence, m.key, d.at, d.reason FROM dead_letter d \
                  JOIN message m ON m.sequence = d.sequence ORDER BY d.sequence, d.receiver";
    let rows = sqlx::query(select).fetch_all(connection).await?;
    let letters = rows.iter().map(|row| {
        let (sequence, at) = (sql::unsigned(row, 1)?, UnixMillis(sql::unsigned(row, 3)?));
        Ok(DeadLetter { receiver: row.try_get(0)?, sequence, key: row.try_get(2)?, at, reason: row.try_get(4)? })
    });
    letters.collect()
}

/// The event whose canonical text is in column `index`.
pub(crate) fn event(row: &SqliteRow, index: usize) -> Result<Event, sqlx::Error> {
    canonical::from_text(row.try_get(index)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

async fn summary(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<Option<Summary>, sqlx::Error> {
    let select = "SELECT state, withdrawn, opened_at, closed_at, severity, rule, joined FROM incident WHERE id = ?";
    let row = sqlx::query(select).bind(incident.0.as_str()).fetch_optional(&mut *connection).await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let word: &str = row.try_get(0)?;
    let state = lifecycle::from_word(word).ok_or_else(|| unknown("incident state", word))?;
    let closed_at = row.try_get::<Option<i64>, _>(3)?.and_then(|at| u64::try_from(at).ok()).map(UnixMillis);
    let found = found(connection, incident).await?;
    Ok(Some(Summary {
        id: incident.clone(),
        state,
        withdrawn: sql::unsigned(&row, 1)? != 0,
        modules: found.modules,
        level: found.level,
        opened_at: UnixMillis(sql::unsigned(&row, 2)?),
        closed_at,
        findings: found.findings,
        standing: found.standing,
        severity: row.try_get::<Option<&str>, _>(4)?.map(group::severity_of).transpose()?,
        rule: row.try_get(5)?,
        part_of: row.try_get::<Option<String>, _>(6)?.map(IncidentId),
        parts: parts(connection, incident).await?,
        stages: stages(connection, incident).await?,
        anchor: anchor(connection, incident).await?,
        losses: losses(connection, incident).await?,
        actions: actions(connection, incident).await?,
    }))
}

/// What an incident's findings add up to.
struct Findings {
    modules: Vec<ModuleId>,
    level: Option<Level>,
    findings: u64,
    standing: u64,
}

async fn found(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<Findings, sqlx::Error> {
    let counts = "SELECT count(DISTINCT id), count(DISTINCT CASE WHEN standing = 1 THEN id END) FROM finding \
                  WHERE incident = ?";
    let row = sqlx::query(counts).bind(incident.0.as_str()).fetch_one(&mut *connection).await?;
    let (findings, standing) = (sql::unsigned(&row, 0)?, sql::unsigned(&row, 1)?);
    let select = "SELECT DISTINCT module, level FROM finding WHERE incident = ? AND module <> '' ORDER BY module";
    let rows = sqlx::query(select).bind(incident.0.as_str()).fetch_all(connection).await?;
    let (mut modules, mut level) = (Vec::new(), None);
    for row in &rows {
        let module: &str = row.try_get(0)?;
        let module = ModuleId::new(module).map_err(|error| sqlx::Error::Decode(error.into()))?;
        if modules.last() != Some(&module) {
            modules.push(module);
        }
        level = level.max(Some(level_of(row.try_get(1)?)?));
    }
    Ok(Findings { modules, level, findings, standing })
}

/// The level named by `word`.
pub(crate) fn level_of(word: &str) -> Result<Level, sqlx::Error> {
    let levels = [Level::Notice, Level::Alert, Level::Stop];
    levels.into_iter().find(|level| level.to_string() == word).ok_or_else(|| unknown("level", word))
}

/// A word that this version does not know.
pub(crate) fn unknown(what: &str, word: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{what} `{word}` is unknown").into())
}

/// The last count of each module, in the order of the counts; nothing is added up between counts.
async fn losses(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<Vec<Loss>, sqlx::Error> {
    let select = "SELECT body FROM event WHERE (incident = ?1 OR incident IN (SELECT id FROM incident WHERE joined = ?1)) \
         AND json_extract(body, '$.type') = 'loss' ORDER BY sequence";
    let rows = sqlx::query(select).bind(incident.0.as_str()).fetch_all(connection).await?;
    let mut losses: Vec<Loss> = Vec::new();
    for row in &rows {
        if let Event::Loss { module, amounts } = event(row, 0)? {
            losses.retain(|loss| loss.module != module);
            let counted = amounts.into_iter().map(|(asset, amount)| Loss { module: module.clone(), asset, amount });
            losses.extend(counted);
        }
    }
    Ok(losses)
}

async fn actions(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<Vec<Action>, sqlx::Error> {
    let select = "SELECT id, lever, step FROM plan WHERE incident = ? ORDER BY sequence";
    let rows = sqlx::query(select).bind(incident.0.as_str()).fetch_all(connection).await?;
    let actions = rows
        .iter()
        .map(|row| Ok(Action { plan: PlanId(sql::hash(row, 0)?), lever: row.try_get(1)?, step: row.try_get(2)? }));
    actions.collect()
}

async fn plans(connection: &mut SqliteConnection, rows: &[SqliteRow]) -> Result<Vec<PlanRecord>, sqlx::Error> {
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, incident) = (PlanId(sql::hash(row, 0)?), IncidentId(row.try_get(1)?));
        let steps = steps(connection, id).await?;
        let Some((_, PlanStep::Draft { action, .. })) = steps.first() else {
            return Err(sqlx::Error::Decode(format!("plan {id} does not begin with a draft").into()));
        };
        let action = action.clone();
        records.push(PlanRecord { id, incident, action, steps });
    }
    Ok(records)
}

async fn steps(connection: &mut SqliteConnection, plan: PlanId) -> Result<Vec<(UnixMillis, PlanStep)>, sqlx::Error> {
    let select = "SELECT e.at, e.body FROM plan_step s JOIN event e ON e.sequence = s.sequence WHERE s.plan = ? \
                  ORDER BY s.sequence";
    let rows = sqlx::query(select).bind(plan.0.as_slice()).fetch_all(connection).await?;
    let mut steps = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Event::Plan { step, .. } = event(row, 1)? {
            steps.push((UnixMillis(sql::unsigned(row, 0)?), step));
        }
    }
    Ok(steps)
}
