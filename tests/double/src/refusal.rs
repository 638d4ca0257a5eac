//! What the double answers when it refuses: the parts of a server's error.

use std::fmt;

/// A server's error: SQLSTATE, message and, where Redshift says more, the detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE, five characters.
    pub code: String,
    /// The message.
    pub message: String,
    /// The DETAIL field.
    pub detail: Option<String>,
}

impl Refusal {
    /// An error of any class.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Refusal { code: code.to_owned(), message: message.into(), detail: None }
    }

    /// The same with more to say.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// 42601: the text is no statement of Redshift's.
    pub fn syntax(near: impl fmt::Display) -> Self {
        Refusal::new("42601", format!("syntax error at or near \"{near}\""))
    }

    /// 0A000: a statement or option of PostgreSQL's that Redshift does not have.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Refusal::new("0A000", format!("{what} is not supported"))
    }

    /// 0A000 too, but for what Redshift has and this double has not.
    pub fn double_lacks(what: impl fmt::Display) -> Self {
        Refusal::new("0A000", format!("the test double does not know {what}"))
    }

    /// XX000: Redshift's own errors, most of those of COPY among them.
    pub fn internal(message: impl Into<String>) -> Self {
        Refusal::new("XX000", message)
    }

    /// 25001: what may not run inside a block.
    pub fn in_block(statement: &str) -> Self {
        Refusal::new("25001", format!("{statement} cannot run inside a transaction block"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}
