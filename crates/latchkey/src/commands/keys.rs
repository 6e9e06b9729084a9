//! `latchkey key`: keys of every kind, through a running server.

mod grants;

use anyhow::bail;
use authority::Failure;
use clap::{Args, Subcommand};
use credential::id::KeyId;
use serde_json::{Map, Value, json};

use super::MOST;
use crate::client::{Reach, Server, encoded, secret_from};
use crate::exit::Reason;
use crate::house::{self, House};
use crate::output::{Output, complain, confirmed, say, thing_of};
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  latchkey key create --product sample --name ci --scope sample.orders:read --expires-at 2030-01-01T00:00:00Z
  latchkey key create --product sample --name shop --role \"Reader=account:7\"
  latchkey key list --product sample --state active
  latchkey key list --expires-before 2030-01-31T00:00:00Z
  latchkey key examples 0197… --language python > try.py
  latchkey key rotate 0197… --overlap-seconds 3600
  latchkey key revoke 0197… --yes
  latchkey key enable 0197… --local     in the database of this machine, when no key is left to call with
  echo \"$CREDENTIAL\" | latchkey key verify --scope sample.orders:read";

/// Make, see, change, rotate and end keys.
#[derive(Subcommand)]
#[command(before_help = EXAMPLES)]
pub(crate) enum Key {
    /// Make a key; its secret is shown now and never again.
    Create(Box<Create>),
    /// List keys.
    List(List),
    /// Show one key.
    Show(One),
    /// Show programs that use a key, ready to run; its secret stands in none of them.
    Examples(Examples),
    /// Change a key; what is not named stays.
    Edit(Box<Edit>),
    /// Take a key out of use.
    Disable(One),
    /// Bring a key back into use.
    Enable(Enable),
    /// Give a key a new secret.
    Rotate(Rotate),
    /// End a key for good.
    Revoke(Revoke),
    /// Ask whether a credential, read from standard input, is good.
    Verify(Verify),
    /// Show what the key of this call is and may.
    Whoami(Whoami),
}

/// One key.
#[derive(Args)]
pub(crate) struct One {
    #[command(flatten)]
    reach: Reach,
    /// The key's id.
    id: String,
}

/// One key, and in what the programs shall be written.
#[derive(Args)]
pub(crate) struct Examples {
    #[command(flatten)]
    reach: Reach,
    /// The key's id.
    id: String,
    /// Only the first one in this language, python or shell, and nothing but its text.
    #[arg(long)]
    language: Option<String>,
}

/// One key, and who brings it back.
#[derive(Args)]
pub(crate) struct Enable {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    settings: Settings,
    /// Open the database instead of asking the server, as who holds this machine: when no key is left to call with.
    #[arg(long)]
    local: bool,
}

/// What a new key shall be.
#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    reach: Reach,
    /// What it opens.
    #[arg(long)]
    product: String,
    /// How it is proven: static, signed, client, token_pair or jwt.
    #[arg(long, default_value = "static")]
    kind: String,
    #[command(flatten)]
    wish: Wish,
}

/// The members of a new key that do not depend on its kind.
#[derive(Args)]
pub(crate) struct Wish {
    /// What people call it.
    #[arg(long)]
    name: String,
    /// What people say of it.
    #[arg(long)]
    comment: Option<String>,
    /// A scope it shall have, for everything or for the resources named behind `=`; may be repeated.
    #[arg(long = "scope", value_name = "SCOPE[=KIND:ID,…]")]
    scopes: Vec<String>,
    /// A role it shall have, by name or id, for everything or for the resources named behind `=`; may be repeated.
    #[arg(long = "role", value_name = "ROLE[=KIND:ID,…]")]
    roles: Vec<String>,
    /// An address or network it may be used from; may be repeated.
    #[arg(long = "address", value_name = "NETWORK")]
    addresses: Vec<String>,
    /// How often it may be used in any window of that many seconds; may be repeated.
    #[arg(long = "limit", value_name = "NAME=CALLS/SECONDS")]
    limits: Vec<String>,
    /// Until when it is good, as RFC 3339, or `never`; left out, its product says.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// How long it is good, instead: a period of its product by name, or days such as 90d.
    #[arg(long, value_name = "PERIOD", conflicts_with = "expires_at")]
    expires_in: Option<String>,
    /// A resource that its roles and scopes reach, or `all`; may be repeated.
    #[arg(long = "resource", value_name = "KIND:ID")]
    resources: Vec<String>,
    /// Whose it is; left out, your own organization's.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// The person it depends on.
    #[arg(long, value_name = "ID")]
    owner: Option<String>,
}

/// Which keys.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    filter: Filter,
    /// Only those of this kind.
    #[arg(long)]
    kind: Option<String>,
}

