//! A store in a container, one for all processes of a run: asked for, ready when it answers a query, and labelled with
//! the run's quarters, whose reaper removes it (`crate::reaper`).

use std::collections::HashMap;
use std::env;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use testcontainers::bollard::models::PortBinding;
use testcontainers::core::IntoContainerPort as _;
use testcontainers::core::client::ClientError;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _, TestcontainersError};
use tokio::process::Command;
use tokio::time::timeout;

use super::choice::Kind;
use crate::leak::random_code;
use crate::reaper::{Quarters, ReaperError};
use crate::run::Run;
use crate::wait;

/// How long the engine may take to say that it is there.
const ENGINE_LIMIT: Duration = Duration::from_secs(10);
/// How long an image may take to come, and a container to be made.
const START_LIMIT: Duration = Duration::from_mins(5);
/// How long the store in it may take to answer.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// Between two queries of a store that is not up yet.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a container that was found may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// Attempts at a port that nobody else takes before the engine does.
const PORTS: usize = 3;
/// How many lines of what a container said last are shown.
const SHOWN: &str = "20";

/// Sockets of engines, where no variable names one; below the home folder where they are relative.
const SOCKETS: [&str; 3] = ["/var/run/docker.sock", ".docker/run/docker.sock", ".docker/desktop/docker.sock"];

/// No container.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// No engine.
    #[error(
        "no container engine: {said}; start Docker (Debian: apt-get install docker.io docker-cli), name one in DOCKER_HOST, or choose another store in {}",
        kind.variable
    )]
    Engine {
        /// For which store.
        kind: &'static Kind,
        /// What was tried, and what came of it.
        said: String,
    },
    /// No image.
    #[error(
        "the image {image} is not there and cannot be had: {said}; load it into the engine, or name another one in {}",
        kind.image_variable
    )]
    Image {
        /// For which store.
        kind: &'static Kind,
        /// Its name.
        image: String,
        /// What the engine said.
        said: String,
    },
    /// The engine does not start it.
    #[error(
        "no container of {image} starts: {said}; look at the engine (docker info), or choose another store in {}",
        kind.variable
    )]
    Start {
        /// For which store.
        kind: &'static Kind,
        /// Of which image.
        image: String,
        /// What the engine said.
        said: String,
    },
    /// It runs, and the store in it does not answer.
    #[error("the container of {image} is of no use: {late}; name another image in {}\n{log}", kind.image_variable)]
    Late {
        /// For which store.
        kind: &'static Kind,
        /// Of which image.
        image: String,
        /// What was waited for.
        late: String,
        /// What it said.
        log: String,
    },
    /// It would have no end.
    #[error(transparent)]
    Reaper(#[from] ReaperError),
}

/// The container engine, and the command (`docker`) with which the reaper removes what was asked of it.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    host: String,
}

impl Engine {
    /// The engine, if it answers.
    pub(super) async fn at_hand(kind: &'static Kind) -> Result<Engine, ContainerError> {
        let engine = Engine { host: host() };
        let failed = |said: String| ContainerError::Engine { kind, said };
        let asked =
            timeout(ENGINE_LIMIT, engine.docker(&["version", "--format", "{{.Server.Version}}"])).await;
        match asked {
            Ok(Ok(_)) => Ok(engine),
            Ok(Err(said)) => Err(failed(format!("{said} ({})", engine.host))),
            Err(_) => Err(failed(format!("{} does not answer within {ENGINE_LIMIT:?}", engine.host))),
        }
    }

    /// What the command prints, on both outputs; what it complains of where it fails.
    async fn docker(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new("docker");
        command.args(words).env("DOCKER_HOST", &self.host).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "there is no command 'docker'".to_owned(),
            _ => format!("the command 'docker' does not start: {error}"),
        })?;
        if output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            return Ok(String::from_utf8_lossy(&said).trim().to_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " "))
    }
}

/// Where the engine is: as testcontainers looks for it, for which the command might find another.
fn host() -> String {
    if let Some(host) = env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()) {
        return host;
    }
    let home = env::home_dir().unwrap_or_default();
    let places = SOCKETS.map(|socket| home.join(socket));
    let found = places.iter().find(|socket| socket.exists()).unwrap_or(&places[0]);
    format!("unix://{}", found.display())
}

/// A running container of the run's, as its processes share it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Container {
    /// Where its port is reached.
    pub(super) host: String,
    /// The port there.
    pub(super) port: u16,
    /// Its image.
    pub(super) image: String,
    quarters: Quarters,
}

/// What is asked for.
pub(super) struct Order<'a> {
    /// For which store.
    pub(super) kind: &'static Kind,
    /// The store's port in there.
    pub(super) port: u16,
    /// Variables in there.
    pub(super) environment: Vec<(&'a str, String)>,
    /// What runs in there, where that is not what the image says.
    pub(super) command: Vec<String>,
}

