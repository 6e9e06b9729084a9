//! Channels: the ways out for notices.

use credential::canonical::Canonical;
use credential::event::{Action, SubjectKind};
use credential::id::{ChannelId, OrganizationId};
use credential::notice::channel::{Channel, SigningSecret, Wanted, Way, Webhook};
use credential::notice::url::HookUrl;
use credential::organization::Email;
use credential::time::Instant;
use zeroize::Zeroizing;

use crate::change::{Change, View, page_size, shape};
use crate::column::{instant, maker, maker_text, opt_instant, parsed, to_json};
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, args};

/// Bytes of one signing secret.
const SECRET: usize = 32;

impl Recorded for Channel {
    const KIND: SubjectKind = SubjectKind::NoticeChannel;

    fn subject_id(&self) -> String {
        self.id.to_string()
    }

    fn organization(&self) -> Option<OrganizationId> {
        Some(self.organization)
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey notice channel row")
            .bytes(self.id.as_bytes())
            .bytes(self.organization.as_bytes())
            .text(self.name.as_str())
            .text(self.way.word())
            .text(&target(&self.way).unwrap_or_default())
            .opt_text(kinds(&self.wanted).unwrap_or_default().as_deref())
            .int(i64::from(self.active))
            .int(self.created_at.millis())
            .text(&maker_text(self.created_by))
            .opt_int(previous_until(&self.way).map(Instant::millis))
            .int(self.version)
            .finish()
    }
}

macro_rules! columns {
    () => {
        "id, organization, name, way, target, kinds, active, created_at, created_by, previous_until, version, sealed"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM notice_channel WHERE id = $1");
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notice_channel WHERE id > COALESCE(CAST($1 AS TEXT), '') ORDER BY id LIMIT $2"
);
const OF_ORGANIZATION: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notice_channel WHERE organization = $1 AND id > COALESCE(CAST($2 AS TEXT), '') ORDER BY id LIMIT $3"
);
const FAILING_SINCE: &str = "SELECT failing_since FROM notice_channel WHERE id = $1";
const FAILING: &str = "\
    SELECT id, failing_since FROM notice_channel
    WHERE failing_since <= $1 AND failing_told = 0 AND active = 1 ORDER BY id LIMIT $2";

