//! Reads from the tables what a finding is tied to. The rules are those of [`crate::joining`]; here they are asked of
//! the record. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use cofferdam_types::{
    Event, Finding, FindingId, Harm, IncidentId, Level, Maturity, PlanId, PlanStep, Score, Severity, Stage, UnixMillis,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::joining::{Key, Sighting, Sign, Weighed, Windows, partition};
use crate::{canonical, query, sql};

/// Findings of no incident that are looked through for one more, newest first: a stream of notices is not followed
/// further back.
const MOST_LOOSE: usize = 1_000;
/// How many steps from finding to finding are followed; each costs one statement for every [`AT_ONCE`] new keys.
const MOST_STEPS: usize = 16;
/// Keys or findings that one statement asks for.
const AT_ONCE: usize = 256;
/// Incidents that one finding can make one, for every [`AT_ONCE`] keys: those that were opened first.
const MOST_TIED: usize = 256;
/// Findings of one incident that are looked at, newest first.
pub(crate) const MOST_MEMBERS: u32 = 5_000;
/// Findings of one incident that are weighed after each new one: notices only where there is room beside the rest.
pub(crate) const MOST_WEIGHED: u32 = 1_000;

/// What a new finding is tied to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// Incidents, the one that was opened first first, each with the key that ties it.
    pub(crate) incidents: Vec<(IncidentId, Key)>,
    /// Findings that belong to no incident, each once, in the order of the record.
    pub(crate) loose: Vec<FindingId>,
    /// Whether there is more of no incident than was looked through.
    pub(crate) beyond: bool,
}

/// What `sighting` is tied to, directly and through findings of no incident. Closed incidents take nothing any more.
///
/// Each key is asked once, however many findings have it; what is close enough in time is decided in memory.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn around(
    connection: &mut SqliteConnection,
    sighting: &Sighting,
    windows: &Windows,
) -> Result<Group, sqlx::Error> {
    let mut read = BTreeSet::new();
    let mut sequences = vec![0];
    let mut pool = vec![sighting.clone()];
    let mut asked: BTreeSet<Key> = BTreeSet::new();
    let mut beyond = false;
    let mut tied = vec![0];
    for step in 0..=MOST_STEPS {
        let keys = tied.iter().filter_map(|index| pool.get(*index)).flat_map(|one| &one.keys);
        let new: Vec<Key> =
            keys.filter(|key| !asked.contains(key)).cloned().collect::<BTreeSet<_>>().into_iter().collect();
        if new.is_empty() {
            break;
        }
        if step == MOST_STEPS || pool.len() > MOST_LOOSE {
            beyond = true;
            break;
        }
        for keys in new.chunks(AT_ONCE) {
            let found = loose_with(connection, keys).await?;
            beyond |= found.len() >= MOST_LOOSE;
            for (sequence, block, found) in found {
                if found.id == sighting.id || read.contains(&(found.id, block.clone())) {
                    continue;
                }
                if pool.len() > MOST_LOOSE {
                    beyond = true;
                    break;
                }
                read.insert((found.id, block));
                sequences.push(sequence);
                pool.push(found);
            }
        }
        asked.extend(new);
        // Parts come by their first index, and that of the new finding is the first of all.
        tied = partition(&pool, windows).into_iter().next().unwrap_or_default();
    }
    let members: Vec<&Sighting> = tied.iter().filter_map(|index| pool.get(*index)).collect();
    let incidents = incidents_tied(connection, &members, windows).await?;
    let mut loose: BTreeMap<FindingId, u64> = BTreeMap::new();
    for index in tied.into_iter().filter(|index| *index > 0) {
        if let (Some(one), Some(sequence)) = (pool.get(index), sequences.get(index)) {
            loose.entry(one.id).and_modify(|first| *first = (*first).min(*sequence)).or_insert(*sequence);
        }
    }
    let mut loose: Vec<(u64, FindingId)> = loose.into_iter().map(|(id, sequence)| (sequence, id)).collect();
    loose.sort_unstable();
    let loose = loose.into_iter().map(|(_, id)| id).collect();
    Ok(Group { incidents, loose, beyond })
}

/// `rows` times a row of `columns` places.
fn places(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
}

