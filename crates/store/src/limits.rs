//! What processes tell each other of the meters that they spend from, so that a crash or a second process never lets
//! more through.
//!
//! A holder has at most one open block of a meter: units that it may spend before a moment. With each **turn** it moves
//! what it spent out of that block, beside what it spent before, and opens the block anew. Turns at one meter wait for
//! each other under the lock of the meter's row, which counts them: whoever takes a turn reads all that was taken before.
//! Why no window ever holds more than its quota so stands with the authority's limits, which spend.

use std::collections::BTreeSet;

use credential::limit::Block;
use credential::time::{Instant, Span};

use crate::change::{View, page_size};
use crate::column::{instant, number, whole};
use crate::db::Row;
use crate::{Fault, Store, args};

/// The most turns of one transaction: on SQLite others wait for it.
pub const MAX_TURNS: usize = 500;

/// One turn at a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What is counted: a limit and whose it is, in whatever spelling the caller keeps to.
    pub meter: String,
    /// Who takes the turn; two that count apart never share a name.
    pub holder: String,
    /// The window of the limit.
    pub window: Span,
    /// How much was spent out of the holder's block since its last turn, and after which moment none of it.
    pub spent: Block,
    /// To how many milliseconds what was spent is kept together.
    pub slice: Span,
    /// How much the holder may spend from now on, what is left of the earlier block included.
    pub open: u64,
    /// Until when: the block counts until a full window later, whether it is spent or not.
    pub until: Instant,
    /// The number of the holder's last turn.
    pub last: Option<i64>,
}

/// The last turn at a meter: what the holder spent, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What is counted.
    pub meter: String,
    /// Who counted.
    pub holder: String,
    /// The window of the limit.
    pub window: Span,
    /// To how many milliseconds what was spent is kept together.
    pub slice: Span,
    /// What was spent and still counts.
    pub blocks: Vec<Block>,
}

/// What a turn gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// Its number; of two turns at a meter the later has the greater one.
    pub number: i64,
    /// What the others spent or may spend and still counts; `None` when nobody had a turn since the holder's last.
    pub others: Option<Vec<Block>>,
}

// A row that comes back begins above every number it had: its holders would take the others' turns for their own.
const TAKE: &str = "\
    INSERT INTO limit_meter (meter, turns) VALUES ($1, CAST($2 AS BIGINT) * 1024)
    ON CONFLICT (meter) DO UPDATE SET turns = limit_meter.turns + 1
    RETURNING turns";
const SPENT: &str = "\
    INSERT INTO limit_block (meter, slice_at, holder, units, closed_at, over_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (meter, slice_at, holder) DO UPDATE SET
        units = limit_block.units + excluded.units,
        closed_at = CASE WHEN limit_block.closed_at > excluded.closed_at
            THEN limit_block.closed_at ELSE excluded.closed_at END,
        over_at = CASE WHEN limit_block.over_at > excluded.over_at
            THEN limit_block.over_at ELSE excluded.over_at END";
const OPEN: &str = "\
    INSERT INTO limit_block (meter, slice_at, holder, units, closed_at, over_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (meter, slice_at, holder) DO UPDATE SET
        units = excluded.units, closed_at = excluded.closed_at, over_at = excluded.over_at";
const CLOSE: &str = "DELETE FROM limit_block WHERE meter = $1 AND slice_at = $2 AND holder = $3";
// By the slice and not by the row: there are a thousand slices, however many holders came and went.
const OTHERS: &str = "\
    SELECT CAST(SUM(units) AS BIGINT), MAX(closed_at) FROM limit_block
    WHERE meter = $1 AND holder <> $2 AND over_at > $3
    GROUP BY slice_at";
const FORGET: &str = "DELETE FROM limit_block WHERE meter = $1 AND holder = $2";
const FORGET_METER: &str = "\
    DELETE FROM limit_meter
    WHERE meter = $1 AND NOT EXISTS (SELECT 1 FROM limit_block WHERE limit_block.meter = limit_meter.meter)";
const OVER: &str =
    "SELECT meter, slice_at, holder FROM limit_block WHERE over_at <= $1 ORDER BY over_at LIMIT $2";
const PURGE: &str =
    "DELETE FROM limit_block WHERE meter = $1 AND slice_at = $2 AND holder = $3 AND over_at <= $4";

/// Where the open block of a holder lies among its slices.
const OPEN_SLICE: i64 = -1;

