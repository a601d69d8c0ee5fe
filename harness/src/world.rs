//! A test's world: its own tenants and people in a shared system, and the telling of its story.
//!
//! ```no_run
//! # fn a_stranger_does_not_see_a_team(world: harness::world::World) {
//! world.tell(async |world| {
//!     let acme = world.data.organisations().create("acme").await?;
//!     let admin = world.data.users().create(&acme, "org-admin", Some("ORG_ADMIN")).await?;
//!     let team = world.data.teams().create(&acme, &admin).await?;
//!     let stranger = world.data.users().stranger("stranger")?;
//!     world.api.call("team-get").as_(&stranger).org(&acme.org).team(&team).send().await?.expect(404)?;
//!     Ok(())
//! });
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use crate::client::{Api, CallError, ClientError, Unexpected};
use crate::data::{Data, DataError};
use crate::events::InvokeError;
use crate::host;
use crate::identity::KeyError;
use crate::identity::login::LoginError;
use crate::leftovers::{self, Before};
use crate::record::Step;
use crate::run::RunError;
use crate::snapshot::SnapshotError;
use crate::stores::{Archive, ArchiveError, Database, Mailbox, Store, StoreError, Table};
use crate::suite::{Outcome, Suite};
use crate::system::System;
use crate::target::Capability;
use crate::verdict::Verdict;
use crate::wait::TimedOut;

/// A story that takes longer hangs.
const LONGEST_STORY: Duration = Duration::from_mins(2);

/// What is said of checks of a store that is not at hand.
const STORE_CHECKS: &str = "store checks skipped";

/// Why a story stopped before its end.
#[derive(Debug)]
pub struct Stop {
    /// What that makes of the test.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

impl Stop {
    /// Something observed is not as it must be.
    pub fn fail(reason: impl Into<String>) -> Stop {
        Stop { verdict: Verdict::Fail, reason: reason.into() }
    }

    /// The target cannot do what the rest of the story needs.
    pub fn skip(reason: impl Into<String>) -> Stop {
        Stop { verdict: Verdict::Skip, reason: reason.into() }
    }

    /// The harness could not observe.
    pub fn error(reason: impl Into<String>) -> Stop {
        Stop { verdict: Verdict::Error, reason: reason.into() }
    }
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Stop {
        let verdict = match &error {
            CallError::Leak { .. } => Verdict::Fail,
            CallError::NoSuchOperation { .. } => Verdict::Disabled,
            CallError::ReadOnly { .. } | CallError::NoConsent { .. } => Verdict::Skip,
            CallError::Unfilled { .. }
            | CallError::Budget(_)
            | CallError::Silent(_)
            | CallError::Transport { .. }
            | CallError::Key(_)
            | CallError::Unsendable { .. }
            | CallError::Run(_) => Verdict::Error,
        };
        Stop { verdict, reason: error.to_string() }
    }
}

impl From<InvokeError> for Stop {
    fn from(error: InvokeError) -> Stop {
        match error {
            InvokeError::Lacks(_) | InvokeError::ReadOnly { .. } => Stop::skip(error.to_string()),
            error => Stop::error(error.to_string()),
        }
    }
}

impl From<DataError> for Stop {
    fn from(error: DataError) -> Stop {
        match error {
            DataError::Call(error) | DataError::Login(LoginError::Call(error)) => error.into(),
            DataError::Lacks(_) | DataError::OtherStore(_) | DataError::Absent(_) => {
                Stop::skip(error.to_string())
            }
            // A mail that is not sent, a job that does not end: the target's doing.
            DataError::Late(_) => Stop::fail(error.to_string()),
            error => Stop::error(error.to_string()),
        }
    }
}

impl From<Unexpected> for Stop {
    fn from(error: Unexpected) -> Stop {
        Stop::fail(error.to_string())
    }
}

impl From<TimedOut> for Stop {
    fn from(error: TimedOut) -> Stop {
        Stop::fail(error.to_string())
    }
}

macro_rules! harness_trouble {
    ($($error:ty),+) => {
        $(impl From<$error> for Stop {
            fn from(error: $error) -> Stop {
                Stop::error(error.to_string())
            }
        })+
    };
}

harness_trouble!(ArchiveError, StoreError, RunError, ClientError, KeyError, host::NoRuntime);

impl From<SnapshotError> for Stop {
    fn from(error: SnapshotError) -> Stop {
        match error {
            SnapshotError::Call(error) => error.into(),
            error => Stop::error(error.to_string()),
        }
    }
}

/// A test's world.
#[derive(Debug)]
pub struct World {
    /// The system under test, shared with other tests.
    pub system: Arc<System>,
    /// The client of this test alone.
    pub api: Api,
    /// The data managers of this test alone.
    pub data: Data,
    suite: Arc<Suite>,
    test: String,
    telling: Mutex<Telling>,
}

/// What was told so far.
#[derive(Debug, Default)]
struct Telling {
    steps: Vec<Step>,
    /// The step that is under way, to which exchanges and the conclusion belong.
    open: Option<usize>,
    /// The titles of the steps that were skipped, by what the target lacks for them.
    skipped: BTreeMap<String, Vec<String>>,
}

impl Telling {
    fn begin(&mut self, title: &str) {
        self.open = Some(self.steps.len());
        let step = Step { title: title.to_owned(), exchanges: Vec::new(), verdict: Verdict::Pass };
        self.steps.push(step);
    }

