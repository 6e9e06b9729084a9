//! How one value becomes a typed setting.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use credential::time::Span;
use ipnet::IpNet;

use super::layer::{Node, Value};

/// A type that a setting can have.
pub(super) trait Setting: Sized {
    /// Whether it is masked and may be read from a file.
    const SECRET: bool = false;

    /// Reads the value; an error says what was expected, each with the path below the setting.
    fn read(node: &Node) -> Result<Self, Vec<Misfit>>;
}

/// What is wrong with a value: where below the setting, what, and what was perhaps meant.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) below: String,
    pub(super) message: String,
    pub(super) nearest: Option<String>,
    pub(super) line: Option<usize>,
}

/// The only misfit of a plain value.
pub(super) fn misfit<T>(message: impl Into<String>) -> Result<T, Vec<Misfit>> {
    Err(vec![Misfit {
        below: String::new(),
        message: message.into(),
        nearest: None,
        line: None,
    }])
}

/// A text that is neither printed nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// The text, for whom it is meant.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

impl Setting for String {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        match &node.value {
            Value::Text(text) => Ok(text.clone()),
            other => misfit(format!("expected a text, found {}", other.what())),
        }
    }
}

impl Setting for Hidden {
    const SECRET: bool = true;

    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        String::read(node).map(Hidden)
    }
}

impl Setting for PathBuf {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        String::read(node).map(PathBuf::from)
    }
}

impl Setting for u32 {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        let number = match &node.value {
            Value::Integer(number) => u32::try_from(*number).ok(),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        number.map_or_else(
            || misfit(format!("expected a whole number from 0 to {}", u32::MAX)),
            Ok,
        )
    }
}

impl Setting for u16 {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        let number = match &node.value {
            Value::Integer(number) => u16::try_from(*number).ok(),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(port) if port > 0 => Ok(port),
            _ => misfit("expected a port: a whole number from 1 to 65535"),
        }
    }
}

impl Setting for bool {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        match &node.value {
            Value::Boolean(flag) => Ok(*flag),
            Value::Text(text) if node.plain && text == "true" => Ok(true),
            Value::Text(text) if node.plain && text == "false" => Ok(false),
            other => misfit(format!("expected true or false, found {}", other.what())),
        }
    }
}

impl Setting for SocketAddr {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        String::read(node)?.parse().or_else(|_| {
            misfit("expected an address and a port such as 127.0.0.1:8080 or [::1]:8080")
        })
    }
}

impl Setting for IpNet {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        let text = String::read(node)?;
        let address = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
        match text.parse::<IpNet>().ok().or_else(address) {
            Some(network) if network.trunc() == network => Ok(network),
            Some(network) => misfit(format!(
                "{network} has bits below its prefix; {} was meant",
                network.trunc()
            )),
            None => misfit("expected a network such as 10.0.0.0/8 or an address"),
        }
    }
}

impl Setting for Span {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        let text = String::read(node).or_else(|_| misfit(EXPECTED_TIME))?;
        let (number, unit) = split_unit(&text);
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return misfit(EXPECTED_TIME),
        };
        match number
            .parse::<i64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
        {
            Some(millis) if millis >= 0 => Ok(Span::from_millis(millis)),
            _ => misfit(EXPECTED_TIME),
        }
    }
}

const EXPECTED_TIME: &str = "expected a time such as \"250ms\", \"10s\", \"5m\", \"1h\" or \"90d\"";

impl Setting for Size {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        const EXPECTED: &str =
            "expected a number of bytes, or a size such as \"64KiB\" or \"1MiB\"";
        let text = match &node.value {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            _ => return misfit(EXPECTED),
        };
        let (number, unit) = split_unit(&text);
        let factor = match unit {
            "" | "B" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            _ => return misfit(EXPECTED),
        };
        match number
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
        {
            Some(bytes) => Ok(Size(bytes)),
            None => misfit(EXPECTED),
        }
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

impl<T: Setting> Setting for Option<T> {
    const SECRET: bool = T::SECRET;

    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        match &node.value {
            Value::Text(text) if text.is_empty() => Ok(None),
            _ => T::read(node).map(Some),
        }
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        let items = match &node.value {
            Value::List(items) => items.clone(),
            Value::Text(text) if node.plain => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| node.like(Value::Text(item.to_owned())))
                .collect(),
            other => return misfit(format!("expected a list, found {}", other.what())),
        };
        collect(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| (format!("[{index}]"), T::read(item), item.line)),
        )
    }
}

