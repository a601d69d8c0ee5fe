//! What ends a cluster when the last process that uses it has gone, however it went: a shell that looks.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::PostgresError;
use crate::run;

/// The folder of a cluster in which its users stand.
const USERS: &str = "users";

/// `$1` is the cluster's folder, `$2` its record. Closing is a rename, so that whoever comes at that very moment either
/// is seen or finds the door closed.
const SCRIPT: &str = r#"
cd / || exit 1
used() {
    for user in "$1"/*; do
        [ -e "$user" ] && kill -0 "${user##*/}" 2>/dev/null && return 0
    done
    return 1
}
while [ -d "$1" ]; do
    if ! used "$1/users"; then
        mv "$1/users" "$1/closed" || break
        used "$1/closed" || break
        mv "$1/closed" "$1/users"
    fi
    sleep 0.5
done
if read -r postmaster <"$1/data/postmaster.pid"; then
    kill -QUIT "$postmaster"
    tries=0
    while [ -e "$1/data/postmaster.pid" ] && [ $tries -lt 50 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    [ -e "$1/data/postmaster.pid" ] && kill -KILL "$postmaster"
fi
rm -rf "$1"
[ -d "$1" ] && sleep 1 && rm -rf "$1"
rm -f "$2"
"#;

/// Opens the door of a cluster that is being made, with this process inside, and sets the warden before it. Gives its
/// pid.
pub(super) fn set(folder: &Path, record: &Path) -> Result<u32, PostgresError> {
    let users = folder.join(USERS);
    let failed = |source| PostgresError::Folder { action: "create", path: users.clone(), source };
    fs::create_dir(&users).map_err(failed)?;
    enter(folder).map_err(failed)?;
    let mut warden = Command::new("sh");
    warden.args(["-c", SCRIPT, "watertight-warden"]).arg(folder).arg(record);
    warden.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // In a group of its own: Ctrl-C ends us, and it must outlive us.
    let warden = warden.process_group(0).spawn();
    let failed = |error: std::io::Error| PostgresError::Tool {
        what: "starting the cluster's warden (sh)".to_owned(),
        said: error.to_string(),
    };
    warden.map(|warden| warden.id()).map_err(failed)
}

/// Enters this process as a user of a cluster, and cargo, whose next process will be one. Fails where the cluster ends.
pub(super) fn enter(folder: &Path) -> std::io::Result<()> {
    for pid in [Some(std::process::id()), run::keeper()].into_iter().flatten() {
        File::create(folder.join(USERS).join(pid.to_string()))?;
    }
    Ok(())
}

/// Whether some user of a cluster is alive.
pub(super) fn is_used(folder: &Path) -> bool {
    let users = fs::read_dir(folder.join(USERS)).into_iter().flatten().flatten();
    let pids = users.filter_map(|user| user.file_name().to_str()?.parse().ok());
    pids.into_iter().any(|pid: u32| run::started(pid).is_some())
}