impl View<'_> {
    /// A channel by its id.
    pub fn channel(&self, id: ChannelId) -> Result<Option<Found<Channel>>, Fault> {
        self.row(GET, args![id.to_string()])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// The channels of an organization, the oldest first.
    pub fn channels_page(
        &self,
        organization: OrganizationId,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Result<Vec<Found<Channel>>, Fault> {
        let after = after.map(|id| id.to_string());
        let args = args![organization.to_string(), after, page_size(limit)];
        self.rows(OF_ORGANIZATION, args)?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// Since when nothing gets through over a channel; `None` where the last delivery arrived, or none was tried.
    pub fn failing_since(&self, id: ChannelId) -> Result<Option<Instant>, Fault> {
        match self.row(FAILING_SINCE, args![id.to_string()])? {
            Some(row) => opt_instant(&row, 0),
            None => Ok(None),
        }
    }

    /// Channels over which nothing gets through since before a moment, of which nobody was told; and since when.
    pub fn failing_channels(
        &self,
        before: Instant,
        limit: usize,
    ) -> Result<Vec<(ChannelId, Instant)>, Fault> {
        self.rows(FAILING, args![before.millis(), page_size(limit)])?
            .iter()
            .map(|row| Ok((parsed(row, 0)?, instant(row, 1)?)))
            .collect()
    }

    pub(crate) fn channels_after(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Found<Channel>>, Fault> {
        self.rows(PAGE, args![after, page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }
}

const INSERT: &str = concat!(
    "INSERT INTO notice_channel (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
);
const UPDATE: &str = "\
    UPDATE notice_channel SET name = $1, target = $2, kinds = $3, active = $4, previous_until = $5, version = $6,
        sealed = $7
    WHERE id = $8 AND version = $9";
const DELETE: &str = "DELETE FROM notice_channel WHERE id = $1 AND version = $2";
const FORGET: &str =
    "UPDATE notice_channel SET failing_since = NULL, failing_told = 0 WHERE id = $1";
const DELETE_DELIVERIES: &str = "DELETE FROM delivery WHERE channel = $1";

impl Change<'_> {
    /// Writes a new channel, of version 1.
    pub fn insert_channel(&mut self, channel: &Channel, detail: &str) -> Result<(), Fault> {
        if channel.version != 1 {
            return Err(shape("a new channel has version 1"));
        }
        self.execute(
            INSERT,
            args![
                channel.id.to_string(),
                channel.organization.to_string(),
                channel.name.as_str(),
                channel.way.word(),
                target(&channel.way)?,
                kinds(&channel.wanted)?,
                channel.active,
                channel.created_at.millis(),
                maker_text(channel.created_by),
                previous_until(&channel.way).map(Instant::millis),
                channel.version,
                seal(self, channel)?
            ],
        )?;
        self.record(channel, Action::ChannelCreated, detail);
        Ok(())
    }

    /// Writes a changed channel over the version that it was made from. How it stood to its receivers begins anew.
    pub fn update_channel(
        &mut self,
        channel: Channel,
        action: Action,
        detail: &str,
    ) -> Result<Channel, Fault> {
        let from = channel.version;
        let next = Channel {
            version: from + 1,
            ..channel
        };
        self.swap(
            UPDATE,
            args![
                next.name.as_str(),
                target(&next.way)?,
                kinds(&next.wanted)?,
                next.active,
                previous_until(&next.way).map(Instant::millis),
                next.version,
                seal(self, &next)?,
                next.id.to_string(),
                from
            ],
        )?;
        self.execute(FORGET, args![next.id.to_string()])?;
        self.record(&next, action, detail);
        Ok(next)
    }

    /// Removes a channel, and what was on its way over it.
    pub fn delete_channel(&mut self, channel: &Channel, detail: &str) -> Result<(), Fault> {
        let id = channel.id.to_string();
        // In the order in which the end of a try locks them too.
        self.execute(DELETE_DELIVERIES, args![&id])?;
        self.swap(DELETE, args![&id, channel.version])?;
        self.record_gone(channel, Action::ChannelDeleted, detail);
        Ok(())
    }
}

fn target(way: &Way) -> Result<String, Fault> {
    match way {
        Way::Email(to) => to_json(to),
        Way::Webhook(hook) => Ok(hook.url.as_str().to_owned()),
    }
}

fn kinds(wanted: &Wanted) -> Result<Option<String>, Fault> {
    match wanted {
        Wanted::All => Ok(None),
        Wanted::Kinds(kinds) => to_json(kinds).map(Some),
    }
}

fn previous_until(way: &Way) -> Option<Instant> {
    match way {
        Way::Email(_) => None,
        Way::Webhook(hook) => hook.previous.as_ref().map(|(_, until)| *until),
    }
}

/// The secrets of a webhook, the newest first, sealed for this very row.
pub(crate) fn seal(view: &View<'_>, channel: &Channel) -> Result<Vec<u8>, Fault> {
    let mut secrets = Zeroizing::new(Vec::with_capacity(2 * SECRET));
    if let Way::Webhook(hook) = &channel.way {
        secrets.extend_from_slice(hook.secret.expose());
        if let Some((previous, _)) = &hook.previous {
            secrets.extend_from_slice(previous.expose());
        }
    }
    view.keys.seal(&channel.context(), &secrets)
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<Channel>, Fault> {
    let blank = || SigningSecret::from_bytes([0; SECRET]);
    let read = |row: &Row| {
        let previous = opt_instant(row, 9)?.map(|until| (blank(), until));
        let way = match row.text(3)? {
            "email" => {
                let to: Vec<Email> = serde_json::from_str(row.text(4)?).map_err(shape)?;
                Way::email(to).map_err(shape)?
            }
            "webhook" => Way::Webhook(Webhook {
                url: HookUrl::new(row.text(4)?).map_err(shape)?,
                secret: blank(),
                previous,
            }),
            _ => return Err(shape("a channel is e-mail or a webhook")),
        };
        let wanted = match row.opt_text(5)? {
            None => Wanted::All,
            // Words of a later version stay: a channel that lists them works on.
            Some(kinds) => Wanted::Kinds(serde_json::from_str(kinds).map_err(shape)?),
        };
        Ok(Channel {
            id: parsed(row, 0)?,
            organization: parsed(row, 1)?,
            name: parsed(row, 2)?,
            way,
            wanted,
            active: row.flag(6)?,
            created_at: instant(row, 7)?,
            created_by: maker(row.text(8)?)?,
            version: row.int(10)?,
        })
    };
    view.keys
        .opened(row, row.text(0)?, 11, read, |channel, plain| {
            give(&mut channel.way, plain).is_some()
        })
}

/// Puts the opened secrets into their places, if they are as many.
fn give(way: &mut Way, plain: &[u8]) -> Option<()> {
    let Way::Webhook(hook) = way else {
        return plain.is_empty().then_some(());
    };
    let (current, rest) = plain.split_first_chunk::<SECRET>()?;
    hook.secret = SigningSecret::from_bytes(*current);
    match &mut hook.previous {
        None => rest.is_empty().then_some(()),
        Some((previous, _)) => {
            *previous = SigningSecret::from_bytes(rest.try_into().ok()?);
            Some(())
        }
    }
}
