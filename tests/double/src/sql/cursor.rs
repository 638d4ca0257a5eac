//! Reading a statement token by token.

use super::name::{TableName, folded};
use super::reserved::{is_reserved, is_system_column};
use super::token::{Kind, Token};
use crate::refusal::Refusal;

/// A place in a statement's tokens.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    tokens: &'a [Token],
    at: usize,
    case_sensitive: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(tokens: &'a [Token], case_sensitive: bool) -> Self {
        Cursor { tokens, at: 0, case_sensitive }
    }

    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    pub(crate) fn peek_at(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead)
    }

    pub(crate) fn next(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.at += usize::from(token.is_some());
        token
    }

    pub(crate) fn done(&self) -> bool {
        self.at == self.tokens.len()
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a [Token] {
        &self.tokens[self.at..]
    }

    pub(crate) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    /// What is wrong here.
    pub(crate) fn error(&self) -> Refusal {
        match self.peek() {
            Some(token) => Refusal::syntax(&token.text),
            None => Refusal::new("42601", "syntax error at end of input"),
        }
    }

    /// The statement must end here.
    pub(crate) fn end(&self) -> Result<(), Refusal> {
        if self.done() { Ok(()) } else { Err(self.error()) }
    }

    /// Whether the next tokens are these words.
    pub(crate) fn looking_at(&self, words: &str) -> bool {
        words.split(' ').enumerate().all(|(i, word)| self.peek_at(i).is_some_and(|token| token.is(word)))
    }

    /// Takes these words if they come next.
    pub(crate) fn take(&mut self, words: &str) -> bool {
        let found = self.looking_at(words);
        if found {
            self.at += words.split(' ').count();
        }
        found
    }

    pub(crate) fn expect(&mut self, words: &str) -> Result<(), Refusal> {
        if self.take(words) { Ok(()) } else { Err(self.error()) }
    }

    pub(crate) fn take_mark(&mut self, mark: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is_mark(mark));
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect_mark(&mut self, mark: &str) -> Result<(), Refusal> {
        if self.take_mark(mark) { Ok(()) } else { Err(self.error()) }
    }

    /// A name, folded; reserved words only in quotes.
    pub(crate) fn name(&mut self) -> Result<String, Refusal> {
        match self.peek() {
            Some(token) if token.kind == Kind::Quoted => {
                if token.value.contains('\\') {
                    return Err(Refusal::new(
                        "42602",
                        "invalid name: what a backslash in a name means is not documented",
                    ));
                }
                self.at += 1;
                Ok(folded(token, self.case_sensitive))
            }
            Some(token) if token.kind == Kind::Word && !is_reserved(&token.value) => {
                self.at += 1;
                Ok(folded(token, self.case_sensitive))
            }
            _ => Err(self.error()),
        }
    }

    /// The name of a column that is to be made.
    pub(crate) fn new_column(&mut self) -> Result<String, Refusal> {
        let name = self.name()?;
        if is_system_column(&name) {
            return Err(Refusal::new("42701", format!("column name \"{name}\" conflicts with a system column name")));
        }
        Ok(name)
    }

    pub(crate) fn table(&mut self) -> Result<TableName, Refusal> {
        let first = self.name()?;
        if !self.take_mark(".") {
            return Ok(TableName { schema: None, name: first });
        }
        let second = self.name()?;
        if !self.take_mark(".") {
            return Ok(TableName { schema: Some(first), name: second });
        }
        Ok(TableName { schema: Some(second), name: self.name()? })
    }

    /// `(a, b, c)`
    pub(crate) fn names(&mut self) -> Result<Vec<String>, Refusal> {
        self.expect_mark("(")?;
        let mut names = vec![self.name()?];
        while self.take_mark(",") {
            names.push(self.name()?);
        }
        self.expect_mark(")")?;
        Ok(names)
    }

    pub(crate) fn text(&mut self) -> Result<String, Refusal> {
        match self.peek() {
            Some(token) if token.kind == Kind::Text => {
                self.at += 1;
                Ok(token.value.clone())
            }
            _ => Err(self.error()),
        }
    }

    pub(crate) fn whole_number(&mut self) -> Result<i64, Refusal> {
        let minus = self.take_mark("-");
        match self.peek().map(|token| (token.kind, token.value.parse::<i64>())) {
            Some((Kind::Number, Ok(number))) => {
                self.at += 1;
                Ok(if minus { -number } else { number })
            }
            _ => Err(self.error()),
        }
    }

    /// Passes over a balanced expression up to a top-level token that `stops` it; gives its tokens.
    pub(crate) fn until(&mut self, stops: impl Fn(&Token) -> bool) -> Result<&'a [Token], Refusal> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            if token.is_mark("(") {
                depth += 1;
            } else if token.is_mark(")") {
                if depth == 0 {
                    break;
                }
                depth -= 1;
            } else if depth == 0 && stops(token) {
                break;
            }
            self.at += 1;
        }
        if depth > 0 || start == self.at {
            return Err(self.error());
        }
        Ok(&self.tokens[start..self.at])
    }
}