    fn close(&mut self, exchanges: Vec<String>, verdict: Verdict) {
        if let Some(step) = self.open.and_then(|open| self.steps.get_mut(open)) {
            step.exchanges.extend(exchanges);
            step.verdict = verdict;
        }
    }

    /// A step that is not told; the one before goes on.
    fn skip(&mut self, title: &str, lacks: &str) {
        let before = self.open;
        self.begin(title);
        self.close(Vec::new(), Verdict::Skip);
        self.open = before;
        self.skipped.entry(lacks.to_owned()).or_default().push(title.to_owned());
    }

    /// The steps that were skipped, and why.
    fn skipped(&self) -> Option<String> {
        let reasons = self.skipped.iter().map(|(lacks, titles)| format!("{lacks}: {}", titles.join("; ")));
        let reasons: Vec<String> = reasons.collect();
        (!reasons.is_empty()).then(|| reasons.join(". "))
    }
}

impl World {
    /// A world for the test of this path (`module::test`).
    pub fn new(system: Arc<System>, suite: Arc<Suite>, test: &str) -> World {
        let api = system.strict_api(suite.name());
        let data = Data::new(system.clone(), api.clone(), test);
        World { system, api, data, suite, test: test.to_owned(), telling: Mutex::default() }
    }

    /// The next step of the story: what the user does, or what must then be true.
    pub fn step(&self, title: &str) {
        self.close_step(Verdict::Pass);
        self.telling().begin(title);
    }

    /// What must then stand in the DynamoDB table: a step of its own, after which the one before goes on. Without the
    /// store it is skipped by name, and the story is told to its end.
    pub async fn stored(
        &self,
        title: &str,
        check: impl AsyncFnOnce(&Table) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.stored_in(title, self.system.store.as_ref().and_then(Store::table), check).await
    }

    /// What must then stand in the PostgreSQL database: a step of its own, as [`stored`](Self::stored) is.
    pub async fn stored_rows(
        &self,
        title: &str,
        check: impl AsyncFnOnce(&Database) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.stored_in(title, self.system.store.as_ref().and_then(Store::database), check).await
    }

    async fn stored_in<S>(
        &self,
        title: &str,
        store: Option<&S>,
        check: impl AsyncFnOnce(&S) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.close_step(Verdict::Pass);
        let Some(store) = store else {
            self.telling().skip(title, STORE_CHECKS);
            return Ok(());
        };
        let before = self.telling().open;
        self.telling().begin(title);
        // A check that fails stays the open step: the failure belongs to it.
        check(store).await?;
        self.telling().open = before;
        Ok(())
    }

