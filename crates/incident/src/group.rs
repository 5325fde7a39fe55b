//! Reads from the tables what a finding is tied to. The rules are those of [`crate::joining`]; here they are asked of
//! the record. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use cofferdam_types::{
    Event, Finding, FindingId, Harm, IncidentId, Level, Maturity, PlanId, PlanStep, Score, Severity, Stage, UnixMillis,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::joining::{Key, Sighting, Sign, Weighed, Windows};
use crate::{canonical, query, sql};

/// Findings of no incident that are looked through for one more: beyond it a stream of notices is not followed further
/// back, newest first.
const MOST_LOOSE: usize = 1_000;
/// Findings of one incident that are weighed, newest first.
const MOST_WEIGHED: i64 = 5_000;

/// What a new finding is tied to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// Incidents, the one that was opened first first, each with the key that ties it.
    pub(crate) incidents: Vec<(IncidentId, Key)>,
    /// Findings that belong to no incident, each once, in the order of the record.
    pub(crate) loose: Vec<FindingId>,
}

/// What `sighting` is tied to, directly and through findings of no incident. Closed incidents take nothing any more.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn around(
    connection: &mut SqliteConnection,
    sighting: &Sighting,
    windows: &Windows,
) -> Result<Group, sqlx::Error> {
    let mut incidents: BTreeMap<u64, (IncidentId, Key)> = BTreeMap::new();
    let mut loose: BTreeMap<FindingId, u64> = BTreeMap::new();
    let mut to_ask = vec![sighting.clone()];
    while let Some(asking) = to_ask.pop() {
        for key in &asking.keys {
            for (sequence, incident) in incidents_tied(connection, &asking, key, windows).await? {
                incidents.entry(sequence).or_insert_with(|| (incident, key.clone()));
            }
            if loose.len() >= MOST_LOOSE {
                continue;
            }
            for (sequence, id, block) in loose_tied(connection, &asking, key, windows).await? {
                if id != sighting.id && loose.insert(id, sequence).is_none() {
                    to_ask.extend(recorded(connection, id, &block).await?);
                }
            }
        }
    }
    let mut loose: Vec<(u64, FindingId)> = loose.into_iter().map(|(id, sequence)| (sequence, id)).collect();
    loose.sort_unstable();
    let loose = loose.into_iter().map(|(_, id)| id).collect();
    Ok(Group { incidents: incidents.into_values().collect(), loose })
}

/// Close enough in time to a finding at `at` of which `own` is the reach: what came before reaches by its own stage.
const CLOSE: &str = "(f.happened <= ?2 AND ?2 - f.happened <= CASE WHEN f.stage IN ('funding', 'preparation') THEN ?3 ELSE ?4 END \
                     OR f.happened > ?2 AND f.happened - ?2 <= ?5)";

async fn incidents_tied(
    connection: &mut SqliteConnection,
    asking: &Sighting,
    key: &Key,
    windows: &Windows,
) -> Result<Vec<(u64, IncidentId)>, sqlx::Error> {
    let select = format!(
        "SELECT DISTINCT i.sequence, i.id FROM tie t JOIN finding f ON f.id = t.finding AND f.block = t.block \
         JOIN incident i ON i.id = f.incident WHERE t.value = ?1 AND f.standing = 1 AND i.state <> 'closed' AND {CLOSE}"
    );
    let rows = tied_rows(connection, select, asking, key, windows).await?;
    rows.iter().map(|row| Ok((sql::unsigned(row, 0)?, IncidentId(row.try_get(1)?)))).collect()
}

async fn loose_tied(
    connection: &mut SqliteConnection,
    asking: &Sighting,
    key: &Key,
    windows: &Windows,
) -> Result<Vec<(u64, FindingId, Vec<u8>)>, sqlx::Error> {
    let select = format!(
        "SELECT f.sequence, f.id, f.block FROM tie t JOIN finding f ON f.id = t.finding AND f.block = t.block \
         WHERE t.value = ?1 AND f.standing = 1 AND f.incident IS NULL AND {CLOSE} \
         ORDER BY f.sequence DESC LIMIT {MOST_LOOSE}"
    );
    let rows = tied_rows(connection, select, asking, key, windows).await?;
    rows.iter().map(|row| Ok((sql::unsigned(row, 0)?, FindingId(sql::hash(row, 1)?), row.try_get(2)?))).collect()
}

