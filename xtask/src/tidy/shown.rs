//! What the documents say is shown by a test is shown by one that exists.
//!
//! A row of `docs/dialects.md` names in its last cell, between backticks, what shows its statement: a test
//! (`…::name_of_the_function`), an exchange of a transcript (`file.http: its title`), a stage (`cargo xtask test stage`), or a
//! file of tests as a whole.
//! What only a console can show says so in plain words.

use super::Files;
use crate::test::STAGES;

/// The document.
const DOCUMENT: &str = "docs/dialects.md";
/// The words for what no program can observe.
const LATER: &str = "The console";
/// The words for what is shown by the test of the row above.
const SAME: &str = "the same";
/// How a stage is named.
const STAGE: &str = "cargo xtask test ";

/// The rows that name no test, or one that does not exist.
pub(super) fn breaches(files: &Files) -> Vec<String> {
    let Some((_, text)) = files.0.iter().find(|(name, _)| name == DOCUMENT) else {
        return vec![format!("{DOCUMENT} is not there")];
    };
    let mut breaches = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some(cell) = last_cell(line) else {
            continue;
        };
        let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        let place = format!("{DOCUMENT}:{}", number + 1);
        if named.is_empty() && !cell.contains(LATER) && !cell.starts_with(SAME) {
            breaches.push(format!("{place}: nothing is named that shows it"));
        }
        let missing = named.iter().filter(|name| !exists(files, name));
        breaches.extend(missing.map(|name| format!("{place}: there is no {name}")));
    }
    breaches
}

/// The last cell of a row of a table, but for those of the head.
fn last_cell(line: &str) -> Option<&str> {
    let row = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cell = row.rsplit('|').next()?.trim();
    let head = cell.chars().all(|c| c == '-' || c == ':') || cell == "shown by";
    (!head).then_some(cell)
}

fn exists(files: &Files, name: &str) -> bool {
    if let Some(stage) = name.strip_prefix(STAGE) {
        return STAGES.contains(&stage);
    }
    if let Some((file, title)) = name.split_once(".http: ") {
        let (end, title) = (format!("{file}.http"), format!("### {title}"));
        return files
            .0
            .iter()
            .filter(|(name, _)| name.starts_with("contracts/") && name.ends_with(&end))
            .any(|(_, text)| text.lines().any(|line| line == title));
    }
    let Some((_, function)) = name.rsplit_once("::") else {
        let end = format!("/{name}");
        return files.0.iter().any(|(file, _)| file.ends_with(&end));
    };
    let function = format!("fn {function}(");
    files.named(".rs").any(|(_, text)| text.contains(&function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_without_a_test_is_found_and_so_is_one_with_a_test_that_is_not_there() {
        let document = "\
| statement | how | shown by |
|---|---|---|
| one | by the API | `it::a::holds`, `a/x.http: It holds` |
| two | by the stage | `cargo xtask test fuzz` |
| three | nobody | The console |
| four | by the API | `it::a::is_gone` |
| five | by the API | `x.http: It does not` |
| six | by the API | see above |
| seven | by the API | `a.rs`, `b.rs` |
";
        let files = Files(vec![
            (DOCUMENT.to_owned(), document.to_owned()),
            ("crates/a/tests/a.rs".to_owned(), "fn holds() {}".to_owned()),
            (
                "contracts/a/x.http".to_owned(),
                "### It holds\nGET /\n".to_owned(),
            ),
        ]);
        assert_eq!(
            breaches(&files),
            [
                "docs/dialects.md:6: there is no it::a::is_gone",
                "docs/dialects.md:7: there is no x.http: It does not",
                "docs/dialects.md:8: nothing is named that shows it",
                "docs/dialects.md:9: there is no b.rs",
            ]
        );
    }
}