impl<T: Setting> Setting for BTreeMap<String, T> {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        match &node.value {
            Value::Table(table) => collect(table.iter().map(|(name, item)| {
                let read = T::read(item).map(|value| (name.clone(), value));
                (format!(".{name}"), read, item.line)
            })),
            _ if node.plain => misfit("a table can be set in the file only"),
            other => misfit(format!("expected a table, found {}", other.what())),
        }
    }
}

/// Gathers the values, or every misfit with its place in front.
fn collect<T, C: FromIterator<T>>(
    items: impl Iterator<Item = (String, Result<T, Vec<Misfit>>, Option<usize>)>,
) -> Result<C, Vec<Misfit>> {
    let mut misfits = Vec::new();
    let values: Vec<T> = items
        .filter_map(|(place, read, line)| match read {
            Ok(value) => Some(value),
            Err(found) => {
                misfits.extend(found.into_iter().map(|misfit| Misfit {
                    below: format!("{place}{}", misfit.below),
                    line: misfit.line.or(line),
                    ..misfit
                }));
                None
            }
        })
        .collect();
    if misfits.is_empty() {
        Ok(values.into_iter().collect())
    } else {
        Err(misfits)
    }
}

/// A type that is one of a few words.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $choice:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$about])* $choice,)* }

        impl $crate::config::read::Setting for $name {
            fn read(
                node: &$crate::config::layer::Node,
            ) -> Result<Self, Vec<$crate::config::read::Misfit>> {
                match String::read(node)?.as_str() {
                    $($word => Ok($name::$choice),)*
                    other => $crate::config::read::unknown_word(other, &[$($word),*]),
                }
            }
        }
    };
}
pub(super) use choice;

/// The misfit of a word that is none of the choices.
pub(super) fn unknown_word<T>(word: &str, choices: &[&str]) -> Result<T, Vec<Misfit>> {
    let nearest = super::layer::nearest(word, choices.iter().map(|choice| (*choice).to_owned()));
    let message = format!("{word:?} is not one of {}", choices.join(", "));
    Err(vec![Misfit {
        below: String::new(),
        message,
        nearest,
        line: None,
    }])
}

/// The members of one named thing in a table, taken out one by one; what is left is unknown.
pub(super) struct Fields<'n> {
    table: &'n BTreeMap<String, Node>,
    names: Vec<&'static str>,
    misfits: Vec<Misfit>,
}

impl<'n> Fields<'n> {
    pub(super) fn of(node: &'n Node) -> Result<Self, Vec<Misfit>> {
        match &node.value {
            Value::Table(table) => Ok(Self {
                table,
                names: Vec::new(),
                misfits: Vec::new(),
            }),
            other => misfit(format!("expected a table, found {}", other.what())),
        }
    }

    /// The member of this name, if it is there and fits.
    pub(super) fn optional<T: Setting>(&mut self, name: &'static str) -> Option<T> {
        self.names.push(name);
        let node = self.table.get(name)?;
        match T::read(node) {
            Ok(value) => Some(value),
            Err(found) => {
                self.misfits.extend(found.into_iter().map(|misfit| Misfit {
                    below: format!(".{name}{}", misfit.below),
                    line: misfit.line.or(node.line),
                    ..misfit
                }));
                None
            }
        }
    }

    /// The same for a member that must be there.
    pub(super) fn required<T: Setting>(&mut self, name: &'static str) -> Option<T> {
        if !self.table.contains_key(name) {
            self.refuse(name, "is missing");
        }
        self.optional(name)
    }

    /// Notes that a member does not fit for a reason that its type does not know.
    pub(super) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        let line = self.table.get(name).and_then(|node| node.line);
        self.misfits.push(Misfit {
            below: format!(".{name}"),
            message: message.into(),
            nearest: None,
            line,
        });
    }

    /// The thing, if every member was known and fits.
    pub(super) fn finish<T>(mut self, thing: Option<T>) -> Result<T, Vec<Misfit>> {
        for (name, node) in self
            .table
            .iter()
            .filter(|(name, _)| !self.names.contains(&name.as_str()))
        {
            self.misfits.push(Misfit {
                below: format!(".{name}"),
                message: "there is no such setting".to_owned(),
                nearest: super::layer::nearest(
                    name,
                    self.names.iter().map(|name| (*name).to_owned()),
                ),
                line: node.line,
            });
        }
        match thing {
            Some(thing) if self.misfits.is_empty() => Ok(thing),
            _ => Err(self.misfits),
        }
    }
}
