//! Features: what the plan does not have stays closed, whatever a client claims, whatever is stored beside the plan, and
//! from the moment the plan is changed.

use std::time::{Duration, Instant};

use harness::contract::{Contract, Operation, SlotKind};
use harness::data::{DataError, Fill, Tenant};
use harness::exchange::Class;
use harness::identity::Principal;
use harness::record::Severity;
use harness::verdict::Verdict;
use harness::wait;
use harness::world::Stop;
use serde_json::{Map, Value, json};

use crate::arena::{Arena, Attacked, is_no_answer, no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::{Cast, Persona, title};

/// Changes the plan.
const SUBSCRIBE: &str = "subscription-set";
/// How long is looked on when a feature outlives its plan.
const LOOKED_ON: Duration = Duration::from_secs(3);

/// A plan and its features.
type Plan = (&'static str, &'static [&'static str]);

/// The plans of the reference systems, by the title of their OpenAPI documents: the suite's own copy, written from the
/// specification.
const PLANS: [(&str, &[Plan]); 1] = [(
    "platform-service",
    &[
        ("starter", &[]),
        ("professional", &["ai_forecasting"]),
        ("enterprise", &["ai_forecasting", "advanced_reports"]),
    ],
)];

/// How a client asks for what its plan does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    Direct,
    Header,
    Cookie,
    Query,
    Body,
    Claim,
    Column,
    Unknown,
    Downgrade,
}

const TRIALS: [Trial; 9] = [
    Trial::Direct,
    Trial::Header,
    Trial::Cookie,
    Trial::Query,
    Trial::Body,
    Trial::Claim,
    Trial::Column,
    Trial::Unknown,
    Trial::Downgrade,
];

impl Trial {
    fn variant(self) -> &'static str {
        match self {
            Trial::Direct => "called-directly",
            Trial::Header => "claimed-in-headers",
            Trial::Cookie => "claimed-in-a-cookie",
            Trial::Query => "claimed-in-the-query",
            Trial::Body => "claimed-in-the-body",
            Trial::Claim => "claimed-in-the-token",
            Trial::Column => "stored-beside-the-plan",
            Trial::Unknown => "plan-unknown",
            Trial::Downgrade => "downgraded",
        }
    }

    fn reference(self) -> Reference {
        let (cwe, asvs) = match self {
            Trial::Direct => (862, "8.2.1"),
            Trial::Header | Trial::Cookie | Trial::Query | Trial::Body => (807, "8.3.1"),
            Trial::Claim | Trial::Column => (863, "8.3.1"),
            Trial::Unknown => (636, "8.3.1, 16.5.3"),
            Trial::Downgrade => (613, "8.3.2"),
        };
        Reference { cwe, owasp: "API5", asvs }
    }

    fn how(self) -> &'static str {
        match self {
            Trial::Direct => "called directly",
            Trial::Header => "asked for with a header",
            Trial::Cookie => "asked for with a cookie",
            Trial::Query => "asked for in the query",
            Trial::Body => "asked for in the body",
            Trial::Claim => "claimed in the token",
            Trial::Column => "stored beside the plan",
            Trial::Unknown => "on a plan that nobody knows",
            Trial::Downgrade => "still in use after the plan was changed",
        }
    }
}

/// The cases of an operation: none where no plan decides, or none is ever changed.
pub(crate) fn cases(operation: &Operation, contract: &Contract) -> Vec<Case> {
    if operation.feature.is_none() || contract.get(SUBSCRIBE).is_none() {
        return Vec::new();
    }
    TRIALS.iter().map(|trial| case(operation, *trial)).collect()
}

/// Who takes part besides the administrators of both tenants.
pub(crate) fn personas(cast: &Cast) -> [Persona; 2] {
    [Persona::PlatformAdmin, Persona::OtherTenant(cast.ladder.top)]
}

fn case(operation: &Operation, trial: Trial) -> Case {
    Case {
        path: format!("feature/{}/{}", operation.name, trial.variant()),
        operation: operation.name.clone(),
        reference: trial.reference(),
        severity: Severity::Medium,
        title: format!("{} works without the plan for it, {}", operation.name, trial.how()),
        gain: "uses what was not paid for".to_owned(),
    }
}

