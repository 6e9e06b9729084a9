//! What goes into a statement and what comes out: whole numbers, text and bytes, nothing else,
//! because both engines keep these three alike.

use std::borrow::Cow;
use std::fmt;

use crate::Fault;

/// The three types of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A 64-bit whole number: instants in milliseconds, counters, flags. INTEGER, BIGINT.
    Int,
    /// Unicode text without U+0000, compared byte by byte: ids, names, JSON. TEXT.
    Text,
    /// Bytes: digests, sealed values. BLOB, BYTEA.
    Blob,
}

/// A value for a `$n` of a statement.
#[derive(Clone, PartialEq, Eq)]
pub enum Arg<'a> {
    /// A whole number.
    Int(i64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(Cow<'a, [u8]>),
    /// No value, of a type: PostgreSQL wants to know which.
    Null(Kind),
}

/// Writes the arguments of a statement in the order of their `$n`: `args![id, version, now]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::db::Arg::from($value)),*] };
}

impl Arg<'_> {
    /// PostgreSQL keeps no U+0000 in text; SQLite would, and a dump of it would not load.
    pub(super) fn check(&self) -> Result<(), Fault> {
        match self {
            Self::Text(text) if text.contains('\0') => {
                Err(Fault::Shape("text with U+0000".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// Says the type and the size, never the value: it may be a digest or a sealed secret.
impl fmt::Debug for Arg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(_) => write!(f, "Int"),
            Self::Text(text) => write!(f, "Text of {} bytes", text.len()),
            Self::Blob(bytes) => write!(f, "Blob of {} bytes", bytes.len()),
            Self::Null(kind) => write!(f, "Null {kind:?}"),
        }
    }
}

macro_rules! arg_from {
    ($($kind:ident: $($type:ty)|+ => |$value:ident| $arg:expr;)+) => {$($(
        impl<'a> From<$type> for Arg<'a> {
            fn from($value: $type) -> Self {
                Self::$kind($arg)
            }
        }

        impl<'a> From<Option<$type>> for Arg<'a> {
            fn from(value: Option<$type>) -> Self {
                value.map_or(Self::Null(Kind::$kind), Self::from)
            }
        }
    )+)+};
}

arg_from! {
    Int: i64 => |value| value;
    Int: i32 | u32 | u16 | u8 | bool => |value| value.into();
    Text: &'a str | String => |value| value.into();
    Text: &'a String => |value| value.as_str().into();
    Blob: &'a [u8] | Vec<u8> => |value| value.into();
    Blob: &'a Vec<u8> => |value| value.as_slice().into();
}

impl<'a, const N: usize> From<&'a [u8; N]> for Arg<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Blob(bytes.as_slice().into())
    }
}

impl<'a, const N: usize> From<Option<&'a [u8; N]>> for Arg<'a> {
    fn from(bytes: Option<&'a [u8; N]>) -> Self {
        bytes.map_or(Self::Null(Kind::Blob), Self::from)
    }
}

/// A value of a column.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// A row of an answer. Columns are read by their place in the SELECT, from 0.
pub struct Row(Box<[Value]>);

impl Row {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self(values.into_boxed_slice())
    }

    /// The number in column `at`.
    pub fn int(&self, at: usize) -> Result<i64, Fault> {
        match self.value(at)? {
            Value::Int(value) => Ok(*value),
            _ => Err(self.mismatch(at, "a number")),
        }
    }

    /// The flag in column `at`: 0 or 1.
    pub fn flag(&self, at: usize) -> Result<bool, Fault> {
        match self.int(at)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.mismatch(at, "0 or 1")),
        }
    }

    /// The text in column `at`.
    pub fn text(&self, at: usize) -> Result<&str, Fault> {
        match self.value(at)? {
            Value::Text(value) => Ok(value),
            _ => Err(self.mismatch(at, "text")),
        }
    }

    /// The bytes in column `at`.
    pub fn blob(&self, at: usize) -> Result<&[u8], Fault> {
        match self.value(at)? {
            Value::Blob(value) => Ok(value),
            _ => Err(self.mismatch(at, "bytes")),
        }
    }

    /// The `N` bytes in column `at`; another length is a fault.
    pub fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Fault> {
        self.blob(at)?
            .try_into()
            .map_err(|_| self.mismatch(at, "bytes of another length"))
    }

    /// The number in column `at`, or NULL.
    pub fn opt_int(&self, at: usize) -> Result<Option<i64>, Fault> {
        match self.value(at)? {
            Value::Null => Ok(None),
            Value::Int(number) => Ok(Some(*number)),
            _ => Err(self.mismatch(at, "a number or NULL")),
        }
    }

    /// The text in column `at`, or NULL.
    pub fn opt_text(&self, at: usize) -> Result<Option<&str>, Fault> {
        match self.value(at)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(self.mismatch(at, "text or NULL")),
        }
    }

    /// The bytes in column `at`, or NULL.
    pub fn opt_blob(&self, at: usize) -> Result<Option<&[u8]>, Fault> {
        match self.value(at)? {
            Value::Null => Ok(None),
            Value::Blob(bytes) => Ok(Some(bytes)),
            _ => Err(self.mismatch(at, "bytes or NULL")),
        }
    }

    fn value(&self, at: usize) -> Result<&Value, Fault> {
        self.0
            .get(at)
            .ok_or_else(|| Fault::Shape(format!("there is no column {at} among {}", self.0.len())))
    }

    fn mismatch(&self, at: usize, expected: &str) -> Fault {
        let found = match self.0.get(at) {
            None => "nothing",
            Some(Value::Null) => "NULL",
            Some(Value::Int(_)) => "a number",
            Some(Value::Text(_)) => "text",
            Some(Value::Blob(_)) => "bytes",
        };
        Fault::Shape(format!("column {at} holds {found} instead of {expected}"))
    }
}

/// Says the types of the columns, never their values.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.0.iter().map(|value| match value {
            Value::Null => "Null",
            Value::Int(_) => "Int",
            Value::Text(_) => "Text",
            Value::Blob(_) => "Blob",
        });
        f.debug_list().entries(kinds).finish()
    }
}
