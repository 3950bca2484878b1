//! Which backups stay and which go: a pure function of what there is, the policy and the time.
//!
//! Grandfather, father, son: of the last hours, days, weeks and months that have any backup, the
//! newest good one each stays. Periods are counted by the backups there are, never by age alone, so
//! that nothing expires while backups fail. Whatever the policy says, these stay: the newest good
//! and the newest proven backup of each database, what is pinned, in use or running, and what claims
//! to be from the future.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

/// Clocks of two machines differ by this much without anybody noticing.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// What somebody made by hand, before an upgrade perhaps, is not pushed out by the next of its hour.
const BY_HAND: TimeDelta = TimeDelta::days(7);

/// What is known of a backup's worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It is being made.
    Running,
    /// It was made and not yet proven.
    Good,
    /// It was restored on trial, whole.
    Proven,
    /// A trial restore found it bad. It counts for nothing.
    Bad,
}

/// A backup that has a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub id: i32,
    /// The database it is of; backups of different ones never push each other out.
    pub database: String,
    /// When it was begun.
    pub taken_at: DateTime<Utc>,
    /// What it takes on disk, in bytes.
    pub bytes: u64,
    /// What is known of it.
    pub worth: Worth,
    /// Whether somebody said that it stays.
    pub is_pinned: bool,
    /// Whether it is being proven, restored or downloaded.
    pub is_in_use: bool,
    /// Whether a person asked for it.
    pub is_by_hand: bool,
}

/// What an administrator wants kept of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Hours of which one stays.
    pub hourly: u32,
    /// Days of which one stays.
    pub daily: u32,
    /// Weeks, from Monday, of which one stays.
    pub weekly: u32,
    /// Months of which one stays.
    pub monthly: u32,
    /// Most bytes for all backups of the type; the oldest go first.
    pub max_total_bytes: Option<u64>,
}

impl Policy {
    /// Whether it asks for anything to be kept; a policy of nothing deletes nothing by count.
    pub fn has_counts(&self) -> bool {
        self.hourly + self.daily + self.weekly + self.monthly > 0
    }
}

/// Why a backup stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepReason {
    /// The newest good one of its database.
    NewestGood,
    /// The newest proven one of its database.
    NewestProven,
    /// Somebody pinned it.
    Pinned,
    /// It is being proven, restored or downloaded.
    InUse,
    /// It is being made.
    Running,
    /// Its time has not come yet: a clock is or was wrong.
    FromTheFuture,
    /// The one of its hour.
    Hourly,
    /// The one of its day.
    Daily,
    /// The one of its week.
    Weekly,
    /// The one of its month.
    Monthly,
    /// Somebody made it by hand less than a week ago, and surely had a reason.
    ByHand,
    /// The policy counts nothing.
    NoPolicy,
    /// Nothing better of its database was proven since.
    NothingProvenSince,
    /// It would go, but one run deletes no more than a part.
    Postponed,
}

/// Why a backup goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeleteReason {
    /// No hour, day, week or month that is kept needs it.
    RetentionPolicy,
    /// All together take more than they may.
    StorageLimit,
    /// A trial restore found it bad, and a newer one was proven.
    Bad,
}

impl DeleteReason {
    /// The name in the column `deleted_by`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetentionPolicy => "retention_policy",
            Self::StorageLimit => "storage_limit",
            Self::Bad => "found_bad",
        }
    }
}

/// What becomes of one backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which.
    pub id: i32,
    /// Why it stays; never empty when it stays.
    pub keep: BTreeSet<KeepReason>,
    /// Why it goes; `None` when it stays.
    pub delete: Option<DeleteReason>,
}

/// The outcome of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One for each candidate, newest first.
    pub decisions: Vec<Decision>,
    /// How many would go but wait for the next run.
    pub postponed: usize,
}

impl Plan {
    /// What goes, and why.
    pub fn deletions(&self) -> impl Iterator<Item = (i32, DeleteReason)> + '_ {
        self.decisions
            .iter()
            .filter_map(|decision| Some((decision.id, decision.delete?)))
    }
}

