//! The field of a load run: what all its users share, and the one way in which a request is sent, searched and entered.
//!
//! Who decides when (Goose's users, or a schedule of arrivals) stands elsewhere.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use harness::client::{Api, CallError, Outgoing, Pending, Received};
use harness::contract::Operation;
use harness::data::{Data, DataError};
use harness::run::RunError;
use harness::system::{System, innermost};

use crate::evidence::Evidence;
use crate::fairness::Stages;
use crate::persona::Persona;
use crate::profile::Profile;
use crate::samples::{Outcome, Sample, Samples, Turn};
use crate::timing::parts_told;
use crate::visitor::{Made, Visitor};
use crate::workload::{Pace, Task, Tasks};

/// A request that is under way when the run ends is waited for so long.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// A target is given up when so many requests per user, in a row, got no answer at all.
const IN_VAIN_PER_USER: usize = 3;
/// With more users than this it takes no more requests in vain.
const MOST_WAITED_FOR: usize = 100;
/// So often another task is drawn, when the user knows of nothing that the first could be about.
const DRAWS: usize = 10;
/// What a leak is called among the causes of failures.
const LEAKED: &str = "another tenant's data";
/// The status of an answer that it was too much.
const TOO_MANY: u16 = 429;

/// Why a run ended before its time.
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

/// One scenario: its share of the users, their pace, and what each persona does in it.
#[derive(Debug)]
pub(crate) struct Part {
    pub name: String,
    pub weight: usize,
    pub pace: Pace,
    pub tasks: Vec<(Persona, Tasks)>,
}

/// All that the users of a run share.
#[derive(Debug)]
pub(crate) struct Field {
    pub system: Arc<System>,
    pub api: Api,
    pub data: Arc<Data>,
    pub parts: Vec<Part>,
    pub visitors: Vec<Visitor>,
    pub samples: Samples,
    evidence: Evidence,
    length: Duration,
    deadline: OnceLock<tokio::time::Instant>,
    users: AtomicU64,
    under_way: AtomicU64,
    over: AtomicBool,
    stopped: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
    hopeless: OnceLock<String>,
}

/// Ends the run for users that outlive it: Goose's users go on when whoever started them is dropped.
pub(crate) struct Guard(pub Arc<Field>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// When a request is due, and which of a visit it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// `None`: as soon as it can be sent.
    pub at: Option<Instant>,
    pub turn: Turn,
}

impl Field {
    pub(crate) fn new(
        system: Arc<System>,
        api: Api,
        data: Arc<Data>,
        parts: Vec<Part>,
        visitors: Vec<Visitor>,
        profile: &Profile,
        asked: Vec<String>,
    ) -> Field {
        let last = visitors.last().filter(|_| profile.aggression().is_some());
        let org = last.map(Visitor::tenant).unwrap_or_default();
        let stages = profile
            .aggressor
            .as_ref()
            .zip(profile.arrivals)
            .map(|(aggressor, arrivals)| Stages::new(profile.counted(), arrivals.rate, aggressor, org));
        let samples = Samples::new(profile.uncounted(), profile.counted(), asked).with_stages(stages);
        Field {
            system,
            api,
            data,
            parts,
            visitors,
            samples,
            evidence: Evidence::default(),
            length: profile.length(),
            deadline: OnceLock::new(),
            users: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            over: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            trouble: Mutex::default(),
            hopeless: OnceLock::new(),
        }
    }

    /// Starts the clock, once.
    pub(crate) fn begin(&self, now: Instant) {
        self.samples.begin(now);
        self.deadline.get_or_init(|| tokio::time::Instant::from_std(now) + self.length + GRACE);
    }

    /// When requests under way are waited for no longer.
    pub(crate) fn deadline(&self) -> tokio::time::Instant {
        self.deadline.get().copied().unwrap_or_else(tokio::time::Instant::now)
    }

