//! Deliveries: notices on their way over channels.
//!
//! A notice is put into the queue in the transaction that raises it, once for each channel that wants it. Whichever
//! replica claims a delivery first tries it; a claim ends by itself, so that one of a replica that died is taken over.

use credential::id::{ChannelId, NoticeId, OrganizationId};
use credential::notice::channel::Channel;
use credential::notice::delivery::State;
use credential::time::{Instant, Span};

use crate::change::{View, page_size};
use crate::column::{instant, number, opt_instant, parsed};
use crate::db::Row;
use crate::guard::Found;
use crate::notices::Notice;
use crate::{Fault, Store, args};

/// The most channels of one organization: every one is read whenever a notice is raised.
pub const MAX_CHANNELS: usize = 20;

/// The number of the organization that runs the server, which the server's own notices are for.
pub const OPERATOR: i64 = 1;

/// A notice on its way over a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The channel.
    pub channel: ChannelId,
    /// The notice.
    pub notice: NoticeId,
    /// How it stands.
    pub state: State,
    /// When it was put into the queue.
    pub created_at: Instant,
    /// When it is tried next, while it is pending.
    pub due_at: Instant,
    /// How many times it was tried, or begun to be.
    pub tries: u32,
    /// When a try last ended.
    pub tried_at: Option<Instant>,
    /// What came of that, in words; empty before.
    pub outcome: String,
}

/// A delivery that this process tries, with all that it needs for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The channel's id.
    pub channel_id: ChannelId,
    /// The notice's id.
    pub notice_id: NoticeId,
    /// The channel, if it is there still.
    pub channel: Option<Found<Channel>>,
    /// The notice, if it is there still.
    pub notice: Option<Notice>,
    /// Which try this is, from 1; it tells this claim from later ones.
    pub tries: u32,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// How the delivery stands now.
    pub state: State,
    /// When it is tried next, if it is.
    pub due_at: Instant,
    /// What came of it, in words.
    pub outcome: String,
    /// When the try ended.
    pub at: Instant,
    /// Whether the channel works: `None` says nothing about it.
    pub works: Option<bool>,
}

const OPERATORS: &str = "SELECT id FROM organization WHERE number = $1";
const QUEUE: &str = "\
    INSERT INTO delivery (channel, notice, state, created_at, due_at, claimed_until, tries, tried_at, outcome)
    VALUES ($1, $2, 'pending', $3, $3, 0, 0, NULL, '')
    ON CONFLICT (channel, notice) DO NOTHING";
const PAGE: &str = "\
    SELECT channel, notice, state, created_at, due_at, tries, tried_at, outcome FROM delivery
    WHERE channel = $1 AND notice < COALESCE(CAST($2 AS TEXT), '~') ORDER BY notice DESC LIMIT $3";
/// The oldest few of each channel, so that a channel that hangs leaves room for the others.
const DUE: &str = "\
    SELECT channel, notice, tries FROM (
        SELECT channel, notice, tries, due_at,
            ROW_NUMBER() OVER (PARTITION BY channel ORDER BY due_at, notice) AS place
        FROM delivery WHERE state = 'pending' AND due_at <= $1 AND claimed_until <= $1) AS waiting
    WHERE place <= $2 ORDER BY place, due_at, channel LIMIT $3";
const CLAIM: &str = "\
    UPDATE delivery SET claimed_until = $1, tries = tries + 1
    WHERE channel = $2 AND notice = $3 AND state = 'pending' AND tries = $4 AND claimed_until <= $5";
const END: &str = "\
    UPDATE delivery SET state = $1, due_at = $2, claimed_until = 0, tried_at = $3, outcome = $4
    WHERE channel = $5 AND notice = $6 AND state = 'pending' AND tries = $7 AND claimed_until > 0";
const WORKS: &str = "\
    UPDATE notice_channel SET failing_since = NULL, failing_told = 0 WHERE id = $1 AND failing_since IS NOT NULL";
const FAILS: &str =
    "UPDATE notice_channel SET failing_since = $1 WHERE id = $2 AND failing_since IS NULL";
const TELL: &str = "\
    UPDATE notice_channel SET failing_told = 1 WHERE id = $1 AND failing_since = $2 AND failing_told = 0";
const PURGE: &str = "\
    DELETE FROM delivery WHERE (channel, notice) IN (
        SELECT channel, notice FROM delivery WHERE created_at < $1 ORDER BY created_at LIMIT $2)";