/// Which keys, whatever their kind.
#[derive(Args)]
pub(crate) struct Filter {
    /// Of this organization instead of your own.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// Only those of this product.
    #[arg(long)]
    product: Option<String>,
    /// Only those that are active, disabled or revoked.
    #[arg(long)]
    state: Option<String>,
    /// Only those with this name.
    #[arg(long)]
    name: Option<String>,
    /// Only those that expire before this moment.
    #[arg(long, value_name = "TIME")]
    expires_before: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = MOST)]
    most: usize,
}

/// What shall change.
#[derive(Args)]
pub(crate) struct Edit {
    #[command(flatten)]
    reach: Reach,
    /// The key's id.
    id: String,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// A new comment.
    #[arg(long)]
    comment: Option<String>,
    /// Scopes, written as for `create`. Together with roles they take the place of everything given before.
    #[arg(long = "scope", value_name = "SCOPE[=KIND:ID,…]")]
    scopes: Vec<String>,
    /// Roles, written as for `create`. Together with scopes they take the place of everything given before.
    #[arg(long = "role", value_name = "ROLE[=KIND:ID,…]")]
    roles: Vec<String>,
    /// Addresses in place of all earlier ones; `any` alone for none.
    #[arg(long = "address", value_name = "NETWORK")]
    addresses: Vec<String>,
    /// Limits in place of all earlier ones; `none` alone for none.
    #[arg(long = "limit", value_name = "NAME=CALLS/SECONDS")]
    limits: Vec<String>,
    /// A new expiry, as RFC 3339, or `never`.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Refuse when the key is no longer at this version.
    #[arg(long)]
    version: Option<i64>,
}

/// A new secret.
#[derive(Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    reach: Reach,
    /// The key's id.
    id: String,
    /// How long the old secret goes on; left out, the product says.
    #[arg(long)]
    overlap_seconds: Option<u64>,
}

/// The end of a key.
#[derive(Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    reach: Reach,
    /// The key's id.
    id: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// A question.
#[derive(Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    reach: Reach,
    /// A scope it must have; may be repeated.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The resource it must reach.
    #[arg(long)]
    resource: Option<String>,
    /// The address it is used from.
    #[arg(long)]
    ip: Option<String>,
    /// Do not count this against its limits.
    #[arg(long)]
    peek: bool,
}

/// Who calls.
#[derive(Args)]
pub(crate) struct Whoami {
    #[command(flatten)]
    reach: Reach,
}

/// The columns of a listing.
pub(super) const COLUMNS: [(&str, &str); 6] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("PRODUCT", "product"),
    ("KIND", "kind"),
    ("STATUS", "status"),
    ("EXPIRES", "expires_at"),
];

impl Key {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => {
                let Create {
                    reach,
                    product,
                    kind,
                    wish,
                } = *create;
                make(&reach.with_key()?, output, &product, &kind, wish).await
            }
            Self::List(list) => {
                let server = list.reach.with_key()?;
                let items = listed(&server, &list.filter, list.kind.as_deref()).await?;
                output.list(&items, &COLUMNS);
                Ok(())
            }
            Self::Show(one) => {
                output.value(&one.reach.with_key()?.get(&path(&one.id)).await?);
                Ok(())
            }
            Self::Examples(examples) => examples.show(output).await,
            Self::Edit(edit) => {
                let server = edit.reach.with_key()?;
                let body = edit.body(&server).await?;
                let answer = server.patch(&path(&edit.id), &body, edit.version).await?;
                output.thing(&answer);
                Ok(())
            }
            Self::Disable(one) => transition(&one, "disable", output).await,
            Self::Enable(enable) if enable.local => enable.here(output).await,
            Self::Enable(enable) => transition(&enable.one, "enable", output).await,
            Self::Rotate(rotate) => renew(rotate, output).await,
            Self::Revoke(revoke) => end(revoke, output).await,
            Self::Verify(verify) => verify.run(output).await,
            Self::Whoami(whoami) => {
                output.value(&whoami.reach.with_key()?.get("/api/v1/whoami").await?);
                Ok(())
            }
        }
    }
}

impl Examples {
    async fn show(&self, output: Output) -> anyhow::Result<()> {
        let path = format!("{}/examples", path(&self.id));
        let answer = self.reach.with_key()?.get(&path).await?;
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        let text =
            |item: &Value, member: &str| item[member].as_str().unwrap_or_default().to_owned();
        if let Some(language) = &self.language {
            let Some(found) = items
                .iter()
                .find(|item| text(item, "language") == *language)
            else {
                bail!("there is no example in {language} for this key");
            };
            say(text(found, "code").trim_end());
        } else if output.json {
            output.value(&answer["items"]);
        } else {
            for item in &items {
                say(&format!(
                    "# {} ({})",
                    text(item, "title"),
                    text(item, "language")
                ));
                say(&text(item, "code"));
            }
        }
        Ok(())
    }
}

