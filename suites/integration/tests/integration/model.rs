//! Random sequences of what people do, against a model of the access rules: every answer, what everybody then
//! sees, and the audit log at the end.

mod machine;
mod play;
mod rules;

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use harness::host;
use harness::identity::Principal;
use harness::world::{Stop, World};
use machine::Model;
use play::Play;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use rand::RngCore as _;
use rstest::{Context, rstest};
use rules::{Act, Rules};

use crate::world;

/// How many sequences are played, and how long they are.
const SEQUENCES: u32 = 5;
const LENGTH: std::ops::RangeInclusive<usize> = 1..=16;
/// A sequence that fails is made shorter for so many tries.
const SHORTENING: u32 = 150;

/// Plays one sequence. Trouble of the harness is no counterexample.
async fn play(world: &World, outsider: &Principal, mut rules: Rules, acts: &[Act]) -> Result<(), Stop> {
    let mut play = Play::begin(world, outsider).await?;
    for (index, act) in acts.iter().enumerate() {
        play.act(&mut rules, act)
            .await
            .map_err(|stop| Stop { reason: format!("{}. {act}: {}", index + 1, stop.reason), ..stop })?;
    }
    play.end(&rules).await
}

fn told(acts: &[Act]) -> String {
    let lines: Vec<String> =
        acts.iter().enumerate().map(|(index, act)| format!("  {}. {act}", index + 1)).collect();
    lines.join("\n")
}

#[rstest]
fn whatever_people_do_the_access_rules_hold(#[context] context: Context) {
    world(&context).tell(async |world| {
        let globex = world.data.organisations().create("globex").await?;
        let outsider = world.data.users().create(&globex, "outsider", Some("ORG_ADMIN")).await?;
        let mut seed = [0; 32];
        world.rng().fill_bytes(&mut seed);
        let config = Config {
            cases: SEQUENCES,
            max_shrink_iters: SHORTENING,
            failure_persistence: None,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let runtime = host::handle()?;
        let stopped = RefCell::new(None);
        let found = tokio::task::block_in_place(|| {
            runner.run(&Model::sequential_strategy(LENGTH), |(rules, acts, seen)| {
                if let Some(seen) = seen {
                    seen.fetch_add(acts.len(), Ordering::SeqCst);
                }
                runtime.block_on(play(world, &outsider, rules, &acts)).map_err(|stop| {
                    let reason = stop.reason.clone();
                    stopped.replace(Some(stop));
                    TestCaseError::fail(reason)
                })
            })
        });
        match (found, stopped.take()) {
            (Ok(()), _) => Ok(()),
            (Err(TestError::Fail(reason, (_, acts, _))), stop) => Err(Stop {
                verdict: stop.map_or(harness::verdict::Verdict::Fail, |stop| stop.verdict),
                reason: format!(
                    "{reason}\nthe shortest sequence found:\n{}\nagain: WATERTIGHT_SEED={}",
                    told(&acts),
                    world.system.run.seed()
                ),
            }),
            (Err(TestError::Abort(reason)), _) => {
                Err(Stop::error(format!("no sequence could be made: {reason}")))
            }
        }
    });
}
