//! A database and a role of its own for one embedded target, given back when it ends.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use super::{PostgresError, Server};
use crate::host;
use crate::leak::random_code;
use crate::stores::made::{Entry, Made};
use crate::target::Secret;

/// What the names of databases and their owners begin with.
const PREFIX: &str = "watertight_";

/// A database lent to one target.
#[derive(Debug)]
pub struct Lent {
    name: String,
    password: String,
    admin: PgConnectOptions,
    /// Where the server outlives the run.
    entry: Option<Entry>,
}

impl Server {
    /// Lends an empty database, and the role that owns it and may make further roles.
    pub async fn lend(&self) -> Result<Lent, PostgresError> {
        let refused = |action| move |source| PostgresError::Refused { action, source };
        let run = self.run.id().to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let name = format!("{PREFIX}{run:.30}_{}", random_code(8));
        let password = random_code(24);
        let mut admin = self.admin.connect().await.map_err(refused("connect to PostgreSQL"))?;
        let entry = if self.outlives {
            Some(Entry::of(self.run, Made::Database { server: self.address(), name: name.clone() })?)
        } else {
            None
        };
        for statement in [
            format!("CREATE ROLE {name} LOGIN CREATEROLE NOSUPERUSER PASSWORD '{password}'"),
            format!("GRANT {name} TO CURRENT_USER"),
            format!("CREATE DATABASE {name} OWNER {name}"),
        ] {
            admin.execute(AssertSqlSafe(statement)).await.map_err(refused("make a database"))?;
        }
        admin.close().await.map_err(refused("leave PostgreSQL"))?;
        Ok(Lent { name, password, admin: self.admin.clone(), entry })
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
        let (admin, name, entry) = (self.admin.clone(), self.name.clone(), self.entry.take());
        // What fails here goes with the server, or stands in the record.
        host::afterwards(async move {
            let Ok(mut admin) = admin.connect().await else { return };
            if remove(&mut admin, &name).await.is_ok()
                && let Some(entry) = entry
            {
                entry.strike();
            }
            admin.close().await.ok();
        });
    }
}

/// Removes a database and the roles made for it: those that own or may do something in it and nowhere else, and those
/// that its owner is a member of. It can be called again where it was broken off.
pub(super) async fn remove(admin: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    const ROLES: &str = "
        SELECT r.rolname::text FROM pg_roles r WHERE NOT r.rolsuper AND r.rolname <> current_user
            AND NOT starts_with(r.rolname::text, 'pg_') AND (r.rolname = $1 OR r.oid IN (
                SELECT s.refobjid FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
                WHERE d.datname = $1 AND s.refclassid = 'pg_authid'::regclass
                UNION SELECT m.roleid FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.member
                WHERE o.rolname = $1))
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
