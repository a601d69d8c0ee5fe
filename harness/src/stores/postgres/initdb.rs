//! What `initdb` makes, once for all clusters of a run: each begins with a copy, which takes a tenth of the time.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::binaries::{self, Binaries};
use super::server_user::ServerUser;
use super::{ADMIN, PostgresError, failed};
use crate::leak::random_code;
use crate::reaper::Quarters;
use crate::run::Run;
use crate::stores::shared;

/// The data in a cluster's folder, and in that of their model.
pub(super) const DATA: &str = "data";

/// A data folder that no server runs in.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DataFolder {
    folder: PathBuf,
    /// The superuser's, in every copy.
    pub(super) password: String,
}

impl DataFolder {
    /// The run's: found where there is one, otherwise made.
    pub(super) async fn of_run(
        run: &'static Run,
        quarters: &Quarters,
        binaries: Binaries,
    ) -> Result<DataFolder, PostgresError> {
        let here = quarters.folder().to_owned();
        let lives = move |made: &DataFolder| made.folder.starts_with(&here) && made.folder.exists();
        let folder = quarters.folder().join(format!("initdb-{}", random_code(8)));
        shared::of_run(run, "initdb", lives, async move {
            let password = random_code(24);
            make(&binaries, &folder, &password).await.inspect_err(|_| {
                fs::remove_dir_all(&folder).ok();
            })?;
            Ok(DataFolder { folder, password })
        })
        .await
    }

    /// Puts a copy where a cluster is to have its data.
    pub(super) async fn copy_to(&self, data: &Path) -> Result<(), PostgresError> {
        let mut copy = Command::new("cp");
        copy.arg("-Rp").arg(self.folder.join(DATA)).arg(data);
        binaries::run(&mut copy, "copying what initdb made").await
    }
}

async fn make(binaries: &Binaries, folder: &Path, password: &str) -> Result<(), PostgresError> {
    let user = ServerUser::of_this_process()?;
    fs::create_dir(folder).map_err(failed("create", folder))?;
    fs::set_permissions(folder, Permissions::from_mode(0o711)).map_err(failed("open", folder))?;
    let (data, secret) = (folder.join(DATA), folder.join("password"));
    fs::create_dir(&data).map_err(failed("create", &data))?;
    fs::set_permissions(&data, Permissions::from_mode(0o700)).map_err(failed("close", &data))?;
    let mut file = File::create(&secret).map_err(failed("create", &secret))?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed("close", &secret))?;
    writeln!(file, "{password}").map_err(failed("write", &secret))?;
    if let Some((uid, gid)) = user.ids() {
        for path in [&data, &secret] {
            chown(path, Some(uid), Some(gid)).map_err(failed("give away", path))?;
        }
    }
    let mut initdb = std::process::Command::new(binaries.program("initdb"));
    initdb.current_dir(folder).arg("-D").arg(&data).arg("--pwfile").arg(&secret);
    initdb.args(["-U", ADMIN, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
    // In plain text, which goes no further than loopback. To prove that one knows the password without saying it takes the
    // client 4,096 rounds of a hash, longer than most queries, and every embedded target opens a dozen connections.
    // Containers keep what their image does.
    initdb.args(["-A", "password"]);
    user.runs(&mut initdb);
    binaries::run(&mut initdb.into(), "initdb").await?;
    fs::remove_file(&secret).map_err(failed("remove", &secret))
}
