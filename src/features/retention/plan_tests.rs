use proptest::prelude::*;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-11-21T12:00:00Z")
}

fn good(id: i32, hours_ago: i64) -> Candidate {
    Candidate {
        id,
        database: "n8n".to_owned(),
        taken_at: now() - TimeDelta::hours(hours_ago),
        bytes: 1_000,
        worth: Worth::Good,
        is_pinned: false,
        is_in_use: false,
        is_by_hand: false,
    }
}

fn policy(hourly: u32, daily: u32, weekly: u32, monthly: u32) -> Policy {
    Policy {
        hourly,
        daily,
        weekly,
        monthly,
        max_total_bytes: None,
    }
}

fn deleted(candidates: &[Candidate], policy: &Policy) -> Vec<i32> {
    let plan = plan(candidates, policy, Tz::UTC, now(), usize::MAX);
    let mut ids: Vec<i32> = plan.deletions().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids
}

fn reasons(candidates: &[Candidate], policy: &Policy, id: i32) -> BTreeSet<KeepReason> {
    let plan = plan(candidates, policy, Tz::UTC, now(), usize::MAX);
    let found = plan.decisions.into_iter().find(|one| one.id == id);
    found.unwrap().keep
}

#[test]
fn one_for_each_of_the_last_days_stays_and_the_rest_goes() {
    // Four a day for ten days.
    let candidates: Vec<_> = (0..40).map(|n| good(n, i64::from(n) * 6)).collect();
    let gone = deleted(&candidates, &policy(0, 3, 0, 0));
    assert_eq!(gone.len(), 37);
    assert!(reasons(&candidates, &policy(0, 3, 0, 0), 0).contains(&KeepReason::NewestGood));
}

#[test]
fn f27_two_months_of_failures_take_nothing_away() {
    // Failed runs have no file and are no candidates: what is left is old.
    let candidates: Vec<_> = (0..14)
        .map(|n| good(n, 60 * 24 + i64::from(n) * 24))
        .collect();
    assert_eq!(deleted(&candidates, &policy(0, 7, 0, 0)).len(), 7);
    let last = [good(1, 400 * 24)];
    assert!(deleted(&last, &policy(0, 7, 0, 0)).is_empty());
}

#[test]
fn f29_a_clock_that_jumped_ahead_or_back_takes_nothing_it_should_not() {
    let mut candidates: Vec<_> = (0..10).map(|n| good(n, i64::from(n) * 24)).collect();
    // From the time when the clock was two years ahead.
    candidates.push(good(99, -2 * 365 * 24));
    let kept = reasons(&candidates, &policy(0, 2, 0, 0), 99);
    assert_eq!(kept, [KeepReason::FromTheFuture].into());
    // The floor is not of the future.
    assert!(reasons(&candidates, &policy(0, 2, 0, 0), 0).contains(&KeepReason::NewestGood));
    // With the clock two years ahead no more goes than by the right one: days are counted, not age.
    let ahead = plan(
        &candidates[..10],
        &policy(0, 2, 0, 0),
        Tz::UTC,
        now() + TimeDelta::days(730),
        usize::MAX,
    );
    assert_eq!(ahead.deletions().count(), 8);
}

#[test]
fn f29_one_run_deletes_no_more_than_half_and_the_oldest_first() {
    let candidates: Vec<_> = (0..10).map(|n| good(n, i64::from(n))).collect();
    let plan = plan(
        &candidates,
        &policy(1, 0, 0, 0),
        Tz::UTC,
        now(),
        usual_cap(candidates.len()),
    );
    let mut gone: Vec<i32> = plan.deletions().map(|(id, _)| id).collect();
    gone.sort_unstable();
    assert_eq!(gone, [5, 6, 7, 8, 9]);
    assert_eq!(plan.postponed, 4);
    assert_eq!(usual_cap(1), 1);
}

