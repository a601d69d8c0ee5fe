//! A system of its own, for stories that disturb.

use std::sync::Arc;

use fixtures::{Embedded, Setup, platform};
use harness::host;
use harness::identity::{JwksMood, JwksServer};
use harness::system::System;
use harness::world::{Stop, World};
use serde_json::Value;

use crate::world::{About, path, shared, stopped};

/// More bytes than a service reads for the sake of a few keys.
const LARGE: usize = 512 * 1024;
/// Bytes that they may well have: some hundred keys.
const MANY: usize = 128 * 1024;

/// A world in an embedded system of its own, for a story that disturbs: throttles the store, takes the keys away,
/// uses up a limit, kills the database.
#[derive(Debug)]
pub struct Stage<E> {
    test: String,
    place: Result<(World, E), Stop>,
}

/// What a stage stands on.
pub trait Stands: Sized {
    /// What is special about it.
    type Setup;
    /// Which system it is.
    const ABOUT: About;

    /// Starts one; says why where this machine lacks what it needs.
    fn start(setup: Self::Setup) -> impl Future<Output = Result<Result<Self, String>, String>>;

    /// The system, ready to be tested.
    fn system(&self) -> &Arc<System>;
}

impl Stands for Embedded {
    type Setup = Setup;
    const ABOUT: About = About::Access;

    async fn start(setup: Setup) -> Result<Result<Embedded, String>, String> {
        fixtures::embedded(setup).await.map(Ok).map_err(|error| error.to_string())
    }

    fn system(&self) -> &Arc<System> {
        &self.system
    }
}

impl Stands for platform::Embedded {
    type Setup = platform::Setup;
    const ABOUT: About = About::Platform;

    async fn start(setup: platform::Setup) -> Result<Result<platform::Embedded, String>, String> {
        match fixtures::embedded_platform(setup).await {
            Ok(started) => Ok(started.map_err(|absent| absent.reason)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn system(&self) -> &Arc<System> {
        &self.system
    }
}

/// A stage for the test that `module`, `name` and `case` name, as [`world`](crate::world) does.
///
/// # Panics
///
/// When the system does not start.
#[expect(clippy::panic, reason = "a test reports its failure to libtest by a panic")]
pub fn stage<E: Stands>(module: &str, name: &str, case: Option<&str>, setup: E::Setup) -> Stage<E> {
    let test = path(module, name, case);
    let none = |stop: Stop| Stage { test: test.clone(), place: Err(stop) };
    let (selected, suite) = match shared(E::ABOUT) {
        Ok(Ok((selected, suite))) => (selected, suite),
        Ok(Err(absent)) => return none(Stop::skip(absent)),
        Err(error) => panic!("{error}"),
    };
    if fixtures::target_file().is_some() {
        let why = "it disturbs, so it needs a system of its own: only the embedded target gives one";
        return none(E::ABOUT.must_fit(&selected.system).err().unwrap_or_else(|| Stop::skip(why)));
    }
    let started = host::handle()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(E::start(setup)));
    match started {
        Ok(Ok(embedded)) => {
            let world = World::new(embedded.system().clone(), suite.clone(), &test);
            Stage { test, place: Ok((world, embedded)) }
        }
        Ok(Err(absent)) => none(Stop::skip(absent)),
        Err(error) => panic!("{error}"),
    }
}

impl<E> Stage<E> {
    /// Tells the story, as [`World::tell`] does. On a target that is not ours to disturb it is skipped.
    #[track_caller]
    pub fn tell(self, story: impl AsyncFnOnce(&World, &E) -> Result<(), Stop>) {
        match self.place {
            Ok((world, embedded)) => world.tell(async |world| story(world, &embedded).await),
            Err(stop) => stopped(&self.test, stop),
        }
    }
}

/// The stand-in for the issuer's published keys, which every stage has.
pub fn jwks(world: &World) -> Result<&JwksServer, Stop> {
    let jwks = world.system.stand_ins.jwks.as_ref();
    jwks.ok_or_else(|| Stop::error("this stage has no JWKS stand-in"))
}

/// The issuer's keys, in more bytes than anybody's keys need.
pub fn too_many_bytes(keys: Value) -> JwksMood {
    padded(keys, LARGE)
}

/// The issuer's keys, in as many bytes as those of an issuer with many.
pub fn many_bytes(keys: Value) -> JwksMood {
    padded(keys, MANY)
}

fn padded(mut keys: Value, bytes: usize) -> JwksMood {
    keys["padding"] = "x".repeat(bytes).into();
    JwksMood::Serve(keys)
}
