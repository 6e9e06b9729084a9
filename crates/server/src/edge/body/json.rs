//! JSON that may not cost more than it looks, and errors that name a member but never its value:
//! what a client sent may be a secret in the wrong place.

use serde_json::error::Category;

use crate::problem::{Kind, Problem};

/// The most members and elements of a document. A batch of 1000 items may have 20 each; a document
/// with more is only meant to be slow.
const MOST_VALUES: usize = 20_000;

/// The longest name of a member that an error repeats.
const LONGEST_NAME: usize = 40;

/// Refuses documents that are no object, nest too deep or hold too much, in one pass over the bytes.
pub(super) fn check(bytes: &[u8], depth: usize) -> Result<(), Problem> {
    // The reader would take a list for an object, its elements in the order of the members.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|byte| b"[\"-0123456789tfn".contains(byte)) {
        return Err(Problem::new(Kind::InvalidMember)
            .because("The body: expected an object.")
            .at("", "expected an object"));
    }
    let (mut open, mut values, mut in_text, mut escaped) = (0usize, 0usize, false, false);
    for byte in bytes {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if open > depth {
            return Err(Problem::new(Kind::MalformedBody)
                .because(format!("The body nests deeper than {depth}.")));
        }
        if values > MOST_VALUES {
            return Err(
                Problem::new(Kind::MalformedBody).because("The body holds too many values.")
            );
        }
    }
    Ok(())
}

/// The answer to a document that cannot be read as what was expected.
pub(super) fn problem(bytes: &[u8], error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Data => {}
        Category::Eof => {
            return Problem::new(Kind::MalformedBody)
                .because("The body ends before its JSON does.");
        }
        Category::Syntax | Category::Io => {
            return Problem::new(Kind::MalformedBody)
                .because(format!("The body is not JSON at {place}."));
        }
    }
    let said = error.to_string();
    let said = said
        .rsplit_once(" at line ")
        .map_or(said.as_str(), |(said, _)| said);
    let mut pointer = pointer_at(bytes, offset(bytes, error.line(), error.column()));
    let quoted = said.split('`').nth(1).filter(|name| is_harmless(name));
    let flaw = if said.starts_with("missing field ") {
        if let Some(name) = quoted {
            pointer = format!("{pointer}/{name}");
        }
        "is missing".to_owned()
    } else if said.starts_with("unknown field ") {
        format!("there is no such member{}", expected(said))
    } else if said.starts_with("duplicate field ") {
        "stands twice".to_owned()
    } else if [
        "unknown variant ",
        "invalid type: ",
        "invalid value: ",
        "invalid length ",
    ]
    .iter()
    .any(|p| said.starts_with(p))
    {
        let expected = expected(said);
        if expected.is_empty() {
            "does not fit".to_owned()
        } else {
            expected.trim_start_matches("; ").to_owned()
        }
    } else {
        said.to_owned()
    };
    let name = if pointer.is_empty() {
        "The body".to_owned()
    } else {
        format!("The member {pointer}")
    };
    Problem::new(Kind::InvalidMember)
        .because(format!("{name}: {flaw}."))
        .at(pointer, flaw)
}

/// What serde says it expected; what it found instead stands before and is left out.
fn expected(said: &str) -> String {
    match said.rsplit_once(", expected ") {
        // The name of a type in the source tells a client nothing.
        Some((_, expected)) if expected.starts_with("struct ") => "; expected an object".to_owned(),
        Some((_, expected)) => format!("; expected {expected}"),
        None => String::new(),
    }
}

/// Whether a name can be repeated: a short word as members have, no secret.
fn is_harmless(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The index of the byte at a line and a column, both counted from 1 as serde_json does.
fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let start: usize = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (start + column).min(bytes.len())
}