impl View<'_> {
    /// The deliveries over a channel, the newest notice first, before the given one.
    pub fn deliveries_page(
        &self,
        channel: ChannelId,
        before: Option<NoticeId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, Fault> {
        let before = before.map(|id| id.to_string());
        let args = args![channel.to_string(), before, page_size(limit)];
        self.rows(PAGE, args)?.iter().map(read).collect()
    }

    /// Puts a notice that was just raised into the queue of each channel that wants it.
    pub(crate) fn queue(&self, notice: &Notice) -> Result<(), Fault> {
        let Some(organization) = self.receives(notice)? else {
            return Ok(());
        };
        // A channel that was edited outside the server sends nothing: whoever edited it would receive it.
        let channels = self.channels_page(organization, None, MAX_CHANNELS)?;
        for channel in channels.into_iter().filter_map(Found::good) {
            if channel.wants(&notice.kind, &notice.subject) {
                let (channel, id) = (channel.id.to_string(), notice.id.to_string());
                self.execute(QUEUE, args![channel, id, notice.created_at.millis()])?;
            }
        }
        Ok(())
    }

    /// Whose channels a notice goes out over.
    fn receives(&self, notice: &Notice) -> Result<Option<OrganizationId>, Fault> {
        match notice.organization {
            Some(organization) => Ok(Some(organization)),
            None => self
                .row(OPERATORS, args![OPERATOR])?
                .map(|row| parsed(&row, 0))
                .transpose(),
        }
    }
}

impl Store {
    /// Claims up to `most` deliveries that are due, at most `each` of one channel, until `now` and `lease`. Of several
    /// processes that claim at once, each delivery is one's.
    pub async fn claim_deliveries(
        &self,
        now: Instant,
        lease: Span,
        most: usize,
        each: usize,
    ) -> Result<Vec<Claim>, Fault> {
        let due = self
            .view(move |view| {
                view.rows(DUE, args![now.millis(), page_size(each), page_size(most)])?
                    .iter()
                    .map(|row| Ok((parsed(row, 0)?, parsed(row, 1)?, number(row, 2)?)))
                    .collect::<Result<Vec<(ChannelId, NoticeId, u32)>, Fault>>()
            })
            .await?;
        // Nothing is written while nothing is due.
        if due.is_empty() {
            return Ok(Vec::new());
        }
        self.write(move |view| {
            let mut claims = Vec::new();
            for (channel, notice, tries) in &due {
                let args = args![
                    (now + lease).millis(),
                    channel.to_string(),
                    notice.to_string(),
                    i64::from(*tries),
                    now.millis()
                ];
                if view.execute(CLAIM, args)? == 1 {
                    claims.push(Claim {
                        channel_id: *channel,
                        notice_id: *notice,
                        channel: view.channel(*channel)?,
                        notice: view.notice(*notice)?,
                        tries: tries + 1,
                    });
                }
            }
            Ok(claims)
        })
        .await
    }

    /// Writes down how a claimed try ended; false when the claim had ended and the delivery is someone else's.
    pub async fn end_try(&self, claim: &Claim, tried: Tried) -> Result<bool, Fault> {
        let (channel, notice) = (claim.channel_id.to_string(), claim.notice_id.to_string());
        let tries = i64::from(claim.tries);
        self.write(move |view| {
            let args = args![
                tried.state.as_str(),
                tried.due_at.millis(),
                tried.at.millis(),
                &tried.outcome,
                &channel,
                &notice,
                tries
            ];
            let is_ours = view.execute(END, args)? == 1;
            match tried.works {
                Some(true) => view.execute(WORKS, args![&channel])?,
                Some(false) if is_ours => {
                    view.execute(FAILS, args![tried.at.millis(), &channel])?
                }
                _ => 0,
            };
            Ok(is_ours)
        })
        .await
    }

    /// Raises a notice that nothing gets through over a channel since a moment, once for that moment.
    pub async fn tell_of_failing(
        &self,
        channel: ChannelId,
        since: Instant,
        notice: Notice,
    ) -> Result<bool, Fault> {
        self.write(move |view| {
            let told = view.execute(TELL, args![channel.to_string(), since.millis()])? == 1;
            Ok(told && view.raise(&notice)?)
        })
        .await
    }

    /// Removes up to `limit` deliveries from before a moment; says how many.
    pub async fn purge_deliveries(&self, before: Instant, limit: usize) -> Result<u64, Fault> {
        self.write(move |view| view.execute(PURGE, args![before.millis(), page_size(limit)]))
            .await
    }
}

fn read(row: &Row) -> Result<Delivery, Fault> {
    Ok(Delivery {
        channel: parsed(row, 0)?,
        notice: parsed(row, 1)?,
        state: parsed(row, 2)?,
        created_at: instant(row, 3)?,
        due_at: instant(row, 4)?,
        tries: number(row, 5)?,
        tried_at: opt_instant(row, 6)?,
        outcome: row.text(7)?.to_owned(),
    })
}