/// Makes a key and shows what is shown once.
pub(super) async fn make(
    server: &Server,
    output: Output,
    product: &str,
    kind: &str,
    wish: Wish,
) -> anyhow::Result<()> {
    let answer = server
        .post("/api/v1/keys", &wish.body(server, product, kind).await?)
        .await?;
    show_secret(&answer, output);
    Ok(())
}

/// Keys of a filter.
pub(super) async fn listed(
    server: &Server,
    filter: &Filter,
    kind: Option<&str>,
) -> anyhow::Result<Vec<Value>> {
    let query = [
        ("organization_id", filter.organization.as_deref()),
        ("product", filter.product.as_deref()),
        ("state", filter.state.as_deref()),
        ("name", filter.name.as_deref()),
        ("expires_before", filter.expires_before.as_deref()),
        ("kind", kind),
    ];
    server.items("/api/v1/keys", &query, filter.most).await
}

/// Gives a key a new secret and shows it.
pub(super) async fn renew(rotate: Rotate, output: Output) -> anyhow::Result<()> {
    let mut body = Map::new();
    if let Some(seconds) = rotate.overlap_seconds {
        body.insert("overlap_seconds".to_owned(), json!(seconds));
    }
    let server = rotate.reach.with_key()?;
    let answer = server
        .post(
            &format!("{}/rotate", path(&rotate.id)),
            &Value::Object(body),
        )
        .await?;
    show_secret(&answer, output);
    Ok(())
}

/// Ends a key.
pub(super) async fn end(revoke: Revoke, output: Output) -> anyhow::Result<()> {
    let server = revoke.reach.with_key()?;
    confirmed(&format!("end the key {}", revoke.id), revoke.yes)?;
    let answer = server
        .post(&format!("{}/revoke", path(&revoke.id)), &json!({}))
        .await?;
    output.thing(&answer);
    Ok(())
}

async fn transition(one: &One, verb: &str, output: Output) -> anyhow::Result<()> {
    let answer = one
        .reach
        .with_key()?
        .post(&format!("{}/{verb}", path(&one.id)), &json!({}))
        .await?;
    output.thing(&answer);
    Ok(())
}

impl Enable {
    /// Enables it in the database itself.
    async fn here(self, output: Output) -> anyhow::Result<()> {
        let unreadable =
            |_| Reason::Usage.because(format!("{} is not the id of a key", self.one.id));
        let id: KeyId = self.one.id.parse().map_err(unreadable)?;
        let house = House::enter(&self.settings.load(&[])?.config).await?;
        let enabled = house.authority.enable_key(&house::shell(), id, None).await;
        house.leave().await?;
        let key = match enabled {
            Ok(changed) => changed.key,
            Err(Failure::Refused(refusal)) => return Err(Reason::Refused.because(refusal)),
            Err(failure) => return Err(failure.into()),
        };
        output
            .value(&json!({"id": key.id, "name": key.name.as_str(), "state": key.state.as_str()}));
        Ok(())
    }
}

fn path(id: &str) -> String {
    format!("/api/v1/keys/{}", encoded(id))
}

/// Shows an answer with a secret: as it came for programs; for people the secret with the key's id.
fn show_secret(answer: &Value, output: Output) {
    if output.json {
        return output.value(answer);
    }
    let mut shown = Map::new();
    shown.insert("id".to_owned(), thing_of(answer)["id"].clone());
    if let Some(secret) = answer["secret"].as_object() {
        shown.extend(secret.clone());
    }
    output.value(&Value::Object(shown));
    complain("This is shown once. Keep it where only its user can read it.");
}

impl Wish {
    async fn body(self, server: &Server, product: &str, kind: &str) -> anyhow::Result<Value> {
        let organization = self.organization.as_deref();
        let roles = grants::roles(server, product, organization, &self.roles).await?;
        let mut body = json!({"product": product, "kind": kind, "name": self.name});
        let members = [
            ("comment", self.comment.map(Value::from)),
            ("scopes", some(grants::scopes(&self.scopes)?)),
            ("roles", some(roles)),
            ("addresses", some(self.addresses)),
            ("limits", some(limits(&self.limits)?)),
            ("expires_at", self.expires_at.map(|time| expiry(&time))),
            ("expires_in", self.expires_in.map(Value::from)),
            ("resources", resources(&self.resources)?),
            ("organization_id", self.organization.map(Value::from)),
            ("owner_id", self.owner.map(Value::from)),
        ];
        fill(&mut body, members);
        Ok(body)
    }
}

