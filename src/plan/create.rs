//! A new table: CREATE TABLE, and the comments that keep the source paths.

use super::dialect::{MAX_COLUMNS, postgres, redshift};
use super::statement::{Class, Lock, Plan, Statement};
use super::{CreateOptions, Dialect, NotNull, PgType, TableName, comment, comment_of, fit, identifier, literal};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Schema;

impl Plan {
    /// Plans a new table with the dialect's defaults. `table` is written as for [`TableName`].
    ///
    /// What the dialect cannot hold is first made into what it can ([`fit`]). Every name is quoted, so reserved words
    /// and hostile names are only names. The same schema gives the same text.
    ///
    /// # Errors
    ///
    /// As [`Plan::create_with`].
    pub fn create(schema: &Schema, dialect: Dialect, table: &str) -> Result<Plan> {
        Plan::create_with(schema, table, &CreateOptions::new(dialect))
    }

    /// Plans a new table.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for a wrong table name, an option of the other dialect, or a key or encoding that
    /// its column cannot have; [`Unsupported`](ErrorKind::Unsupported) for more than 1,600 columns, none at all on
    /// Redshift, and a statement longer than the dialect's limit (16 MiB on Redshift).
    pub fn create_with(schema: &Schema, table: &str, options: &CreateOptions) -> Result<Plan> {
        options.check()?;
        let dialect = options.dialect;
        let table = TableName::parse(table, dialect)?;
        check_count(schema, dialect)?;
        let fitted = fit(schema, dialect);
        let (types, attributes, warnings) = match dialect {
            Dialect::Postgres => {
                let types = fitted.columns.iter().map(|column| PgType::of(column.ty, options.json).to_string());
                let warning = postgres::wide_row(&fitted.columns, options.json);
                (types.collect(), String::new(), warning.into_iter().collect())
            }
            Dialect::Redshift => {
                let clauses = redshift::clauses(&fitted, &options.redshift)?;
                (clauses.columns, clauses.attributes, clauses.warnings)
            }
        };
        let mut statements = vec![create_table(&fitted, &table, &types, &attributes, options)];
        if options.comments {
            statements.push(comment_on(format!("TABLE {table}"), comment::ON_TABLE, dialect, "marks the table".into()));
            for column in &fitted.columns {
                let on = format!("COLUMN {table}.{}", identifier(&column.name));
                let why = format!("keeps the source path of `{}`", column.path);
                statements.push(comment_on(on, &comment_of(&column.path), dialect, why));
            }
            if !options.if_not_exists {
                // Nobody else sees the table yet.
                statements.iter_mut().for_each(|statement| statement.lock = None);
            }
        }
        check_length(&statements, dialect)?;
        Ok(Plan { statements, warnings })
    }
}

fn create_table(
    schema: &Schema,
    table: &TableName,
    types: &[String],
    attributes: &str,
    options: &CreateOptions,
) -> Statement {
    let lines = schema.columns.iter().zip(types).map(|(column, ty)| {
        let required = options.not_null == NotNull::Observed && !column.nullable;
        format!("\n    {} {ty}{}", identifier(&column.name), if required { " NOT NULL" } else { "" })
    });
    let body = lines.collect::<Vec<_>>().join(",");
    let unless = if options.if_not_exists { "IF NOT EXISTS " } else { "" };
    Statement {
        sql: format!("CREATE TABLE {unless}{table} ({body}\n){attributes}"),
        class: Class::Create,
        lock: None,
        in_transaction: true,
        why: format!("a new table of {} columns", schema.columns.len()),
    }
}

/// A COMMENT statement; `on` is SQL. The lock is Postgres's; what Redshift takes is not documented.
pub(super) fn comment_on(on: String, text: &str, dialect: Dialect, why: String) -> Statement {
    Statement {
        sql: format!("COMMENT ON {on} IS {}", literal(text, dialect)),
        class: Class::Comment,
        lock: (dialect == Dialect::Postgres).then_some(Lock::ShareUpdateExclusive),
        in_transaction: true,
        why,
    }
}

fn check_count(schema: &Schema, dialect: Dialect) -> Result<()> {
    let n = schema.columns.len();
    if n > MAX_COLUMNS {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("the schema has {n} columns, a table in {dialect} at most {MAX_COLUMNS}"),
        )
        .with_hint("set a column budget: the fields past it go into one json column"));
    }
    if n == 0 && dialect == Dialect::Redshift {
        return Err(Error::new(ErrorKind::Unsupported, "the schema has no column, and redshift makes no empty table")
            .with_hint("check that the input holds records with fields"));
    }
    Ok(())
}

