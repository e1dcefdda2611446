//! SQL and CQL statements: the verb and the table, never a value.

use crate::parse::reader::is_name;
use crate::text::Evidence;

/// Longest name of a table that is shown.
const NAME_MAX: usize = 48;

/// Words of a statement that are looked at.
const WORDS_MAX: usize = 200;

/// Bytes that have to be text.
const TEXT_MIN: usize = 64;

/// Words that a statement starts with, in the dialects of `PostgreSQL`, `MySQL`,
/// SQL Server, Oracle and Cassandra.
const VERBS: &[&str] = &[
    "ABORT",
    "ALTER",
    "ANALYZE",
    "APPLY",
    "BEGIN",
    "CALL",
    "CHECK",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DISCARD",
    "DO",
    "DROP",
    "END",
    "EXEC",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "FLUSH",
    "GRANT",
    "IF",
    "INSERT",
    "KILL",
    "LIST",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "NOTIFY",
    "OPTIMIZE",
    "PREPARE",
    "PRINT",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "REPLACE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "TABLE",
    "TRUNCATE",
    "UNLISTEN",
    "UNLOCK",
    "UPDATE",
    "USE",
    "VACUUM",
    "VALUES",
    "WITH",
    "XA",
];

/// What is shown of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// `SELECT orders`.
    pub(crate) evidence: Evidence,
    /// A password stands in it.
    pub(crate) password: bool,
}

/// Reads a statement as far as it was captured. Nothing: it starts with no
/// verb, or is no text.
pub(crate) fn statement(sql: &[u8], complete: bool) -> Option<Statement> {
    let is_printed = |byte: &u8| *byte >= b' ' && *byte != 0x7f || byte.is_ascii_whitespace();
    if !sql.iter().take(TEXT_MIN).all(is_printed) {
        return None;
    }
    let mut words = Words { rest: sql };
    let first = words.next()?;
    let verb = first.plain()?;
    if !complete && words.rest.is_empty() {
        return None;
    }
    let verb = VERBS
        .iter()
        .find(|known| known.as_bytes().eq_ignore_ascii_case(verb))?;
    let mut found = Found::new(verb);
    for _ in 0..WORDS_MAX {
        let Some(word) = words.next() else {
            break;
        };
        let had = found.table.is_some();
        found.add(word);
        // `a-b` is no name that a statement can have without quotes.
        if !had && matches!(words.rest, [b'-' | b'+' | b'/' | b'=' | b':' | b'~', ..]) {
            found.table = None;
        }
        // The cut may have shortened this name.
        if !had && !complete && words.rest.is_empty() {
            found.table = None;
        }
    }
    let table = found.table.filter(|name| is_name(name));
    let mut evidence = Evidence::from(*verb);
    if let Some(table) = table {
        evidence.word(" ").key(table, NAME_MAX);
    }
    Some(Statement {
        evidence,
        password: found.password,
    })
}

/// The statement in UTF-16, little-endian, as SQL Server has it.
pub(crate) fn statement_utf16(sql: &[u8], complete: bool) -> Option<Statement> {
    statement(&narrow(sql), complete)
}

/// Text in UTF-16, little-endian, with `?` for what is not ASCII.
pub(crate) fn narrow(text: &[u8]) -> Vec<u8> {
    text.chunks_exact(2)
        .map(|pair| {
            if pair[1] == 0 && pair[0] < 0x80 {
                pair[0]
            } else {
                b'?'
            }
        })
        .collect()
}

struct Found<'a> {
    verb: &'static str,
    table: Option<&'a [u8]>,
    /// The next name is that of the table.
    expects: bool,
    /// A literal now is a password.
    password_next: bool,
    password: bool,
    /// Which open parentheses hold a query of their own.
    queries: Vec<bool>,
    opened: bool,
}

impl<'a> Found<'a> {
    fn new(verb: &'static str) -> Self {
        Self {
            verb,
            table: None,
            expects: matches!(
                verb,
                "UPDATE"
                    | "USE"
                    | "TABLE"
                    | "TRUNCATE"
                    | "COPY"
                    | "DESCRIBE"
                    | "DESC"
                    | "CALL"
                    | "EXEC"
                    | "LISTEN"
                    | "NOTIFY"
            ),
            password_next: false,
            password: false,
            queries: Vec::new(),
            opened: false,
        }
    }