/// Standing findings of no incident that have one of `keys`, newest first, with where and in which block they stand.
async fn loose_with(
    connection: &mut SqliteConnection,
    keys: &[Key],
) -> Result<Vec<(u64, Vec<u8>, Sighting)>, sqlx::Error> {
    let select = format!(
        "WITH asked(value) AS (VALUES {}), near AS (SELECT DISTINCT f.sequence, f.id, f.block, f.happened, f.stage \
         FROM asked a CROSS JOIN tie t ON t.value = a.value CROSS JOIN finding f ON f.id = t.finding AND f.block = t.block \
         WHERE f.standing = 1 AND f.incident IS NULL ORDER BY f.sequence DESC LIMIT {MOST_LOOSE}) \
         SELECT n.sequence, n.id, n.block, n.happened, n.stage, o.value FROM near n CROSS JOIN tie o \
         ON o.finding = n.id AND o.block = n.block ORDER BY n.sequence DESC, n.id, n.block, o.value",
        places(keys.len(), 1)
    );
    // Put together from constants of this file and question marks.
    let mut query = sqlx::query(sqlx::AssertSqlSafe(select));
    for key in keys {
        query = query.bind(key.bytes());
    }
    let mut found: Vec<(u64, Vec<u8>, Sighting)> = Vec::new();
    for row in &query.fetch_all(connection).await? {
        let (id, block): (_, Vec<u8>) = (FindingId(sql::hash(row, 1)?), row.try_get(2)?);
        let key = Key::from_bytes(row.try_get(5)?);
        match found.last_mut().filter(|(_, last_block, last)| last.id == id && *last_block == block) {
            Some((_, _, last)) => last.keys.extend(key),
            None => {
                let at = UnixMillis(sql::unsigned(row, 3)?);
                let keys = key.into_iter().collect();
                let sighting = Sighting { id, at, stage: stage_of(row.try_get(4)?)?, keys };
                found.push((sql::unsigned(row, 0)?, block, sighting));
            }
        }
    }
    for (_, _, sighting) in &mut found {
        sighting.keys.sort_unstable();
    }
    Ok(found)
}

/// The times that some findings reach by one key: whatever happened in them is tied.
#[derive(Clone, Copy)]
struct Span {
    /// From when on signs of funding and preparation reach them.
    early: u64,
    /// From when on any other sign does.
    late: u64,
    /// Until when they reach themselves.
    until: u64,
}

/// What `members` reach by each of their keys, put together where it overlaps.
fn spans<'s>(members: &[&'s Sighting], windows: &Windows) -> Vec<(&'s Key, Span)> {
    let mut by_key: BTreeMap<&Key, Vec<&Sighting>> = BTreeMap::new();
    for member in members {
        for key in &member.keys {
            by_key.entry(key).or_default().push(member);
        }
    }
    let mut all: Vec<(&Key, Span)> = Vec::new();
    for (key, mut sharing) in by_key {
        sharing.sort_by_key(|member| member.at);
        let reach = |stage| windows.reach(key, stage);
        let mut of_key: Vec<(&Key, Span)> = Vec::new();
        for member in sharing {
            let span = Span {
                early: member.at.0.saturating_sub(reach(Stage::Funding)),
                late: member.at.0.saturating_sub(reach(Stage::Exploitation)),
                until: member.at.0.saturating_add(reach(member.stage)).min(i64::MAX.unsigned_abs()),
            };
            match of_key.last_mut().filter(|(_, last)| span.early.max(span.late) <= last.until) {
                Some((_, last)) => last.until = last.until.max(span.until),
                None => of_key.push((key, span)),
            }
        }
        all.extend(of_key);
    }
    all
}

/// Incidents that are not closed and that hold a standing finding tied to one of `members`.
async fn incidents_tied(
    connection: &mut SqliteConnection,
    members: &[&Sighting],
    windows: &Windows,
) -> Result<Vec<(IncidentId, Key)>, sqlx::Error> {
    let mut incidents: BTreeMap<u64, (IncidentId, Key)> = BTreeMap::new();
    for spans in spans(members, windows).chunks(AT_ONCE) {
        let select = format!(
            "WITH asked(value, early, late, until) AS (VALUES {}) SELECT i.sequence, i.id, min(a.value) FROM asked a \
             CROSS JOIN tie t ON t.value = a.value CROSS JOIN finding f ON f.id = t.finding AND f.block = t.block \
             JOIN incident i ON i.id = f.incident WHERE f.standing = 1 AND i.state <> 'closed' AND f.happened <= a.until \
             AND f.happened >= CASE WHEN f.stage IN ('funding', 'preparation') THEN a.early ELSE a.late END \
             GROUP BY i.sequence, i.id ORDER BY i.sequence LIMIT {MOST_TIED}",
            places(spans.len(), 4)
        );
        // Put together from constants of this file and question marks.
        let mut query = sqlx::query(sqlx::AssertSqlSafe(select));
        for (key, span) in spans {
            query = query.bind(key.bytes());
            query = query.bind(sql::int(span.early)?).bind(sql::int(span.late)?).bind(sql::int(span.until)?);
        }
        for row in &query.fetch_all(&mut *connection).await? {
            if let Some(key) = Key::from_bytes(row.try_get(2)?) {
                incidents.entry(sql::unsigned(row, 0)?).or_insert((IncidentId(row.try_get(1)?), key));
            }
        }
    }
    Ok(incidents.into_values().collect())
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
                      score, precise, happened FROM finding WHERE standing = 1 AND ";

/// The standing findings of an incident, oldest first; where there are more than [`MOST_MEMBERS`], the newest ones.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn members(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
) -> Result<Vec<Member>, sqlx::Error> {
    let inner = format!("{MEMBER} incident = ? ORDER BY sequence DESC LIMIT {MOST_MEMBERS}");
    read_members(connection, &inner, &[incident.0.as_str()]).await
}

