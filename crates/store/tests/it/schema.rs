//! Both engines end with the same schema.

use std::collections::{BTreeMap, BTreeSet};

use store::db::{Engine, Tx};
use store::{Fault, Store, args};
use testkit::Database;

/// A schema in the words of both engines.
#[derive(Debug, PartialEq, Eq, Default)]
struct Table {
    /// Name, type, and whether it takes NULL, in their order.
    columns: Vec<(String, String, bool)>,
    primary: Vec<String>,
    /// Unique or not, columns, and whether only some rows are in it.
    indexes: BTreeSet<(bool, Vec<String>, bool)>,
    /// Columns, parent, its columns, and what happens when the parent goes.
    parents: BTreeSet<(Vec<String>, String, Vec<String>, String)>,
}

type Schema = BTreeMap<String, Table>;

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_end_with_the_same_schema() {
    let Some(postgres) = Database::postgres() else {
        return;
    };
    let sqlite = Database::sqlite();
    let (sqlite, postgres) = (schema_of(&sqlite).await, schema_of(&postgres).await);
    assert!(sqlite.contains_key("meta"), "{sqlite:#?}");
    assert_eq!(
        sqlite.keys().collect::<Vec<_>>(),
        postgres.keys().collect::<Vec<_>>()
    );
    for (name, table) in &sqlite {
        assert_eq!(
            Some(table),
            postgres.get(name),
            "table {name}, SQLite left, PostgreSQL right"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_in_postgresql_is_compared_byte_by_byte() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = Store::open(database.url()).await.expect("it opens");
    const OTHERS: &str = "SELECT table_name || '.' || column_name FROM information_schema.columns
        WHERE table_schema = current_schema() AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'";
    let others = store.db().read(|tx| words(tx, OTHERS, ""));
    assert_eq!(
        others.await.expect("read"),
        Vec::<String>::new(),
        "columns without COLLATE \"C\""
    );
}

#[tokio::test]
async fn every_table_in_sqlite_is_strict() {
    let database = Database::sqlite();
    let store = Store::open(database.url()).await.expect("it opens");
    const OTHERS: &str = "SELECT name FROM pragma_table_list
        WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%'";
    let others = store.db().read(|tx| words(tx, OTHERS, ""));
    assert_eq!(
        others.await.expect("read"),
        Vec::<String>::new(),
        "tables without STRICT"
    );
}

async fn schema_of(database: &Database) -> Schema {
    let store = Store::open(database.url()).await.expect("it opens");
    let schema = match store.db().engine() {
        Engine::Sqlite => store.db().read(in_sqlite).await,
        Engine::Postgres => store.db().read(in_postgres).await,
    };
    schema.expect("the schema is read")
}

fn in_sqlite(tx: &mut Tx<'_>) -> Result<Schema, Fault> {
    let mut schema = Schema::new();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    for name in words(tx, tables, "")? {
        let mut table = Table::default();
        let columns = "SELECT name, type, \"notnull\" FROM pragma_table_info($1) ORDER BY cid";
        for row in tx.query(columns, args![&name])? {
            let kind = match row.text(1)? {
                "INTEGER" => "Int",
                "TEXT" => "Text",
                "BLOB" => "Blob",
                other => other,
            };
            table
                .columns
                .push((row.text(0)?.to_owned(), kind.to_owned(), row.int(2)? == 0));
        }
        table.primary = words(
            tx,
            "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk",
            &name,
        )?;
        let indexes =
            "SELECT name, \"unique\", partial FROM pragma_index_list($1) WHERE origin <> 'pk'";
        for row in tx.query(indexes, args![&name])? {
            let columns = words(
                tx,
                "SELECT name FROM pragma_index_info($1) ORDER BY seqno",
                row.text(0)?,
            )?;
            table.indexes.insert((row.flag(1)?, columns, row.flag(2)?));
        }
        let parents = "SELECT DISTINCT id, \"table\", on_delete FROM pragma_foreign_key_list($1)";
        for row in tx.query(parents, args![&name])? {
            let mut sides = (Vec::new(), Vec::new());
            let columns = "SELECT \"from\", \"to\" FROM pragma_foreign_key_list($1) WHERE id = $2 ORDER BY seq";
            for pair in tx.query(columns, args![&name, row.int(0)?])? {
                sides.0.push(pair.text(0)?.to_owned());
                sides.1.push(
                    pair.opt_text(1)?
                        .unwrap_or("its parent's columns are not named")
                        .to_owned(),
                );
            }
            table.parents.insert((
                sides.0,
                row.text(1)?.to_owned(),
                sides.1,
                row.text(2)?.to_owned(),
            ));
        }
        schema.insert(name, table);
    }
    Ok(schema)
}

fn in_postgres(tx: &mut Tx<'_>) -> Result<Schema, Fault> {
    const TABLES: &str = "SELECT relname FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'";
    const COLUMNS: &str =
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
        WHERE attrelid = CAST($1 AS regclass) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    const INDEXES: &str = "SELECT CAST(indexrelid AS BIGINT), indisunique, indpred IS NOT NULL, indisprimary FROM pg_index
        WHERE indrelid = CAST($1 AS regclass)";
    const INDEXED: &str = "SELECT attname FROM pg_index, unnest(indkey) WITH ORDINALITY AS key(number, place), pg_attribute
        WHERE CAST(indexrelid AS BIGINT) = CAST($1 AS BIGINT) AND attrelid = indrelid AND attnum = key.number
        ORDER BY key.place";
    const PARENTS: &str = "SELECT CAST(oid AS BIGINT), CAST(CAST(confrelid AS regclass) AS TEXT), CAST(confdeltype AS TEXT)
        FROM pg_constraint WHERE conrelid = CAST($1 AS regclass) AND contype = 'f'";
    const HERE: &str = "SELECT attname FROM pg_constraint c, unnest(conkey) WITH ORDINALITY AS key(number, place), pg_attribute
        WHERE CAST(c.oid AS BIGINT) = CAST($1 AS BIGINT) AND attrelid = conrelid AND attnum = key.number ORDER BY key.place";
    const THERE: &str = "SELECT attname FROM pg_constraint c, unnest(confkey) WITH ORDINALITY AS key(number, place), pg_attribute
        WHERE CAST(c.oid AS BIGINT) = CAST($1 AS BIGINT) AND attrelid = confrelid AND attnum = key.number ORDER BY key.place";

    let mut schema = Schema::new();
    for name in words(tx, TABLES, "")? {
        let mut table = Table::default();
        for row in tx.query(COLUMNS, args![&name])? {
            let kind = match row.text(1)? {
                "bigint" => "Int",
                "text" => "Text",
                "bytea" => "Blob",
                other => other,
            };
            table
                .columns
                .push((row.text(0)?.to_owned(), kind.to_owned(), !row.flag(2)?));
        }
        for row in tx.query(INDEXES, args![&name])? {
            let columns = words(tx, INDEXED, &row.int(0)?.to_string())?;
            if row.flag(3)? {
                table.primary = columns;
            } else {
                table.indexes.insert((row.flag(1)?, columns, row.flag(2)?));
            }
        }
        for row in tx.query(PARENTS, args![&name])? {
            let id = row.int(0)?.to_string();
            let rule = match row.text(2)? {
                "a" => "NO ACTION",
                "c" => "CASCADE",
                "r" => "RESTRICT",
                "n" => "SET NULL",
                other => other,
            };
            let (here, there) = (words(tx, HERE, &id)?, words(tx, THERE, &id)?);
            table
                .parents
                .insert((here, row.text(1)?.to_owned(), there, rule.to_owned()));
        }
        schema.insert(name, table);
    }
    Ok(schema)
}

/// The first column of an answer; `about` is `$1`, if there is one.
fn words(tx: &mut Tx<'_>, sql: &'static str, about: &str) -> Result<Vec<String>, Fault> {
    let rows = if sql.contains("$1") {
        tx.query(sql, args![about])?
    } else {
        tx.query(sql, &[])?
    };
    rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
}
