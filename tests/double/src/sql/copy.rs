//! `COPY … FROM 's3://…'`: its options, and which format takes which.

use super::cursor::Cursor;
use super::name::TableName;
use super::token::Kind;
use crate::refusal::Refusal;

/// How the files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `FORMAT AS PARQUET`
    Parquet,
    /// `FORMAT AS CSV`
    Csv,
    /// `FORMAT AS JSON`
    Json(Json),
    /// Text between delimiters, `FIXEDWIDTH`, Avro, ORC and shapefiles: accepted as statements, not carried out.
    Other,
}

/// How keys become columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Json {
    /// `'auto'`: keys equal to the names of columns, in lower case.
    Auto,
    /// `'auto ignorecase'`
    IgnoreCase,
    /// `'noshred'`: the whole object into one SUPER column.
    NoShred,
    /// A file of paths: accepted as a statement, not carried out.
    Paths,
}

/// How the objects are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// `GZIP`
    Gzip,
    /// `ZSTD`
    Zstd,
    /// `BZIP2` or `LZOP`: accepted as statements, not carried out.
    Other,
}

/// A `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The table.
    pub table: TableName,
    /// The list of columns, in the order of the file.
    pub columns: Option<Vec<String>>,
    /// Where the data is, or its manifest.
    pub from: String,
    /// The format.
    pub format: Format,
    /// Whether `from` is a manifest.
    pub manifest: bool,
    /// The compression of text.
    pub compression: Option<Compression>,
    /// The words that were given, in lower case, with their values.
    pub options: Vec<(String, Option<String>)>,
}

impl Copy {
    /// Whether an option was given.
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|(name, _)| name == option)
    }

    /// The value of an option.
    pub fn value(&self, option: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name == option)?.1.as_deref()
    }

    /// Refuses a COPY with options that the double does not carry out for this format.
    pub(crate) fn within(&self, known: &[&str], format: &str) -> Result<(), Refusal> {
        match self.options.iter().find(|(option, _)| !known.contains(&option.as_str())) {
            Some((option, _)) => {
                Err(Refusal::double_lacks(format!("{} of a COPY from {format}", option.to_uppercase())))
            }
            None => Ok(()),
        }
    }

    /// How many errors stop the load; 0 and 1 are both the first.
    pub fn max_errors(&self) -> usize {
        if self.has("ignoreallerrors") {
            return usize::MAX;
        }
        self.value("maxerror").and_then(|n| n.parse().ok()).unwrap_or(0).max(1)
    }
}

/// Options without a value, with the formats that take them: C for CSV, J for JSON, P for Parquet.
const FLAGS: &[(&str, &str)] = &[
    ("acceptanydate", "CJ"),
    ("blanksasnull", "CJ"),
    ("bzip2", "CJ"),
    ("emptyasnull", "CJ"),
    ("escape", ""),
    ("explicit_ids", "CJP"),
    ("fillrecord", "CP"),
    ("gzip", "CJ"),
    ("ignoreallerrors", "CJ"),
    ("ignoreblanklines", "C"),
    ("lzop", "CJ"),
    ("manifest", "CJP"),
    ("noload", "CJP"),
    ("removequotes", ""),
    ("roundec", "CJ"),
    ("serializetojson", "P"),
    ("trimblanks", "CJ"),
    ("truncatecolumns", "CJ"),
    ("zstd", "CJ"),
];

/// Options that want a text or number behind them.
const VALUED: &[(&str, &str)] = &[
    ("comprows", "CJ"),
    ("ignoreheader", "C"),
    ("maxerror", "CJ"),
    ("readratio", ""),
    ("region", "CJ"),
    ("encoding", "CJ"),
    ("dateformat", "CJ"),
    ("timeformat", "CJ"),
    ("delimiter", "C"),
    ("quote", "C"),
    ("null", "C"),
];

/// Options that may have a value behind them.
const OPTIONAL: &[(&str, &str)] = &[("acceptinvchars", "CJP"), ("compupdate", "CJ"), ("statupdate", "CJP")];

/// Reads what follows `COPY`.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Copy, Refusal> {
    let table = cursor.table()?;
    let columns = match cursor.peek() {
        Some(token) if token.is_mark("(") => Some(cursor.names()?),
        _ => None,
    };
    if !cursor.take("from") {
        return Err(Refusal::unsupported("COPY without FROM"));
    }
    if cursor.looking_at("stdin") {
        return Err(Refusal::new("0A000", "COPY FROM stdin is not supported"));
    }
    let from = cursor.text()?;
    let mut copy =
        Copy { table, columns, from, format: Format::Other, manifest: false, compression: None, options: Vec::new() };
    let mut credentials = 0;
    while !cursor.done() {
        if authorization(cursor)? {
            credentials += 1;
        } else if !format(cursor, &mut copy)? {
            option(cursor, &mut copy)?;
        }
    }
    check(&mut copy, credentials)?;
    Ok(copy)
}

