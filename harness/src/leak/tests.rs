//! What is a leak, and what is not.

use super::{Canary, Entitlement, Leak, LeakDetector};

const ECHO_OF_NOTHING: &str = "";

fn scan(detector: &LeakDetector, entitlement: &Entitlement, request: &str, body: &str) -> Option<Leak> {
    detector.scan(entitlement, || request, [("body", body)])
}

#[test]
fn a_foreign_canary_is_a_leak_even_from_a_tenant_never_seen() {
    let (ours, theirs) = (Canary::fresh(), Canary::fresh());
    let body = format!(r#"{{"name":"team of {theirs}"}}"#);
    let leak = scan(&LeakDetector::default(), &Entitlement::of(&ours), ECHO_OF_NOTHING, &body).unwrap();
    assert_eq!((leak.kind.as_str(), leak.found.as_str()), ("canary", theirs.as_str()));
}

#[test]
fn what_only_begins_like_a_canary_raises_nothing_and_a_canary_in_capitals_does() {
    let ours = Entitlement::of(&Canary::fresh());
    let detector = LeakDetector::default();
    // From a cursor: base64, which says nothing about tenants.
    let cursor = r#"{"nextCursor":"aOQ8ZquszQfhHgFRVYXWwtcgSAfMb57gzIz6AO1"}"#;
    assert_eq!(scan(&detector, &ours, ECHO_OF_NOTHING, cursor), None);
    for _ in 0..1_000 {
        let shouted = Canary::fresh().as_str().to_uppercase();
        assert!(scan(&detector, &ours, ECHO_OF_NOTHING, &shouted).is_some(), "{shouted}");
    }
    let accidents = (0..20_000).filter(|_| {
        let text = format!("wtc{}", super::random_code(16));
        scan(&detector, &ours, ECHO_OF_NOTHING, &text).is_some()
    });
    assert!(accidents.count() < 10, "one in thirty thousand looks like a canary by accident");
}

#[test]
fn a_foreign_id_is_a_leak_inside_a_larger_token_and_in_another_case() {
    let (ours, theirs) = (Canary::fresh(), Canary::fresh());
    let detector = LeakDetector::default();
    detector.learn(&theirs, "team", "team-660e8400");
    let leak = scan(&detector, &Entitlement::of(&ours), ECHO_OF_NOTHING, "x TEAM#TEAM-660E8400_y").unwrap();
    assert_eq!((leak.kind.as_str(), leak.found.as_str()), ("team", "team-660e8400"));
}

#[test]
fn a_member_of_both_tenants_raises_nothing() {
    let (ours, theirs) = (Canary::fresh(), Canary::fresh());
    let both = Entitlement::of(&ours).and(&theirs);
    let body = format!("{ours} {theirs}");
    assert_eq!(scan(&LeakDetector::default(), &both, ECHO_OF_NOTHING, &body), None);
}

#[test]
fn an_id_of_two_tenants_is_foreign_only_to_a_third() {
    let (one, two, third) = (Canary::fresh(), Canary::fresh(), Canary::fresh());
    let detector = LeakDetector::default();
    detector.learn(&one, "user", "user-770e8400");
    detector.learn(&two, "user", "user-770e8400");
    assert_eq!(scan(&detector, &Entitlement::of(&two), ECHO_OF_NOTHING, "user-770e8400"), None);
    assert!(scan(&detector, &Entitlement::of(&third), ECHO_OF_NOTHING, "user-770e8400").is_some());
}

#[test]
fn an_echo_of_the_request_raises_nothing() {
    let (ours, theirs) = (Canary::fresh(), Canary::fresh());
    let detector = LeakDetector::default();
    detector.learn(&theirs, "team", "team-660e8400");
    let request = format!("GET /teams/team-660e8400 {theirs}");
    let body = format!("no team-660e8400 of {theirs}");
    assert_eq!(scan(&detector, &Entitlement::of(&ours), &request, &body), None);
}

#[test]
fn a_public_invitation_raises_nothing_to_who_holds_its_token() {
    let theirs = Canary::fresh();
    let detector = LeakDetector::default();
    detector.learn_pass(&theirs, "s3cr3t-invitation-token");
    let body = format!("{theirs} invites you");
    let with_token = "GET /invitations/s3cr3t-invitation-token";
    assert_eq!(scan(&detector, &Entitlement::none(), with_token, &body), None);
    assert!(scan(&detector, &Entitlement::none(), "GET /invitations/other", &body).is_some());
}

#[test]
fn a_platform_administrator_may_see_every_tenant() {
    let theirs = Canary::fresh();
    assert_eq!(scan(&LeakDetector::default(), &Entitlement::All, ECHO_OF_NOTHING, theirs.as_str()), None);
}

#[test]
fn nothing_learnt_is_lost_while_the_index_grows() {
    let (ours, theirs) = (Canary::fresh(), Canary::fresh());
    let detector = LeakDetector::default();
    let entitlement = Entitlement::of(&ours);
    for count in 0..300 {
        detector.learn(&theirs, "team", &format!("team-{count:08}"));
        // A scan at every step makes the index settle, merge and settle again.
        let earlier = format!("team-{:08}", count / 2);
        assert!(
            scan(&detector, &entitlement, ECHO_OF_NOTHING, &earlier).is_some(),
            "lost {earlier} at {count}"
        );
    }
}

#[test]
fn text_cut_inside_a_character_is_reported_without_a_panic() {
    let theirs = Canary::fresh();
    let body = format!("ééééééééééé{theirs}ééééééééééé");
    assert!(scan(&LeakDetector::default(), &Entitlement::none(), ECHO_OF_NOTHING, &body).is_some());
}
