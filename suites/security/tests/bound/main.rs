//! An API that nobody annotated, bound by a target file: what is wrong with it is found by the checks for every API.
#![expect(clippy::unwrap_used, reason = "what a stand-in cannot do is a failed test")]

mod badge;
mod board;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use harness::host;
use harness::record::Finding;
use harness::run::Run;
use harness::suite::Suite;
use harness::system::{StandIns, System};
use harness::target::Target;
use harness::verdict::Verdict;
use suites_security::run::Summary;
use suites_security::{Plan, run};
use tokio::net::TcpListener;

use board::Hole;

const FILE: &str = include_str!("board.toml");
/// The board as it would say itself what it is.
const DOCUMENT: &str = include_str!("board.json");
/// The page for whoever binds an API.
const PAGE: &str = include_str!("../../../../docs/point-it-at-your-api.md");

/// Why something is not tried on the board.
const LACKED: [&str; 13] = [
    "it disturbs, so it needs a system of its own: only an embedded target gives one",
    "no operation of a tenant answers 429: there is no rate limit that tenants could share",
    "no operation of the contract has anything to do with seats: none is limited in number",
    "the answer names nothing that the body does not",
    "the contract has no operation sign-out: sessions end with their tokens",
    "the contract has no operation that a token in the request opens: there is nothing to guess",
    "the contract has no operation that makes a member without a role",
    "the contract has no operation user-status-set",
    "the contract has nothing to read that only an administrator may",
    "the target file knows no way to sign in as an administrator of the platform",
    "the target has no capability 'audit'",
    "the target has no capability 'mint'",
    "the target has no capability 'store'",
];

/// The board with a hole, opened by its target file.
async fn open(hole: Hole, file: &str) -> Result<Arc<System>, Box<dyn std::error::Error>> {
    open_at(board::router(hole), file).await
}

async fn open_at(router: Router, file: &str) -> Result<Arc<System>, Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("watertight-board-{}", uuid::Uuid::new_v4()));
    let run: &'static Run = Box::leak(Box::new(Run::at(&folder)?));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let path = folder.join("board.toml");
    std::fs::write(&path, file.replace("127.0.0.1:4700", &listener.local_addr()?.to_string()))?;
    host::handle()?.spawn(async move { axum::serve(listener, router).await });
    let target = Target::read(&path)?;
    let stand_ins = StandIns::start(run, target.identity.as_ref(), None, None).await?;
    let system = System::open(run, target, stand_ins).await?;
    system.sign_in().await?;
    Ok(Arc::new(system))
}

fn attack(hole: Hole, only: &str) -> Summary {
    attack_bound(hole, FILE, only)
}

fn attack_bound(hole: Hole, file: &str, only: &str) -> Summary {
    attack_at(board::router(hole), file, only)
}

fn attack_at(router: Router, file: &str, only: &str) -> Summary {
    host::handle().unwrap().block_on(async {
        let system = open_at(router, file).await.unwrap();
        let plan = Plan::of(&system).only(|path| path.contains(only));
        let suite = Arc::new(Suite::begin("security", &system, None).unwrap());
        let summary = run::run(&system, &suite, &plan, |_| {}).await.unwrap();
        std::fs::remove_dir_all(system.run.folder()).unwrap();
        summary
    })
}

/// The board with a document of its own, and a target file that binds nothing.
fn documented(hole: Hole, document: String) -> (Router, &'static str) {
    let router = board::router(hole).route("/v2/openapi.json", get(move || async { document }));
    (router, FILE.split("# 1\n").next().unwrap())
}

/// What neither passed nor was skipped.
fn odd(summary: &Summary) -> Vec<(&str, Verdict)> {
    let verdicts =
        summary.outcomes.iter().map(|outcome| (outcome.case.path.as_str(), outcome.outcome.verdict));
    verdicts.filter(|(_, verdict)| !matches!(verdict, Verdict::Pass | Verdict::Skip)).collect()
}

fn found<'s>(summary: &'s Summary, path: &str) -> &'s Finding {
    let outcome = summary.outcomes.iter().find(|outcome| outcome.case.path == path).unwrap();
    outcome.finding.as_ref().unwrap_or_else(|| unreachable!("{path}: {:?}", outcome.outcome))
}

#[test]
fn a_bound_api_that_is_right_raises_nothing_and_every_route_is_reached() {
    let summary = attack(Hole::None, "");
    assert_eq!(odd(&summary), [("contract/team-update", Verdict::Disabled)]);
    // What is not tried is what the board has not, and what only the harness's own systems or tokens give.
    let skipped = summary.outcomes.iter().filter(|outcome| outcome.outcome.verdict == Verdict::Skip);
    let skipped: BTreeSet<&str> = skipped.filter_map(|outcome| outcome.outcome.reason.as_deref()).collect();
    assert_eq!(skipped.into_iter().collect::<Vec<_>>(), LACKED);
    assert!(summary.uncovered.is_empty() && summary.outcomes.len() > 100, "{}", summary.outcomes.len());
}