fn authorization(cursor: &mut Cursor<'_>) -> Result<bool, Refusal> {
    if cursor.take("iam_role") {
        if !cursor.take("default") {
            let role = cursor.text()?;
            if !role.starts_with("arn:") {
                return Err(Refusal::internal("Invalid IAM role").with_detail(format!("`{role}` is no ARN")));
            }
        }
    } else if cursor.take("access_key_id") {
        cursor.text()?;
        cursor.expect("secret_access_key")?;
        cursor.text()?;
        if cursor.take("session_token") {
            cursor.text()?;
        }
    } else if cursor.take("credentials") {
        cursor.take("as");
        cursor.text()?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn format(cursor: &mut Cursor<'_>, copy: &mut Copy) -> Result<bool, Refusal> {
    let word = cursor.take("format");
    if word {
        cursor.take("as");
    }
    let format = if cursor.take("parquet") {
        Format::Parquet
    } else if cursor.take("csv") {
        Format::Csv
    } else if cursor.take("json") {
        cursor.take("as");
        Format::Json(match cursor.text()?.as_str() {
            "auto" => Json::Auto,
            "auto ignorecase" => Json::IgnoreCase,
            "noshred" => Json::NoShred,
            _ => Json::Paths,
        })
    } else if cursor.take("orc") || cursor.take("shapefile") {
        Format::Other
    } else if cursor.take("avro") || cursor.take("fixedwidth") {
        cursor.take("as");
        cursor.text()?;
        Format::Other
    } else if word {
        return Err(cursor.error());
    } else {
        return Ok(false);
    };
    copy.format = format;
    Ok(true)
}

fn option(cursor: &mut Cursor<'_>, copy: &mut Copy) -> Result<(), Refusal> {
    let Some(token) = cursor.peek().filter(|token| token.kind == Kind::Word) else { return Err(cursor.error()) };
    let word = token.value.clone();
    let known = |list: &[(&str, &str)]| list.iter().any(|(name, _)| *name == word);
    if !known(FLAGS) && !known(VALUED) && !known(OPTIONAL) {
        return Err(Refusal::syntax(&token.text));
    }
    if copy.has(&word) {
        return Err(Refusal::new("42601", "conflicting or redundant options"));
    }
    cursor.next();
    let mut value = None;
    if known(VALUED) || known(OPTIONAL) {
        cursor.take("as");
        value = match cursor.peek() {
            Some(token) if matches!(token.kind, Kind::Text | Kind::Number) => Some(token.value.clone()),
            Some(token)
                if ["on", "off", "preset", "true", "false", "utf8", "utf16", "utf16le", "utf16be"]
                    .iter()
                    .any(|word| token.is(word)) =>
            {
                Some(token.value.clone())
            }
            _ if known(OPTIONAL) => None,
            _ => return Err(cursor.error()),
        };
        if value.is_some() {
            cursor.next();
        }
    }
    match word.as_str() {
        "manifest" => copy.manifest = true,
        "gzip" => copy.compression = Some(Compression::Gzip),
        "zstd" => copy.compression = Some(Compression::Zstd),
        "bzip2" | "lzop" => copy.compression = Some(Compression::Other),
        "maxerror" => check_max_errors(value.as_deref())?,
        _ => {}
    }
    copy.options.push((word, value));
    Ok(())
}

fn check_max_errors(value: Option<&str>) -> Result<(), Refusal> {
    match value.and_then(|n| n.parse::<u32>().ok()) {
        Some(0..=100_000) => Ok(()),
        _ => Err(Refusal::new("22023", "MAXERROR must be between 0 and 100000")),
    }
}

fn check(copy: &mut Copy, credentials: usize) -> Result<(), Refusal> {
    if credentials != 1 {
        return Err(Refusal::internal(format!("COPY needs exactly one authorization, and has {credentials}")));
    }
    let (letter, name) = match copy.format {
        Format::Parquet => ('P', "PARQUET"),
        Format::Csv => ('C', "CSV"),
        Format::Json(_) => ('J', "JSON"),
        Format::Other => return Ok(()),
    };
    for (option, value) in &copy.options {
        let takes =
            [FLAGS, VALUED, OPTIONAL].into_iter().flatten().any(|(o, formats)| o == option && formats.contains(letter));
        // MAXERROR 0 is what everybody has anyway, and is let through with Parquet.
        let harmless = option == "maxerror" && value.as_deref() == Some("0");
        if !takes && !harmless {
            return Err(Refusal::new(
                "0A000",
                format!("{} argument is not supported for {name} based COPY", option.to_uppercase()),
            ));
        }
    }
    Ok(())
}
