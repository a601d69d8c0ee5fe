//! The attack: Goose starts the users, lets them wait and stops them; what each does is here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::goose::{GooseRequest, GooseUser, Scenario, Transaction, TransactionFunction};
use goose::{GooseAttack, GooseError};
use harness::client::{Api, CallError, Pending, Received};
use harness::data::{Data, DataError};
use harness::run::RunError;
use harness::system::innermost;
use reqwest::RequestBuilder;

use crate::evidence::Evidence;
use crate::persona::Persona;
use crate::profile::Profile;
use crate::samples::{Outcome, Sample, Samples};
use crate::visitor::Visitor;
use crate::workload::{Task, Tasks};

/// A request that is under way when the run ends is waited for so long.
const GRACE: Duration = Duration::from_secs(10);
/// A target is given up when so many requests per user, in a row, got no answer at all.
const IN_VAIN_PER_USER: usize = 3;

/// Why an attack ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Nothing answers any more.
    #[error("{0}")]
    Gone(String),
    /// The harness could not build or count a request.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What was created could not be entered.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// One Goose scenario: its share of the users, its waits, and what each persona does in it.
#[derive(Debug)]
pub(crate) struct Part {
    pub name: String,
    pub weight: usize,
    pub waits: [Duration; 2],
    pub tasks: Vec<(Persona, Tasks)>,
}

/// All that the users of an attack share.
#[derive(Debug)]
pub(crate) struct Attack {
    pub api: Api,
    pub data: Arc<Data>,
    pub parts: Vec<Part>,
    pub visitors: Vec<Visitor>,
    pub samples: Samples,
    evidence: Evidence,
    length: Duration,
    deadline: OnceLock<tokio::time::Instant>,
    over: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
}