#[test]
fn a_board_of_another_space_is_found_to_be_deleted() {
    let summary = attack(Hole::AnyBoard, "team-delete");
    let finding = found(&summary, "hop/team-delete/path.boardId");
    assert!(finding.observed.contains("the state changed"), "{}", finding.observed);
    let sent = &finding.exchanges[0].request_headers;
    assert_eq!(sent["X-Client"], "board-web", "what is the same in every request is sent");
    assert!(sent["cookie"].starts_with("[redacted"), "and the cookie is not recorded");
}

#[test]
fn a_writer_who_puts_owners_out_is_found() {
    let finding = found(&attack(Hole::NoRank, "member-remove"), "rank/member-remove/writer").clone();
    assert!(finding.observed.contains("the state changed"), "{}", finding.observed);
    assert_eq!(finding.cwe, 269);
}

#[test]
fn a_board_that_is_put_into_another_space_by_its_body_is_found() {
    let summary = attack(Hole::AnySpace, "property/team-create");
    let finding = found(&summary, "property/team-create/write.answered");
    assert!(finding.observed.contains("and space is"), "{}", finding.observed);
}

#[test]
fn a_list_that_strangers_read_is_found() {
    let summary = attack(Hole::OpenList, "member-list");
    found(&summary, "hop/member-list/path.org");
    found(&summary, "matrix/member-list/other-tenant");
}

#[test]
fn a_badge_that_its_issuer_did_not_sign_is_found_and_no_other() {
    let file = format!("{FILE}{}", badge::FILE);
    let door = |hole| attack_bound(hole, &file, "token/door/");
    let sound = door(Hole::None);
    let odd: Vec<_> =
        sound.outcomes.iter().filter(|outcome| outcome.outcome.verdict != Verdict::Pass).collect();
    assert!(odd.is_empty() && sound.outcomes.len() > 25, "{odd:?}");
    let finding = found(&door(Hole::Unsigned), "token/door/alg-none").clone();
    assert!(finding.exchanges[0].request_headers["x-badge"].starts_with("[redacted"), "{finding:?}");
    found(&door(Hole::Confused), "token/door/hs256-with-public-key");
}

#[test]
fn a_waived_check_is_disabled_with_its_reason_and_nothing_is_sent() {
    let waived = "[[waived]]\nchecks = \"hop/team-delete/*\"\nreason = \"boards are for everybody\"\n";
    let file = FILE.replacen("[identity]", &format!("{waived}\n[identity]"), 1);
    let summary = attack_bound(Hole::AnyBoard, &file, "hop/team-delete/path.boardId");
    let outcome = &summary.outcomes[0].outcome;
    assert_eq!(outcome.verdict, Verdict::Disabled);
    assert!(outcome.reason.as_deref().unwrap().contains("boards are for everybody"), "{outcome:?}");
}

#[test]
fn a_document_that_says_which_roles_may_needs_no_binding() {
    let attack = |hole, only: &str| {
        let (router, file) = documented(hole, DOCUMENT.to_owned());
        attack_at(router, file, only)
    };
    let summary = attack(Hole::None, "matrix/");
    let verdict = |path: &str| {
        let outcome = summary.outcomes.iter().find(|outcome| outcome.case.path == path).unwrap();
        outcome.outcome.verdict
    };
    for (role, created) in [("owner", "team-create"), ("writer", "team-create"), ("reader", "org-get")] {
        assert_eq!(verdict(&format!("matrix/{created}/{role}")), Verdict::Pass, "{role} may");
    }
    assert_eq!(verdict("matrix/team-create/reader"), Verdict::Pass, "a reader may not, and is refused");
    assert!(odd(&summary).is_empty(), "{:?}", odd(&summary));
    found(&attack(Hole::NoRank, "member-remove"), "rank/member-remove/writer");
}

#[test]
fn a_document_whose_words_no_role_answers_to_is_refused_before_anything_is_sent() {
    let error = |from: &str, to: &str| {
        assert!(DOCUMENT.contains(from), "{from}");
        let (router, file) = documented(Hole::None, DOCUMENT.replacen(from, to, 1));
        host::handle().unwrap().block_on(open_at(router, file)).unwrap_err().to_string()
    };
    let every = "\"x-roles\": [\"owner\", \"writer\", \"reader\"]";
    let word = error(every, "\"x-permission\": [\"space:read\"]");
    assert!(word.contains("operation org-get: x-permission holds space:read"), "{word}");
    assert!(word.contains("x-roles (known: owner, writer, reader)"), "{word}");
    let role = error(every, "\"x-roles\": [\"boss\"]");
    assert!(
        role.contains("operation org-get: x-roles names boss") && role.contains("add it there"),
        "{role}"
    );
}

