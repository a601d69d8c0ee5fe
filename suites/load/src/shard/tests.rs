//! Shards dealt, kept, read back and merged, against the same samples measured as one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::record::LoadResult;
use time::OffsetDateTime;

use super::{Piece, Shard, ShardError, is_new, merged, read};
use crate::conclusion::{About, conclusion};
use crate::fairness::{Aggressor, Stages};
use crate::measured::Offered;
use crate::samples::{Outcome, Sample, Samples, Turn};
use crate::threshold::Rule;

const RUN: Duration = Duration::from_secs(9);
const RULES: [&str; 7] = [
    "p50<50ms",
    "p99<100ms",
    "p95<80ms for team-list",
    "p95<9ms in authz",
    "error-rate<5%",
    "rps>=100",
    "achieved>=90%",
];

fn rules() -> Vec<Rule> {
    RULES.map(|rule| rule.parse().unwrap()).to_vec()
}

/// A folder of its own that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("watertight-shards-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn about(users: usize) -> About {
    About {
        target: "access".to_owned(),
        profile: "peak".to_owned(),
        within: false,
        scenarios: vec!["teams".to_owned()],
        notes: Vec::new(),
        users,
    }
}

/// One of 1,800 requests, two hundred a second of four tenants, no two of them alike.
fn sample(number: u64, begin: Instant, names: &[String; 4], users: u64) -> Sample<'_> {
    let due = begin + Duration::from_millis(5 * number);
    let micros = 1_000 + (number * 7919) % 90_000;
    let outcome = match number {
        _ if number.is_multiple_of(61) => Outcome::Failed,
        _ if number.is_multiple_of(307) => Outcome::Unanswered,
        _ => Outcome::Passed,
    };
    Sample {
        name: if number.is_multiple_of(3) { "GET team-list" } else { "POST team-create" },
        scenario: if number.is_multiple_of(5) { "teams" } else { "roles" },
        tenant: &names[usize::try_from(number % 4).unwrap()],
        turn: if number.is_multiple_of(4) { Turn::Cold } else { Turn::Warm },
        due,
        late: Duration::from_micros(number % 50),
        finished: due + Duration::from_micros(micros),
        outcome,
        cause: (outcome != Outcome::Passed).then(|| format!("cause {}", number % 2)),
        limited: number.is_multiple_of(97),
        parts: vec![number.is_multiple_of(2).then(|| Duration::from_micros(micros / 10))],
        users,
        under_way: users,
    }
}

fn names() -> [String; 4] {
    ["acme", "bolt", "cord", "dune"].map(str::to_owned)
}

/// The last of them asks for too much.
fn samples() -> Samples {
    let aggressor = Aggressor { workload: String::new(), rate: 50.0, quota: 1.0 };
    let stages = Stages::new(RUN, 150.0, &aggressor, "dune");
    Samples::new(Duration::ZERO, RUN, vec!["authz".to_owned()]).with_stages(Some(stages))
}

/// What those of the requests came to that a shard takes, with so many users.
fn piece(shard: Shard, users: u64, begin: Instant, began: OffsetDateTime) -> Piece {
    let (names, samples) = (names(), samples());
    samples.begin(begin);
    let mut offered = Offered::default();
    for number in (0..1800).filter(|number| shard.takes(usize::try_from(*number).unwrap())) {
        let sample = sample(number, begin, &names, users);
        offered.due += u64::from(sample.tenant != "dune");
        samples.record(&sample);
    }
    let mut measured = samples.measured(begin + RUN);
    measured.offered = Some(Offered { in_time: measured.in_time, ..offered });
    let rules = RULES.map(str::to_owned).to_vec();
    let (about, cores, kept) = (about(shard.part(10)), Some(0.25), PathBuf::new());
    Piece { shard, about, rules, began, cores, measured, kept }
}