pub(super) fn check_length(statements: &[Statement], dialect: Dialect) -> Result<()> {
    let limit = dialect.statement_limit();
    match statements.iter().map(|statement| statement.sql.len()).find(|&length| length > limit) {
        Some(length) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("a statement of {length} bytes is needed, {dialect} takes at most {limit}"),
        )
        .with_hint("shorter field names or fewer columns make it shorter")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;
    use crate::plan::{Distribution, Encoding, JsonType, LongText, VarcharWidth};
    use crate::schema::{Column, TimeUnit, Type};

    fn schema(columns: &[(&str, Type)]) -> Schema {
        let columns = columns.iter().map(|&(name, ty)| Column::new(Path::new([name]), name, ty)).collect();
        Schema { columns, ..Schema::default() }
    }

    fn every_type() -> Schema {
        schema(&[
            ("nothing", Type::Null),
            ("b", Type::Boolean),
            ("i2", Type::Int16),
            ("i4", Type::Int32),
            ("i8", Type::Int64),
            ("d", Type::Decimal { precision: 19, scale: 2 }),
            ("f", Type::Float64),
            ("day", Type::Date),
            ("t", Type::Time),
            ("ts", Type::Timestamp(TimeUnit::Micro)),
            ("tz", Type::TimestampTz(TimeUnit::Micro)),
            ("ns", Type::TimestampTz(TimeUnit::Nano)),
            ("u", Type::Uuid),
            ("s", Type::Text),
            ("j", Type::Json),
        ])
    }

    fn bare(options: CreateOptions) -> Plan {
        Plan::create_with(&every_type(), "t", &options.with_comments(false)).unwrap()
    }

    #[test]
    fn every_type_has_its_postgres_column() {
        let sql = bare(CreateOptions::new(Dialect::Postgres)).to_string();
        assert_eq!(
            sql,
            "CREATE TABLE \"t\" (\n    \"nothing\" text,\n    \"b\" boolean,\n    \"i2\" smallint,\n    \
             \"i4\" integer,\n    \"i8\" bigint,\n    \"d\" numeric(19,2),\n    \"f\" double precision,\n    \
             \"day\" date,\n    \"t\" time,\n    \"ts\" timestamp,\n    \"tz\" timestamptz,\n    \"ns\" text,\n    \
             \"u\" uuid,\n    \"s\" text,\n    \"j\" jsonb\n);\n"
        );
        let json = bare(CreateOptions::new(Dialect::Postgres).with_json(JsonType::Json)).to_string();
        assert!(json.contains("\"j\" json\n"), "{json}");
    }

    #[test]
    fn every_type_has_its_redshift_column() {
        let sql = bare(CreateOptions::new(Dialect::Redshift)).to_string();
        assert_eq!(
            sql,
            "CREATE TABLE \"t\" (\n    \"nothing\" VARCHAR(256),\n    \"b\" BOOLEAN,\n    \"i2\" SMALLINT,\n    \
             \"i4\" INTEGER,\n    \"i8\" BIGINT,\n    \"d\" DECIMAL(20,2),\n    \"f\" DOUBLE PRECISION,\n    \
             \"day\" DATE,\n    \"t\" TIME,\n    \"ts\" TIMESTAMP,\n    \"tz\" TIMESTAMPTZ,\n    \
             \"ns\" VARCHAR(256),\n    \"u\" VARCHAR(36),\n    \"s\" VARCHAR(256),\n    \"j\" SUPER\n);\n"
        );
    }

    #[test]
    fn not_null_is_only_for_those_who_ask() {
        let mut schema = schema(&[("a", Type::Int16), ("b", Type::Int16)]);
        schema.columns[0].nullable = false;
        for dialect in [Dialect::Postgres, Dialect::Redshift] {
            assert!(!Plan::create(&schema, dialect, "t").unwrap().to_string().contains("NOT NULL"));
            let options = CreateOptions::new(dialect).with_not_null(NotNull::Observed).with_if_not_exists(true);
            let plan = Plan::create_with(&schema, "t", &options).unwrap();
            assert_eq!(plan.to_string().to_lowercase().matches("smallint not null").count(), 1);
            assert!(plan.to_string().starts_with("CREATE TABLE IF NOT EXISTS \"t\""));
            let lock = (dialect == Dialect::Postgres).then_some(Lock::ShareUpdateExclusive);
            assert_eq!(plan.statements[1].lock, lock, "the table may be in use");
        }
    }

    #[test]
    fn a_hostile_name_is_only_a_name_and_keeps_its_path() {
        let hostile = schema(&[("a\"; DROP TABLE b; --", Type::Text), ("it's\\", Type::Text)]);
        let postgres = Plan::create(&hostile, Dialect::Postgres, "t").unwrap();
        assert!(postgres.statements[0].sql.contains("\n    \"a\"\"; DROP TABLE b; --\" text,"));
        assert_eq!(
            postgres.statements[3].sql, r#"COMMENT ON COLUMN "t"."it's\" IS 'longshore path: ["it''s\\"]'"#,
            "one backslash of JSON, plain in the literal"
        );
        let redshift = Plan::create(&hostile, Dialect::Redshift, "t").unwrap();
        assert_eq!(
            redshift.statements[3].sql, r#"COMMENT ON COLUMN "t"."it's_" IS 'longshore path: ["it''s\\\\"]'"#,
            "doubled again, since a backslash escapes there"
        );
    }

    #[test]
    fn keys_and_encodings_are_checked_against_their_columns() {
        let plan = |options: CreateOptions| Plan::create_with(&every_type(), "t", &options.with_comments(false));
        let redshift = || CreateOptions::new(Dialect::Redshift);
        let refused = [
            redshift().with_distribution(Distribution::Key("missing".into())),
            redshift().with_distribution(Distribution::Key("j".into())),
            redshift().with_sort_key(["j"]),
            redshift().with_sort_key(["i4", "i4"]),
            redshift().with_sort_key(vec!["i4"; 401]),
            redshift().with_encoding("s", Encoding::Az64),
            redshift().with_encoding("b", Encoding::Bytedict),
            redshift().with_encoding("missing", Encoding::Raw),
            CreateOptions::new(Dialect::Postgres).with_distribution(Distribution::Even),
        ];
        for options in refused {
            let error = plan(options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.hint().is_some(), "{error}");
        }
        let made = plan(redshift().with_encoding("s", Encoding::Text255).with_sort_key(["ts", "i8"])).unwrap();
        assert!(made.to_string().contains("\"s\" VARCHAR(256) ENCODE TEXT255,"));
        assert!(made.to_string().ends_with(")\nCOMPOUND SORTKEY (\"ts\", \"i8\");\n"));
        assert_eq!(made.warnings.len(), 2, "never widened, and ENCODE AUTO off: {:?}", made.warnings);
    }

    #[test]
    fn limits_are_errors_before_the_server_says_so() {
        let wide = |n: usize| {
            let column = |i: usize| Column::new(Path::new([format!("c{i}")]), format!("c{i}"), Type::Boolean);
            Schema { columns: (0..n).map(column).collect(), ..Schema::default() }
        };
        for dialect in [Dialect::Postgres, Dialect::Redshift] {
            assert_eq!(Plan::create(&wide(1600), dialect, "t").unwrap().statements.len(), 1602);
            let error = Plan::create(&wide(1601), dialect, "t").unwrap_err();
            assert_eq!(error.message(), format!("the schema has 1601 columns, a table in {dialect} at most 1600"));
        }
        assert!(Plan::create(&wide(0), Dialect::Redshift, "t").is_err());
        let long = Schema {
            columns: vec![Column::new(Path::new(["x".repeat(17 << 20)]), "x", Type::Text)],
            ..Schema::default()
        };
        let error = Plan::create(&long, Dialect::Redshift, "t").unwrap_err();
        assert!(error.message().ends_with("redshift takes at most 16777216"), "{error}");
    }

    #[test]
    fn wide_text_is_warned_of_and_can_be_super() {
        let mut long = schema(&[("a", Type::Text), ("b", Type::Text)]);
        long.columns[0].max_bytes = Some(70_000);
        let plan = Plan::create(&long, Dialect::Redshift, "t").unwrap();
        assert!(plan.warnings[0].contains("`a` has values of up to 70000 bytes"), "{:?}", plan.warnings);
        assert!(plan.warnings[1].starts_with("the declared widths add up to 65791 bytes"), "{:?}", plan.warnings);
        let options = CreateOptions::new(Dialect::Redshift)
            .with_long_text(LongText::Super)
            .with_varchar_width(VarcharWidth::Tight);
        let plan = Plan::create_with(&long, "t", &options).unwrap();
        assert!(plan.to_string().contains("\"a\" SUPER,") && plan.warnings.is_empty(), "{plan:#}");
    }
}
