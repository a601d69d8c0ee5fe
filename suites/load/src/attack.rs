//! The closed model: Goose starts the users, lets them wait and stops them; what each does is the field's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::goose::{GooseUser, Scenario, Transaction, TransactionFunction};
use goose::{GooseAttack, GooseError};
use tokio::time::{Interval, MissedTickBehavior};

use crate::field::{Due, Field, Guard};
use crate::profile::Profile;
use crate::samples::Turn;
use crate::workload::Pace;

/// Runs to the end of the profile, or until Ctrl-C or trouble.
pub(crate) async fn run(field: &Arc<Field>, profile: &Profile) -> Result<(), GooseError> {
    silence();
    let _guard = Guard(field.clone());
    let begun = field.clone();
    let begin: TransactionFunction = Arc::new(move |_| {
        let begun = begun.clone();
        Box::pin(async move {
            begun.begin(Instant::now());
            Ok(())
        })
    });
    let mut attack = GooseAttack::initialize_with_config(configuration(field, profile)?)?
        .set_client_builder_without_cookies(GooseClientBuilder::new().without_cookies())?
        .test_start(Transaction::new(begin));
    for (index, part) in field.parts.iter().enumerate() {
        let [shortest, longest] = match part.pace {
            Pace::Waits(waits) => waits,
            Pace::Every(_) => [Duration::ZERO; 2],
        };
        let entered = field.clone();
        let enter: TransactionFunction = Arc::new(move |_| {
            let entered = entered.clone();
            Box::pin(async move {
                entered.enter();
                Ok(())
            })
        });
        let scenario = Scenario::new(&part.name)
            .set_weight(part.weight)?
            .set_wait_time(shortest, longest)?
            .register_transaction(Transaction::new(enter).set_on_start())
            .register_transaction(Transaction::new(visit(field, index, part.pace, profile.visit)));
        attack = attack.register_scenario(scenario);
    }
    Box::pin(attack.execute()).await.map(drop)
}

fn configuration(field: &Field, profile: &Profile) -> Result<GooseConfiguration, GooseError> {
    let mut configuration = GooseConfiguration::parse_args_default::<&str>(&[])?;
    configuration.host = Some(field.api.target().base_url.to_string());
    configuration.users = Some(profile.users);
    configuration.increase_rate = Some(profile.spawn_rate.to_string());
    configuration.run_time = Some((profile.warm_up_seconds + profile.run_seconds).to_string());
    configuration.no_telnet = true;
    configuration.no_websocket = true;
    // Measured here: Goose's clock stops at the first byte, and its figures include the warm-up.
    configuration.no_metrics = true;
    configuration.no_print_metrics = true;
    configuration.no_error_summary = true;
    configuration.quiet = 1;
    Ok(configuration)
}

/// The clock of a user who does something so many times a second.
#[derive(Debug)]
struct Beat(Interval);

impl Clone for Beat {
    /// Goose copies users before they start, and a clock starts with its user.
    fn clone(&self) -> Beat {
        Beat::every(self.0.period())
    }
}

impl Beat {
    fn every(period: Duration) -> Beat {
        let mut interval = tokio::time::interval(period.max(Duration::from_millis(1)));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Beat(interval)
    }
}

/// What a user does between two waits.
fn visit(field: &Arc<Field>, part: usize, pace: Pace, tasks: usize) -> TransactionFunction {
    let field = field.clone();
    Arc::new(move |user| {
        let field = field.clone();
        Box::pin(async move {
            if let Pace::Every(period) = pace {
                beat(user, period).await;
            }
            for task in 0..tasks {
                if field.is_over() {
                    // Nobody is left to stop this user: it waits for the end of the process.
                    std::future::pending::<()>().await;
                }
                let turn = match (tasks, task) {
                    (1, _) => Turn::Only,
                    (_, 0) => Turn::Cold,
                    _ => Turn::Warm,
                };
                field.act(part, user.weighted_users_index, Due { at: None, turn }).await;
            }
            Ok(())
        })
    })
}

/// Waits for what is left of the time since the task before began.
async fn beat(user: &mut GooseUser, period: Duration) {
    if user.get_session_data::<Beat>().is_none() {
        user.set_session_data(Beat::every(period));
    }
    if let Some(Beat(interval)) = user.get_session_data_mut::<Beat>() {
        interval.tick().await;
    }
}

/// Keeps Goose's own messages off the terminal: it installs a logger unless the program has one.
fn silence() {
    struct Silent;
    impl log::Log for Silent {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            false
        }
        fn log(&self, _: &log::Record<'_>) {}
        fn flush(&self) {}
    }
    // Fails when the program has a logger, which then decides.
    log::set_logger(&Silent).ok();
}