impl Store {
    /// Takes these turns in one transaction, at most [`MAX_TURNS`], each at another meter.
    pub async fn take_turns(&self, turns: Vec<Turn>, now: Instant) -> Result<Vec<Turned>, Fault> {
        if turns.len() > MAX_TURNS {
            return Err(Fault::Unsupported("more than 500 turns at once"));
        }
        // In one order, so that two processes never wait for each other in a circle.
        let mut places: Vec<usize> = (0..turns.len()).collect();
        places.sort_by(|one, other| turns[*one].meter.cmp(&turns[*other].meter));
        self.write(move |view| {
            let mut turned = vec![
                Turned {
                    number: 0,
                    others: None
                };
                turns.len()
            ];
            for place in &places {
                turned[*place] = view.take_turn(&turns[*place], now)?;
            }
            Ok(turned)
        })
        .await
    }

    /// Puts exactly these blocks in the place of all that a holder has at its meters, at most [`MAX_TURNS`] of them: its
    /// last turns.
    pub async fn settle_meters(
        &self,
        mut settled: Vec<Settled>,
        now: Instant,
    ) -> Result<(), Fault> {
        if settled.len() > MAX_TURNS {
            return Err(Fault::Unsupported("more than 500 turns at once"));
        }
        settled.sort_by(|one, other| one.meter.cmp(&other.meter));
        self.write(move |view| {
            settled
                .iter()
                .try_for_each(|settled| view.settle(settled, now))
        })
        .await
    }

    /// Removes up to `limit` blocks that count no more, and the meters that have none then; says how many blocks.
    pub async fn purge_meters(&self, now: Instant, limit: usize) -> Result<u64, Fault> {
        self.write(move |view| {
            let (mut purged, mut meters) = (0, BTreeSet::new());
            for row in view.rows(OVER, args![now.millis(), page_size(limit)])? {
                let meter = row.text(0)?;
                purged +=
                    view.execute(PURGE, args![meter, row.int(1)?, row.text(2)?, now.millis()])?;
                meters.insert(meter.to_owned());
            }
            for meter in &meters {
                view.execute(FORGET_METER, args![meter])?;
            }
            Ok(purged)
        })
        .await
    }
}

impl View<'_> {
    fn take_turn(&self, turn: &Turn, now: Instant) -> Result<Turned, Fault> {
        let number = self.one(TAKE, args![&turn.meter, now.millis()])?.int(0)?;
        self.put_spent(
            (&turn.meter, &turn.holder),
            (turn.window, turn.slice),
            turn.spent,
            now,
        )?;
        if turn.open == 0 {
            self.execute(CLOSE, args![&turn.meter, OPEN_SLICE, &turn.holder])?;
        } else {
            let (until, over) = (turn.until.millis(), over_at(turn.until, turn.window));
            self.execute(
                OPEN,
                args![
                    &turn.meter,
                    OPEN_SLICE,
                    &turn.holder,
                    whole(turn.open),
                    until,
                    over
                ],
            )?;
        }
        if turn.open == 0 && turn.spent.units == 0 {
            self.execute(FORGET_METER, args![&turn.meter])?;
        }
        if turn.last.is_some_and(|last| last + 1 == number) {
            return Ok(Turned {
                number,
                others: None,
            });
        }
        let others = self.rows(OTHERS, args![&turn.meter, &turn.holder, now.millis()])?;
        let block = |row: &Row| {
            Ok(Block {
                units: units(row)?,
                closed: Some(instant(row, 1)?),
            })
        };
        Ok(Turned {
            number,
            others: Some(others.iter().map(block).collect::<Result<_, Fault>>()?),
        })
    }

    fn settle(&self, settled: &Settled, now: Instant) -> Result<(), Fault> {
        self.one(TAKE, args![&settled.meter, now.millis()])?;
        self.execute(FORGET, args![&settled.meter, &settled.holder])?;
        let names = (settled.meter.as_str(), settled.holder.as_str());
        let limit = (settled.window, settled.slice);
        settled
            .blocks
            .iter()
            .try_for_each(|block| self.put_spent(names, limit, *block, now))?;
        self.execute(FORGET_METER, args![&settled.meter])?;
        Ok(())
    }

    fn put_spent(
        &self,
        (meter, holder): (&str, &str),
        (window, slice): (Span, Span),
        spent: Block,
        now: Instant,
    ) -> Result<(), Fault> {
        if spent.units == 0 {
            return Ok(());
        }
        let closed = spent.closed.unwrap_or(now);
        let slice_at = closed.millis() - closed.millis().rem_euclid(slice.millis().max(1));
        let over = over_at(closed, window);
        self.execute(
            SPENT,
            args![
                meter,
                slice_at,
                holder,
                whole(spent.units),
                closed.millis(),
                over
            ],
        )?;
        Ok(())
    }
}

/// From when on a block counts no more that was last spent from at `closed`.
fn over_at(closed: Instant, window: Span) -> i64 {
    (closed + Span::from_millis(1) + window).millis()
}

fn units(row: &Row) -> Result<u64, Fault> {
    number(row, 0)
}
