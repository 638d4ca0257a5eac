//! JSON files: objects one after the other, keys matched with the names of columns.

use serde_json::{Map, Value};

use super::convert::{Reading, convert};
use super::{BadRow, Loaded, row};
use crate::catalog::TableColumn;
use crate::refusal::Refusal;
use crate::sql::copy::{Copy, Json};
use crate::sql::types::Type;

const KNOWN: &[&str] = &[
    "manifest",
    "gzip",
    "zstd",
    "maxerror",
    "ignoreallerrors",
    "roundec",
    "timeformat",
    "dateformat",
    "compupdate",
    "statupdate",
    "encoding",
    "region",
];

/// What the objects of a file are, one by one.
pub(crate) fn rows(
    copy: &Copy,
    json: Json,
    targets: &[TableColumn],
    bytes: &[u8],
    large: bool,
) -> Result<Loaded, Refusal> {
    copy.within(KNOWN, "JSON")?;
    if json == Json::NoShred && (targets.len() != 1 || targets[0].ty != Type::Super) {
        return Err(Refusal::internal("COPY JSON noshred needs one SUPER column"));
    }
    if let Some(column) = targets.iter().find(|c| matches!(c.ty, Type::Varbyte(..) | Type::Time | Type::TimeTz)) {
        return Err(Refusal::internal(format!(
            "COPY from JSON does not support column {} of type {}",
            column.name, column.ty
        )));
    }
    let reading =
        Reading { rounds: copy.has("roundec"), any_time: copy.value("timeformat").is_some(), large_strings: large };
    let mut loaded = Loaded::default();
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let (mut line, mut seen) = (1_u64, 0);
    loop {
        let start = seen + bytes[seen..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        line += bytes[seen..start].iter().filter(|byte| **byte == b'\n').count() as u64;
        let Some(value) = values.next() else { return Ok(loaded) };
        let Ok(value) = value else {
            // Nobody knows where the next object would begin.
            loaded.bad.push((line, head(&bytes[start..]), BadRow::new(1216, "Invalid JSON value")));
            return Ok(loaded);
        };
        let end = values.byte_offset();
        let too_long = end - start > super::LONGEST_ROW;
        let made = if too_long {
            Err(BadRow::new(1204, "JSON object exceeds 4194304 bytes"))
        } else {
            one(&value, json, targets, reading)
        };
        match made {
            Ok(row) => loaded.rows.push(row),
            Err(bad) => loaded.bad.push((line, head(&bytes[start..end]), bad)),
        }
        line += bytes[start..end].iter().filter(|byte| **byte == b'\n').count() as u64;
        seen = end;
    }
}

fn head(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).into_owned()
}

fn one(value: &Value, json: Json, targets: &[TableColumn], reading: Reading) -> Result<row::Line, BadRow> {
    if json == Json::NoShred {
        return row::line(&[Some(value.to_string())], targets);
    }
    let Value::Object(members) = value else { return Err(BadRow::new(1216, "JSON value is no object")) };
    let mut values = Vec::with_capacity(targets.len());
    for (at, column) in targets.iter().enumerate() {
        values.push(match found(members, &column.name, json) {
            None | Some(Value::Null) => None,
            Some(value) => {
                let text = text(value, &column.ty);
                Some(convert(&text, &column.ty, reading).map_err(|bad| bad.at(at, &text))?)
            }
        });
    }
    row::line(&values, targets)
}

fn found<'a>(members: &'a Map<String, Value>, name: &str, json: Json) -> Option<&'a Value> {
    match json {
        Json::IgnoreCase => members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value),
        _ => members.get(name),
    }
}

fn text(value: &Value, ty: &Type) -> String {
    match value {
        _ if *ty == Type::Super => value.to_string(),
        Value::String(text) => text.clone(),
        // Numbers pass through floating point: more digits than a double has are lost, as on Redshift.
        Value::Number(number) if matches!(ty, Type::Decimal(..)) => {
            number.as_f64().map_or_else(|| number.to_string(), |double| format!("{double}"))
        }
        other => other.to_string(),
    }
}
