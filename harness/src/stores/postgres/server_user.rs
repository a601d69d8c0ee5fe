//! Whom the server runs as: it refuses root.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::PostgresError;
use super::binaries::is_root;

/// In the place of root.
const SERVER_USER: &str = "postgres";

/// Whom the server runs as.
#[derive(Clone, Copy, Debug)]
pub(super) enum ServerUser {
    /// Whoever we are.
    Oneself,
    /// A user and group in the place of root, whom the server refuses.
    InPlaceOfRoot(u32, u32),
}

impl ServerUser {
    pub(super) fn of_this_process() -> Result<ServerUser, PostgresError> {
        if !is_root() {
            return Ok(ServerUser::Oneself);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let ids = fields
            .filter(|fields| fields.first() == Some(&SERVER_USER))
            .find_map(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)));
        let (uid, gid) = ids.ok_or_else(|| {
            PostgresError::Absent(format!(
                "the server refuses root, and there is no user '{SERVER_USER}' to run it as (useradd {SERVER_USER})"
            ))
        })?;
        Ok(ServerUser::InPlaceOfRoot(uid, gid))
    }

    /// The user and group, where it is not us.
    pub(super) fn ids(self) -> Option<(u32, u32)> {
        match self {
            ServerUser::Oneself => None,
            ServerUser::InPlaceOfRoot(uid, gid) => Some((uid, gid)),
        }
    }

    /// Has them run a command.
    pub(super) fn runs(self, command: &mut Command) -> &mut Command {
        match self {
            ServerUser::Oneself => command,
            ServerUser::InPlaceOfRoot(uid, gid) => command.uid(uid).gid(gid),
        }
    }
}