impl Container {
    /// Whether it is still there: nobody has closed the quarters it belongs to, and it listens.
    pub(super) fn lives(&self, quarters: &Quarters) -> bool {
        let address = (self.host.as_str(), self.port).to_socket_addrs().ok().and_then(|mut all| all.next());
        self.quarters == *quarters
            && address.is_some_and(|address| TcpStream::connect_timeout(&address, CONNECT_LIMIT).is_ok())
    }

    /// Starts one and waits until `ready` says that the store in it answers.
    pub(super) async fn start<A>(
        run: &Run,
        quarters: &Quarters,
        engine: &Engine,
        order: Order<'_>,
        mut ready: impl FnMut(Container) -> A,
    ) -> Result<Container, ContainerError>
    where
        A: Future<Output = Result<(), String>>,
    {
        let kind = order.kind;
        let (name, tag) = kind.image();
        let image = format!("{name}:{tag}");
        let asking = quarters.asking(&engine.host)?;
        let mut tried = 0;
        let running = loop {
            tried += 1;
            let code = random_code(8);
            match ask(run, quarters, engine, &order, (&name, &tag), &code).await {
                Ok(running) => break running,
                Err(error) => {
                    let said = chain(&error);
                    // What was made and did not start is nobody's.
                    engine.docker(&["rm", "-f", "-v", &called(quarters, &code)]).await.ok();
                    if matches!(error, TestcontainersError::Client(ClientError::PullImage { .. })) {
                        return Err(ContainerError::Image { kind, image, said });
                    }
                    let taken =
                        said.contains("port is already allocated") || said.contains("address already in use");
                    if !taken || tried == PORTS {
                        return Err(ContainerError::Start { kind, image, said });
                    }
                }
            }
        };
        let start_failed = |said: String| ContainerError::Start { kind, image: image.clone(), said };
        let host = running.get_host().await.map_err(|error| start_failed(chain(&error)))?.to_string();
        let port = running.get_host_port_ipv4(order.port.tcp()).await;
        let port = port.map_err(|error| start_failed(chain(&error)))?;
        let container = Container { host, port, image: image.clone(), quarters: quarters.clone() };
        let what = format!("{} to answer a query", kind.name);
        let up = wait::every(PAUSE, &what, READY_LIMIT, || {
            let answered = ready(container.clone());
            let running = &running;
            async move {
                match answered.await {
                    Ok(()) => Ok(Ok(())),
                    // One that has ended is not waited for.
                    Err(_) if !running.is_running().await.unwrap_or(true) => {
                        Ok(Err("it has ended".to_owned()))
                    }
                    Err(last) => Err(last),
                }
            }
        });
        let up = up.await.map_err(|late| late.to_string());
        if let Err(late) | Ok(Err(late)) = up {
            let log = engine.docker(&["logs", "--tail", SHOWN, running.id()]).await;
            running.rm().await.ok();
            return Err(ContainerError::Late { kind, image, late, log: log.unwrap_or_else(|said| said) });
        }
        // Others use it, so it must outlive this process; the reaper removes it.
        std::mem::forget(running);
        drop(asking);
        Ok(container)
    }
}

/// The name of a container.
fn called(quarters: &Quarters, code: &str) -> String {
    format!("{}-{code}", quarters.name())
}

async fn ask(
    run: &Run,
    quarters: &Quarters,
    engine: &Engine,
    order: &Order<'_>,
    (name, tag): (&str, &str),
    code: &str,
) -> Result<ContainerAsync<GenericImage>, TestcontainersError> {
    let inside = order.port;
    let mut request = GenericImage::new(name, tag)
        .with_exposed_port(inside.tcp())
        .with_container_name(called(quarters, code))
        .with_label("watertight", "1")
        .with_label("watertight.run", run.id())
        .with_label("watertight.quarters", quarters.name())
        .with_startup_timeout(START_LIMIT);
    for (variable, value) in &order.environment {
        request = request.with_env_var(*variable, value);
    }
    if !order.command.is_empty() {
        request = request.with_cmd(order.command.clone());
    }
    // From inside a container, and from another machine, loopback is somebody else's.
    if engine.host.starts_with("unix:") && !Path::new("/.dockerenv").exists() {
        request = request.with_host_config_modifier(move |host| {
            let loopback = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: None };
            host.publish_all_ports = Some(false);
            host.port_bindings = Some(HashMap::from([(format!("{inside}/tcp"), Some(vec![loopback]))]));
        });
    }
    // Also where the engine, or its registry, says nothing at all.
    let started = timeout(START_LIMIT, request.start()).await;
    started.unwrap_or_else(|_| Err(TestcontainersError::other(format!("not within {START_LIMIT:?}"))))
}

/// An error with what is behind it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        next = source.source();
    }
    said
}
