//! What is kept of limits, so that a crash or a second process never lets more through.
//!
//! One process that counts alone holds a lease under a name, and sets blocks of units aside before it spends them. Where
//! several spend, each takes blocks with [`Store::lease_units`], which adds up a meter under its lock. A block counts from
//! then until a full window after the last moment at which it can have been spent.

use credential::time::{Instant, Span};

use crate::change::{View, page_size};
use crate::column::{instant, number, opt_instant, whole};
use crate::db::Row;
use crate::{Fault, Store, args};

/// Who alone counts what lies under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The name.
    pub name: String,
    /// Who holds it: a replica's id.
    pub holder: String,
    /// It is held before this moment.
    pub until: Instant,
    /// Grows with each new holder: what an earlier one still sends is refused.
    pub token: i64,
}

/// Units of a meter that were set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// What is counted: a limit and whose it is, in whatever spelling the caller keeps to.
    pub meter: String,
    /// When they were set aside; more for the same moment and holder are added to them.
    pub slice_at: Instant,
    /// Who may spend them.
    pub holder: String,
    /// How many.
    pub units: u64,
    /// The window of the limit.
    pub window: Span,
    /// The last moment at which they can have been spent; `None` while they still may be.
    pub closed_at: Option<Instant>,
}

/// The wish for a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What is counted.
    pub meter: String,
    /// How many units may be spent in any window.
    pub quota: u64,
    /// The window.
    pub window: Span,
    /// How many units are wished for.
    pub units: u64,
    /// Who will spend them.
    pub holder: String,
    /// Until when.
    pub until: Instant,
}

const TAKE: &str = "\
    INSERT INTO limit_lease (name, holder, held_until, token) VALUES ($1, $2, $3, 1)
    ON CONFLICT (name) DO UPDATE SET
        token = CASE WHEN limit_lease.holder = excluded.holder THEN limit_lease.token ELSE limit_lease.token + 1 END,
        holder = excluded.holder, held_until = excluded.held_until
    WHERE limit_lease.holder = excluded.holder OR limit_lease.held_until <= $4
    RETURNING name, holder, held_until, token";
const GET: &str = "SELECT name, holder, held_until, token FROM limit_lease WHERE name = $1";
const END: &str =
    "UPDATE limit_lease SET held_until = $1 WHERE name = $2 AND holder = $3 AND token = $4";
const HOLDS: &str = "\
    UPDATE limit_lease SET token = token WHERE name = $1 AND holder = $2 AND token = $3 AND held_until > $4";
const RESERVE: &str = "\
    INSERT INTO limit_block (meter, slice_at, holder, units, window_ms, closed_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (meter, slice_at, holder) DO UPDATE SET
        units = limit_block.units + excluded.units,
        closed_at = CASE WHEN limit_block.closed_at > excluded.closed_at
            THEN limit_block.closed_at ELSE excluded.closed_at END";
const CLOSE: &str = "UPDATE limit_block SET closed_at = $1 WHERE holder = $2 AND closed_at IS NULL";
const CLOSE_ONE: &str = "\
    UPDATE limit_block SET closed_at = $1 WHERE meter = $2 AND slice_at = $3 AND holder = $4 AND closed_at IS NULL";
const CLOSE_OTHERS: &str =
    "UPDATE limit_block SET closed_at = $1 WHERE holder <> $2 AND closed_at IS NULL";
const OF_METER: &str = "\
    SELECT meter, slice_at, holder, units, window_ms, closed_at FROM limit_block WHERE meter = $1
    ORDER BY slice_at, holder LIMIT $2";
const PAGE: &str = "\
    SELECT meter, slice_at, holder, units, window_ms, closed_at FROM limit_block
    WHERE (meter, slice_at, holder) > ($1, $2, $3)
    ORDER BY meter, slice_at, holder LIMIT $4";
const LOCK_METER: &str = "\
    INSERT INTO limit_meter (meter, leases) VALUES ($1, 1)
    ON CONFLICT (meter) DO UPDATE SET leases = limit_meter.leases + 1";
const COUNTED: &str = "\
    SELECT CAST(COALESCE(SUM(units), 0) AS BIGINT) FROM limit_block
    WHERE meter = $1 AND (closed_at IS NULL OR closed_at + window_ms >= $2)";
const PURGE: &str = "\
    DELETE FROM limit_block WHERE (meter, slice_at, holder) IN (
        SELECT meter, slice_at, holder FROM limit_block WHERE closed_at + window_ms < $1
        ORDER BY meter, slice_at, holder LIMIT $2)";

impl View<'_> {
    /// The lease under a name, held or ended.
    pub fn lease(&self, name: &str) -> Result<Option<Lease>, Fault> {
        self.row(GET, args![name])?
            .as_ref()
            .map(read_lease)
            .transpose()
    }

    /// The blocks of a meter, the oldest first.
    pub fn blocks_of(&self, meter: &str, limit: usize) -> Result<Vec<Reserved>, Fault> {
        self.rows(OF_METER, args![meter, page_size(limit)])?
            .iter()
            .map(read_block)
            .collect()
    }

    /// All blocks, by meter: what a process that starts builds its windows from.
    pub fn blocks_page(
        &self,
        after: Option<&Reserved>,
        limit: usize,
    ) -> Result<Vec<Reserved>, Fault> {
        let args = args![
            after.map_or("", |block| block.meter.as_str()),
            after.map_or(i64::MIN, |block| block.slice_at.millis()),
            after.map_or("", |block| block.holder.as_str()),
            page_size(limit)
        ];
        self.rows(PAGE, args)?.iter().map(read_block).collect()
    }
}

