//! Rules parsed, refused, and judged on samples made up for it.

use std::time::{Duration, Instant};

use super::{Rule, RuleError};
use crate::measured::{Measured, Offered};
use crate::samples::{Outcome, Sample, Samples, Turn};

const RUN: Duration = Duration::from_secs(10);

/// What a run of ten seconds measured that answered in these milliseconds; every `failing`th failed.
fn measured(millis: &[u64], failing: Option<usize>) -> Measured {
    let start = Instant::now();
    let samples = Samples::new(Duration::ZERO, RUN, vec!["authz".to_owned()]);
    samples.begin(start);
    for (at, millis) in millis.iter().enumerate() {
        let failed = failing.is_some_and(|every| at % every == 0);
        samples.record(&Sample {
            outcome: if failed { Outcome::Failed } else { Outcome::Passed },
            turn: if at % 4 == 0 { Turn::Cold } else { Turn::Warm },
            ..sample(start, start + Duration::from_millis(*millis))
        });
    }
    samples.measured(start + RUN)
}

/// A request that passed, in which the target decided for a tenth of a millisecond.
fn sample(due: Instant, finished: Instant) -> Sample<'static> {
    Sample {
        name: "GET team-list (large)",
        scenario: "teams",
        tenant: "acme",
        turn: Turn::Only,
        due,
        late: Duration::ZERO,
        finished,
        outcome: Outcome::Passed,
        cause: None,
        limited: false,
        parts: vec![Some(Duration::from_micros(100))],
        users: 1,
        under_way: 1,
    }
}

fn judged(rule: &str, measured: &Measured) -> (bool, String) {
    let threshold = rule.parse::<Rule>().unwrap().judge(measured);
    assert_eq!(threshold.rule, rule);
    (threshold.pass, threshold.observed)
}

#[test]
fn a_slow_target_fails_the_percentile_and_nothing_else() {
    let measured = measured(&[700; 100], None);
    assert!(!judged("p95<500ms", &measured).0);
    assert!(judged("p95<0.8s", &measured).0);
    assert!(judged("error-rate<0.1%", &measured).0);
    assert!(judged("rps>=10", &measured).0);
    assert!(judged("leaks=0", &measured).0);
}

#[test]
fn a_failing_target_fails_the_error_rate_and_the_rate() {
    let measured = measured(&[5; 100], Some(2));
    assert_eq!(judged("error-rate<0.1%", &measured), (false, "50.000%, 50 of 100".to_owned()));
    assert_eq!(judged("rps>=10", &measured), (false, "5.0/s".to_owned()));
    assert!(judged("p95<500ms", &measured).0);
}

#[test]
fn a_percentile_is_exact_to_a_thousandth() {
    let millis: Vec<u64> = (1..=100).collect();
    let measured = measured(&millis, None);
    assert!(judged("p95<95.2ms", &measured).0);
    assert!(!judged("p95<94.8ms", &measured).0);
}

#[test]
fn a_threshold_without_samples_fails() {
    let nothing = measured(&[], None);
    for rule in ["p95<500ms", "error-rate<0.1%", "rps>=0", "leaks=0"] {
        assert_eq!(judged(rule, &nothing), (false, "no samples".to_owned()), "{rule}");
    }
    let elsewhere = measured(&[1], None);
    assert_eq!(judged("p95<500ms for role-list", &elsewhere), (false, "no samples".to_owned()));
}

#[test]
fn a_percentile_needs_as_many_samples_as_it_takes_for_one_to_lie_above_it() {
    let needs = [("p50<1s", 2), ("p95<1s", 20), ("p99<1s", 100), ("p99.9<1s", 1000), ("rps>=1", 1)];
    for (rule, least) in needs {
        assert_eq!(rule.parse::<Rule>().unwrap().least(), least, "{rule}");
    }
    let few = measured(&[1; 19], None);
    assert_eq!(judged("p95<1s", &few), (false, "19 samples, of the 20 it takes".to_owned()));
    assert!(judged("p95<1s", &measured(&[1; 20], None)).0);
}