#[test]
fn f32_a_shorter_policy_holds_the_floor_and_databases_do_not_push_each_other_out() {
    let mut candidates: Vec<_> = (0..30).map(|n| good(n, i64::from(n) * 24)).collect();
    let mut other = good(100, 90 * 24);
    other.database = "renamed".to_owned();
    candidates.push(other);
    let gone = deleted(&candidates, &policy(0, 1, 0, 0));
    assert_eq!(gone.len(), 29);
    assert!(!gone.contains(&100) && !gone.contains(&0));
}

#[test]
fn a_proven_one_stays_in_place_of_a_newer_one_of_the_same_day() {
    let mut candidates = vec![good(1, 1), good(2, 25), good(3, 27)];
    candidates[2].worth = Worth::Proven;
    let gone = deleted(&candidates, &policy(0, 2, 0, 0));
    assert_eq!(gone, [2]);
    assert!(reasons(&candidates, &policy(0, 2, 0, 0), 3).contains(&KeepReason::Daily));
}

#[test]
fn a_bad_one_counts_for_nothing_and_goes_when_something_better_was_proven() {
    let mut candidates = vec![good(1, 1), good(2, 2), good(3, 50)];
    candidates[0].worth = Worth::Bad;
    candidates[1].worth = Worth::Bad;
    assert!(deleted(&candidates, &policy(24, 0, 0, 0)).is_empty());
    assert_eq!(
        reasons(&candidates, &policy(24, 0, 0, 0), 1),
        [KeepReason::NothingProvenSince].into()
    );
    let mut proven = good(4, 0);
    proven.worth = Worth::Proven;
    candidates.push(proven);
    let plan = plan(
        &candidates,
        &policy(24, 0, 0, 0),
        Tz::UTC,
        now(),
        usize::MAX,
    );
    let gone: Vec<_> = plan.deletions().collect();
    assert_eq!(gone, [(1, DeleteReason::Bad), (2, DeleteReason::Bad)]);
}

#[test]
fn a_limit_of_size_takes_the_oldest_and_stops_at_the_floor() {
    let mut candidates: Vec<_> = (0..5).map(|n| good(n, i64::from(n) * 24)).collect();
    candidates[4].is_pinned = true;
    candidates[3].worth = Worth::Proven;
    let mut tight = policy(0, 7, 0, 0);
    tight.max_total_bytes = Some(3_500);
    let plan = plan(&candidates, &tight, Tz::UTC, now(), usize::MAX);
    let gone: Vec<_> = plan.deletions().collect();
    // 4 is pinned and 3 the newest proven.
    assert_eq!(
        gone,
        [
            (1, DeleteReason::StorageLimit),
            (2, DeleteReason::StorageLimit)
        ]
    );
    tight.max_total_bytes = Some(1);
    assert_eq!(deleted(&candidates, &tight), [1, 2]);
}

#[test]
fn one_made_by_hand_stays_for_a_week() {
    let mut candidates: Vec<_> = (0..3).map(|n| good(n, i64::from(n))).collect();
    candidates[1].is_by_hand = true;
    assert_eq!(deleted(&candidates, &policy(0, 1, 0, 0)), [2]);
    candidates[1].taken_at -= TimeDelta::days(8);
    assert_eq!(deleted(&candidates, &policy(0, 1, 0, 0)), [1, 2]);
}

#[test]
fn days_are_those_of_the_zone() {
    // 23:30 and 00:30 in Berlin lie on two days there and on one in UTC.
    let candidates = [good(1, 12), good(2, 13)].map(|mut one| {
        one.taken_at -= TimeDelta::minutes(30);
        one
    });
    let berlin = plan(
        &candidates,
        &policy(0, 2, 0, 0),
        chrono_tz::Europe::Berlin,
        now(),
        usize::MAX,
    );
    assert_eq!(berlin.deletions().count(), 0);
    assert_eq!(deleted(&candidates, &policy(0, 2, 0, 0)), [2]);
}

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (
        0..3_u8,
        -200_i64..20_000,
        0..2_000_u64,
        prop_oneof![
            4 => Just(Worth::Good),
            4 => Just(Worth::Proven),
            2 => Just(Worth::Bad),
            1 => Just(Worth::Running)
        ],
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.2),
    );
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let numbered = all.into_iter().zip(1..);
        numbered
            .map(
                |((database, hours_ago, bytes, worth, is_pinned, is_in_use, is_by_hand), id)| {
                    Candidate {
                        id,
                        database: format!("db{database}"),
                        taken_at: now() - TimeDelta::hours(hours_ago),
                        bytes,
                        worth,
                        is_pinned,
                        is_in_use,
                        is_by_hand,
                    }
                },
            )
            .collect()
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (
        0..30_u32,
        0..10_u32,
        0..6_u32,
        0..6_u32,
        prop::option::of(0..20_000_u64),
    )
        .prop_map(|(hourly, daily, weekly, monthly, max_total_bytes)| Policy {
            hourly,
            daily,
            weekly,
            monthly,
            max_total_bytes,
        })
}

