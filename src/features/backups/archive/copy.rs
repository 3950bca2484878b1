//! COPY's text form, as it stands in archives and in plain SQL dumps (PostgreSQL manual, COPY).

use std::io::{self, BufRead, Read};

/// No row of n8n's comes near it; a line that does not end must not fill the memory.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// One row: its fields in the order of the columns, `None` for NULL.
pub type Fields = Vec<Option<String>>;

/// Reads the next line without its end. False at the end of the input.
pub(super) fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = input.take(MAX_LINE_BYTES).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(false);
    }
    if line.pop_if(|last| *last == b'\n').is_none() && read as u64 == MAX_LINE_BYTES {
        return Err(io::Error::other("a line is longer than 64 MB"));
    }
    Ok(true)
}

/// Takes a row apart. `None` if it is none.
pub fn fields(line: &[u8]) -> Option<Fields> {
    if line.is_empty() {
        return Some(Vec::new());
    }
    line.split(|byte| *byte == b'\t')
        .map(|field| {
            if field == b"\\N" {
                Some(None)
            } else {
                text(field).map(Some)
            }
        })
        .collect()
}

fn text(bytes: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        out.push(match bytes.next()? {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => *other,
        });
    }
    String::from_utf8(out).ok()
}

/// What `COPY schema.table (a, "b, c") FROM stdin;` names: schema, table, columns. Empty columns when it
/// is no such statement.
pub fn statement(statement: &str) -> (String, String, Vec<String>) {
    let (mut parts, mut columns) = (Vec::new(), Vec::new());
    let list = statement
        .strip_prefix("COPY ")
        .and_then(|rest| rest.rfind(") FROM stdin").map(|end| &rest[..end]));
    let Some(list) = list else {
        return (String::new(), String::new(), columns);
    };
    let (mut name, mut is_quoted, mut is_inside) = (String::new(), false, false);
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                name.push('"');
            }
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => name.push(c),
            '.' if !is_inside => parts.push(std::mem::take(&mut name)),
            '(' if !is_inside => {
                is_inside = true;
                parts.push(std::mem::take(&mut name));
            }
            ',' if is_inside => columns.push(std::mem::take(&mut name)),
            ' ' => {}
            _ => name.push(c),
        }
    }
    if is_inside && !name.is_empty() {
        columns.push(name);
    }
    let table = parts.pop().unwrap_or_default();
    (parts.pop().unwrap_or_default(), table, columns)
}

/// What a plain SQL dump brings, line by line.
pub enum SqlLine<'a> {
    /// Rows of a table begin. Answer whether they are wanted.
    Table {
        /// Its schema.
        schema: &'a str,
        /// Its name.
        table: &'a str,
        /// The columns, in the order of the fields.
        columns: &'a [String],
        /// The statement itself.
        statement: &'a str,
    },
    /// A row of the table that was begun and wanted.
    Row(&'a [u8]),
    /// The rows that were wanted end.
    End,
}

/// Goes through a plain SQL dump, as pg_dump and pg_restore write it; only COPY's rows count, and nothing
/// is ever executed. Fails when it ends in the middle of a table.
pub fn read_sql(
    mut input: impl BufRead,
    mut take: impl FnMut(SqlLine<'_>) -> io::Result<bool>,
) -> io::Result<()> {
    let mut line = Vec::new();
    while read_line(&mut input, &mut line)? {
        if !line.starts_with(b"COPY ") {
            continue;
        }
        let begun = String::from_utf8_lossy(&line).into_owned();
        let (schema, table, columns) = statement(&begun);
        if columns.is_empty() {
            continue;
        }
        let is_wanted = take(SqlLine::Table {
            schema: &schema,
            table: &table,
            columns: &columns,
            statement: &begun,
        })?;
        loop {
            if !read_line(&mut input, &mut line)? {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("it ends in the middle of {table}"),
                ));
            }
            if line == b"\\." {
                break;
            }
            if is_wanted {
                take(SqlLine::Row(&line))?;
            }
        }
        if is_wanted {
            take(SqlLine::End)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_text_is_taken_apart() {
        let row = fields(b"1\t\\N\ta\\tb\\\\n\\nc\t").unwrap();
        assert_eq!(
            row,
            [
                Some("1".to_owned()),
                None,
                Some("a\tb\\n\nc".to_owned()),
                Some(String::new())
            ]
        );
        assert_eq!(fields(b"x\\"), None);
    }

    #[test]
    fn statements_are_read_with_their_quotes() {
        let (schema, table, columns) =
            statement("COPY \"my.s\".\"a (b\" (id, \"versionId\", \"x, \"\"y\") FROM stdin;\n");
        assert_eq!((schema.as_str(), table.as_str()), ("my.s", "a (b"));
        assert_eq!(columns, ["id", "versionId", "x, \"y"]);
        assert!(statement("COPY public.empty () FROM stdin;\n").2.is_empty());
        assert!(statement("").2.is_empty());
    }

    #[test]
    fn a_plain_dump_is_read_and_one_that_ends_early_is_not() {
        let sql = b"SET x;\nCOPY public.a (id, n) FROM stdin;\n1\tx\n2\ty\n\\.\n\nCOPY public.b (id) FROM stdin;\n9\n\\.\n";
        let mut seen = Vec::new();
        let mut note = |line: SqlLine<'_>| {
            match line {
                SqlLine::Table { table, .. } => {
                    seen.push(table.to_owned());
                    return Ok(table == "a");
                }
                SqlLine::Row(row) => seen.push(String::from_utf8_lossy(row).into_owned()),
                SqlLine::End => seen.push("end".to_owned()),
            }
            Ok(true)
        };
        read_sql(&sql[..], &mut note).unwrap();
        assert_eq!(seen, ["a", "1\tx", "2\ty", "end", "b"]);
        for cut in [40, 45, sql.len() - 3] {
            assert!(read_sql(&sql[..cut], |_| Ok(true)).is_err(), "{cut}");
        }
    }
}