    /// Whether whoever started the users is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Whether trouble has ended the run.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// A user starts, who asks, waits and asks again. An arrival is a user of its own, for as long as it is under way.
    pub(crate) fn enter(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    /// One task of one user.
    pub(crate) async fn act(&self, part: usize, visitor: usize, due: Due) {
        let (Some(part), Some(visitor)) = (self.parts.get(part), self.visitors.get(visitor)) else { return };
        if let Err(trouble) = self.one(part, visitor, due).await {
            self.stop(trouble);
        }
    }

    async fn one(&self, part: &Part, visitor: &Visitor, due: Due) -> Result<(), Trouble> {
        let Some(tasks) = part.tasks_of(visitor.persona) else { return Ok(()) };
        for _ in 0..DRAWS {
            let Some(task) = visitor.draw(tasks) else { return Ok(()) };
            let Some(operation) = self.api.contract().get(&task.operation) else { continue };
            let draft = visitor.draft(&self.system, &self.api, &self.data, task, operation)?;
            if let Some(draft) = draft {
                let (call, made) = draft.into_parts();
                let (request, pending) = call.prepare()?;
                let sending = Sending { part, visitor, task, operation, made, pending: &pending };
                return self.send(&sending, request, due).await;
            }
        }
        Ok(())
    }

    async fn send(&self, sending: &Sending<'_>, request: Outgoing, due: Due) -> Result<(), Trouble> {
        let Sending { part, visitor, task, operation, made, pending } = sending;
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        let users = self.users.load(Ordering::Relaxed);
        let sent = Instant::now();
        let answer = tokio::time::timeout_at(self.deadline(), visitor.http.send(request)).await;
        let finished = Instant::now();
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let answer = match answer {
            Ok(answer) => answer.map_err(|error| innermost(&error)),
            Err(_) => Err(format!("no answer {} s after the end of the run", GRACE.as_secs())),
        };
        let millis = (finished - sent).as_secs_f64() * 1e3;
        let at = due.at.unwrap_or(sent);
        let sample = |outcome, received: Option<&Received>, cause: Option<String>| {
            self.samples.record(&Sample {
                name: &task.name,
                scenario: &part.name,
                tenant: visitor.tenant(),
                turn: due.turn,
                due: at,
                late: sent.saturating_duration_since(at),
                finished,
                outcome,
                cause,
                limited: received.is_some_and(|received| received.status == TOO_MANY),
                parts: received
                    .map(|received| parts_told(&received.headers, self.samples.asked()))
                    .unwrap_or_default(),
                users: users.max(under_way),
                under_way,
            })
        };

        let received = match answer {
            Ok(received) => received,
            Err(why) => {
                let in_vain = sample(Outcome::Unanswered, None, Some(why.clone()));
                self.evidence.failed(&self.api, pending, &task.operation, Err(&why), millis)?;
                let limit = IN_VAIN_PER_USER * self.visitors.len().min(MOST_WAITED_FOR);
                return if in_vain >= limit { Err(Trouble::Gone(why)) } else { Ok(()) };
            }
        };
        // Before the scan, so that no other user's response with the new id passes for clean.
        if (200..300).contains(&received.status) {
            visitor.adopt(&self.data, operation, made, &received.body)?;
        }
        if let Some(leak) = pending.leak(&received) {
            sample(Outcome::Leaked, Some(&received), Some(LEAKED.to_owned()));
            self.evidence.leaked(&self.api, pending, &received, &leak, millis)?;
        } else if task.accepts.contains(&received.status) {
            sample(Outcome::Passed, Some(&received), None);
            self.evidence.passed(&self.api, pending, &received, millis)?;
        } else {
            sample(Outcome::Failed, Some(&received), Some(format!("status {}", received.status)));
            self.evidence.failed(&self.api, pending, &task.operation, Ok(&received), millis)?;
        }
        Ok(())
    }

    /// Ends the run; the first reason is kept.
    fn stop(&self, trouble: Trouble) {
        let mut first = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            goose::trigger_killswitch(&trouble.to_string());
            *first = Some(trouble);
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Ends the run because its end is known.
    pub(crate) fn give_up(&self, why: String) {
        if self.hopeless.set(why).is_ok() {
            goose::trigger_killswitch("a threshold cannot hold any more");
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Why it was given up, if it was.
    pub(crate) fn hopeless(&self) -> Option<&str> {
        self.hopeless.get().map(String::as_str)
    }

    /// Why the run ended before its time, if trouble was the reason.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A request that is about to be sent.
struct Sending<'s> {
    part: &'s Part,
    visitor: &'s Visitor,
    task: &'s Task,
    operation: &'s Operation,
    made: Made<'s>,
    pending: &'s Pending,
}

impl Part {
    fn tasks_of(&self, persona: Persona) -> Option<&Tasks> {
        self.tasks.iter().find(|(whose, _)| *whose == persona).map(|(_, tasks)| tasks)
    }
}