#[test]
fn the_invitations_that_the_page_shows_are_understood() {
    let block = PAGE.lines().skip_while(|line| *line != "    [operations.invitation-create]");
    let block = block.take_while(|line| line.is_empty() || line.starts_with("    "));
    let shown = block.map(str::trim_start).collect::<Vec<_>>().join("\n");
    let system = host::handle().unwrap().block_on(open(Hole::None, &format!("{FILE}\n{shown}"))).unwrap();
    let names: Vec<_> = system.contract.absent.iter().map(|operation| operation.name.as_str()).collect();
    assert_eq!(names, ["invitation-accept", "invitation-create", "team-update"]);
}

#[test]
fn what_cannot_work_names_the_file_the_key_and_the_remedy() {
    let error = |from: &str, to: &str| {
        assert!(FILE.contains(from), "{from}");
        let opened = host::handle().unwrap().block_on(open(Hole::None, &FILE.replace(from, to)));
        opened.unwrap_err().to_string()
    };
    let says = |error: &str, words: &[&str]| {
        for word in words.iter().chain(&["board.toml"]) {
            assert!(error.contains(word), "'{word}' is missing in: {error}");
        }
    };
    let pointer = error("user = \"/person/id\"", "user = \"/user/id\"");
    says(&pointer, &["identity.user", "'/user/id'", "it has /person/id"]);
    let cookie = error("cookie:sid", "cookie:session");
    says(&cookie, &["identity.credential", "cookie:sid"]);
    let login = error("password = \"{password}\", name", "pass = \"{password}\", name");
    says(&login, &["identity.sign_up", "sign-up with status 422", "[operations.sign-up]"]);
    let slot = error("{boardId:team}", "{boardId}");
    says(&slot, &["operations.team-delete.request", "'boardId' is no slot kind", "{boardId:team}"]);
    let nothing = error("{platform-role=reader}", "{platform-role}");
    says(&nothing, &["operations.member-add.body.role", "renders nothing", "{platform-role=VALUE}"]);
    let creates = error("creates = { org = \"/space/id\" }", "creates = { org = \"space.id\" }");
    says(&creates, &["operations.org-create.creates.org", "JSON pointer"]);
    let role = error("roles = [\"owner\"]", "roles = [\"boss\"]");
    says(&role, &["roles names boss", "owner, writer, reader"]);
    let token = error("permission = [\"signed-in\"]", "permission = [\"signed-in\"]\ntoken = \"badge\"");
    says(&token, &["operations.me.token is 'badge'", "[identity.tokens.badge]"]);
    let nobody = error("permission = [\"signed-in\"]", "");
    says(&nobody, &["operations.me does not say who may"]);
    let hidden = "visibility = \"hidden\"\nroles = [\"owner\", \"writer\", \"reader\"]";
    let visibility = error(hidden, "visibility = \"secret\"\npermission = [\"signed-in\"]");
    says(&visibility, &["operations.org-get.visibility is \"secret\", expected hidden, guarded or public"]);
    let effect = error(hidden, "effect = \"x\"\npermission = [\"signed-in\"]");
    says(&effect, &["operations.org-get.effect is \"x\", expected read, write or consume"]);
    let word = error("permission = [\"signed-in\"]", "permission = [\"signed\"]");
    says(
        &word,
        &["operations.me.permission holds \"signed\", expected public, signed-in, self", "roles = ["],
    );
    let unheld = error("permission = [\"signed-in\"]", "permission = [\"space:read\"]");
    says(&unheld, &["operations.me.permission holds space:read", "roles = ["]);
    let elsewhere = error("127.0.0.1:4700/v2", "127.0.0.1:4700/v1");
    says(&elsewhere, &["serves none of the 13 operations", "base_url"]);
}

#[test]
fn a_pointer_to_nothing_is_named_when_the_answer_comes() {
    let reason = |from: &str, to: &str| {
        let summary = attack_bound(Hole::None, &FILE.replace(from, to), "hop/team-delete");
        summary.outcomes[0].outcome.reason.clone().unwrap()
    };
    let wrong = reason("team = \"/board/id\"", "team = \"/team/id\"");
    let words = ["operations.team-create.creates.team", "board.toml", "'/team/id'", "something at /board/id"];
    assert!(words.iter().all(|word| wrong.contains(word)), "{wrong}");
    // What the file does not say is not said to stand there.
    let none = reason("creates = { team = \"/board/id\" }\n", "");
    let words = ["operations.team-create.creates in", "board.toml has no `team`", "something at /board/id"];
    assert!(words.iter().all(|word| none.contains(word)), "{none}");
}
