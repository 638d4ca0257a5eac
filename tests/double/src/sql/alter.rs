//! `ALTER TABLE`: one change a statement.

use super::create::{self, Column};
use super::cursor::Cursor;
use super::name::TableName;
use super::types::{self, Type};
use crate::refusal::Refusal;

/// What an `ALTER TABLE` changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `ADD COLUMN`
    Add(Box<Column>),
    /// `DROP COLUMN`, and whether with what depends on it.
    Drop(String, bool),
    /// `ALTER COLUMN … TYPE`
    Retype(String, Type),
    /// `ALTER COLUMN … ENCODE …`, several at once.
    Encode(Vec<(String, String)>),
    /// `ALTER DISTSTYLE` or `ALTER DISTKEY`: the new DISTKEY, if one is left.
    Distribute(Option<String>),
    /// `ALTER SORTKEY`: its columns.
    Sort(Vec<String>),
    /// `RENAME TO`
    RenameTable(String),
    /// `RENAME COLUMN … TO …`
    RenameColumn(String, String),
    /// `ADD PRIMARY KEY` or `UNIQUE`: the columns. The key is kept, and enforced by nobody.
    Key(Vec<String>),
    /// `APPEND FROM`, and whether columns that one of the two lacks are passed over.
    Append(TableName, Append),
    /// What changes nothing that the double keeps: `OWNER TO`, `ALTER ENCODE AUTO`, foreign keys.
    Nothing,
}

/// What `APPEND FROM` does about columns that only one table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// Refuses.
    Exact,
    /// `IGNOREEXTRA`: those of the source are lost.
    IgnoreExtra,
    /// `FILLTARGET`: those of the target get their default.
    FillTarget,
}

/// An `ALTER TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterTable {
    /// The table.
    pub table: TableName,
    /// What becomes of it.
    pub change: Change,
}

impl AlterTable {
    /// The words for what may not run in a block, if this is such a change.
    pub fn outside_of_blocks(&self) -> Option<&'static str> {
        match self.change {
            Change::Retype(..) => Some("ALTER TABLE ALTER COLUMN"),
            Change::Append(..) => Some("ALTER TABLE APPEND"),
            _ => None,
        }
    }
}

/// Reads what follows `ALTER TABLE`.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<AlterTable, Refusal> {
    let table = cursor.table()?;
    let change = change(cursor, &table)?;
    if cursor.peek().is_some_and(|token| token.is_mark(",")) {
        return Err(Refusal::new("0A000", "only one change is allowed in an ALTER TABLE statement"));
    }
    cursor.end()?;
    Ok(AlterTable { table, change })
}

fn change(cursor: &mut Cursor<'_>, table: &TableName) -> Result<Change, Refusal> {
    if cursor.take("add") {
        add(cursor, table)
    } else if cursor.take("drop constraint") {
        cursor.name()?;
        let _ = cursor.take("restrict") || cursor.take("cascade");
        Ok(Change::Nothing)
    } else if cursor.take("drop") {
        cursor.take("column");
        let name = cursor.name()?;
        let cascade = cursor.take("cascade");
        cursor.take("restrict");
        Ok(Change::Drop(name, cascade))
    } else if cursor.take("rename to") {
        cursor.name().map(Change::RenameTable)
    } else if cursor.take("rename") {
        cursor.take("column");
        let from = cursor.name()?;
        cursor.expect("to")?;
        Ok(Change::RenameColumn(from, cursor.new_column()?))
    } else if cursor.take("owner to") {
        cursor.name()?;
        Ok(Change::Nothing)
    } else if cursor.take("append from") {
        append(cursor)
    } else if cursor.take("alter") {
        alter(cursor, table)
    } else {
        Err(cursor.error())
    }
}

fn add(cursor: &mut Cursor<'_>, table: &TableName) -> Result<Change, Refusal> {
    let named = cursor.take("constraint");
    if named {
        cursor.name()?;
    }
    if cursor.take("primary key") || cursor.take("unique") {
        return cursor.names().map(Change::Key);
    }
    if cursor.take("foreign key") {
        cursor.names()?;
        cursor.expect("references")?;
        cursor.table()?;
        if !cursor.done() {
            cursor.names()?;
        }
        return Ok(Change::Nothing);
    }
    if cursor.looking_at("check") || named {
        return Err(Refusal::unsupported("CHECK"));
    }
    cursor.take("column");
    let column = create::column(cursor, &table.name)?;
    if column.unique || column.identity.is_some() || column.distkey || column.sortkey {
        return Err(Refusal::new(
            "0A000",
            "ALTER TABLE ADD COLUMN does not support UNIQUE, PRIMARY KEY, REFERENCES, IDENTITY, DISTKEY or SORTKEY",
        ));
    }
    let null_default = column.default.as_ref().is_none_or(|tokens| tokens.len() == 1 && tokens[0].is("null"));
    if column.not_null && null_default {
        return Err(Refusal::new(
            "0A000",
            "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression",
        ));
    }
    Ok(Change::Add(Box::new(column)))
}

fn append(cursor: &mut Cursor<'_>) -> Result<Change, Refusal> {
    let from = cursor.table()?;
    let how = if cursor.take("ignoreextra") {
        Append::IgnoreExtra
    } else if cursor.take("filltarget") {
        Append::FillTarget
    } else {
        Append::Exact
    };
    Ok(Change::Append(from, how))
}

fn alter(cursor: &mut Cursor<'_>, table: &TableName) -> Result<Change, Refusal> {
    if cursor.take("encode auto") {
        return Ok(Change::Nothing);
    }
    if cursor.take("distkey") {
        return Ok(Change::Distribute(Some(cursor.name()?)));
    }
    if cursor.take("diststyle") {
        let style = create::diststyle(cursor)?;
        return match (style.as_str(), cursor.take("distkey")) {
            ("key", true) => Ok(Change::Distribute(Some(cursor.name()?))),
            ("key", false) | (_, true) => Err(cursor.error()),
            _ => Ok(Change::Distribute(None)),
        };
    }
    if cursor.take("sortkey auto") || cursor.take("sortkey none") {
        return Ok(Change::Sort(Vec::new()));
    }
    if cursor.looking_at("sortkey") || cursor.looking_at("compound") || cursor.looking_at("interleaved") {
        return create::sortkey(cursor).map(Change::Sort);
    }
    cursor.take("column");
    let name = cursor.name()?;
    if cursor.take("type") {
        let ty = types::parse(cursor, &format!("{}.{name}", table.name))?;
        if cursor.looking_at("using") {
            return Err(cursor.error());
        }
        if !matches!(ty, Type::Varchar(_)) {
            return Err(Refusal::new(
                "0A000",
                format!("ALTER COLUMN TYPE is not supported for type {ty}: only VARCHAR"),
            ));
        }
        return Ok(Change::Retype(name, ty));
    }
    if cursor.looking_at("set") || cursor.looking_at("drop") {
        return Err(Refusal::unsupported("ALTER COLUMN SET or DROP"));
    }
    encode(cursor, name)
}

fn encode(cursor: &mut Cursor<'_>, first: String) -> Result<Change, Refusal> {
    let mut all = Vec::new();
    let mut name = first;
    loop {
        cursor.expect("encode")?;
        let word = cursor.next().map(|token| token.value.clone()).unwrap_or_default();
        if !create::is_encoding(&word) {
            return Err(Refusal::syntax(word));
        }
        all.push((name, word));
        if !cursor.take_mark(",") {
            return Ok(Change::Encode(all));
        }
        cursor.expect("alter")?;
        cursor.take("column");
        name = cursor.name()?;
    }
}
