//! The JSON of key management.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What stands around the answers of the classic calls.
#[derive(Serialize)]
pub(super) struct Reply<T> {
    pub(super) reply: T,
}

/// What stands around the answers of the newer calls.
#[derive(Serialize)]
pub(super) struct Data<T> {
    pub(super) data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Count>,
}

impl<T> Data<T> {
    pub(super) fn of(data: T) -> Self {
        Self {
            data,
            metadata: None,
        }
    }

    /// A list, with how many there are.
    pub(super) fn list(data: T, total_count: usize) -> Self {
        Self {
            data,
            metadata: Some(Count { total_count }),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Count {
    total_count: usize,
}

/// That something was done, in words that clients take apart.
#[derive(Serialize)]
pub(super) struct Message {
    pub(super) message: String,
}

/// A body without members that matter.
#[derive(Deserialize)]
pub(super) struct Nothing {}

/// Which keys are asked for, how sorted, and which stretch of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    pub(super) filters: Option<Vec<Filter>>,
    pub(super) search_from: Option<u32>,
    pub(super) search_to: Option<u32>,
    pub(super) sort: Option<Sort>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    pub(super) field: String,
    pub(super) operator: String,
    pub(super) value: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sort {
    pub(super) field: String,
    pub(super) keyword: String,
}

/// Which keys are to be deleted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delete {
    pub(super) filters: Vec<Filter>,
}

/// What a new key shall be. A member that is not known is refused: a typing error in `expiration` must not make a key
/// that lives longer than was meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Generate {
    pub(super) roles: Vec<String>,
    pub(super) security_level: String,
    pub(super) expiration: Option<Value>,
    pub(super) comment: Option<String>,
}

/// What a key shall be from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    pub(super) roles: Option<Vec<String>>,
    pub(super) security_level: Option<String>,
    pub(super) comment: Option<String>,
}

/// A key as lists show it.
#[derive(Serialize)]
pub(super) struct Key {
    pub(super) id: i64,
    pub(super) creation_time: i64,
    pub(super) created_by: String,
    pub(super) user_name: String,
    pub(super) roles: Vec<String>,
    pub(super) comment: String,
    pub(super) security_level: &'static str,
    /// Never where it is null.
    pub(super) expiration: Option<i64>,
}

/// Keys. The capitals are the vendor's.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) struct Keys {
    pub(super) data: Vec<Key>,
    pub(super) filter_count: usize,
    pub(super) total_count: usize,
}

/// A key that was just made: the only time that it is seen.
#[derive(Serialize)]
pub(super) struct Generated<'s> {
    pub(super) id: i64,
    pub(super) key: &'s str,
}

/// How many keys were deleted.
#[derive(Serialize)]
pub(super) struct Deleted {
    pub(super) update_count: usize,
}