/// Most deletions of one run unless somebody confirmed more: half of what there is, and at least
/// one. A clock or a policy gone wrong then does half the harm, and is seen before the rest.
pub fn usual_cap(candidates: usize) -> usize {
    (candidates / 2).max(1)
}

/// Decides for all backups of one type. `zone` says when a day begins; `cap` is the most deletions.
pub fn plan(
    candidates: &[Candidate],
    policy: &Policy,
    zone: Tz,
    now: DateTime<Utc>,
    cap: usize,
) -> Plan {
    let mut sorted: Vec<&Candidate> = candidates.iter().collect();
    // Newest first; of two at the same moment the later number is the newer.
    sorted.sort_by_key(|candidate| std::cmp::Reverse((candidate.taken_at, candidate.id)));
    let mut keep: BTreeMap<i32, BTreeSet<KeepReason>> = BTreeMap::new();
    for database in sorted
        .iter()
        .map(|candidate| candidate.database.as_str())
        .collect::<BTreeSet<_>>()
    {
        let group: Vec<&Candidate> = sorted
            .iter()
            .copied()
            .filter(|candidate| candidate.database == database)
            .collect();
        keep_in_group(&group, policy, zone, now, &mut keep);
    }
    let mut delete: BTreeMap<i32, DeleteReason> = BTreeMap::new();
    for candidate in &sorted {
        if !keep.contains_key(&candidate.id) {
            let reason = if candidate.worth == Worth::Bad {
                DeleteReason::Bad
            } else {
                DeleteReason::RetentionPolicy
            };
            delete.insert(candidate.id, reason);
        }
    }
    enforce_size(&sorted, policy, &keep, &mut delete);
    finish(&sorted, keep, delete, cap)
}

fn keep_in_group(
    group: &[&Candidate],
    policy: &Policy,
    zone: Tz,
    now: DateTime<Utc>,
    keep: &mut BTreeMap<i32, BTreeSet<KeepReason>>,
) {
    let mut note = |candidate: &Candidate, reason: KeepReason| {
        keep.entry(candidate.id).or_default().insert(reason);
    };
    let is_good = |candidate: &&&Candidate| matches!(candidate.worth, Worth::Good | Worth::Proven);
    let is_future = |candidate: &Candidate| candidate.taken_at > now + SKEW;
    for candidate in group {
        if candidate.is_pinned {
            note(candidate, KeepReason::Pinned);
        }
        if candidate.is_in_use {
            note(candidate, KeepReason::InUse);
        }
        if candidate.worth == Worth::Running {
            note(candidate, KeepReason::Running);
        }
        if is_future(candidate) {
            note(candidate, KeepReason::FromTheFuture);
        }
        if candidate.is_by_hand
            && candidate.worth != Worth::Bad
            && now - candidate.taken_at < BY_HAND
        {
            note(candidate, KeepReason::ByHand);
        }
    }
    // The floor is of what is certain to be past; without any, of what there is.
    let floor = |is_wanted: &dyn Fn(&Candidate) -> bool| {
        let mut wanted = group.iter().filter(|candidate| is_wanted(candidate));
        let all: Vec<_> = wanted.by_ref().collect();
        all.iter()
            .find(|candidate| !is_future(candidate))
            .or(all.first())
            .map(|candidate| **candidate)
    };
    if let Some(newest) = floor(&|candidate| matches!(candidate.worth, Worth::Good | Worth::Proven))
    {
        note(newest, KeepReason::NewestGood);
    }
    let newest_proven = floor(&|candidate| candidate.worth == Worth::Proven);
    if let Some(newest) = newest_proven {
        note(newest, KeepReason::NewestProven);
    }
    for candidate in group.iter().filter(|one| one.worth == Worth::Bad) {
        // Something of a bad backup may still be saved, as long as nothing better came after it.
        if newest_proven.is_none_or(|proven| proven.taken_at <= candidate.taken_at) {
            note(candidate, KeepReason::NothingProvenSince);
        }
    }
    let past: Vec<&Candidate> = group
        .iter()
        .filter(is_good)
        .copied()
        .filter(|candidate| !is_future(candidate))
        .collect();
    if !policy.has_counts() {
        for candidate in &past {
            note(candidate, KeepReason::NoPolicy);
        }
        return;
    }
    for (count, reason) in [
        (policy.hourly, KeepReason::Hourly),
        (policy.daily, KeepReason::Daily),
        (policy.weekly, KeepReason::Weekly),
        (policy.monthly, KeepReason::Monthly),
    ] {
        let mut periods: Vec<(Period, &Candidate)> = Vec::new();
        for candidate in &past {
            let period = period(reason, zone, candidate.taken_at);
            match periods.last_mut() {
                // Of one period a proven one is worth more than a newer one that is not.
                Some((last, chosen)) if *last == period => {
                    if chosen.worth != Worth::Proven && candidate.worth == Worth::Proven {
                        *chosen = candidate;
                    }
                }
                _ => periods.push((period, candidate)),
            }
        }
        for (_, chosen) in periods.into_iter().take(count as usize) {
            note(chosen, reason);
        }
    }
}