async fn tied_rows(
    connection: &mut SqliteConnection,
    select: String,
    asking: &Sighting,
    key: &Key,
    windows: &Windows,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let longest = |stage| windows.reach(key, stage).min(i64::MAX.unsigned_abs());
    // Put together from constants of this file alone.
    sqlx::query(sqlx::AssertSqlSafe(select))
        .bind(key.bytes())
        .bind(sql::int(asking.at.0)?)
        .bind(sql::int(longest(Stage::Funding))?)
        .bind(sql::int(longest(Stage::Exploitation))?)
        .bind(sql::int(longest(asking.stage))?)
        .fetch_all(connection)
        .await
}

/// A finding as it was recorded for one block.
async fn recorded(
    connection: &mut SqliteConnection,
    id: FindingId,
    block: &[u8],
) -> Result<Option<Sighting>, sqlx::Error> {
    let select = sqlx::query("SELECT happened, stage FROM finding WHERE id = ? AND block = ?");
    let Some(row) = select.bind(id.0.as_slice()).bind(block).fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    let ties = sqlx::query("SELECT value FROM tie WHERE finding = ? AND block = ? ORDER BY value");
    let ties = ties.bind(id.0.as_slice()).bind(block).fetch_all(connection).await?;
    let mut keys = Vec::with_capacity(ties.len());
    for tie in &ties {
        keys.extend(Key::from_bytes(tie.try_get(0)?));
    }
    keys.sort_unstable();
    Ok(Some(Sighting { id, at: UnixMillis(sql::unsigned(&row, 0)?), stage: stage_of(row.try_get(1)?)?, keys }))
}

/// A standing finding of an incident, as regrouping and rating look at it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Place of its event in the record.
    pub(crate) sequence: u64,
    /// When, which stage, which keys.
    pub(crate) sighting: Sighting,
    /// What it says.
    pub(crate) weighed: Weighed,
    score: Score,
    precise: bool,
}

impl Member {
    /// How seldom honest transactions cause it.
    pub(crate) const fn score(&self) -> Score {
        self.score
    }

    /// As combining looks at it. What was combined is not combined again.
    pub(crate) fn sign(&self) -> Option<Sign<'_>> {
        let detector = self.weighed.detector.as_str();
        let sign = Sign { detector, stage: self.weighed.stage, score: self.score, precise: self.precise };
        (detector != COMBINED).then_some(sign)
    }
}

/// The detector of findings that this room makes itself, out of others.
pub(crate) const COMBINED: &str = "combined";

const MEMBER: &str = "SELECT id, block, sequence, detector, level, severity, stage, module, subject, lost_bps, harm, \
                      score, precise FROM finding WHERE standing = 1 AND ";

/// The standing findings of an incident, oldest first; the newest ones where there are very many.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn members(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
) -> Result<Vec<Member>, sqlx::Error> {
    let select = format!("{MEMBER} incident = ? ORDER BY sequence DESC LIMIT {MOST_WEIGHED}");
    // Put together from constants of this file alone.
    let query = sqlx::query(sqlx::AssertSqlSafe(select)).bind(incident.0.as_str());
    let rows = query.fetch_all(&mut *connection).await?;
    let mut members = read_members(connection, &rows).await?;
    members.reverse();
    Ok(members)
}

/// The standing findings with these ids, in their order.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn members_with(
    connection: &mut SqliteConnection,
    ids: &[FindingId],
) -> Result<Vec<Member>, sqlx::Error> {
    let mut members = Vec::with_capacity(ids.len());
    for id in ids {
        let select = format!("{MEMBER} id = ? ORDER BY sequence");
        // Put together from constants of this file alone.
        let query = sqlx::query(sqlx::AssertSqlSafe(select)).bind(id.0.as_slice());
        let rows = query.fetch_all(&mut *connection).await?;
        members.extend(read_members(connection, &rows).await?);
    }
    Ok(members)
}

