//! The schema: whose it is, and how an older one is brought up to date.

use crate::records::RecordsError;
use crate::records::postgres::db::Tx;
use crate::records::postgres::db::column;

/// The steps from an empty schema to the newest; the version is the number of steps taken.
const STEPS: [&str; 3] =
    [include_str!("schema.sql"), include_str!("schema2.sql"), include_str!("schema3.sql")];

/// What stands in the marker of a schema that is ours.
const APPLICATION: &str = "countersign";

/// Steps may take longer than a statement of a call may; one node waits for another's steps.
const PATIENCE: &str = "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '10min'";

const MARKER: &str = "CREATE TABLE IF NOT EXISTS countersign_schema (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    application TEXT NOT NULL,
    version     INTEGER NOT NULL
)";

/// Brings the schema up to date, in the transaction at hand. Nodes that start together do it one by one.
pub(super) async fn migrate(tx: &Tx) -> Result<(), RecordsError> {
    tx.script(PATIENCE).await?;
    let lock = "SELECT pg_advisory_xact_lock(hashtext($1), hashtext(current_schema()))::text";
    tx.row(lock, &[&APPLICATION]).await?;
    let version = reached(tx).await?;
    let Some(steps) = usize::try_from(version).ok().and_then(|version| STEPS.get(version..)) else {
        return Err(RecordsError::Unavailable(format!(
            "the database has schema {version}, this release knows {}",
            STEPS.len()
        )));
    };
    if steps.is_empty() {
        return Ok(());
    }
    tx.script(MARKER).await?;
    for step in steps {
        tx.script(step).await?;
    }
    let version = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    let mark = "INSERT INTO countersign_schema VALUES (1, $1, $2)
                ON CONFLICT (id) DO UPDATE SET version = $2";
    tx.execute(mark, &[&APPLICATION, &version]).await?;
    Ok(())
}

/// The version reached: 0 in an empty schema. A schema with tables of somebody else is refused.
async fn reached(tx: &Tx) -> Result<i32, RecordsError> {
    let tables = "SELECT current_schema()::text AS schema, count(*) AS tables,
                  coalesce(bool_or(tablename = 'countersign_schema'), FALSE) AS marked
                  FROM pg_tables WHERE schemaname = current_schema()";
    let found = tx.row(tables, &[]).await?;
    let found = found.ok_or_else(|| RecordsError::Corrupt("schema".into()))?;
    let Some(schema) = column::<Option<String>>(&found, "schema")? else {
        return Err(RecordsError::Unavailable(
            "the schema in search_path does not exist, or this user may not use it: create it"
                .into(),
        ));
    };
    let foreign = || {
        let what = format!(
            "schema {schema}: its tables are not Countersign's; name an empty schema or database"
        );
        RecordsError::Corrupt(what)
    };
    if !column::<bool>(&found, "marked")? {
        let empty = column::<i64>(&found, "tables")? == 0;
        return if empty { Ok(0) } else { Err(foreign()) };
    }
    let marker = tx.row("SELECT application, version FROM countersign_schema", &[]).await?;
    let marker = marker.ok_or_else(foreign)?;
    if column::<String>(&marker, "application")? != APPLICATION {
        return Err(foreign());
    }
    column(&marker, "version")
}
