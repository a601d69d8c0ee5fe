//! What every story begins with, and how it insists on a status.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use fixtures::{Absent, EMBEDDED, Lodging, Selected};
use harness::client::{Answer, Call};
use harness::host;
use harness::leftovers::Before;
use harness::record::{self, Record};
use harness::run::Run;
use harness::suite::{Outcome, Suite};
use harness::system::System;
use harness::verdict::Verdict;
use harness::world::{Stop, World};

/// How many connections to its database the embedded platform has while stories are told, fewer than in a deployment.
/// Stories make and drop tenants all the time, and with every schema that comes or goes PostgreSQL forgets the plans of
/// every connection.
const CONNECTIONS: u32 = 4;

/// The system that a story is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Access management: organisations, roles, teams, invitations.
    Access,
    /// The tenant platform: tenants with plans, products, sales.
    Platform,
    /// Whatever a target file describes, known by its contract alone; without one, access management.
    AnyOrAccess,
    /// Whatever a target file describes, known by its contract alone; without one, the tenant platform.
    AnyOrPlatform,
}

impl About {
    fn name(self) -> &'static str {
        let [access, platform] = EMBEDDED;
        match self {
            About::Access | About::AnyOrAccess => access,
            About::Platform | About::AnyOrPlatform => platform,
        }
    }

    /// Whether a system that was given by a file is of this kind, as far as its contract tells.
    pub(crate) fn must_fit(self, system: &System) -> Result<(), Stop> {
        let is_of_any = matches!(self, About::AnyOrAccess | About::AnyOrPlatform);
        if !is_of_any && !system.target.operations.is_empty() {
            let reason = format!(
                "the operations of the target are bound by its file: nothing is known of answers like those of '{}', \
                 which this story is about",
                self.name()
            );
            return Err(Stop { verdict: Verdict::Disabled, reason });
        }
        let is_platform = system.contract.get("tenant-create").is_some();
        let fits = match self {
            About::Access => system.contract.get("org-create").is_some() || !is_platform,
            About::Platform => is_platform,
            About::AnyOrAccess | About::AnyOrPlatform => true,
        };
        if fits {
            return Ok(());
        }
        let reason = format!("the target is no system of the kind of '{}'", self.name());
        Err(Stop { verdict: Verdict::Disabled, reason })
    }
}

/// A target and the suite that tells its stories.
type Shared = (Selected, Arc<Suite>);
/// The same, or what is missing for it; made by the first test of the process that asks.
type Made = Result<Result<Shared, Absent>, String>;

/// The one that a target file describes, whatever a story is about.
static OF_FILE: LazyLock<Made> = LazyLock::new(|| made(About::Access));
static ACCESS: LazyLock<Made> = LazyLock::new(|| made(About::Access));
static PLATFORM: LazyLock<Made> = LazyLock::new(|| made(About::Platform));

fn made(about: About) -> Made {
    let runtime = host::handle().map_err(|error| error.to_string())?;
    let lodging = Lodging { connections: Some(CONNECTIONS), ..Lodging::default() };
    let asked =
        runtime.block_on(fixtures::asked(about.name(), &lodging)).map_err(|error| error.to_string())?;
    let selected = match asked {
        Ok(selected) => selected,
        Err(absent) => {
            let Absent { name: target, reason } = absent.clone();
            let recorded = Run::current().and_then(|run| {
                run.record("integration", &Record::Absent(record::Absent { target, reason }))
            });
            return recorded.map(|()| Err(absent)).map_err(|error| error.to_string());
        }
    };
    let suite = Suite::new("integration", &selected.system, None);
    // The store of another target may be in use by others, so there the command looks, once, at the end.
    if fixtures::target_file().is_none() {
        let before = runtime.block_on(Before::of(&selected.system)).map_err(|error| error.to_string())?;
        if let Some(before) = before {
            suite.watch(before);
        }
    }
    Ok(Ok((selected, Arc::new(suite))))
}