/// The JSON pointer of the member that was being read when the reader stood before byte `end`.
fn pointer_at(bytes: &[u8], end: usize) -> String {
    /// An open object with the member being read, or an open array with the index.
    enum Level {
        Object(Option<String>),
        Array(usize),
    }
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'"' => {
                let start = at + 1;
                at = start;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                let text =
                    String::from_utf8_lossy(bytes.get(start..at).unwrap_or_default()).into_owned();
                let is_name = bytes
                    .get(at + 1..)
                    .unwrap_or_default()
                    .iter()
                    .find(|b| !b.is_ascii_whitespace())
                    == Some(&b':');
                if let (Some(Level::Object(name)), true) = (levels.last_mut(), is_name) {
                    *name = Some(text);
                }
            }
            b'{' => levels.push(Level::Object(None)),
            b'[' => levels.push(Level::Array(0)),
            // The reader stops behind the bracket of a thing that lacks something.
            b'}' | b']' if at + 1 < end => {
                levels.pop();
            }
            b',' => match levels.last_mut() {
                Some(Level::Object(name)) if at + 1 < end => *name = None,
                Some(Level::Array(index)) if at + 1 < end => *index += 1,
                _ => {}
            },
            b'}' => {
                if let Some(Level::Object(name)) = levels.last_mut() {
                    *name = None;
                }
            }
            _ => {}
        }
        at += 1;
    }
    let mut pointer = String::new();
    for level in levels {
        match level {
            Level::Object(Some(name)) if is_harmless(&name) => {
                pointer.push_str(&format!("/{name}"))
            }
            Level::Object(_) => break,
            Level::Array(index) => pointer.push_str(&format!("/{index}")),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::parse;
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only read")]
        name: String,
        #[serde(default)]
        #[expect(dead_code, reason = "only read")]
        items: Vec<Item>,
        #[expect(dead_code, reason = "only read")]
        kind: Option<Color>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        #[expect(dead_code, reason = "only read")]
        count: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Color {
        Red,
        Blue,
    }

    /// The slug, the pointer if there is one, and the detail.
    fn refusal(body: &str) -> String {
        let problem = parse::<Outer>(body.as_bytes(), 4).expect_err("it is refused");
        let written = problem.body();
        let pointer = written["errors"][0]["pointer"].as_str().unwrap_or("-");
        format!(
            "{} {pointer} {}",
            problem.kind().slug(),
            written["detail"].as_str().unwrap()
        )
    }

    #[test]
    fn an_error_names_the_member_and_what_was_expected() {
        for (body, expected) in [
            (
                r#"{"name": 5}"#,
                "invalid-member /name The member /name: expected a string.",
            ),
            (
                r#"{"name": "x", "nmae": 1}"#,
                "invalid-member /nmae The member /nmae: there is no such member; expected one of `name`, `items`, `kind`.",
            ),
            (
                r#"{"items": []}"#,
                "invalid-member /name The member /name: is missing.",
            ),
            (
                r#"{"name": "x", "items": [{"count": 1}, {"count": 256}]}"#,
                "invalid-member /items/1/count The member /items/1/count: expected u8.",
            ),
            (
                r#"{"name": "x", "items": [{"count": 1}, {}]}"#,
                "invalid-member /items/1/count The member /items/1/count: is missing.",
            ),
            (
                r#"{"name": "x", "kind": "green"}"#,
                "invalid-member /kind The member /kind: expected `red` or `blue`.",
            ),
            (
                r#"{"name": "x", "name": "y"}"#,
                "invalid-member /name The member /name: stands twice.",
            ),
            (
                "{\n \"name\":\n \"x\",\n \"items\": [{\"count\": \"a\"}]}",
                "invalid-member /items/0/count The member /items/0/count: expected u8.",
            ),
            ("[\"x\"]", "invalid-member  The body: expected an object."),
            ("7", "invalid-member  The body: expected an object."),
            (
                r#"{"name": "x", "items": [7]}"#,
                "invalid-member /items/0 The member /items/0: expected an object.",
            ),
        ] {
            assert_eq!(refusal(body), expected, "{body}");
        }
    }

    #[test]
    fn no_error_repeats_a_value_or_a_secret_in_the_place_of_a_name() {
        let secret = "lk_key_0123456789012345678901234567890_0123456789";
        for body in [
            format!(r#"{{"name": {{"{secret}": 1}}}}"#),
            format!(r#"{{"{secret}": 1}}"#),
            format!(r#"{{"name": "x", "kind": "{secret}"}}"#),
            format!(r#"{{"name": "x", "items": "{secret}"}}"#),
            format!(r#"{{"name": "x", "items": [{{"count": "{secret}, expected {secret}"}}]}}"#),
            format!(r#""{secret}""#),
            format!(r#"{{"name": {secret}}}"#),
        ] {
            let problem = parse::<Outer>(body.as_bytes(), 4).expect_err("it is refused");
            assert!(
                !problem.body().to_string().contains(secret),
                "{}",
                problem.body()
            );
        }
    }

    #[test]
    fn what_is_no_json_or_costs_too_much_is_malformed() {
        for body in [
            "",
            "{",
            "{]",
            "{\"name\": \"x\"} x",
            "{\"name\": \"\u{1}\"}",
            "{\"name\": [[[[]]]]}",
            "{'a': 1}",
        ] {
            assert!(refusal(body).starts_with("malformed-body - "), "{body}");
        }
        let rich = format!("{{\"name\": [{}0]}}", "0,".repeat(MOST_VALUES + 1));
        assert!(refusal(&rich).starts_with("malformed-body - "));
        assert!(
            parse::<Outer>(br#"{"name": "[[[[[[[[[\"[[["}"#, 4).is_ok(),
            "brackets in a text nest nothing"
        );
    }
}
