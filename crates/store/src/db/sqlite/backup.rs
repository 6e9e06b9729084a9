//! A copy of the database at one moment, made while others read and write.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};

use super::{check_integrity, connect, connect_reader, fault};
use crate::Fault;

/// Copies `source` into the new file `target`, which appears only when it is whole, checked and on the disk.
pub(super) fn copy(source: &Path, target: &Path) -> Result<(), Fault> {
    if fs::symlink_metadata(target).is_ok() {
        return Err(Fault::file(target, io::ErrorKind::AlreadyExists.into()));
    }
    let mut part = OsString::from(target);
    part.push(".part");
    let part = PathBuf::from(part);
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part);
    drop(created.map_err(|error| Fault::file(&part, error))?);
    let finished = fill(source, &part).and_then(|()| {
        let named = fs::rename(&part, target).and_then(|()| sync_directory_of(target));
        named.map_err(|error| Fault::file(target, error))
    });
    if finished.is_err() {
        drop(fs::remove_file(&part));
    }
    finished
}

/// One step over all pages is one read transaction, so the copy is of one moment and starts over
/// for nobody; the WAL grows meanwhile.
fn fill(source: &Path, part: &Path) -> Result<(), Fault> {
    let from = connect_reader(source)?;
    let mut to = connect(part)?;
    let backup = Backup::new(&from, &mut to).map_err(fault)?;
    match backup.step(-1).map_err(fault)? {
        StepResult::Done => {}
        _ => {
            return Err(Fault::Busy {
                what: "the database to be copied",
            });
        }
    }
    drop(backup);
    check_integrity(&to)?;
    to.close().map_err(|(_, error)| fault(error))?;
    File::open(part)
        .and_then(|file| file.sync_all())
        .map_err(|error| Fault::file(part, error))
}

fn sync_directory_of(file: &Path) -> io::Result<()> {
    let directory = file
        .parent()
        .filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
