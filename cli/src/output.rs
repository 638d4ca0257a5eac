//! Text for people: aligned tables, numbers that can be read, names that cannot harm a terminal.

/// A table of lines, each cell as wide as the widest of its column, in characters. Columns named in `right` are
/// aligned to the right; the last column is not padded.
pub(crate) fn table(head: &[&str], right: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([head[at].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (at, cell) in cells.enumerate() {
            let width = widths[at];
            let gap = if at == 0 { "" } else { "  " };
            line.push_str(&match right.contains(&head[at]) {
                true => format!("{gap}{cell:>width$}"),
                false => format!("{gap}{cell:width$}"),
            });
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    };
    let mut text = line(&mut head.iter().copied());
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// A number with its digits in groups: `1,048,576`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 record`, `2 records`.
pub(crate) fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A share as a percentage that says 100% and 0% only of all and none.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (_, 0) => "-".to_string(),
        (part, whole) if part == whole => "100%".to_string(),
        (0, _) => "0%".to_string(),
        (part, whole) => format!("{:.1}%", (part as f64 * 100.0 / whole as f64).clamp(0.1, 99.9)),
    }
}

/// The text without what a terminal could take for a command: control characters, and marks that turn the direction
/// of writing, are shown as escapes.
pub(crate) fn clean(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    if !text.contains(harmful) {
        return text.to_string();
    }
    text.chars().fold(String::new(), |mut out, c| {
        if harmful(c) {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        out
    })
}

/// One argument as a shell reads it back.
pub(crate) fn shell(argument: &str) -> String {
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_characters() {
        let rows = [vec!["größe".into(), "1".into(), "x".into()], vec!["a".into(), "100".into(), String::new()]];
        assert_eq!(table(&["name", "n", "why"], &["n"], &rows), "name     n  why\ngröße    1  x\na      100\n");
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_none() {
        assert_eq!((percent(99_999, 100_000).as_str(), percent(1, 100_000).as_str()), ("99.9%", "0.1%"));
        assert_eq!((percent(3, 3).as_str(), percent(0, 3).as_str(), percent(0, 0).as_str()), ("100%", "0%", "-"));
        assert_eq!(count(1_048_576), "1,048,576");
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(shell("it's=text"), r"'it'\''s=text'");
    }
}