#[test]
fn a_rule_can_be_for_an_operation_a_label_a_scenario_or_a_turn() {
    let measured = measured(&[20; 80], None);
    for name in ["team-list", "GET team-list (large)", "large", "teams", "cold", "warm"] {
        assert!(judged(&format!("p95<25ms for {name}"), &measured).0, "{name}");
        assert!(!judged(&format!("p95<15ms for {name}"), &measured).0, "{name}");
    }
}

#[test]
fn a_rule_can_be_about_a_part_of_the_target() {
    let measured = measured(&[20; 80], None);
    assert_eq!(judged("p95<1ms in authz", &measured), (true, "0.1 ms".to_owned()));
    assert!(!judged("p95<50us in authz for team-list", &measured).0);
    assert_eq!(judged("p95<1ms in store", &measured), (false, "no samples".to_owned()));
}

#[test]
fn what_was_achieved_is_judged_by_what_was_due() {
    let mut measured = measured(&[1; 100], None);
    assert_eq!(judged("achieved>=99%", &measured), (false, "no samples".to_owned()));
    measured.offered = Some(Offered { due: 200, dropped: 50, in_time: 100 });
    assert_eq!(judged("achieved>=99%", &measured), (false, "50.00%, 100 of 200".to_owned()));
    assert!(judged("achieved>=50%", &measured).0);
}

#[test]
fn memory_that_was_not_told_holds_no_limit() {
    let mut measured = measured(&[1; 100], None);
    assert_eq!(judged("memory-growth<50MB", &measured), (false, "no samples".to_owned()));
    measured.memory_growth = Some(60e6);
    assert_eq!(judged("memory-growth<50MB", &measured), (false, "60.0 MB".to_owned()));
    assert!(judged("memory-growth<61 MB", &measured).0);
}

#[test]
fn a_broken_rule_is_refused_with_what_was_expected_there() {
    let refused = |text: &str| text.parse::<Rule>().unwrap_err();
    assert!(matches!(refused("p95 500ms"), RuleError::NoComparison(_)));
    assert!(matches!(refused(""), RuleError::NoComparison(_)));
    for metric in ["q95<5ms", "p0<5ms", "p101<5ms", "p<5ms", "errors<1%", "<5ms", "p9x<5ms"] {
        assert!(matches!(refused(metric), RuleError::Metric { .. }), "{metric}");
    }
    for value in ["p95<500", "p95<ms", "p95<-1ms", "p95<1e3ms", "p95<NaNms", "error-rate<1", "rps>=x"] {
        assert!(matches!(refused(value), RuleError::Value { .. }), "{value}");
    }
    assert!(matches!(refused("leaks=0.5"), RuleError::Value { .. }));
    assert!(matches!(refused("p95<5ms for"), RuleError::NoName(_)));
    for part in ["p95<5ms in", "rps>=5 in authz"] {
        assert!(matches!(refused(part), RuleError::NoPart(_)), "{part}");
    }
    let text = refused("p95<500").to_string();
    assert!(text.contains("'p95<500'") && text.contains("us, ms or s") && text.contains("'500'"), "{text}");
}

#[test]
fn what_belongs_to_the_warm_up_is_not_counted_but_for_leaks() {
    let start = Instant::now();
    let samples = Samples::new(Duration::from_secs(2), RUN, Vec::new());
    samples.begin(start);
    for second in 0..4 {
        let sent = start + Duration::from_millis(1_000 * second + 500);
        let outcome = if second == 0 { Outcome::Leaked } else { Outcome::Passed };
        samples.record(&Sample { outcome, ..sample(sent, sent) });
    }
    let measured = samples.measured(start + Duration::from_secs(12));
    assert_eq!((measured.all.requests, measured.all.failures, measured.all.leaks), (2, 0, 1));
    assert_eq!(measured.ticks().iter().map(|tick| tick.requests).collect::<Vec<_>>(), [1, 1]);
    assert!(!judged("leaks=0", &measured).0);
}