/// A period's number; equal for two moments in the same one.
type Period = (i32, u32, u32);

fn period(kind: KeepReason, zone: Tz, at: DateTime<Utc>) -> Period {
    let local = at.with_timezone(&zone);
    match kind {
        // Hours are counted in UTC, so that the repeated hour of autumn is two.
        KeepReason::Hourly => (at.year(), at.ordinal(), at.hour()),
        KeepReason::Daily => (local.year(), local.ordinal(), 0),
        KeepReason::Weekly => {
            let week = local.iso_week();
            (week.year(), week.week(), 0)
        }
        _ => (local.year(), local.month(), 0),
    }
}

/// Reasons that no limit of size overrules.
const SACRED: [KeepReason; 7] = [
    KeepReason::NewestGood,
    KeepReason::NewestProven,
    KeepReason::Pinned,
    KeepReason::InUse,
    KeepReason::Running,
    KeepReason::FromTheFuture,
    KeepReason::NothingProvenSince,
];

fn enforce_size(
    sorted: &[&Candidate],
    policy: &Policy,
    keep: &BTreeMap<i32, BTreeSet<KeepReason>>,
    delete: &mut BTreeMap<i32, DeleteReason>,
) {
    let Some(limit) = policy.max_total_bytes else {
        return;
    };
    let mut total: u64 = sorted
        .iter()
        .filter(|candidate| !delete.contains_key(&candidate.id))
        .map(|candidate| candidate.bytes)
        .sum();
    for candidate in sorted.iter().rev() {
        if total <= limit {
            return;
        }
        let is_sacred = keep
            .get(&candidate.id)
            .is_some_and(|reasons| SACRED.iter().any(|reason| reasons.contains(reason)));
        if is_sacred || delete.contains_key(&candidate.id) {
            continue;
        }
        delete.insert(candidate.id, DeleteReason::StorageLimit);
        total -= candidate.bytes;
    }
}

fn finish(
    sorted: &[&Candidate],
    mut keep: BTreeMap<i32, BTreeSet<KeepReason>>,
    mut delete: BTreeMap<i32, DeleteReason>,
    cap: usize,
) -> Plan {
    // What is over the cap stays this time: the newest of what would go. What only the limit of size
    // takes goes last: were it gone first, another of its day could take its place.
    let mut doomed: Vec<i32> = sorted
        .iter()
        .rev()
        .map(|candidate| candidate.id)
        .filter(|id| delete.contains_key(id))
        .collect();
    doomed.sort_by_key(|id| delete.get(id) == Some(&DeleteReason::StorageLimit));
    let mut postponed = 0;
    for id in doomed.into_iter().skip(cap) {
        delete.remove(&id);
        keep.entry(id).or_default().insert(KeepReason::Postponed);
        postponed += 1;
    }
    let decisions = sorted.iter().map(|candidate| {
        let reason = delete.get(&candidate.id).copied();
        Decision {
            id: candidate.id,
            keep: if reason.is_some() {
                BTreeSet::new()
            } else {
                keep.remove(&candidate.id).unwrap_or_default()
            },
            delete: reason,
        }
    });
    Plan {
        decisions: decisions.collect(),
        postponed,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