    /// The next step of the story, which takes operations that not every target serves: where one is missing the step is
    /// skipped by name, and the story is told to its end.
    pub async fn where_served(
        &self,
        title: &str,
        operations: &[&str],
        step: impl AsyncFnOnce() -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let missing = self.missing(operations);
        if missing.is_empty() {
            self.step(title);
            return step().await;
        }
        self.skip_step(title, &format!("steps skipped for want of {missing}"));
        Ok(())
    }

    /// A step that cannot be told here, and why: `steps skipped because nobody could tell`.
    pub fn skip_step(&self, title: &str, why: &str) {
        self.close_step(Verdict::Pass);
        self.telling().skip(title, why);
    }

    /// Insists that the target serves what a story is about; otherwise the whole of it is disabled, by name.
    pub fn must_serve(&self, operations: &[&str]) -> Result<(), Stop> {
        let missing = self.missing(operations);
        if missing.is_empty() {
            return Ok(());
        }
        let reason = format!("the target serves no {missing}, which this story is about");
        Err(Stop { verdict: Verdict::Disabled, reason })
    }

    /// The operations among these that the contract has not; empty where it has them all.
    fn missing(&self, operations: &[&str]) -> String {
        let missing = operations.iter().filter(|name| self.system.contract.get(name).is_none());
        missing.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" and ")
    }

