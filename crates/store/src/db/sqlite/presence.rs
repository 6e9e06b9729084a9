//! Who has a database file open, and how the last one left.
//!
//! A file beside the database is locked (`flock`) by every process that has it open and says
//! whether the last one to leave closed it. The lock goes with its process, so after a crash the
//! next to arrive is alone, reads that nobody closed, and checks the database.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::Fault;

const OPEN: &str = "open\n";
const CLOSED: &str = "closed\n";

/// A process that has just come; nobody else gets past [`Presence::arrive`] until it stays.
pub(super) struct Arrival {
    presence: Presence,
    alone: bool,
    unclean: bool,
}

/// A process that has the database open.
pub(super) struct Presence {
    file: File,
    path: PathBuf,
}

impl Presence {
    pub(super) fn arrive(database: &Path) -> Result<Arrival, Fault> {
        let mut name = OsString::from(database);
        name.push("-open");
        let path = PathBuf::from(name);
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let mut file = options.map_err(|error| Fault::file(&path, error))?;
        let alone = lock_alone(&file, &path)?;
        if !alone {
            file.lock_shared()
                .map_err(|error| Fault::file(&path, error))?;
        }
        let empty = std::fs::metadata(database)
            .map_err(|error| Fault::file(database, error))?
            .len()
            == 0;
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(|error| Fault::file(&path, error))?;
        let unclean = alone && !empty && text != CLOSED;
        Ok(Arrival {
            presence: Self { file, path },
            alone,
            unclean,
        })
    }

    /// Marks the stop as clean if nobody else has the database open; else the last one does.
    pub(super) fn leave(mut self) -> Result<(), Fault> {
        if lock_alone(&self.file, &self.path)? {
            self.write(CLOSED)
        } else {
            Ok(())
        }
    }

    fn write(&mut self, text: &str) -> Result<(), Fault> {
        let file = &mut self.file;
        let mut written = || {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        written().map_err(|error| Fault::file(&self.path, error))
    }
}

impl Arrival {
    pub(super) fn after_unclean_stop(&self) -> bool {
        self.unclean
    }

    pub(super) fn stay(self) -> Result<Presence, Fault> {
        let mut presence = self.presence;
        if self.alone {
            presence.write(OPEN)?;
            presence
                .file
                .lock_shared()
                .map_err(|error| Fault::file(&presence.path, error))?;
        }
        Ok(presence)
    }
}

fn lock_alone(file: &File, path: &Path) -> Result<bool, Fault> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(Fault::file(path, error)),
    }
}
