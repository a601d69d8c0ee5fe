//! Rules parsed, refused, and judged on samples made up for it.

use std::time::{Duration, Instant};

use super::{Rule, RuleError};
use crate::measured::Measured;
use crate::samples::{Outcome, Sample, Samples};

const RUN: Duration = Duration::from_secs(10);

/// What a run of ten seconds measured that answered in these milliseconds; every `failing`th failed.
fn measured(millis: &[u64], failing: Option<usize>) -> Measured {
    let start = Instant::now();
    let samples = Samples::new(Duration::ZERO, RUN);
    samples.begin(start);
    for (at, millis) in millis.iter().enumerate() {
        let failed = failing.is_some_and(|every| at % every == 0);
        samples.record(&Sample {
            name: "GET team-list",
            sent: start,
            finished: start + Duration::from_millis(*millis),
            outcome: if failed { Outcome::Failed } else { Outcome::Passed },
        });
    }
    samples.measured(start + RUN)
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
fn a_rule_can_be_for_one_operation() {
    let measured = measured(&[20; 10], None);
    assert!(judged("p95<25ms for team-list", &measured).0);
    assert!(judged("p95<25ms for GET team-list", &measured).0);
    assert!(!judged("p95<15ms for team-list", &measured).0);
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
    let text = refused("p95<500").to_string();
    assert!(text.contains("'p95<500'") && text.contains("us, ms or s") && text.contains("'500'"), "{text}");
}

#[test]
fn what_belongs_to_the_warm_up_is_not_counted_but_for_leaks() {
    let start = Instant::now();
    let samples = Samples::new(Duration::from_secs(2), RUN);
    samples.begin(start);
    for second in 0..4 {
        let sent = start + Duration::from_millis(1_000 * second + 500);
        let outcome = if second == 0 { Outcome::Leaked } else { Outcome::Passed };
        samples.record(&Sample { name: "GET team-list", sent, finished: sent, outcome });
    }
    let measured = samples.measured(start + Duration::from_secs(12));
    assert_eq!((measured.all.requests, measured.all.failures, measured.all.leaks), (2, 0, 1));
    assert_eq!(measured.ticks.iter().map(|tick| tick.requests).collect::<Vec<_>>(), [1, 1]);
    assert!(!judged("leaks=0", &measured).0);
}