/// Ends the attack for users that outlive it: Goose's users go on when whoever started them is dropped.
struct Guard(Arc<Attack>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

impl Attack {
    pub(crate) fn new(
        api: Api,
        data: Arc<Data>,
        parts: Vec<Part>,
        visitors: Vec<Visitor>,
        profile: &Profile,
    ) -> Attack {
        Attack {
            api,
            data,
            parts,
            visitors,
            samples: Samples::new(profile.uncounted(), Duration::from_secs(profile.run_seconds)),
            evidence: Evidence::default(),
            length: profile.length(),
            deadline: OnceLock::new(),
            over: AtomicBool::new(false),
            trouble: Mutex::default(),
        }
    }

    /// Runs to the end of the profile, or until Ctrl-C or trouble.
    pub(crate) async fn run(self: &Arc<Self>, profile: &Profile) -> Result<(), GooseError> {
        silence();
        let _guard = Guard(self.clone());
        let mut attack = GooseAttack::initialize_with_config(self.configuration(profile)?)?
            .set_client_builder_without_cookies(GooseClientBuilder::new().without_cookies())?
            .test_start(self.transaction(|attack, _| {
                attack.samples.begin(Instant::now());
                attack.deadline.get_or_init(|| tokio::time::Instant::now() + attack.length + GRACE);
            }));
        for (index, part) in self.parts.iter().enumerate() {
            let connect = self.transaction(|attack, user| {
                if let Some(visitor) = attack.visitors.get(user.weighted_users_index) {
                    user.client = visitor.client.clone();
                }
            });
            let [shortest, longest] = part.waits;
            let scenario = Scenario::new(&part.name)
                .set_weight(part.weight)?
                .set_wait_time(shortest, longest)?
                .register_transaction(connect.set_on_start())
                .register_transaction(Transaction::new(self.tasks(index)));
            attack = attack.register_scenario(scenario);
        }
        Box::pin(attack.execute()).await.map(drop)
    }

    fn configuration(&self, profile: &Profile) -> Result<GooseConfiguration, GooseError> {
        let mut configuration = GooseConfiguration::parse_args_default::<&str>(&[])?;
        configuration.host = Some(self.api.target().base_url.to_string());
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

    fn transaction(
        self: &Arc<Self>,
        act: impl Fn(&Attack, &mut GooseUser) + Copy + Send + Sync + 'static,
    ) -> Transaction {
        let attack = self.clone();
        let function: TransactionFunction = Arc::new(move |user| {
            let attack = attack.clone();
            Box::pin(async move {
                act(&attack, user);
                Ok(())
            })
        });
        Transaction::new(function)
    }

    fn tasks(self: &Arc<Self>, part: usize) -> TransactionFunction {
        let attack = self.clone();
        Arc::new(move |user| {
            let attack = attack.clone();
            Box::pin(async move {
                attack.act(part, user).await;
                Ok(())
            })
        })
    }

    /// One task of one user.
    async fn act(&self, part: usize, user: &mut GooseUser) {
        if self.over.load(Ordering::Relaxed) {
            // Nobody is left to stop this user: it waits for the end of the process.
            std::future::pending::<()>().await;
        }
        let Some(visitor) = self.visitors.get(user.weighted_users_index) else { return };
        let tasks = self.parts.get(part).and_then(|part| part.tasks_of(visitor.persona));
        let Some(task) = tasks.and_then(|tasks| visitor.draw(tasks)) else { return };
        let done = match visitor.call(&self.api, task).prepare() {
            Ok((request, pending)) => self.send(user, visitor, task, request, &pending).await,
            Err(error) => Err(error.into()),
        };
        if let Err(trouble) = done {
            self.stop(trouble);
        }
    }

    async fn send(
        &self,
        user: &mut GooseUser,
        visitor: &Visitor,
        task: &Task,
        request: RequestBuilder,
        pending: &Pending,
    ) -> Result<(), Trouble> {
        let Some(operation) = self.api.contract().get(&task.operation) else { return Ok(()) };
        let name = format!("{} {}", operation.method, operation.name);
        let sent = Instant::now();
        let deadline = self.deadline.get().copied().unwrap_or_else(tokio::time::Instant::now);
        let answer = tokio::time::timeout_at(deadline, exchange(user, &name, request)).await;
        let finished = Instant::now();
        let answer = answer
            .unwrap_or_else(|_| Err(format!("no answer {} s after the end of the run", GRACE.as_secs())));
        let millis = (finished - sent).as_secs_f64() * 1e3;
        let sample = |outcome| self.samples.record(&Sample { name: &name, sent, finished, outcome });

        let received = match answer {
            Ok(received) => received,
            Err(why) => {
                let in_vain = sample(Outcome::Unanswered);
                self.evidence.failed(&self.api, pending, &task.operation, Err(&why), millis)?;
                let limit = IN_VAIN_PER_USER * self.visitors.len();
                return if in_vain >= limit { Err(Trouble::Gone(why)) } else { Ok(()) };
            }
        };
        // Before the scan, so that no other user's response with the new id passes for clean.
        if (200..300).contains(&received.status) {
            visitor.adopt(&self.data, operation, &received.body)?;
        }
        if let Some(leak) = pending.leak(&received) {
            sample(Outcome::Leaked);
            self.evidence.leaked(&self.api, pending, &received, &leak, millis)?;
        } else if task.accepts.contains(&received.status) {
            sample(Outcome::Passed);
            self.evidence.passed(&self.api, pending, &received, millis)?;
        } else {
            sample(Outcome::Failed);
            self.evidence.failed(&self.api, pending, &task.operation, Ok(&received), millis)?;
        }
        Ok(())
    }

    /// Ends the attack; the first reason is kept.
    fn stop(&self, trouble: Trouble) {
        let mut first = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            goose::trigger_killswitch(&trouble.to_string());
            *first = Some(trouble);
        }
    }

    /// Why the attack ended before its time, if trouble was the reason.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Part {
    fn tasks_of(&self, persona: Persona) -> Option<&Tasks> {
        self.tasks.iter().find(|(whose, _)| *whose == persona).map(|(_, tasks)| tasks)
    }
}

/// Sends a request through Goose and reads the response to its last byte. The reason when none came.
async fn exchange(user: &mut GooseUser, name: &str, request: RequestBuilder) -> Result<Received, String> {
    let request = GooseRequest::builder().name(name).set_request_builder(request).build();
    let response = user.request(request).await.map_err(|error| error.to_string())?;
    let response = response.response.map_err(|error| innermost(&error))?;
    Received::read(response).await.map_err(|error| innermost(&error))
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