async fn read_members(connection: &mut SqliteConnection, rows: &[SqliteRow]) -> Result<Vec<Member>, sqlx::Error> {
    let mut members = Vec::with_capacity(rows.len());
    for row in rows {
        let id = FindingId(sql::hash(row, 0)?);
        let Some(sighting) = recorded(connection, id, row.try_get(1)?).await? else { continue };
        let stage = sighting.stage;
        let harm: Option<String> = row.try_get(10)?;
        let harm: Vec<Harm> = match harm {
            Some(text) => canonical::from_text(&text).map_err(|error| sqlx::Error::Decode(error.into()))?,
            None => Vec::new(),
        };
        let lost_bps = row.try_get::<Option<i64>, _>(9)?.and_then(|bps| u16::try_from(bps).ok());
        let parts = sql::unsigned(row, 11)?;
        let weighed = Weighed {
            detector: row.try_get(3)?,
            level: query::level_of(row.try_get(4)?)?,
            severity: severity_of(row.try_get(5)?)?,
            stage,
            module: row.try_get(7)?,
            transaction: sql::hash(row, 8)?,
            lost_bps,
            harm,
        };
        let score = Score::new(parts).ok_or_else(|| query::unknown("score", &parts.to_string()))?;
        members.push(Member {
            sequence: sql::unsigned(row, 2)?,
            sighting,
            weighed,
            score,
            precise: sql::unsigned(row, 12)? != 0,
        });
    }
    Ok(members)
}

/// The event that recorded a finding of ours; `None` for another tool's.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn found_at(connection: &mut SqliteConnection, sequence: u64) -> Result<Option<Event>, sqlx::Error> {
    let select = sqlx::query("SELECT body FROM event WHERE sequence = ?").bind(sql::int(sequence)?);
    let row = select.fetch_optional(connection).await?;
    let event = row.map(|row| query::event(&row, 0)).transpose()?;
    Ok(event.filter(|event| matches!(event, Event::Found { .. })))
}

/// Plans of an incident that were drafted against one of `transactions`, in the order of the record.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn plans_against(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
    transactions: &BTreeSet<B256>,
) -> Result<Vec<PlanId>, sqlx::Error> {
    let select = "SELECT p.id, e.body FROM plan p JOIN event e ON e.sequence = p.sequence WHERE p.incident = ? \
                  ORDER BY p.sequence";
    let rows = sqlx::query(select).bind(incident.0.as_str()).fetch_all(connection).await?;
    let mut plans = Vec::new();
    for row in &rows {
        if let Event::Plan { step: PlanStep::Draft { against, .. }, .. } = query::event(row, 1)?
            && transactions.contains(&against)
        {
            plans.push(PlanId(sql::hash(row, 0)?));
        }
    }
    Ok(plans)
}

/// An incident that became a part of `of` and that was opened by one of `findings`: its name is known to people.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn former_name(
    connection: &mut SqliteConnection,
    of: &IncidentId,
    findings: &BTreeSet<FindingId>,
) -> Result<Option<IncidentId>, sqlx::Error> {
    let select = "SELECT i.id, e.body FROM incident i JOIN event e ON e.sequence = i.sequence WHERE i.joined = ? \
                  ORDER BY i.sequence";
    for row in &sqlx::query(select).bind(of.0.as_str()).fetch_all(connection).await? {
        let event = query::event(row, 1)?;
        let opened_by = if let Event::Found { finding, .. } = &event {
            Some(finding.id)
        } else if let Event::Reported { report } = &event {
            Some(report.id())
        } else {
            None
        };
        if opened_by.is_some_and(|id| findings.contains(&id)) {
            return Ok(Some(IncidentId(row.try_get(0)?)));
        }
    }
    Ok(None)
}

/// The incident that `incident` is a part of; itself where it is a part of none.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn whole(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<IncidentId, sqlx::Error> {
    let select = sqlx::query("SELECT joined FROM incident WHERE id = ?").bind(incident.0.as_str());
    let row = select.fetch_optional(connection).await?;
    let joined: Option<String> = match row {
        Some(row) => row.try_get(0)?,
        None => None,
    };
    Ok(joined.map_or_else(|| incident.clone(), IncidentId))
}

/// Whether a detector that may act on its own said more than a notice.
pub(crate) fn is_precise(finding: &Finding) -> bool {
    finding.maturity == Maturity::Stable && finding.level >= Level::Alert && finding.detector != COMBINED
}

/// The stage named by `word`.
pub(crate) fn stage_of(word: &str) -> Result<Stage, sqlx::Error> {
    Stage::ALL.into_iter().find(|stage| stage.word() == word).ok_or_else(|| query::unknown("stage", word))
}

/// The word that a severity stands as.
pub(crate) const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// The severity named by `word`.
pub(crate) fn severity_of(word: &str) -> Result<Severity, sqlx::Error> {
    let all = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let found = all.into_iter().find(|severity| severity_word(*severity) == word);
    found.ok_or_else(|| query::unknown("severity", word))
}
