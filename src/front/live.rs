//! A table's columns as a file has them, for loads that have no connection to ask.

use std::fmt::Display;

use crate::error::{Error, ErrorKind, Result};
use crate::path::Path;
use crate::plan::{RedshiftColumn, RedshiftTable, RedshiftType};
use crate::records::{Bad, FieldKind, FormatOptions, Kind, Limits, PathTable, Reader, Record, Sink, detect};
use crate::source::{Chunk, Source};

/// The longest list that is read. A table has at most 1,600 columns.
const LONGEST: usize = 16 << 20;

/// Reads the columns of a Redshift table from what
/// [`StageTarget::live_query`](crate::load::StageTarget::live_query) gave: CSV with a header, or JSON, an object for each column.
///
/// Its fields are `name`, `type` as the catalog spells it, `not_null` and `has_default` (`t` or `f`, `true` or `false`), and
/// `comment`, which may be missing. Others are passed over.
///
/// ```
/// use longshore::{Source, live_table};
/// let list = "name,type,not_null,has_default,comment\nid,bigint,t,f,\nnote,character varying(256),f,f,path: note\n";
/// let table = live_table(&Source::bytes(list))?;
/// assert_eq!((table.columns.len(), table.columns[0].not_null), (2, true));
/// # Ok::<(), longshore::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Io`] if the input cannot be read; [`ErrorKind::Config`] if it is not such a list, or lists nothing.
pub fn live_table(source: &Source) -> Result<RedshiftTable> {
    let mut input = source.open(0)?;
    let name = input.name().to_owned();
    let list = input.peek(LONGEST + 1)?;
    if list.len() > LONGEST {
        return Err(not_a_list("it has more than 16 MiB").in_source(name));
    }
    let is_json = list.trim_ascii_start().first() == Some(&b'{');
    let options = FormatOptions {
        kind: Some(if is_json { Kind::Ndjson } else { Kind::Csv }),
        header: (!is_json).then_some(true),
        ..FormatOptions::default()
    };
    let format = detect(list, true, &name, &options).map_err(|error| error.in_source(&name))?;
    let mut columns = Columns::default();
    Reader::new(Limits::default()).read(&format, &mut Chunk::new(list), &mut columns);
    match columns.wrong {
        Some(wrong) => Err(not_a_list(&wrong).in_source(name)),
        None if columns.all.is_empty() => Err(not_a_list("it lists no column").in_source(name)),
        None => Ok(RedshiftTable { columns: columns.all }),
    }
}

fn not_a_list(what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("not a list of a table's columns: {what}"))
        .with_hint("run what `longshore stage --live-query` prints on the cluster, and keep its result as CSV")
}

/// The columns so far, and the first thing that is wrong.
#[derive(Default)]
struct Columns {
    all: Vec<RedshiftColumn>,
    wrong: Option<String>,
}

impl Columns {
    /// Only the first complaint counts, so all rows before it are columns.
    fn complain(&mut self, wrong: impl Display) {
        let row = self.all.len() + 1;
        self.wrong.get_or_insert_with(|| format!("row {row}: {wrong}"));
    }
}

impl Sink for Columns {
    fn record(&mut self, paths: &PathTable, record: &Record<'_>) {
        match column(paths, record) {
            Ok(column) => self.all.push(column),
            Err(wrong) => self.complain(wrong),
        }
    }

    fn bad(&mut self, bad: &Bad<'_>) {
        self.complain(bad.fault);
    }
}

fn column(paths: &PathTable, record: &Record<'_>) -> std::result::Result<RedshiftColumn, String> {
    let text = |name: &str| {
        let field = record.fields.iter().find(|field| paths.path(field.node) == Path::new([name]))?;
        let text = String::from_utf8_lossy(&record.text(field)).into_owned();
        (field.kind != FieldKind::Null && !text.is_empty()).then_some(text)
    };
    let needed = |name: &str| text(name).ok_or_else(|| format!("no `{name}`"));
    let truth = |name: &str| match needed(name)?.as_str() {
        "t" | "true" | "True" | "TRUE" => Ok(true),
        "f" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err(format!("`{name}` is neither t nor f")),
    };
    Ok(RedshiftColumn {
        not_null: truth("not_null")?,
        has_default: truth("has_default")?,
        comment: text("comment"),
        ..RedshiftColumn::new(needed("name")?, RedshiftType::of_catalog(&needed("type")?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_may_be_csv_or_json_and_other_fields_are_passed_over() {
        let csv = "type,extra,name,not_null,has_default,comment\n\"numeric(18,2)\",x,a,t,f,\ncharacter varying(9),,\"b c\",False,true,hello\n";
        let json = "{\"name\":\"a\",\"type\":\"numeric(18,2)\",\"not_null\":true,\"has_default\":false,\"comment\":null}\n\
                    {\"name\":\"b c\",\"type\":\"character varying(9)\",\"not_null\":\"f\",\"has_default\":\"t\",\"comment\":\"hello\"}\n";
        let tables = [csv, json].map(|list| live_table(&Source::bytes(list)).unwrap());
        assert_eq!(tables[0], tables[1]);
        let [a, b] = &tables[0].columns[..] else { panic!() };
        assert_eq!((&a.ty, a.not_null, a.has_default, &a.comment), (&RedshiftType::Decimal(18, 2), true, false, &None));
        assert_eq!((b.name.as_str(), b.has_default, b.comment.as_deref()), ("b c", true, Some("hello")));
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_row() {
        for (list, wrong) in [
            ("name,type\na,bigint\n", "row 1: no `not_null`"),
            ("name,type,not_null,has_default\na,bigint,f,f\nb,bigint,maybe,f\n", "row 2: `not_null` is neither"),
            ("name,type,not_null,has_default\na,bigint,f,f\nb,bigint\n", "row 2: 2 cells"),
            ("name,type,not_null,has_default\n", "lists no column"),
        ] {
            let error = live_table(&Source::bytes(list)).unwrap_err();
            assert!(error.kind() == ErrorKind::Config && error.message().contains(wrong), "{error}");
        }
        // Nothing of a list is passed over, were it ever so long.
        let long = Source::bytes(vec![b'\n'; LONGEST + 1]);
        assert!(live_table(&long).unwrap_err().message().contains("16 MiB"));
    }
}