impl Store {
    /// Takes or renews the lease under a name until a moment; `None` when another holds it.
    pub async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        until: Instant,
        now: Instant,
    ) -> Result<Option<Lease>, Fault> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write(move |view| {
            let row = view.row(TAKE, args![&name, &holder, until.millis(), now.millis()])?;
            row.as_ref().map(read_lease).transpose()
        })
        .await
    }

    /// Ends a lease now; false when it was lost before.
    pub async fn end_lease(&self, lease: &Lease, now: Instant) -> Result<bool, Fault> {
        let lease = lease.clone();
        self.write(move |view| {
            Ok(view.execute(
                END,
                args![now.millis(), &lease.name, &lease.holder, lease.token],
            )? == 1)
        })
        .await
    }

    /// Sets blocks aside under a lease; false, and nothing is set aside, when the lease was lost.
    pub async fn reserve(
        &self,
        lease: &Lease,
        mut blocks: Vec<Reserved>,
        now: Instant,
    ) -> Result<bool, Fault> {
        let lease = lease.clone();
        sort(&mut blocks);
        self.write(move |view| {
            if view.execute(
                HOLDS,
                args![&lease.name, &lease.holder, lease.token, now.millis()],
            )? == 0
            {
                return Ok(false);
            }
            blocks
                .iter()
                .try_for_each(|block| view.set_aside(block))
                .map(|()| true)
        })
        .await
    }

    /// Says that nothing of these blocks will be spent after their [`Reserved::closed_at`].
    pub async fn close_blocks(&self, mut blocks: Vec<Reserved>) -> Result<(), Fault> {
        sort(&mut blocks);
        self.write(move |view| {
            for block in &blocks {
                let closed_at = block.closed_at.map(Instant::millis);
                view.execute(
                    CLOSE_ONE,
                    args![
                        closed_at,
                        &block.meter,
                        block.slice_at.millis(),
                        &block.holder
                    ],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// Says that a holder, which is stopping, spends nothing of its open blocks after this moment; says how many.
    pub async fn close_blocks_of(&self, holder: &str, at: Instant) -> Result<u64, Fault> {
        let holder = holder.to_owned();
        self.write(move |view| view.execute(CLOSE, args![at.millis(), &holder]))
            .await
    }

    /// Says that every holder but this one is gone: after a crash, the restart is the last moment at which their blocks
    /// can have been spent. For whoever took the lease of all counting.
    pub async fn close_blocks_of_others(&self, holder: &str, at: Instant) -> Result<u64, Fault> {
        let holder = holder.to_owned();
        self.write(move |view| view.execute(CLOSE_OTHERS, args![at.millis(), &holder]))
            .await
    }

    /// Takes a block out of a meter that several spend from: as much of the wish as the quota leaves, 0 when nothing. It
    /// counts until a full window after [`Wish::until`].
    pub async fn lease_units(&self, wish: Wish, now: Instant) -> Result<u64, Fault> {
        self.write(move |view| {
            view.execute(LOCK_METER, args![&wish.meter])?;
            let counted: u64 = number(&view.one(COUNTED, args![&wish.meter, now.millis()])?, 0)?;
            let units = wish.units.min(wish.quota.saturating_sub(counted));
            if units > 0 {
                view.set_aside(&Reserved {
                    meter: wish.meter.clone(),
                    slice_at: now,
                    holder: wish.holder.clone(),
                    units,
                    window: wish.window,
                    closed_at: Some(wish.until),
                })?;
            }
            Ok(units)
        })
        .await
    }

    /// Removes up to `limit` blocks that count no more; says how many.
    pub async fn purge_blocks(&self, now: Instant, limit: usize) -> Result<u64, Fault> {
        self.write(move |view| view.execute(PURGE, args![now.millis(), page_size(limit)]))
            .await
    }
}

impl View<'_> {
    fn set_aside(&self, block: &Reserved) -> Result<(), Fault> {
        self.execute(
            RESERVE,
            args![
                &block.meter,
                block.slice_at.millis(),
                &block.holder,
                whole(block.units),
                block.window.millis(),
                block.closed_at.map(Instant::millis)
            ],
        )?;
        Ok(())
    }
}

fn sort(blocks: &mut [Reserved]) {
    blocks.sort_by(|one, other| {
        (&one.meter, one.slice_at, &one.holder).cmp(&(&other.meter, other.slice_at, &other.holder))
    });
}

fn read_lease(row: &Row) -> Result<Lease, Fault> {
    Ok(Lease {
        name: row.text(0)?.to_owned(),
        holder: row.text(1)?.to_owned(),
        until: instant(row, 2)?,
        token: row.int(3)?,
    })
}

fn read_block(row: &Row) -> Result<Reserved, Fault> {
    Ok(Reserved {
        meter: row.text(0)?.to_owned(),
        slice_at: instant(row, 1)?,
        holder: row.text(2)?.to_owned(),
        units: number(row, 3)?,
        window: Span::from_millis(row.int(4)?),
        closed_at: opt_instant(row, 5)?,
    })
}