/// The same to weigh them: where there are more than [`MOST_WEIGHED`], what is more than a notice comes first.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn weighed(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
) -> Result<Vec<Member>, sqlx::Error> {
    let inner = format!("{MEMBER} incident = ? ORDER BY level = 'notice', sequence DESC LIMIT {MOST_WEIGHED}");
    read_members(connection, &inner, &[incident.0.as_str()]).await
}

/// The standing findings with these ids, in the order of the record.
///
/// # Errors
/// [`sqlx::Error`].
pub(crate) async fn members_with(
    connection: &mut SqliteConnection,
    ids: &[FindingId],
) -> Result<Vec<Member>, sqlx::Error> {
    let mut members = Vec::with_capacity(ids.len());
    for ids in ids.chunks(AT_ONCE) {
        let ids: Vec<&[u8]> = ids.iter().map(|id| id.0.as_slice()).collect();
        let inner = format!("{MEMBER} id IN (VALUES {})", places(ids.len(), 1));
        members.extend(read_members(connection, &inner, &ids).await?);
    }
    Ok(members)
}

/// What `inner` selects, oldest first, with its ties in the same statement.
async fn read_members<'v, V>(
    connection: &mut SqliteConnection,
    inner: &str,
    values: &[V],
) -> Result<Vec<Member>, sqlx::Error>
where
    V: Copy + Send + sqlx::Encode<'v, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + 'v,
{
    let select = format!(
        "SELECT f.*, t.value FROM ({inner}) f LEFT JOIN tie t ON t.finding = f.id AND t.block = f.block \
         ORDER BY f.sequence, f.id, f.block, t.value"
    );
    // Put together from constants of this file and question marks.
    let mut query = sqlx::query(sqlx::AssertSqlSafe(select));
    for value in values {
        query = query.bind(*value);
    }
    let mut members: Vec<(Vec<u8>, Member)> = Vec::new();
    for row in &query.fetch_all(connection).await? {
        let (id, block): (_, Vec<u8>) = (FindingId(sql::hash(row, 0)?), row.try_get(1)?);
        let key = row.try_get::<Option<Vec<u8>>, _>(14)?.and_then(|bytes| Key::from_bytes(&bytes));
        match members.last_mut().filter(|(last_block, last)| last.sighting.id == id && *last_block == block) {
            Some((_, last)) => last.sighting.keys.extend(key),
            None => members.push((block, member(row, id, key)?)),
        }
    }
    let sorted = members.into_iter().map(|(_, mut member)| {
        member.sighting.keys.sort_unstable();
        member
    });
    Ok(sorted.collect())
}

fn member(row: &SqliteRow, id: FindingId, key: Option<Key>) -> Result<Member, sqlx::Error> {
    let stage = stage_of(row.try_get(6)?)?;
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
    let at = UnixMillis(sql::unsigned(row, 13)?);
    Ok(Member {
        sequence: sql::unsigned(row, 2)?,
        sighting: Sighting { id, at, stage, keys: key.into_iter().collect() },
        weighed,
        score,
        precise: sql::unsigned(row, 12)? != 0,
    })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests may unwrap")]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use alloy_primitives::{Address, U256};
    use cofferdam_types::{Batch, ChainId, Clock, Journal as _, ManualClock, Report};
    use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::{Options, Store};

    const AT: UnixMillis = UnixMillis(1_795_406_706_789);

    /// A notice about one account that all share, and about a transaction of its own.
    fn notice(number: u64) -> Report {
        Report {
            source: "scanner".into(),
            key: number.to_string(),
            kind: "K".into(),
            summary: "s".into(),
            severity: Severity::Low,
            level: Level::Notice,
            stage: Stage::Exploitation,
            score: Score::WHOLE,
            at: UnixMillis(AT.0 + number),
            accounts: vec![Address::repeat_byte(1)],
            transactions: vec![B256::from(U256::from(number + 1))],
            modules: Vec::new(),
        }
    }

    /// Steps of the database's machine to group one more after `many` notices, and how many it is tied to.
    async fn steps_after(many: u64) -> (u64, Group) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.db");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(AT));
        let options = Options { reserve_mib: 0, ..Options::default() };
        let store = Store::open(&path, ChainId(1), options, clock).unwrap();
        let events = (0..many).map(|number| Event::Reported { report: notice(number) }).collect();
        store.commit(&Batch { at: AT, events, checkpoint: None }).unwrap();
        let mut connection = SqliteConnectOptions::new().filename(&path).read_only(true).connect().await.unwrap();
        let steps = Arc::new(AtomicU64::new(0));
        let counted = steps.clone();
        let count = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            true
        };
        connection.lock_handle().await.unwrap().set_progress_handler(1, count);
        let group = around(&mut connection, &Sighting::of_report(&notice(many)), &Windows::default()).await.unwrap();
        (steps.load(Ordering::Relaxed), group)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_work_for_one_more_notice_grows_with_the_notices_of_its_party_and_not_with_their_square() {
        let ((short, few), (long, many)) = (steps_after(50).await, steps_after(200).await);
        assert_eq!((few.loose.len(), many.loose.len(), many.beyond), (50, 200, false));
        assert!(long < 6 * short, "four times the notices: {short} steps, then {long}");
    }
}