#[test]
fn shards_merge_bucket_for_bucket_to_what_was_measured_as_one() {
    for shards in [2_usize, 3] {
        let folder = Folder::new(&format!("as-one-{shards}"));
        let (begin, began) = (Instant::now(), OffsetDateTime::UNIX_EPOCH);
        let as_one = piece("0/1".parse().unwrap(), shards as u64, begin, began);
        let mut runs = Vec::new();
        for index in 0..shards {
            let shard: Shard = format!("{index}/{shards}").parse().unwrap();
            runs.push(folder.0.join(index.to_string()));
            piece(shard, 1, begin, began).keep(&runs[index]).unwrap();
        }

        let mut pieces = read(&runs).unwrap().into_iter();
        let mut sum = pieces.next().unwrap().measured;
        pieces.for_each(|piece| sum.absorb(&piece.measured, Duration::ZERO));
        assert_eq!(serde_json::to_value(&sum).unwrap(), serde_json::to_value(&as_one.measured).unwrap());

        let results = merged(&runs, None).unwrap();
        let cores = if shards == 2 { 0.5 } else { 0.75 };
        let expected = conclusion(about(10), &as_one.measured, Some(cores), &rules(), None);
        let notes = vec![format!("merged of {shards} shards")];
        assert_eq!(results, [LoadResult { notes, ..expected }]);
        let failed = results[0].thresholds.iter().filter(|threshold| !threshold.pass);
        let failed: Vec<&str> = failed.map(|threshold| threshold.rule.as_str()).collect();
        assert_eq!(failed, ["p95<80ms for team-list"], "{:?}", results[0].thresholds);
        assert!(results[0].fairness.is_some());
    }
}

#[test]
fn a_rate_that_no_shard_reaches_is_reached_by_all_and_not_by_shards_that_ran_one_after_the_other() {
    let begin = Instant::now();
    for (name, apart, reached) in [("together", 0, true), ("apart", 9, false)] {
        let folder = Folder::new(name);
        for index in 0..2 {
            let began = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(index * apart);
            let shard = format!("{index}/2").parse().unwrap();
            let piece = piece(shard, 1, begin, began);
            let alone = "rps>=100".parse::<Rule>().unwrap().judge(&piece.measured);
            assert!(!alone.pass, "{alone:?}");
            piece.keep(&folder.0).unwrap();
        }
        let result = merged(std::slice::from_ref(&folder.0), None).unwrap().remove(0);
        let rate = result.thresholds.iter().find(|threshold| threshold.rule == "rps>=100").unwrap();
        assert_eq!(rate.pass, reached, "{rate:?}");
        assert_eq!(
            result.notes.iter().any(|note| note.contains("9.0 s apart")),
            !reached,
            "{:?}",
            result.notes
        );
        assert_eq!(result.series.len(), if reached { 10 } else { 19 });
    }
}

#[test]
fn shards_that_are_missing_there_twice_or_of_another_run_are_told_by_number() {
    let (folder, begin) = (Folder::new("incomplete"), Instant::now());
    let runs = [folder.0.join("a"), folder.0.join("b")];
    let keep = |shard: &str, run: usize| {
        piece(shard.parse().unwrap(), 1, begin, OffsetDateTime::UNIX_EPOCH).keep(&runs[run]).unwrap();
    };
    assert!(matches!(merged(&runs, None), Err(ShardError::None(_))));
    keep("1/3", 0);
    let error = merged(&runs, None).unwrap_err().to_string();
    assert!(error.contains("peak on access: of 3 shards 0, 2 are missing"), "{error}");
    keep("1/3", 1);
    let error = merged(&runs, None).unwrap_err().to_string();
    assert!(error.contains("expected shard 1/3 once, found it in "), "{error}");
    let file = "shards/peak-access-1-of-3.json";
    assert!(runs.iter().all(|run| error.contains(&run.join(file).display().to_string())), "{error}");
    keep("0/2", 1);
    let error = merged(&runs, None).unwrap_err().to_string();
    assert!(error.contains("another number of shards"), "{error}");
}

#[test]
fn a_shard_is_run_once_in_a_folder() {
    let folder = Folder::new("again");
    let shard: Shard = "1/3".parse().unwrap();
    is_new(&folder.0, "peak", "access", shard).unwrap();
    piece(shard, 1, Instant::now(), OffsetDateTime::UNIX_EPOCH).keep(&folder.0).unwrap();
    is_new(&folder.0, "peak", "access", "2/3".parse().unwrap()).unwrap();
    let error = is_new(&folder.0, "peak", "access", shard).unwrap_err().to_string();
    assert!(error.contains("1/3") && error.contains("WATERTIGHT_RUN"), "{error}");
}

#[test]
fn shards_share_everything_and_nothing_twice() {
    for of in 1..7 {
        let shards: Vec<Shard> = (0..of).map(|index| format!("{index}/{of}").parse().unwrap()).collect();
        assert_eq!(shards.iter().map(|shard| shard.part(100)).sum::<usize>(), 100);
        for number in 0..100 {
            assert_eq!(shards.iter().filter(|shard| shard.takes(number)).count(), 1);
        }
    }
    for wrong in ["", "1", "3/3", "1/0", "-1/2", "a/b", "1/2/3"] {
        assert!(wrong.parse::<Shard>().unwrap_err().to_string().contains("0/3"), "{wrong}");
    }
}