/// The newest of a database, of those that are past, or of all if none is.
fn newest<'a>(
    candidates: &'a [Candidate],
    database: &str,
    is_wanted: impl Fn(&Candidate) -> bool,
) -> Option<&'a Candidate> {
    let mut wanted: Vec<_> = candidates
        .iter()
        .filter(|one| one.database == database && is_wanted(one))
        .collect();
    wanted.sort_by_key(|one| std::cmp::Reverse((one.taken_at, one.id)));
    wanted
        .iter()
        .find(|one| one.taken_at <= now() + SKEW)
        .or(wanted.first())
        .copied()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn f28_no_history_and_no_policy_break_what_must_hold(
        candidates in any_candidates(),
        policy in any_policy(),
    ) {
        let dry = plan(&candidates, &policy, Tz::UTC, now(), usize::MAX);
        let doomed: BTreeSet<i32> = dry.deletions().map(|(id, _)| id).collect();
        prop_assert_eq!(dry.decisions.len(), candidates.len());
        for decision in &dry.decisions {
            prop_assert_eq!(decision.keep.is_empty(), decision.delete.is_some());
        }
        for candidate in &candidates {
            let is_sacred = candidate.is_pinned || candidate.is_in_use
                || candidate.worth == Worth::Running || candidate.taken_at > now() + SKEW;
            prop_assert!(!(is_sacred && doomed.contains(&candidate.id)), "{candidate:?}");
            for floor in [
                newest(&candidates, &candidate.database, |one| matches!(one.worth, Worth::Good | Worth::Proven)),
                newest(&candidates, &candidate.database, |one| one.worth == Worth::Proven),
            ].into_iter().flatten() {
                prop_assert!(!doomed.contains(&floor.id), "{floor:?}");
            }
        }
        if policy.max_total_bytes.is_none() && policy.daily > 0 {
            for database in ["db0", "db1", "db2"] {
                let mut days: Vec<_> = candidates.iter()
                    .filter(|one| one.database == database && one.taken_at <= now() + SKEW)
                    .filter(|one| matches!(one.worth, Worth::Good | Worth::Proven))
                    .map(|one| one.taken_at.date_naive()).collect();
                days.sort_unstable();
                days.dedup();
                for day in days.iter().rev().take(policy.daily as usize) {
                    prop_assert!(candidates.iter().any(|one| one.database == database
                        && one.taken_at.date_naive() == *day && !doomed.contains(&one.id)
                        && matches!(one.worth, Worth::Good | Worth::Proven)), "{database} {day}");
                }
            }
        }
        // What the preview shows is what runs come to, however often they are cut short.
        let mut left = candidates.clone();
        for _ in 0..200 {
            let cap = usual_cap(left.len());
            let real = plan(&left, &policy, Tz::UTC, now(), cap);
            let gone: BTreeSet<i32> = real.deletions().map(|(id, _)| id).collect();
            prop_assert!(gone.len() <= cap);
            prop_assert!(gone.is_subset(&doomed));
            if gone.is_empty() {
                break;
            }
            left.retain(|one| !gone.contains(&one.id));
        }
        let left: BTreeSet<i32> = left.iter().map(|one| one.id).collect();
        let kept: BTreeSet<i32> = candidates.iter().map(|one| one.id)
            .filter(|id| !doomed.contains(id)).collect();
        prop_assert_eq!(left, kept);
    }
}
