//! Shapes that several nouns share on the wire.

use std::fmt;

use credential::grant::{Listed, Resources};
use credential::key::Maker;
use credential::time::Instant;
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A moment, as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Instant);

/// The moments that can be written: from the epoch to a day before the year 10000, where every offset still has four
/// digits for the year.
const MILLIS: std::ops::RangeInclusive<i64> = 0..=253_402_207_199_999;

impl Time {
    /// Reads RFC 3339 with any offset.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let strict =
            text.len() <= 40 && text.as_bytes().get(10) == Some(&b'T') && !text.contains('[');
        let read = text.parse::<jiff::Timestamp>().ok().filter(|_| strict)?;
        let millis = read.as_millisecond();
        MILLIS
            .contains(&millis)
            .then_some(Self(Instant::from_millis(millis)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.millis().clamp(*MILLIS.start(), *MILLIS.end());
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(time) => time.fmt(f),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl std::str::FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or("expected a moment such as 2026-01-31T23:59:59Z")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some(
                "A moment as RFC 3339, in answers always in UTC and with milliseconds at most.",
            ))
            .into()
    }
}

impl ToSchema for Time {}

/// Which resources a role or a scope reaches: `"all"`, or a list of one kind. Nothing listed is an error, never "all".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach(pub(super) Resources);

/// How [`Reach`] looks.
#[derive(ToSchema)]
#[schema(as = Resources, description = "`\"all\"`, or a list of one kind. Nothing listed is an error, never \"all\".")]
#[expect(dead_code, reason = "it only describes")]
#[serde(untagged)]
pub(super) enum ReachShape {
    /// Every resource of the organization.
    All(All),
    /// The listed ones.
    Listed(ListedShape),
}

/// The word for every resource.
#[derive(ToSchema, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum All {
    /// Every resource of the organization.
    All,
}

/// A list of resources of one kind.
#[derive(ToSchema, Deserialize, Serialize)]
#[schema(as = ListedResources)]
#[serde(deny_unknown_fields)]
pub(super) struct ListedShape {
    /// The kind, as the product names it.
    #[schema(pattern = "^[a-z0-9_]{1,40}$")]
    kind: String,
    /// Their identifiers.
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<String>,
}

impl Default for Reach {
    fn default() -> Self {
        Self(Resources::All)
    }
}

impl Serialize for Reach {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Resources::All => All::All.serialize(serializer),
            Resources::Listed(listed) => listed.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Reach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Reach;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\" or an object with kind and ids")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Reach, E> {
                if text == "all" {
                    Ok(Reach(Resources::All))
                } else {
                    Err(E::custom("expected \"all\" or an object with kind and ids"))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Reach, A::Error> {
                Listed::deserialize(MapAccessDeserializer::new(map))
                    .map(|listed| Reach(Resources::Listed(listed)))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// Reads a thing that is written as its text alone, or as an object that says more.
pub(super) fn text_or_object<'de, D, T, O>(
    deserializer: D,
    expecting: &'static str,
    from_text: fn(&str) -> Result<T, String>,
    from_object: fn(O) -> T,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    O: Deserialize<'de>,
{
    struct Read<T, O>(&'static str, fn(&str) -> Result<T, String>, fn(O) -> T);
    impl<'de, T, O: Deserialize<'de>> Visitor<'de> for Read<T, O> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.1)(text).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            O::deserialize(MapAccessDeserializer::new(map)).map(self.2)
        }
    }
    deserializer.deserialize_any(Read(expecting, from_text, from_object))
}

/// Tells a member that is `null` from one that is absent.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Who made a thing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Maker)]
pub(super) struct MakerView {
    /// `user`, `key`, or `system` for the server itself and whoever holds its shell.
    kind: &'static str,
    /// The user or the key; `null` for the system.
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<String>,
}

impl From<Maker> for MakerView {
    fn from(maker: Maker) -> Self {
        match maker {
            Maker::User(id) => Self {
                kind: "user",
                id: Some(id.to_string()),
            },
            Maker::Key(id) => Self {
                kind: "key",
                id: Some(id.to_string()),
            },
            Maker::System => Self {
                kind: "system",
                id: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_and_read_with_any_offset() {
        let read = |text: &str| Time::parse(text).map(|time| time.to_string());
        assert_eq!(
            read("2026-01-31T23:59:59Z").as_deref(),
            Some("2026-01-31T23:59:59Z")
        );
        assert_eq!(
            read("2026-02-01T01:59:59.25+02:00").as_deref(),
            Some("2026-01-31T23:59:59.25Z")
        );
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31 23:59:59Z",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
            "now",
            "2026-01-31T23:59:59+01:00[Europe/Berlin]",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(Time(Instant::MAX).to_string(), "9999-12-30T21:59:59.999Z");
    }

    #[test]
    fn a_reach_that_lists_nothing_is_refused() {
        let read = |text: &str| {
            serde_json::from_str::<Reach>(text)
                .ok()
                .map(|reach| reach.0)
        };
        assert_eq!(read("\"all\""), Some(Resources::All));
        assert!(read(r#"{"kind": "account", "ids": ["a"]}"#).is_some());
        for bad in [
            "null",
            "\"none\"",
            "{}",
            r#"{"kind": "account", "ids": []}"#,
            r#"{"kind": "a", "ids": ["x"], "all": true}"#,
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
        let reach = Reach(Resources::listed("account", ["a".to_owned()]).unwrap());
        assert_eq!(
            serde_json::to_string(&reach).unwrap(),
            r#"{"kind":"account","ids":["a"]}"#
        );
        assert_eq!(serde_json::to_string(&Reach::default()).unwrap(), "\"all\"");
    }
}
