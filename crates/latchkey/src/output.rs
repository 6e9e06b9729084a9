//! What the commands print: tables for people, JSON for programs.

use std::io::{IsTerminal, Write};

use serde_json::Value;

use crate::exit::Reason;

/// How the caller wants it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// JSON for programs.
    pub(crate) json: bool,
}

/// The longest cell of a table; longer ones are cut, since JSON shows them whole.
const LONGEST_CELL: usize = 60;

/// Prints a line on standard output. Whoever closed it has read enough.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// Prints a line on standard error.
pub(crate) fn complain(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Asks before something that cannot be undone; without a person there, `--yes` must have been said.
pub(crate) fn confirmed(what: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Reason::Usage.because(format!("this would {what} for good; say --yes")));
    }
    complain(&format!("This will {what} for good. Type yes to go on:"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "yes" => Ok(()),
        _ => Err(Reason::Usage.because("nothing was done")),
    }
}

impl Output {
    /// Prints a value: as JSON, or its members one below the other.
    pub(crate) fn value(self, value: &Value) {
        if self.json {
            say(&format!("{value:#}"));
            return;
        }
        match value {
            Value::Object(members) => {
                let width = members
                    .keys()
                    .map(|name| name.chars().count())
                    .max()
                    .unwrap_or(0);
                for (name, member) in members {
                    say(&format!("{name:width$}  {}", text(member)));
                }
            }
            other => say(&text(other)),
        }
    }

    /// Prints the thing that an answer is about.
    pub(crate) fn thing(self, answer: &Value) {
        self.value(thing_of(answer));
    }

    /// Prints a list: as JSON, or as a table with a column for each title and the member it shows.
    pub(crate) fn list(self, items: &[Value], columns: &[(&str, &str)]) {
        if self.json {
            say(&format!("{:#}", Value::Array(items.to_vec())));
            return;
        }
        for line in table(items, columns) {
            say(&line);
        }
    }
}

/// The thing that an answer is about: the answer itself, or the member beside the number of the change.
pub(crate) fn thing_of(answer: &Value) -> &Value {
    ["organization", "user", "group", "role", "key"]
        .iter()
        .find_map(|name| answer.get(*name).filter(|thing| thing.is_object()))
        .unwrap_or(answer)
}

/// The lines of a table.
fn table(items: &[Value], columns: &[(&str, &str)]) -> Vec<String> {
    let titles: Vec<String> = columns
        .iter()
        .map(|(title, _)| (*title).to_owned())
        .collect();
    let rows = items.iter().map(|item| {
        let cells = columns.iter().map(|(_, member)| {
            cut(&item
                .pointer(&format!("/{member}"))
                .map_or_else(String::new, text))
        });
        cells.collect::<Vec<_>>()
    });
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(rows).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}", width = *width))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST_CELL {
        return text.to_owned();
    }
    text.chars().take(LONGEST_CELL - 1).chain(['…']).collect()
}

/// A value as people read it; what could move a terminal's cursor is left out.
fn text(value: &Value) -> String {
    let plain = |text: &str| {
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>()
    };
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(name_of).collect::<Vec<_>>().join(", "),
        Value::Object(_) => name_of(value),
        other => other.to_string(),
    }
}

/// The one member by which people know a thing in a list.
fn name_of(value: &Value) -> String {
    let known = ["name", "scope", "id"]
        .iter()
        .find_map(|member| value.get(*member));
    match (known, value) {
        (Some(name), _) => text(name),
        (None, Value::Object(_)) => value.to_string(),
        (None, other) => text(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells_and_shows_nothing_that_moves_a_cursor() {
        let items = [
            json!({"id": "1", "name": "short", "scopes": [{"scope": "a:read"}, {"scope": "a:write"}], "owner": null}),
            json!({"id": "22", "name": "with \u{1b}[2J in it", "scopes": []}),
        ];
        let lines = table(
            &items,
            &[
                ("ID", "id"),
                ("NAME", "name"),
                ("SCOPES", "scopes"),
                ("OWNER", "owner"),
            ],
        );
        assert_eq!(
            lines,
            [
                "ID  NAME             SCOPES           OWNER",
                "1   short            a:read, a:write  -",
                "22  with  [2J in it  -",
            ]
        );
    }

    #[test]
    fn a_long_cell_is_cut_by_characters() {
        let long = "ä".repeat(100);
        assert_eq!(cut(&long).chars().count(), LONGEST_CELL);
    }
}