/// The target for stories about a system, and the suite they are told in; why there is none where it is absent.
pub(crate) fn shared(about: About) -> Result<Result<&'static Shared, String>, &'static String> {
    let made = match about {
        _ if fixtures::target_file().is_some() => &OF_FILE,
        About::Access | About::AnyOrAccess => &ACCESS,
        About::Platform | About::AnyOrPlatform => &PLATFORM,
    };
    Ok((**made).as_ref()?.as_ref().map_err(|absent| absent.reason.clone()))
}

/// Where a story is told: a world, or none because of a reason.
#[derive(Debug)]
pub struct Scene {
    test: String,
    place: Result<World, Stop>,
}

/// The scene of the test that `module` and `name` name (`integration::invitations`, the function). A test told
/// for several cases names its case too: each is a test of its own.
///
/// # Panics
///
/// When there is no target to test: every test of the process then fails with the same clear message.
#[expect(clippy::panic, reason = "a test reports its failure to libtest by a panic")]
pub fn world(about: About, module: &str, name: &str, case: Option<&str>) -> Scene {
    let test = path(module, name, case);
    let place = match shared(about) {
        Ok(Ok((selected, suite))) => Ok(World::new(selected.system.clone(), suite.clone(), &test)),
        Ok(Err(absent)) => Err(Stop::skip(absent)),
        Err(error) => panic!("{error}"),
    };
    let place = place.and_then(|world: World| about.must_fit(&world.system).map(|()| world));
    Scene { test, place }
}

impl Scene {
    /// Tells the story, as [`World::tell`] does. Without a place it is skipped.
    ///
    /// # Panics
    ///
    /// When the test failed, or nothing could be observed.
    #[track_caller]
    pub fn tell(self, story: impl AsyncFnOnce(&World) -> Result<(), Stop>) {
        match self.place {
            Ok(world) => world.tell(story),
            Err(stop) => stopped(&self.test, stop),
        }
    }
}

/// What libtest cannot: the record says that the test was not told, and why.
#[expect(clippy::panic, reason = "a test reports its failure to libtest by a panic")]
pub(crate) fn stopped(test: &str, stop: Stop) {
    println!("{}: {}", stop.verdict, stop.reason);
    // Stories of one kind are skipped because of the other's target, if that is the one there is.
    let there = [About::Access, About::Platform].into_iter().find_map(|about| shared(about).ok()?.ok());
    let Some((_, suite)) = there else { return };
    let recorded = suite.enter().and_then(|()| suite.started(test));
    let recorded = recorded
        .and_then(|()| suite.ended(test, Instant::now(), &Outcome::because(stop.verdict, stop.reason)))
        .and_then(|()| suite.leave());
    if let Err(error) = recorded {
        panic!("{error}");
    }
}

/// The path of a test: `invitations::a_story (case)`.
pub(crate) fn path(module: &str, name: &str, case: Option<&str>) -> String {
    let module = module.split_once("::").map_or(module, |(_, module)| module);
    // The cases of a test stand in a module of its name.
    let module = match case {
        Some(_) => module.strip_suffix(name).and_then(|m| m.strip_suffix("::")).unwrap_or(module),
        None => module,
    };
    let case = case.map(|case| format!(" ({case})")).unwrap_or_default();
    format!("{module}::{name}{case}")
}

/// Sending a call and insisting on the status of its answer.
pub trait Gives {
    /// Sends it; an answer with another status ends the story.
    fn gives(self, status: u16) -> impl Future<Output = Result<Answer, Stop>> + Send;

    /// Sends it; gives the items of a list, and ends the story if it is none.
    fn items(self) -> impl Future<Output = Result<Vec<serde_json::Value>, Stop>> + Send;
}

impl Gives for Call {
    async fn gives(self, status: u16) -> Result<Answer, Stop> {
        Ok(self.send().await?.expect(status)?)
    }

    async fn items(self) -> Result<Vec<serde_json::Value>, Stop> {
        Ok(self.gives(200).await?.array_at("/items")?)
    }
}
