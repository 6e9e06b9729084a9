//! The four layers: collected, the unknown reported, the strongest kept for each setting.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::read::Setting;
use super::sections::{KNOWN, Known};
use super::{DEFAULTS, ENVIRONMENT_PREFIX, Flaw, Shown, Sources};

/// Where a value was written; the later in this list, the stronger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `config.default.toml`.
    Default,
    /// The file, and the line in it.
    File(PathBuf, usize),
    /// The environment variable.
    Environment(String),
    /// The flag of the setting with this name.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(setting) => write!(f, "flag for {setting}"),
        }
    }
}

/// A value as it was written.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// A float or a date: no setting has one.
    Other(&'static str),
}

impl Value {
    /// What it is, for messages.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(what) => what,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => write!(f, "{}", toml::Value::String(text.clone())),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Boolean(flag) => write!(f, "{flag}"),
            Value::Other(what) => f.write_str(what),
            Value::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{}", if index > 0 { ", " } else { "" }, item.value)?;
                }
                f.write_str("]")
            }
            Value::Table(table) => {
                f.write_str("{")?;
                for (index, (name, item)) in table.iter().enumerate() {
                    write!(
                        f,
                        "{}{name} = {}",
                        if index > 0 { ", " } else { "" },
                        item.value
                    )?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A value with its line, and whether it came as plain text from outside a file.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) line: Option<usize>,
    pub(super) plain: bool,
}

impl Node {
    /// Another value from the same place.
    pub(super) fn like(&self, value: Value) -> Node {
        Node {
            value,
            line: self.line,
            plain: self.plain,
        }
    }

    fn plain(text: &str) -> Node {
        Node {
            value: Value::Text(text.to_owned()),
            line: None,
            plain: true,
        }
    }
}

/// The strongest value of each setting, and what was found wrong on the way.
pub(super) struct Layers {
    settings: BTreeMap<String, (Node, Origin)>,
    pub(super) flaws: Vec<Flaw>,
}

impl Layers {
    /// Reads all sources, the weakest first.
    pub(super) fn collect(sources: &Sources<'_>) -> Self {
        let mut layers = Self {
            settings: BTreeMap::new(),
            flaws: Vec::new(),
        };
        let defaults = layers.parse(DEFAULTS, |_| Origin::Default);
        layers.lay(defaults, sources);
        if let Some((path, text)) = &sources.file {
            let entries = layers.parse(text, |line| Origin::File(path.clone(), line));
            layers.lay(entries, sources);
        }
        layers.lay(environment(&sources.environment), sources);
        let flags = sources.flags.iter().map(|(setting, text)| Entry {
            setting: setting.clone(),
            node: Node::plain(text),
            origin: Origin::Flag(setting.clone()),
        });
        layers.lay(flags.collect(), sources);
        layers
    }

    /// The setting of this name as its type, or a flaw.
    pub(super) fn take<T: Setting>(&mut self, setting: &str) -> Option<T> {
        let (node, origin) = self.settings.get(setting)?;
        match T::read(node) {
            Ok(value) => Some(value),
            Err(misfits) => {
                for misfit in misfits {
                    let origin = match (origin, misfit.line) {
                        (Origin::File(path, _), Some(line)) => Origin::File(path.clone(), line),
                        (origin, _) => origin.clone(),
                    };
                    self.flaws.push(Flaw {
                        origin,
                        setting: format!("{setting}{}", misfit.below),
                        message: misfit.message,
                        nearest: misfit.nearest,
                    });
                }
                None
            }
        }
    }

    /// Reports a setting that fits its type but not the others.
    pub(super) fn refuse(&mut self, setting: &str, message: impl Into<String>) {
        let top = setting.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        let origin = self
            .settings
            .get(&top)
            .map_or(Origin::Default, |(_, origin)| origin.clone());
        self.flaws.push(Flaw {
            origin,
            setting: setting.to_owned(),
            message: message.into(),
            nearest: None,
        });
    }

    /// Every setting as it is printed.
    pub(super) fn show(&self) -> Vec<Shown> {
        let shown = |(setting, (node, origin)): (&String, &(Node, Origin))| {
            let hidden = known(setting).is_some_and(|known| known.secret)
                && !matches!(&node.value, Value::Text(text) if text.is_empty());
            let value = if hidden {
                "\"***\"".to_owned()
            } else {
                node.value.to_string()
            };
            Shown {
                setting: setting.clone(),
                value,
                origin: origin.clone(),
            }
        };
        self.settings.iter().map(shown).collect()
    }