    fn telling(&self) -> MutexGuard<'_, Telling> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_step(&self, verdict: Verdict) {
        let exchanges = self.api.take_exchanges();
        self.telling().close(exchanges, verdict);
    }

    /// The DynamoDB table, or a stop that skips the rest by name.
    pub fn table(&self) -> Result<&Table, Stop> {
        Ok(self.data.table()?)
    }

    /// The PostgreSQL database, or a stop that skips the rest by name.
    pub fn database(&self) -> Result<&Database, Stop> {
        Ok(self.data.database()?)
    }

    /// The archive stand-in, or the reason why the rest of the story is skipped.
    pub fn archive(&self) -> Result<&Archive, Stop> {
        let archive = self.system.stand_ins.archive.as_ref();
        archive.ok_or_else(|| Stop::skip(DataError::Lacks(Capability::Archive).to_string()))
    }

    /// The mail stand-in, or a stop that skips the rest by name.
    pub fn mailbox(&self) -> Result<&Mailbox, Stop> {
        let mailbox = self.system.stand_ins.mail.as_ref();
        mailbox.ok_or_else(|| Stop::skip(DataError::Lacks(Capability::Mail).to_string()))
    }

    /// Random choices of this test, replayed by the run's seed.
    pub fn rng(&self) -> StdRng {
        self.system.run.seed().rng(&self.test)
    }

    /// Insists that something holds; `what` says what had to be.
    pub fn must(&self, holds: bool, what: impl Into<String>) -> Result<(), Stop> {
        if holds { Ok(()) } else { Err(Stop::fail(what.into())) }
    }

    /// Insists that what was found is what had to be; the failure names both.
    #[expect(clippy::needless_pass_by_value, reason = "a story compares what it has just asked for")]
    pub fn equal<T: PartialEq + fmt::Debug>(&self, what: &str, found: T, expected: T) -> Result<(), Stop> {
        self.must(found == expected, format!("{what}: expected {expected:?}, found {found:?}"))
    }

    /// Tells the story, cleans up, records the outcome, and panics for libtest if it is a failure.
    ///
    /// A story whose traffic leaked fails, whatever it returns. A skipped one returns quietly: libtest
    /// cannot skip at run time, the record can. What a failed story created is kept.
    ///
    /// # Panics
    ///
    /// When the test failed, or nothing could be observed.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test reports its failure to libtest by a panic")]
    pub fn tell(self, story: impl AsyncFnOnce(&World) -> Result<(), Stop>) {
        let outcome = self.told(story);
        match outcome.verdict {
            Verdict::Pass | Verdict::Skip | Verdict::Disabled => {
                if let Some(reason) = outcome.reason {
                    println!("{}: {reason}", outcome.verdict);
                }
            }
            Verdict::Fail | Verdict::Error => {
                panic!("{}: {}", outcome.verdict, outcome.reason.unwrap_or_default());
            }
        }
    }

    /// Tells the story, cleans up, records the outcome and returns it.
    pub fn told(self, story: impl AsyncFnOnce(&World) -> Result<(), Stop>) -> Outcome {
        let start = Instant::now();
        if let Err(error) = self.suite.enter() {
            return Outcome::because(Verdict::Error, error.to_string());
        }
        let mut outcome = self.witnessed(story);
        if outcome.verdict >= Verdict::Fail && self.telling().steps.is_empty() {
            // A story without steps shows what it sent once somebody wants to know.
            self.telling().begin("Everything the story sent");
        }
        self.close_step(outcome.verdict);
        let telling = std::mem::take(&mut *self.telling());
        if outcome.verdict == Verdict::Pass {
            outcome.reason = telling.skipped();
        }
        outcome.steps = telling.steps;
        let leaving = self.suite.leaving();
        if let Some(before) = leaving.at_rest() {
            self.look_for_leftovers(before, &mut outcome);
        }
        let recorded = self.suite.ended(&self.test, start, &outcome);
        let recorded = recorded.and_then(|()| self.api.flush_coverage()).and_then(|()| leaving.leave());
        if let Err(error) = recorded {
            return Outcome::because(Verdict::Error, error.to_string());
        }
        outcome
    }

    /// The story leaves the suite at rest: nothing but what was there before may be in the store. libtest has
    /// no test that comes last, so what is left fails the story after which it shows as well.
    fn look_for_leftovers(&self, before: &Before, outcome: &mut Outcome) {
        let looked = host::handle().map_err(Stop::from).and_then(|runtime| {
            let recorded = leftovers::record(Some(before), &self.suite);
            runtime.block_on(recorded).map_err(Stop::from)
        });
        let trouble = match looked {
            Ok(None) => return,
            Ok(Some(left)) => Outcome::because(
                Verdict::Fail,
                format!("left behind by this story or by one that ran beside it: {left}"),
            ),
            Err(stop) => Outcome::because(stop.verdict.max(Verdict::Error), stop.reason),
        };
        if outcome.verdict < Verdict::Fail {
            outcome.verdict = trouble.verdict;
            outcome.reason = trouble.reason;
        }
    }

    fn witnessed(&self, story: impl AsyncFnOnce(&World) -> Result<(), Stop>) -> Outcome {
        if let Err(error) = self.suite.started(&self.test) {
            return Outcome::because(Verdict::Error, error.to_string());
        }
        let runtime = match host::handle() {
            Ok(runtime) => runtime,
            Err(error) => return Outcome::because(Verdict::Error, error.to_string()),
        };
        let told = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async { tokio::time::timeout(LONGEST_STORY, story(self)).await })
        }));
        let mut outcome = match told {
            Ok(Ok(Ok(()))) => Outcome::pass(),
            Ok(Ok(Err(stop))) => Outcome::because(stop.verdict, stop.reason),
            Ok(Err(_)) => {
                Outcome::because(Verdict::Error, format!("the story did not end within {LONGEST_STORY:?}"))
            }
            Err(panic) => Outcome::because(Verdict::Fail, panic_text(&*panic)),
        };
        let leaked = self.api.leaked();
        if !leaked.is_empty() && outcome.verdict < Verdict::Fail {
            outcome = Outcome::because(
                Verdict::Fail,
                format!("another tenant's data in the answer to {}", leaked.join(", ")),
            );
        }
        let nonconforming = self.api.nonconforming();
        if !nonconforming.is_empty() && outcome.verdict < Verdict::Fail {
            let lines = nonconforming.join("\n  ");
            outcome = Outcome::because(Verdict::Fail, format!("not as the contract promises:\n  {lines}"));
        }
        if outcome.verdict < Verdict::Fail {
            if let Err(error) = runtime.block_on(self.data.cleanup()) {
                outcome = Outcome::because(Verdict::Error, error.to_string());
            }
        } else if let Some(kept) = self.data.keep() {
            println!("{kept}");
        }
        outcome
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without text").to_owned()
}