    fn add(&mut self, word: Word<'a>) {
        match word {
            Word::Open => {
                self.queries.push(false);
                self.opened = true;
                self.expects = false;
                return;
            }
            Word::Close => {
                self.queries.pop();
                self.expects = false;
            }
            Word::Literal => {
                self.password |= self.password_next;
                self.password_next = false;
                self.expects = false;
            }
            Word::Quoted(_) if self.password_next => {
                self.password = true;
                self.password_next = false;
            }
            Word::Quoted(name) => self.name(name),
            Word::Plain(word) => self.plain(word),
        }
        self.opened = false;
    }

    fn plain(&mut self, word: &'a [u8]) {
        let is = |known: &[&str]| {
            known
                .iter()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(word))
        };
        if self.opened && is(&["SELECT", "WITH"]) {
            if let Some(last) = self.queries.last_mut() {
                *last = true;
            }
            return;
        }
        let gives_password = matches!(self.verb, "CREATE" | "ALTER" | "SET" | "GRANT");
        if gives_password && is(&["PASSWORD", "IDENTIFIED"]) {
            self.password_next = true;
            self.expects = false;
        } else if self.password_next && is(&["BY", "AS", "WITH", "FOR"]) {
            // SET PASSWORD FOR … = '…', IDENTIFIED WITH … BY '…'
        } else if self.expects
            && is(&[
                "IF",
                "NOT",
                "EXISTS",
                "ONLY",
                "TABLE",
                "LOW_PRIORITY",
                "IGNORE",
                "TOP",
            ])
        {
            // Words between the verb and the name.
        } else if self.announces_table(&is) {
            self.expects = self.table.is_none();
        } else {
            self.name(word);
        }
    }

    /// Whether the name of a table, or of what is created, follows this word.
    fn announces_table(&self, is: &impl Fn(&[&str]) -> bool) -> bool {
        let in_query = self.queries.last().is_none_or(|is_query| *is_query);
        let defines = matches!(self.verb, "CREATE" | "ALTER" | "DROP" | "LOCK");
        (in_query && is(&["FROM", "INTO", "JOIN"]))
            || (defines
                && is(&[
                    "TABLE", "TABLES", "INDEX", "VIEW", "DATABASE", "SCHEMA", "KEYSPACE",
                    "SEQUENCE", "USER", "ROLE",
                ]))
    }

    fn name(&mut self, word: &'a [u8]) {
        self.password |= matches!(self.verb, "EXEC" | "EXECUTE" | "CALL") && sets_password(word);
        if std::mem::take(&mut self.expects) && self.table.is_none() {
            self.table = Some(word);
        }
    }
}

/// Procedures of SQL Server and Sybase whose arguments are passwords.
fn sets_password(procedure: &[u8]) -> bool {
    const PROCEDURES: &[&[u8]] = &[
        b"sp_password",
        b"sp_addlogin",
        b"sp_addlinkedsrvlogin",
        b"sp_addremotelogin",
        b"sp_setapprole",
    ];
    let name = procedure.rsplit(|&byte| byte == b'.').next();
    name.is_some_and(|name| {
        PROCEDURES
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    })
}

/// A piece of a statement.
#[derive(Clone, Copy)]
enum Word<'a> {
    /// A key word, a name or a number.
    Plain(&'a [u8]),
    /// What stands in `"…"`, `` `…` `` or `[…]`: a name, or text in `MySQL`.
    Quoted(&'a [u8]),
    /// What stands in `'…'`.
    Literal,
    Open,
    Close,
}

impl<'a> Word<'a> {
    const fn plain(self) -> Option<&'a [u8]> {
        match self {
            Word::Plain(word) => Some(word),
            Word::Quoted(_) | Word::Literal | Word::Open | Word::Close => None,
        }
    }
}

struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn skip_past(&mut self, end: &[u8]) {
        let at = self
            .rest
            .windows(end.len())
            .position(|window| window == end);
        self.rest = at.map_or(&[], |at| &self.rest[at + end.len()..]);
    }

    /// What stands up to an end mark that is not doubled or escaped.
    fn quoted(&mut self, end: u8) -> &'a [u8] {
        let text = &self.rest[1..];
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            match byte {
                b'\\' if end == b'\'' => at += 2,
                _ if byte == end && text.get(at + 1) == Some(&end) => at += 2,
                _ if byte == end => break,
                _ => at += 1,
            }
        }
        let at = at.min(text.len());
        self.rest = text.get(at + 1..).unwrap_or_default();
        &text[..at]
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        loop {
            match *self.rest {
                [] => return None,
                [b'-', b'-', ..] | [b'#', ..] => self.skip_past(b"\n"),
                [b'/', b'*', ..] => self.skip_past(b"*/"),
                [b'\'', ..] => {
                    self.quoted(b'\'');
                    return Some(Word::Literal);
                }
                [quote @ (b'"' | b'`'), ..] => return Some(Word::Quoted(self.quoted(quote))),
                [b'[', ..] => return Some(Word::Quoted(self.quoted(b']'))),
                [b'(', ref rest @ ..] => {
                    self.rest = rest;
                    return Some(Word::Open);
                }
                [b')', ref rest @ ..] => {
                    self.rest = rest;
                    return Some(Word::Close);
                }
                // A body between dollar marks: whatever stands there.
                [b'$', next, ..] if !next.is_ascii_digit() => {
                    self.rest = &[];
                    return None;
                }
                [byte, ref rest @ ..] if !is_word(byte) => self.rest = rest,
                _ => {
                    let end = self.rest.iter().position(|&byte| !is_word(byte));
                    let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                    self.rest = rest;
                    return Some(Word::Plain(word));
                }
            }
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b'@') || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sql: &str) -> Option<String> {
        statement(sql.as_bytes(), true).map(|statement| statement.evidence.to_string())
    }

    #[test]
    fn verb_and_table_are_found() {
        for (sql, text) in [
            ("SELECT * FROM orders WHERE id = 5", "SELECT orders"),
            (
                "select extract(year from born) from people",
                "SELECT people",
            ),
            (
                "INSERT INTO shop.users (name) VALUES ('from secret')",
                "INSERT shop.users",
            ),
            ("UPDATE `carts` SET a='x'", "UPDATE carts"),
            ("/* app */ -- b\n delete from \"Order\"", "DELETE Order"),
            ("CREATE TABLE IF NOT EXISTS t (id int)", "CREATE t"),
            ("WITH a AS (SELECT 1 FROM x) SELECT * FROM a", "WITH x"),
            ("SELECT * FROM (SELECT a FROM inner1) AS b", "SELECT inner1"),
            ("SELECT trim(both 'x' from \"secret\")", "SELECT"),
            ("USE shop;", "USE shop"),
            ("BEGIN", "BEGIN"),
            ("DO $$ select from secret $$", "DO"),
            ("SELECT TOP 5 [name] FROM [dbo].[t]", "SELECT dbo"),
        ] {
            assert_eq!(said(sql).as_deref(), Some(text), "{sql}");
        }
        assert_eq!(said("hello world"), None);
        assert_eq!(said(""), None);
    }

    #[test]
    fn a_cut_name_is_not_shown_and_a_cut_verb_is_none() {
        let cut = |sql: &str| {
            statement(sql.as_bytes(), false).map(|statement| statement.evidence.to_string())
        };
        assert_eq!(cut("SELECT * FROM ord").as_deref(), Some("SELECT"));
        assert_eq!(
            cut("SELECT * FROM orders ").as_deref(),
            Some("SELECT orders")
        );
        assert_eq!(cut("SELECT"), None);
    }

    #[test]
    fn passwords_are_noticed_and_values_never_shown() {
        for sql in [
            "CREATE USER bob IDENTIFIED BY 's3cr3t'",
            "ALTER ROLE bob WITH PASSWORD 's3cr3t'",
            "SET PASSWORD FOR bob = 's3cr3t'",
            "CREATE USER bob WITH PASSWORD \"s3cr3t\"",
            "EXEC sp_password 's3cr3t', 's3cr3t2', bob",
            "exec master..sp_addlogin bob, s3cr3t",
            "EXECUTE sp_password NULL, 's3cr3t'",
        ] {
            let statement = statement(sql.as_bytes(), true).unwrap();
            assert!(statement.password, "{sql}");
            assert!(!statement.evidence.contains("s3cr3t"), "{sql}");
        }
        assert!(!statement(b"SELECT 'password'", true).unwrap().password);
    }

    #[test]
    fn statements_of_sql_server_are_in_utf_16() {
        let wide: Vec<u8> = "SELECT 1 FROM t"
            .bytes()
            .flat_map(|byte| [byte, 0])
            .collect();
        assert_eq!(
            statement_utf16(&wide, true).unwrap().evidence.as_str(),
            "SELECT t"
        );
    }
}