    fn parse(&mut self, text: &str, origin: impl Fn(usize) -> Origin) -> Vec<Entry> {
        let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            self.flaws.push(Flaw {
                origin: origin(error.span().map_or(1, |span| line_of(span.start))),
                setting: String::new(),
                message: format!("not TOML: {}", error.message().replace('\n', ", ")),
                nearest: None,
            });
        }
        let mut entries = Vec::new();
        flatten("", table.get_ref(), &line_of, &mut |setting, node| {
            let origin = origin(node.line.unwrap_or(1));
            entries.push(Entry {
                setting,
                node,
                origin,
            });
        });
        entries
    }

    /// Puts one layer over those below.
    fn lay(&mut self, entries: Vec<Entry>, sources: &Sources<'_>) {
        let direct: Vec<String> = entries.iter().map(|entry| entry.setting.clone()).collect();
        for Entry {
            setting,
            node,
            origin,
        } in entries
        {
            if known(&setting).is_some() {
                self.settings.insert(setting, (node, origin));
                continue;
            }
            let secret = setting
                .strip_suffix("_file")
                .filter(|name| known(name).is_some_and(|known| known.secret));
            let Some(secret) = secret else {
                let nearest = nearest(&setting, KNOWN.iter().map(Known::path));
                let message = "there is no such setting".to_owned();
                self.flaws.push(Flaw {
                    origin,
                    setting,
                    message,
                    nearest,
                });
                continue;
            };
            let read = if direct.iter().any(|name| name == secret) {
                Err(format!("{secret} is set beside it; one of the two must go"))
            } else {
                read_secret(&node, sources)
            };
            match read {
                Ok(None) => {}
                Ok(Some(text)) => {
                    self.settings
                        .insert(secret.to_owned(), (node.like(Value::Text(text)), origin));
                }
                Err(message) => self.flaws.push(Flaw {
                    origin,
                    setting,
                    message,
                    nearest: None,
                }),
            }
        }
    }
}

struct Entry {
    setting: String,
    node: Node,
    origin: Origin,
}

/// The text of the file that a `…_file` setting names, without the line end at its end.
fn read_secret(node: &Node, sources: &Sources<'_>) -> Result<Option<String>, String> {
    let Value::Text(path) = &node.value else {
        return Err(format!(
            "expected the path of a file, found {}",
            node.value.what()
        ));
    };
    if path.is_empty() {
        return Ok(None);
    }
    let read = sources
        .read_file
        .ok_or_else(|| "files cannot be read here".to_owned())?;
    let text = read(Path::new(path)).map_err(|error| format!("cannot read {path}: {error}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(format!("{path} is empty"));
    }
    Ok(Some(text.to_owned()))
}

/// The variables that look like settings. Names without `__` belong to the command line.
fn environment(variables: &BTreeMap<String, String>) -> Vec<Entry> {
    let entry = |(name, text): (&String, &String)| {
        let (section, rest) = name.strip_prefix(ENVIRONMENT_PREFIX)?.split_once("__")?;
        Some(Entry {
            setting: format!(
                "{}.{}",
                section.to_ascii_lowercase(),
                rest.replace("__", ".").to_ascii_lowercase()
            ),
            node: Node::plain(text),
            origin: Origin::Environment(name.clone()),
        })
    };
    variables.iter().filter_map(entry).collect()
}

fn flatten(
    prefix: &str,
    table: &DeTable<'_>,
    line_of: &impl Fn(usize) -> usize,
    each: &mut impl FnMut(String, Node),
) {
    for (name, value) in table {
        let setting = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        let leaf = known(&setting).is_some();
        match value.get_ref() {
            // A section is opened; a table that is itself a setting is kept whole.
            DeValue::Table(inner) if !leaf && !setting.contains('.') => {
                flatten(&setting, inner, line_of, each)
            }
            inner => {
                let mut node = convert(inner, line_of);
                node.line = Some(line_of(name.span().start));
                each(setting, node);
            }
        }
    }
}

fn convert(value: &DeValue<'_>, line_of: &impl Fn(usize) -> usize) -> Node {
    let line = |at: usize| Some(line_of(at));
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Other("a number too large"),
        },
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node {
                    line: line(item.span().start),
                    ..convert(item.get_ref(), line_of)
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .map(|(name, item)| {
                    let node = Node {
                        line: line(name.span().start),
                        ..convert(item.get_ref(), line_of)
                    };
                    (name.get_ref().to_string(), node)
                })
                .collect(),
        ),
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    Node {
        value,
        line: None,
        plain: false,
    }
}

fn known(setting: &str) -> Option<&'static Known> {
    let (section, name) = setting.split_once('.')?;
    KNOWN
        .iter()
        .find(|known| known.section == section && known.name == name)
}

/// The name among `names` that was probably meant by `word`: at most a third of it, and at least
/// two letters, may differ; the same name in another section is one step away.
pub(super) fn nearest(word: &str, names: impl Iterator<Item = String>) -> Option<String> {
    fn last(name: &str) -> &str {
        name.rsplit('.').next().unwrap_or(name)
    }
    let allowed = (word.len() / 3).max(2);
    names
        .map(|name| {
            let whole = strsim::damerau_levenshtein(word, &name);
            let moved = strsim::damerau_levenshtein(last(word), last(&name)) + 1;
            (whole.min(moved), name)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}
