use authority::Authority;
use serde_json::Value;

use super::Told;

pub(super) async fn settle(_authority: &Authority) -> anyhow::Result<Told> {
    Ok(Told {
        facts: Value::Null,
        to_try: String::new(),
    })
}
