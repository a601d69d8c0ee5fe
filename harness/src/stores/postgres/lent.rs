//! A database and a role of its own for one embedded target, given back when it ends.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use super::{PostgresError, Server};
use crate::host;
use crate::leak::random_code;
use crate::target::Secret;

/// What the harness makes on a server bears this name, and nothing else is ever removed there.
const PREFIX: &str = "watertight_";
/// Held while a database is made and entered, so that no one takes it for left behind (`pg_advisory_lock`).
const MAKING: &str = "SELECT pg_advisory_lock(7301998141)";

/// A database lent to one target.
#[derive(Debug)]
pub struct Lent {
    name: String,
    password: String,
    admin: PgConnectOptions,
    /// Says to everybody else that it is in use.
    _keeper: PgConnection,
}

impl Server {
    /// Lends an empty database, and the role that owns it and may make further roles.
    pub async fn lend(&self) -> Result<Lent, PostgresError> {
        let refused = |action| move |source| PostgresError::Refused { action, source };
        let run = self.run.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let name = format!("{PREFIX}{run:.30}_{}", random_code(8));
        let password = random_code(24);
        let mut admin = self.admin.connect().await.map_err(refused("connect to PostgreSQL"))?;
        admin.execute(MAKING).await.map_err(refused("take a lock"))?;
        for statement in [
            format!("CREATE ROLE {name} LOGIN CREATEROLE NOSUPERUSER PASSWORD '{password}'"),
            format!("GRANT {name} TO CURRENT_USER"),
            format!("CREATE DATABASE {name} OWNER {name}"),
        ] {
            admin.execute(AssertSqlSafe(statement)).await.map_err(refused("make a database"))?;
        }
        let keeper = self.admin.clone().database(&name).application_name("watertight keeper");
        let keeper = keeper.connect().await.map_err(refused("enter a database"))?;
        // With the session the lock goes.
        admin.close().await.map_err(refused("leave PostgreSQL"))?;
        Ok(Lent { name, password, admin: self.admin.clone(), _keeper: keeper })
    }

    /// Removes the databases that a run left on a server that outlives it: those of ours that nobody is in.
    pub(super) async fn reclaim(&self) -> Result<(), PostgresError> {
        const IDLE: &str = "
            SELECT datname::text FROM pg_database d
            WHERE starts_with(datname::text, $1) AND pg_has_role(d.datdba, 'MEMBER')
                AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)";
        let refused = |source| PostgresError::Refused { action: "look for databases left behind", source };
        let mut admin = self.admin.connect().await.map_err(refused)?;
        admin.execute(MAKING).await.map_err(refused)?;
        let idle: Vec<String> =
            sqlx::query_scalar(IDLE).bind(PREFIX).fetch_all(&mut admin).await.map_err(refused)?;
        for name in idle {
            remove(&mut admin, &name).await.map_err(refused)?;
        }
        admin.close().await.map_err(refused)
    }
}

impl Lent {
    /// Its name; roles that were made for it are removed with it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For the target: as the role that owns the database, is no superuser, and may make roles.
    pub fn url(&self) -> Secret {
        let options = self.admin.clone().database(&self.name).username(&self.name).password(&self.password);
        Secret::new(options.to_url_lossy().to_string())
    }

    /// For the harness: as whoever made it, and sees past the target's row level security.
    pub fn admin_url(&self) -> Secret {
        Secret::new(self.admin.clone().database(&self.name).to_url_lossy().to_string())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Ok(runtime) = host::handle() else { return };
        let (admin, name) = (self.admin.clone(), self.name.clone());
        // What fails here goes with the cluster, or is reclaimed by the next run on the server.
        runtime.spawn(async move {
            if let Ok(mut admin) = admin.connect().await {
                remove(&mut admin, &name).await.ok();
                admin.close().await.ok();
            }
        });
    }
}

/// Removes a database and the roles made for it: those that own or may do something in it and nowhere else.
async fn remove(admin: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    const ROLES: &str = "
        SELECT r.rolname::text FROM pg_roles r WHERE NOT r.rolsuper AND r.rolname <> current_user
            AND NOT starts_with(r.rolname::text, 'pg_') AND (r.rolname = $1 OR r.oid IN (
                SELECT s.refobjid FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
                WHERE d.datname = $1 AND s.refclassid = 'pg_authid'::regclass))
        ORDER BY r.rolname = $1";
    let roles: Vec<String> = sqlx::query_scalar(ROLES).bind(name).fetch_all(&mut *admin).await?;
    admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))).await?;
    for role in roles {
        // One that stands in other databases too is somebody else's, and stays.
        let statement = format!("DROP ROLE IF EXISTS \"{}\"", role.replace('"', "\"\""));
        admin.execute(AssertSqlSafe(statement)).await.ok();
    }
    Ok(())
}
