//! What tables there are, with the columns by which a row is known and by which it belongs to somebody.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use sqlx::postgres::PgConnection;

/// Every schema that is not PostgreSQL's own, and its tables: the columns of each that may hold owners, and those of its
/// primary key. A schema without tables has one line, in which there is none.
const TABLES: &str = "
    SELECT n.nspname::text, c.relname::text,
        ARRAY(SELECT a.attname::text FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY($1)),
        ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY(i.indkey)
            ORDER BY array_position(i.indkey::int2[], a.attnum))
    FROM pg_namespace n
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY 1, 2";

/// A line of it: schema, table, owners, key.
type Line = (String, Option<String>, Vec<String>, Vec<String>);

/// The tables and schemas of a database at one moment.
pub(super) struct Catalog {
    pub(super) schemas: Vec<String>,
    pub(super) relations: Vec<Relation>,
}

/// A table.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) table: String,
    /// The columns that may hold owners.
    pub(super) owners: Vec<String>,
    key: Vec<String>,
}

impl Catalog {
    pub(super) async fn read(
        connection: &mut PgConnection,
        owners: &[String],
    ) -> Result<Catalog, sqlx::Error> {
        let lines: Vec<Line> = sqlx::query_as(TABLES).bind(owners).fetch_all(connection).await?;
        let mut schemas: Vec<String> = lines.iter().map(|(schema, ..)| schema.clone()).collect();
        schemas.dedup();
        let relations = lines
            .into_iter()
            .filter_map(|(schema, table, owners, key)| Some(Relation { schema, table: table?, owners, key }))
            .collect();
        Ok(Catalog { schemas, relations })
    }
}

impl Relation {
    /// Its name as SQL takes it.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.table))
    }

    /// The condition under which a row `x` belongs to one of the patterns `$1`.
    pub(super) fn belongs(&self) -> String {
        let columns = self.owners.iter().map(|owner| format!("x.{}::text LIKE ANY($1)", identifier(owner)));
        columns.collect::<Vec<_>>().join(" OR ")
    }

    /// A row's name: its table and its primary key; all of it where there is no key.
    pub(super) fn name_of(&self, row: &Value) -> String {
        let key: BTreeMap<&str, &Value> =
            self.key.iter().filter_map(|column| Some((column.as_str(), row.get(column)?))).collect();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let key = match key.len() {
            0 => row.to_string(),
            _ => self.key.iter().filter_map(|column| row.get(column)).map(text).collect::<Vec<_>>().join(" "),
        };
        format!("{self} {key}")
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// A name as SQL takes it, whatever stands in it.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The LIKE pattern of whatever holds a string.
pub(super) fn pattern(text: &str) -> String {
    format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}