/// What is reached, as the API has it: everything, or resources of one kind.
fn resources(named: &[String]) -> anyhow::Result<Option<Value>> {
    let (kind, mut ids) = match named {
        [] => return Ok(None),
        [all] if all == "all" => return Ok(Some(json!("all"))),
        [first, ..] => (first.split_once(':').unwrap_or_default().0, Vec::new()),
    };
    for resource in named {
        match resource.split_once(':') {
            Some((known, id)) if known == kind && !id.is_empty() => ids.push(id),
            _ => {
                return Err(Reason::Usage.because(
                    "resources are named as KIND:ID, all of one kind; or all of them with `all`",
                ));
            }
        }
    }
    Ok(Some(json!({"kind": kind, "ids": ids})))
}

impl Edit {
    async fn body(&self, server: &Server) -> anyhow::Result<Value> {
        let roles = if self.roles.is_empty() {
            Vec::new()
        } else {
            let key = server.get(&path(&self.id)).await?;
            let text = |member: &str| key[member].as_str().unwrap_or_default();
            let organization = Some(text("organization_id"));
            grants::roles(server, text("product"), organization, &self.roles).await?
        };
        let cleared = |list: &[String], word: &str| list.len() == 1 && list[0] == word;
        let addresses = match cleared(&self.addresses, "any") {
            true => Some(json!([])),
            false => some(self.addresses.clone()),
        };
        let limits = match cleared(&self.limits, "none") {
            true => Some(json!([])),
            false => some(limits(&self.limits)?),
        };
        let mut body = json!({});
        let members = [
            ("name", self.name.clone().map(Value::from)),
            ("comment", self.comment.clone().map(Value::from)),
            ("scopes", some(grants::scopes(&self.scopes)?)),
            ("roles", some(roles)),
            ("addresses", addresses),
            ("limits", limits),
            ("expires_at", self.expires_at.as_deref().map(expiry)),
        ];
        fill(&mut body, members);
        if body.as_object().is_some_and(Map::is_empty) {
            return Err(
                Reason::Usage.because("nothing to change was named; see latchkey key edit --help")
            );
        }
        Ok(body)
    }
}

impl Verify {
    async fn run(self, output: Output) -> anyhow::Result<()> {
        if self.reach.key_stdin {
            return Err(Reason::Usage.because(
                "standard input is for the credential in question; give your own key in a file",
            ));
        }
        let server = self.reach.with_key()?;
        let credential = secret_from(std::io::stdin().lock())?;
        let mut body = json!({"credential": credential});
        let members = [
            ("scopes", some(self.scopes)),
            ("resource", self.resource.map(Value::from)),
            ("ip", self.ip.map(Value::from)),
            ("consume", self.peek.then_some(Value::Bool(false))),
        ];
        fill(&mut body, members);
        let verdict = server.post("/api/v1/verify", &body).await?;
        output.value(&verdict);
        match verdict["valid"].as_bool() {
            Some(true) => Ok(()),
            Some(false) => {
                Err(Reason::Unhealthy.because(verdict["code"].as_str().unwrap_or("not valid")))
            }
            None => bail!("the server's answer is no verdict"),
        }
    }
}

/// A list that is not empty.
fn some<T: Into<Value>>(list: Vec<T>) -> Option<Value> {
    (!list.is_empty()).then(|| {
        list.into_iter()
            .map(Into::into)
            .collect::<Vec<Value>>()
            .into()
    })
}

/// Adds the members that have a value.
pub(super) fn fill<'m>(
    body: &mut Value,
    members: impl IntoIterator<Item = (&'m str, Option<Value>)>,
) {
    for (name, value) in members {
        if let Some(value) = value {
            body[name] = value;
        }
    }
}

fn expiry(text: &str) -> Value {
    match text {
        "never" => Value::Null,
        time => Value::from(time),
    }
}

fn limits(texts: &[String]) -> anyhow::Result<Vec<Value>> {
    texts
        .iter()
        .map(|text| {
            let parts = || {
                let (name, window) = text.split_once('=')?;
                let (calls, seconds) = window.split_once('/')?;
                Some((
                    name,
                    calls.parse::<u64>().ok()?,
                    seconds.parse::<u64>().ok()?,
                ))
            };
            let (name, calls, seconds) = parts().ok_or_else(|| {
                Reason::Usage.because(format!(
                    "--limit {text}: expected a limit such as hourly=8000/3600"
                ))
            })?;
            Ok(json!({"name": name, "quota": calls, "window_seconds": seconds}))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_reads_as_calls_in_seconds() {
        let read = limits(&["hourly=8000/3600".to_owned()]).unwrap();
        assert_eq!(
            read,
            [json!({"name": "hourly", "quota": 8000, "window_seconds": 3600})]
        );
        for wrong in ["8000/3600", "hourly=8000", "hourly=x/1", "hourly=1/-1"] {
            assert!(limits(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn never_is_written_as_no_expiry() {
        assert_eq!(expiry("never"), Value::Null);
        assert_eq!(
            expiry("2030-01-01T00:00:00Z"),
            json!("2030-01-01T00:00:00Z")
        );
    }
}
