//! Columns as the types of the domain.

use std::fmt::Display;
use std::str::FromStr;

use credential::key::Maker;
use credential::time::Instant;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Fault;
use crate::change::shape;
use crate::db::Row;

pub(crate) fn parsed<T: FromStr<Err: Display>>(row: &Row, at: usize) -> Result<T, Fault> {
    row.text(at)?.parse().map_err(shape)
}

pub(crate) fn opt_parsed<T: FromStr<Err: Display>>(
    row: &Row,
    at: usize,
) -> Result<Option<T>, Fault> {
    row.opt_text(at)?
        .map(|text| text.parse().map_err(shape))
        .transpose()
}

pub(crate) fn json<T: DeserializeOwned>(row: &Row, at: usize) -> Result<T, Fault> {
    serde_json::from_str(row.text(at)?).map_err(shape)
}

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(shape)
}

pub(crate) fn instant(row: &Row, at: usize) -> Result<Instant, Fault> {
    row.int(at).map(Instant::from_millis)
}

pub(crate) fn opt_instant(row: &Row, at: usize) -> Result<Option<Instant>, Fault> {
    Ok(row.opt_int(at)?.map(Instant::from_millis))
}

pub(crate) fn number<T: TryFrom<i64, Error: Display>>(row: &Row, at: usize) -> Result<T, Fault> {
    row.int(at)?.try_into().map_err(shape)
}

/// A count as the columns hold it; what is beyond any column counts as the most there can be.
pub(crate) fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// `system`, `user:<id>` or `key:<id>`.
pub(crate) fn maker_text(maker: Maker) -> String {
    match maker {
        Maker::User(id) => format!("user:{id}"),
        Maker::Key(id) => format!("key:{id}"),
        Maker::System => "system".to_owned(),
    }
}

pub(crate) fn maker(text: &str) -> Result<Maker, Fault> {
    match text.split_once(':') {
        Some(("user", id)) => id.parse().map(Maker::User).map_err(shape),
        Some(("key", id)) => id.parse().map(Maker::Key).map_err(shape),
        None if text == "system" => Ok(Maker::System),
        _ => Err(shape("a maker is a user, a key or the system")),
    }
}
