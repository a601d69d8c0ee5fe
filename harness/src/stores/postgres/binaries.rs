//! PostgreSQL's programs on this machine: found, or installed where that needs no question.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::PostgresError;

/// Where distributions put versions side by side; a star stands for the version.
const PLACES: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/opt/local/lib/postgresql*/bin",
];
/// Debian's settings for the clusters it makes by itself.
const CREATECLUSTER: &str = "/etc/postgresql-common/createcluster.conf";
/// What a tool said last, as far as it is shown.
const SHOWN: usize = 600;

/// The folder of the programs.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// The machine's programs: those on the PATH, otherwise the newest in a usual place.
    pub(super) fn found() -> Option<Binaries> {
        find()
    }

    /// The machine's programs, otherwise the system's package where installing it needs no question.
    pub(super) async fn at_hand() -> Result<Binaries, PostgresError> {
        if let Some(found) = find() {
            return Ok(found);
        }
        let install = Install::unasked(is_root(), env::var_os("CI").is_some(), on_path("apt-get").is_some());
        let install = install.map_err(|why| PostgresError::Absent(why.to_owned()))?;
        // Without a network, for instance: then there is none, and what does not need it goes on.
        install.run().await.map_err(|error| {
            PostgresError::Absent(format!("there is no initdb, and installing it failed: {error}"))
        })?;
        find().ok_or_else(|| {
            PostgresError::Absent("the package postgresql is installed and has no initdb".to_owned())
        })
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn find() -> Option<Binaries> {
    let has_both = |folder: &Path| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).find(|folder| has_both(folder));
    let usual = || {
        let mut folders: Vec<PathBuf> = PLACES.iter().flat_map(|place| matching(place)).collect();
        folders.retain(|folder| has_both(folder));
        folders.into_iter().max_by_key(|folder| version(folder))
    };
    on_path.or_else(usual).map(|folder| Binaries { folder })
}

/// The folders that a place with at most one star stands for.
fn matching(place: &str) -> Vec<PathBuf> {
    let Some((head, tail)) = place.split_once('*') else { return vec![PathBuf::from(place)] };
    let (parent, prefix) = head.rsplit_once('/').unwrap_or(("", head));
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    named.map(|entry| entry.path().join(tail.trim_start_matches('/'))).collect()
}

/// The version in a path, as a number to compare by.
fn version(folder: &Path) -> u32 {
    let text = folder.to_string_lossy();
    let number: String =
        text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    number.parse().unwrap_or_default()
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join(program)).find(|program| program.is_file())
}

/// Whether this process may do anything: then the server refuses to be started by it.
pub(super) fn is_root() -> bool {
    // Whoever makes a file owns it.
    tempfile::tempfile().and_then(|file| file.metadata()).is_ok_and(|file| file.uid() == 0)
}

/// Installing the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Install {
    sudo: bool,
}

impl Install {
    /// How the package is installed where nobody needs to be asked: by root, and in CI.
    fn unasked(root: bool, ci: bool, apt: bool) -> Result<Install, &'static str> {
        match (root, ci, apt) {
            (true, _, true) => Ok(Install { sudo: false }),
            (false, true, true) => Ok(Install { sudo: true }),
            (_, _, true) => Err("there is no initdb, and installing it takes a password"),
            _ => Err("there is no initdb, and no apt-get to install it with"),
        }
    }

    async fn run(self) -> Result<(), PostgresError> {
        println!("PostgreSQL: not on this machine, installing the package postgresql with apt-get");
        // Debian would make a cluster of its own and start it.
        self.shell(&format!(
            "mkdir -p /etc/postgresql-common && {{ [ -e {CREATECLUSTER} ] || echo 'create_main_cluster = false' > {CREATECLUSTER}; }}"
        ))
        .await?;
        let install = "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold postgresql";
        if self.shell(install).await.is_err() {
            self.shell(&format!("apt-get update && {install}")).await?;
        }
        Ok(())
    }

    async fn shell(self, script: &str) -> Result<(), PostgresError> {
        let mut command = if self.sudo {
            let mut command = Command::new("sudo");
            command.args(["-n", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        run(command.args(["-c", script]), "apt-get install postgresql").await
    }
}

/// Runs a program to its end; what it said last goes into the error.
pub(super) async fn run(command: &mut Command, what: &str) -> Result<(), PostgresError> {
    let failed = |said: String| PostgresError::Tool { what: what.to_owned(), said };
    let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let from = said.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
    Err(failed(format!("{}, {}", output.status, said[from..].trim())))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Install, version};

    #[test]
    fn the_package_is_installed_only_where_nobody_needs_to_be_asked() {
        assert_eq!(Install::unasked(true, false, true), Ok(Install { sudo: false }));
        assert_eq!(Install::unasked(false, true, true), Ok(Install { sudo: true }));
        assert!(Install::unasked(false, false, true).unwrap_err().contains("password"));
        assert!(Install::unasked(true, true, false).unwrap_err().contains("no apt-get"));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let of = |path: &str| version(Path::new(path));
        assert!(of("/usr/lib/postgresql/9/bin") < of("/usr/lib/postgresql/15/bin"));
        assert_eq!(of("/opt/homebrew/opt/postgresql@17/bin"), 17);
    }
}