/// A tenant on a plan, which lacks the feature or has it.
struct Subscriber {
    tenant: Tenant,
    owner: Principal,
    plan: &'static str,
    whole: String,
    feature: String,
}

/// Runs the cases of one operation: refused on the lesser plan; permitted on the whole one, and refused once that is
/// lowered.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let lesser = Subscriber::open(arena, operation).await?;
    let fill = arena.data().fill(&lesser.tenant, &lesser.owner, operation).await?;
    let base = || fill.call(&arena.api, operation, &lesser.owner).class(Class::Feature);
    for trial in TRIALS {
        let case = case(operation, trial);
        let call = match trial {
            Trial::Direct => base(),
            Trial::Header => lesser.claimed().iter().fold(base(), |call, (name, value)| {
                call.header(&format!("X-{}", name.replace('_', "-")), value)
            }),
            Trial::Cookie => {
                let claimed = lesser.claimed();
                let cookies = claimed.iter().map(|(name, value)| format!("{name}={value}"));
                base().header("Cookie", &cookies.collect::<Vec<_>>().join("; "))
            }
            Trial::Query => {
                lesser.claimed().iter().fold(base(), |call, (name, value)| call.query(name, value.as_str()))
            }
            Trial::Body => base().raw_body("application/json", &Value::Object(lesser.object()).to_string()),
            Trial::Claim => {
                let Some(claiming) = lesser.claiming() else {
                    outcomes
                        .push(case.without_result(Verdict::Skip, "the target's tokens are not minted here"));
                    continue;
                };
                fill.call(&arena.api, operation, &claiming).class(Class::Feature)
            }
            Trial::Column | Trial::Unknown => {
                let (tenants, features) = (arena.data().tenants(), json!({ lesser.feature.as_str(): true }));
                let stored = if trial == Trial::Column {
                    tenants.set_features(&lesser.tenant, &features).await
                } else {
                    tenants.set_unheard_of_plan(&lesser.tenant).await
                };
                match stored {
                    Ok(()) => base(),
                    Err(error @ (DataError::Lacks(_) | DataError::OtherStore(_))) => {
                        outcomes.push(case.without_result(Verdict::Skip, &error.to_string()));
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Trial::Downgrade => {
                outcomes.push(lesser.on_whole(arena).await?.downgrade(arena, operation, case).await?);
                continue;
            }
        };
        let attacked = arena.attack(call).await?;
        outcomes.push(judged(arena, case, attacked));
    }
    Ok(())
}

/// Somebody whose plan lacks the feature that an operation needs, and what they ask with.
pub(crate) async fn without_it(arena: &Arena, operation: &Operation) -> Result<(Principal, Fill), Stop> {
    let lesser = Subscriber::open(arena, operation).await?;
    let fill = arena.data().fill(&lesser.tenant, &lesser.owner, operation).await?;
    Ok((lesser.owner, fill))
}

fn judged(arena: &Arena, case: Case, attacked: Attacked) -> CaseOutcome {
    let (target, status) = (&arena.system.target, attacked.status);
    if is_no_answer(status) {
        return case.without_result(Verdict::Error, &no_answer(status));
    }
    if target.denials.forbidden.contains(&status) && attacked.leak.is_none() {
        return case.passed();
    }
    case.failed(
        &target.name,
        "403: the plan lacks the feature",
        &format!("status {status}"),
        vec![attacked.exchange],
    )
}

impl Subscriber {
    async fn open(arena: &Arena, operation: &Operation) -> Result<Subscriber, Stop> {
        let name = title(&arena.system);
        let feature = operation.feature.clone().unwrap_or_default();
        let plans =
            PLANS.iter().find(|(known, _)| *known == name).map(|(_, plans)| *plans).unwrap_or_default();
        let lacking = plans.iter().find(|(_, features)| !features.contains(&feature.as_str()));
        let (Some((plan, _)), Some(whole)) = (lacking, arena.system.target.vocabulary.plan.clone()) else {
            return Err(Stop::skip(format!("nobody wrote down which plan of '{name}' lacks {feature}")));
        };
        let tenant = arena.data().organisations().create_on("lesser", Some(plan)).await?;
        let top = arena.cast.ladder.top;
        let owner = arena.data().users().create(&tenant, "owner-on-a-lesser-plan", Some(top.name)).await?;
        Ok(Subscriber { tenant, owner, plan, whole, feature })
    }

    /// What a client may say of its plan, under the names by which services have believed it.
    fn claimed(&self) -> Vec<(String, String)> {
        let mut claimed = vec![(self.feature.clone(), "true".to_owned())];
        for name in ["features", "feature", "feature_flags", "entitlements", "scope"] {
            claimed.push((name.to_owned(), self.feature.clone()));
        }
        for name in ["plan", "tier", "subscription", "subscription_tier"] {
            claimed.push((name.to_owned(), self.whole.clone()));
        }
        claimed
    }

    fn object(&self) -> Map<String, Value> {
        let mut object: Map<String, Value> =
            self.claimed().into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        object.insert("features".to_owned(), json!([self.feature]));
        object
    }

    /// The owner with a token that claims the feature: by plain names, and by those of Clerk's session tokens.
    fn claiming(&self) -> Option<Principal> {
        self.owner.with_claims(|claims| {
            claims.extend(self.object());
            claims.insert("fea".to_owned(), json!(format!("o:{}", self.feature)));
            claims.insert("pla".to_owned(), json!(format!("o:{}", self.whole)));
            claims.insert("org_metadata".to_owned(), Value::Object(self.object()));
        })
    }

    async fn subscribe(&self, arena: &Arena, plan: &str) -> Result<(), Stop> {
        let call = arena.api.call(SUBSCRIBE).as_(&self.owner).org(&self.tenant.org).class(Class::Control);
        let answer = call.slot(SlotKind::Status, plan).send().await?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        let why = answer.unexpected("2xx, for another plan", &answer.status.to_string());
        Err(Stop::error(why.to_string()))
    }

    /// Another tenant like it, on the plan that has everything.
    async fn on_whole(&self, arena: &Arena) -> Result<Subscriber, Stop> {
        let tenant = arena.data().organisations().create_on("whole", Some(&self.whole)).await?;
        let top = arena.cast.ladder.top;
        let owner = arena.data().users().create(&tenant, "owner-on-the-whole-plan", Some(top.name)).await?;
        let (plan, whole, feature) = (self.plan, self.whole.clone(), self.feature.clone());
        Ok(Subscriber { tenant, owner, plan, whole, feature })
    }

    /// On the plan that has it the owner succeeds, which is the control of all refusals on the lesser one; then the plan
    /// is lowered: refused from then on.
    async fn downgrade(&self, arena: &Arena, operation: &Operation, case: Case) -> Result<CaseOutcome, Stop> {
        let fill = arena.data().fill(&self.tenant, &self.owner, operation).await?;
        let call = || fill.call(&arena.api, operation, &self.owner).class(Class::Feature);
        let control = arena.attack(call()).await?;
        if !(200..300).contains(&control.status) {
            let why = format!("control failed: on plan {} status {}", self.whole, control.status);
            return Err(Stop::error(why));
        }
        self.subscribe(arena, self.plan).await?;
        let since = Instant::now();
        let outcome = judged(arena, case, arena.attack(call()).await?);
        if outcome.finding.is_none() {
            return Ok(outcome.after(since.elapsed()));
        }
        let forbidden = &arena.system.target.denials.forbidden;
        let ended = wait::until("the feature to end", LOOKED_ON, || async {
            let attacked = arena.attack(call()).await.map_err(|stop| stop.reason)?;
            let is_over = forbidden.contains(&attacked.status);
            if is_over { Ok(()) } else { Err(format!("status {}", attacked.status)) }
        });
        ended.await.ok();
        Ok(outcome.after(since.elapsed()))
    }
}
